"""Near-duplicates: copies that were worked on are found, other clips and other takes are not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from sonoscope.data import certificate, duplicates, fingerprint, splits
from sonoscope.data.duplicates import Index, similarity
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.units import united
from sonoscope.errors import UnreadableAudio, UsageError

RATE = 22_050


def tune(seed: int, seconds: float = 5.0) -> np.ndarray:
    """Plucked notes at random times with harmonics, and soft noise: other in every phase for another seed."""
    rng = np.random.default_rng(seed)
    sound = 0.003 * rng.standard_normal(round(seconds * RATE))
    since = np.arange(round(0.7 * RATE)) / RATE
    for start_s in np.sort(rng.uniform(0, seconds - 0.2, round(4 * seconds))):
        f0 = 110 * 2 ** (rng.integers(0, 36) / 12)
        note = sum(np.sin(2 * np.pi * k * f0 * since + rng.uniform(0, 6)) / k for k in range(1, 6))
        here = sound[round(start_s * RATE) :][: since.size]
        here += (note * np.exp(-6 * since) * rng.uniform(0.1, 0.4))[: here.size]
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def mp3(samples: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=0.8)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


ONE = tune(1)
COPIES = {
    "same": (ONE, RATE),
    "soft": (0.05 * ONE, RATE),
    "left-only": (np.stack([ONE, 0 * ONE], axis=1), RATE),
    "mp3": (mp3(ONE), RATE),
    "telephone": (soxr.resample(ONE, RATE, 8_000), 8_000),
    "studio": (soxr.resample(ONE, RATE, 48_000), 48_000),
    "later": (np.concatenate([tune(77, 1.234), ONE]), RATE),
    "middle": (ONE[RATE : 4 * RATE], RATE),
    "overlap": (np.concatenate([ONE[2 * RATE :], tune(78, 1.0)]), RATE),
    "worst": (mp3(0.3 * soxr.resample(ONE[7_777:99_999], RATE, 22_050)), RATE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duplicates")
    soundfile.write(folder / "one.wav", ONE, RATE)
    for name, (samples, rate) in COPIES.items():
        soundfile.write(folder / f"{name}.flac", samples, rate)
    for seed in range(2, 8):
        soundfile.write(folder / f"other{seed}.wav", tune(seed), RATE)
    soundfile.write(folder / "silence.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "click.wav", np.eye(1, 50)[0], RATE)
    return folder


def listed(folder: Path, *names: str) -> Manifest:
    return Manifest(tuple(Row(name, group=name) for name in names), folder)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_among_others_and_nothing_else_is(folder: Path, name: str):
    others = [f"other{seed}.wav" for seed in range(2, 8)]
    m = listed(folder, "one.wav", *others, f"{name}.flac", "silence.wav", "click.wav")
    (pair,) = duplicates.find(m)
    assert (m.rows[pair.first].path, m.rows[pair.second].path) == ("one.wav", f"{name}.flac")
    assert pair.similarity >= duplicates.SIMILAR
    offset_s = {"later": -1.234, "middle": 1.0, "overlap": 2.0, "worst": 7_777 / RATE}.get(name, 0.0)
    assert pair.offset_s == pytest.approx(offset_s, abs=0.06 if name in ("mp3", "worst") else 1e-3)
    assert pair.shared_s <= 5.0 + 1e-3


def test_near_duplicates_stay_together_and_the_certificate_is_clean(folder: Path):
    m = listed(folder, *(f"other{seed}.wav" for seed in range(2, 8)), "one.wav", "mp3.flac", "later.flac")
    m = replace(m, rows=tuple(replace(row, duration_s=5.0) for row in m.rows))
    pairs = duplicates.find(m)
    assert len(pairs) == 3
    out = splits.assign(m, parts={"train": 0.6, "test": 0.4}, ties=[(p.first, p.second) for p in pairs])
    assert len({row.split for row in out.rows[-3:]}) == 1
    assert certificate.certify(out, pairs=pairs).is_clean
    leaking = replace(out, rows=tuple(replace(r, split="ab"[i % 2]) for i, r in enumerate(out.rows)))
    found = certificate.certify(leaking, pairs=pairs)
    assert found.near_duplicates == 2 and "sound the same" in found.text()


def test_rows_that_stay_together_anyway_are_not_compared(folder: Path):
    m = listed(folder, "one.wav", "mp3.flac", "later.flac")
    assert [(p.first, p.second) for p in duplicates.find(m, apart=["x", "x", "y"])] == [(0, 2), (1, 2)]
    halves = (Row("one.wav", 0, 2.5), Row("one.wav", 0.5, 2.5))
    assert duplicates.find(Manifest(halves, folder)) == [], "parts of one file are told by their times"


def test_what_cannot_be_heard_is_reported(folder: Path):
    (folder / "text.wav").write_text("no sound")
    m = listed(folder, "one.wav", "text.wav", "missing.wav", "mp3.flac")
    problems = []
    (pair,) = duplicates.find(m, report=problems.append)
    assert (pair.first, pair.second) == (0, 3)
    assert [p.path for p in problems] == ["text.wav", "missing.wav"]
    with pytest.raises(UnreadableAudio, match=r"text\.wav"):
        duplicates.find(m)
    with pytest.raises(UsageError, match="similar=0 must lie in"):
        duplicates.find(m, similar=0)


def test_another_take_of_a_note_is_no_copy():
    """The same pitches, partials and envelope, other phases: the same peaks, another waveform."""
    time_s = np.arange(16_000) / fingerprint.SAMPLE_RATE
    takes = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        takes.append(
            sum(np.sin(2 * np.pi * 220 * k * time_s + rng.uniform(0, 6)) / k for k in range(1, 9))
            * np.exp(-2 * time_s)
        )
    index = Index()
    for place, take in enumerate(takes):
        index.add(place, take.astype(np.float32))
    found = similarity(takes[0], takes[1], 0)
    assert found is None or found[0] < duplicates.SIMILAR
    assert similarity(takes[0], 0.1 * takes[0], 0)[0] == pytest.approx(1, abs=1e-6)


def test_similarity_is_the_correlation_coefficient():
    rng = np.random.default_rng(0)
    a = np.cumsum(rng.standard_normal(9_000))
    a -= a.mean()
    smooth = soxr.resample(
        soxr.resample(a, 8_000, 6_000), 6_000, 8_000
    )  # nothing above the band that is compared
    b = smooth + 0.2 * soxr.resample(soxr.resample(rng.standard_normal(9_000), 8_000, 6_000), 6_000, 8_000)
    value, offset, shared = similarity(smooth[500:], b, -500)
    expected = np.corrcoef(np.diff(smooth[500:]), np.diff(b[500:]))[0, 1]
    assert value == pytest.approx(expected, abs=0.01) and offset == -500 and shared == 8_500
    assert similarity(a, 0 * a, 0) is None
    assert similarity(a, a, 8_900) is None, "too little is shared"


def test_hashes_do_not_depend_on_level_or_block(monkeypatch: pytest.MonkeyPatch):
    samples = soxr.resample(ONE, RATE, fingerprint.SAMPLE_RATE)
    whole = fingerprint.hashes(samples)
    for mine, other in zip(whole, fingerprint.hashes(0.25 * samples), strict=True):
        np.testing.assert_array_equal(mine, other)
    monkeypatch.setattr(fingerprint, "_BLOCK", 37)
    for mine, other in zip(whole, fingerprint.hashes(samples), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert 50 < whole[0].size / 5 < 500
    assert fingerprint.hashes(np.zeros(8_000, np.float32))[0].size == 0
    assert fingerprint.hashes(np.zeros(0, np.float32))[0].size == 0


def test_a_full_index_thins_out_and_still_finds():
    samples = soxr.resample(ONE, RATE, fingerprint.SAMPLE_RATE)
    index = Index(most=400)
    for place in range(6):
        index.add(place, samples if place in (0, 5) else soxr.resample(tune(20 + place), RATE, 8_000))
    assert index._held <= 400
    assert (0, 5, 0) in [found[:3] for found in index.candidates(list(range(6)))]
    assert Index().candidates([]) == []


def test_a_hash_that_is_everywhere_costs_its_own_pairs_only():
    """Every two occurrences meet once, and what is looked at in all is not all hashes for each of them."""
    rng = np.random.default_rng(4)
    hashed = np.sort(np.concatenate([rng.integers(0, 30_000, 20_000), np.full(400, 7)])).astype(np.uint32)
    owners = np.arange(hashed.size, dtype=np.int32) % 50
    times = rng.integers(0, 1000, hashed.size).astype(np.int32)
    looked_at = 0

    class Counted(np.ndarray):
        def __getitem__(self, place):
            nonlocal looked_at
            found = super().__getitem__(place)
            looked_at += found.size if isinstance(place, slice) else 0
            return found

    groups = np.split(np.arange(hashed.size), np.flatnonzero(np.diff(hashed)) + 1)
    pairs = [(i, j) for group in groups for i in group.tolist() for j in group.tolist() if i < j]
    wanted = [times[i] - times[j] for i, j in pairs if owners[i] != owners[j]]
    found = np.concatenate(
        list(duplicates._coincidences(hashed.view(Counted), owners, times, np.arange(50, dtype=np.int32)))
    )
    delays = (found & ((1 << duplicates._TIME_BITS) - 1)) - (1 << (duplicates._TIME_BITS - 1))
    assert sorted(delays.tolist()) == sorted(map(int, wanted))
    assert looked_at < 20 * len(pairs)


def test_ties_make_sets():
    assert united(5, []).tolist() == [0, 1, 2, 3, 4]
    assert united(6, [(4, 1), (2, 3), (5, 4), (0,)]).tolist() == [0, 1, 2, 2, 1, 1]


@pytest.mark.data
def test_the_same_marimba_in_two_libraries(data_dir: Path):
    """Recordings of VCSL and of VSCO 2 CE that are the same, though the collection calls them two origins."""
    names = ["keyboardia_cc0/marimba/marimba_F2-ff.ogg", "vsco2_ce/marimba/vsco2-marimba_f1.ogg",
             "keyboardia_cc0/marimba/marimba_G3-ff.ogg", "vsco2_ce/marimba/vsco2-marimba_g2.ogg"]  # fmt: skip
    if not all((data_dir / name).is_file() for name in names):
        pytest.skip("another collection")
    found = duplicates.find(listed(data_dir, *names))
    assert [(pair.first, pair.second) for pair in found] == [(0, 1), (2, 3)]
