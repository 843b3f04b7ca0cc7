"""Segments for notes: labels against a recount over every frame and note, powers that add, shifts that transpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.mix.bank import Bank, Stem, build
from sonoscope.data.mix.notemix import KEYS, NoteMix, NoteMixSpec, read_notes, targets
from sonoscope.errors import UsageError
from sonoscope.features import LogMel, NoteFreq

RATE, HOP = 24_000, 480
#: Nothing but the stems: no noise, no shift, no equaliser.
PLAIN = NoteMixSpec(
    frames=40, parts=(1.0,), drums_share=0.0, transpose=0, detune_share=0.0, equaliser_db=0.0,
    noise_share=0.0, band_limit_share=0.0, quiet_share=0.0, level_db=(-20.0, -20.0),
)  # fmt: skip


def tone(pitch: int, onset_s: float, offset_s: float, duration_s: float) -> np.ndarray:
    """A harmonic sound from onset to offset."""
    time_s = np.arange(round(duration_s * RATE)) / RATE
    f = 440.0 * 2 ** ((pitch - 69) / 12)
    wave = sum(np.sin(2 * np.pi * f * h * time_s) / h for h in range(1, 5))
    return (0.1 * wave * ((time_s >= onset_s) & (time_s < offset_s))).astype(np.float32)


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> tuple[Bank, dict[str, np.ndarray]]:
    """Two stems of two seconds, each two notes, and a click that has none."""
    folder = tmp_path_factory.mktemp("bank")
    stems, notes = [], {}
    for name, pitches in (("piano", (60, 64)), ("flute", (72, 76)), ("drums", ())):
        sound = np.zeros(2 * RATE, dtype=np.float32)
        held = [(0.3 + 0.7 * k, 0.8 + 0.7 * k, pitch, 100 - 20 * k) for k, pitch in enumerate(pitches)]
        for on, off, pitch, _ in held:
            sound += tone(pitch, on, off, 2.0)
        if not held:
            sound[RATE] = 1.0
        soundfile.write(folder / f"{name}.wav", sound, RATE)
        stems.append(Stem(folder / f"{name}.wav", name, (), (), name, "font", "", False))
        if held:
            notes[name] = np.array(held)
    return build(folder / "bank", stems, NoteFreq()), notes


def recounted(notes: np.ndarray, n: int, first: int) -> np.ndarray:
    """The targets by asking every frame about every note."""
    found = np.zeros((3, n, KEYS), dtype=np.float64)
    for frame in range(n):
        at = (first + frame) * HOP
        for onset_s, offset_s, pitch, velocity in notes:
            key = round(pitch) - 21
            if not 0 <= key < KEYS:
                continue
            height = max(0.0, 1 - abs(at - onset_s * RATE) / (1.6 * HOP))
            found[0, frame, key] = max(found[0, frame, key], height)
            if round(onset_s * RATE) <= at < round(offset_s * RATE):
                found[1, frame, key] = 1
            if height > 0:
                found[2, frame, key] = max(found[2, frame, key], velocity / 127)
    return found


@pytest.mark.parametrize("first", [0, 17, -9])
def test_targets_are_those_of_a_recount(first: int) -> None:
    rng = np.random.default_rng(first + 20)
    onsets = rng.uniform(-0.2, 1.5, 120)
    notes = np.stack(
        [onsets, onsets + rng.uniform(0.03, 0.8, 120), rng.integers(15, 115, 120), rng.integers(1, 128, 120)],
        axis=1,
    )
    found = targets(notes, 60, hop_samples=HOP, sample_rate=RATE, first=first)
    np.testing.assert_allclose(found, recounted(notes, 60, first), atol=1e-5)


def test_a_note_on_a_frame_is_a_triangle_around_it() -> None:
    found = targets(np.array([[0.2, 0.3, 69, 127]]), 20, hop_samples=HOP, sample_rate=RATE)
    np.testing.assert_allclose(found[0, 8:13, 48], [0, 0.375, 1, 0.375, 0], atol=1e-6)
    assert np.flatnonzero(found[1, :, 48]).tolist() == [10, 11, 12, 13, 14]
    assert found[:, :, np.arange(88) != 48].sum() == 0


def test_a_segment_is_the_stem_at_the_frames_that_its_targets_judge(bank) -> None:
    stored, notes = bank
    field, ahead = 7, 2
    mix = NoteMix([stored], {"piano": notes["piano"]}, field=field, look_ahead=ahead, spec=PLAIN)
    whole = stored.item(0).astype(np.float64)
    truth = recounted(notes["piano"], 200, -40)
    places = set()
    for rows, found in (mix.draw(np.random.default_rng(seed)) for seed in range(20)):
        assert rows.shape == (46, 620) and found.shape == (3, 40, 88)
        # The stem's own place: the only one whose targets are these.
        if found[0].sum() < 1:
            continue
        match = [k for k in range(160) if np.allclose(truth[:, k : k + 40], found, atol=1e-5)]
        for k in match:
            begin = k - 40 - (field - 1 - ahead)
            inside = [j for j in range(46) if 0 <= begin + j < len(whole)]
            level = rows[inside] - whole[[begin + j for j in inside]]
            loud = whole[[begin + j for j in inside]] > -60
            if loud.any() and np.ptp(level[loud]) < 0.2:
                places.add(k)
                break
        else:
            raise AssertionError("the rows are not those of the frames that are judged")
    assert len(places) > 4


def test_powers_add_and_notes_unite(bank) -> None:
    stored, notes = bank
    both = NoteMix(
        [stored], notes, field=1, look_ahead=0,
        spec=NoteMixSpec(**{**PLAIN.__dict__, "frames": 150, "parts": (0.0, 1.0), "part_gain_db": (0.0, 0.0)}),
    )  # fmt: skip
    pitches = set()
    for seed in range(20):
        _, found = both.draw(np.random.default_rng(seed))
        pitches.add(frozenset((np.flatnonzero(found[1].any(axis=0)) + 21).tolist()))
    assert any(len(p & {60, 64}) and len(p & {72, 76}) for p in pitches)


def test_a_transposition_moves_sound_and_labels_together(bank) -> None:
    stored, notes = bank
    mix = NoteMix(
        [stored], {"piano": notes["piano"]}, field=1, look_ahead=0,
        spec=NoteMixSpec(**{**PLAIN.__dict__, "transpose": 12}),
    )  # fmt: skip
    seen, frequencies = set(), NoteFreq().frequencies_hz
    for seed in range(25):
        rows, found = mix.draw(np.random.default_rng(seed))
        for key in np.flatnonzero(found[1].sum(axis=0) > 15):
            frame = np.flatnonzero(found[1, :, key])[14]
            if found[1, frame].sum() == 1:
                heard = 69 + 12 * np.log2(frequencies[rows[frame, :310].argmax()] / 440)
                assert heard == pytest.approx(key + 21, abs=0.4)
                seen.add(int(key))
    assert len(seen) > 6


def test_what_has_no_notes_sounds_beside_them_and_is_never_the_first(bank) -> None:
    stored, notes = bank
    only = {"piano": notes["piano"]}  # the flute of the bank has no notes here: it is what is said beside
    silent = {**PLAIN.__dict__, "quiet_share": 1.0}
    mixes = [
        NoteMix([stored], only, field=1, look_ahead=0, spec=NoteMixSpec(**{**silent, "beside": beside}))
        for beside in (None, {"flute": 0.25})
    ]
    loud = []
    for mix in mixes:
        drawn = [mix.draw(np.random.default_rng(seed)) for seed in range(10)]
        assert not any(found.any() for _, found in drawn)
        frequencies = NoteFreq().frequencies_hz
        near = np.abs(12 * np.log2(frequencies / 523.25)) < 0.5  # C5, the flute's first note
        loud.append(
            sum(bool((rows[:, :310][:, near] - rows[:, :310].mean() > 15).any()) for rows, _ in drawn)
        )
    assert loud[1] > loud[0], loud
    with pytest.raises(UsageError, match="no stem of the banks has notes"):
        NoteMix([stored], {}, field=1, look_ahead=0, spec=NoteMixSpec(beside={"piano": 0.5}))


def test_the_same_number_gives_the_same_batch(bank) -> None:
    stored, notes = bank
    mix = NoteMix([stored], notes, field=5, look_ahead=1)
    batches = mix.batches(3, 2)
    next(batches)
    second, again = next(batches), next(mix.batches(3, 2, first=1))
    for one, other in zip(second, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


def test_notes_are_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("onset,offset,pitch,velocity,label,score\n1.0,1.5,60,90,piano,1\n0.5,2,64,80,piano,1\n")
    assert read_notes(file).tolist() == [[0.5, 2.0, 64.0, 80.0], [1.0, 1.5, 60.0, 90.0]]


def test_what_cannot_be_mixed_is_refused(bank, tmp_path: Path) -> None:
    stored, notes = bank
    with pytest.raises(UsageError, match="no stem of the banks has notes"):
        NoteMix([stored], {}, field=1, look_ahead=0)
    soundfile.write(tmp_path / "a.wav", tone(60, 0.0, 1.0, 1.0), RATE)
    other = build(tmp_path / "bank", [Stem(tmp_path / "a.wav", "a", (), (), "a", "", "", False)], LogMel())
    with pytest.raises(UsageError, match="of the same feature"):
        NoteMix([stored, other], notes, field=1, look_ahead=0)
