"""Note scores: checks, files, folding; and windows put together."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoscope.errors import UsageError
from sonoscope.features.tempo import tempo_of
from sonoscope.notes import stitch
from sonoscope.notes.decode import decode
from sonoscope.notes.scores import (
    Keeper,
    NoteScores,
    UnreadableScores,
    concatenate,
    load,
    load_about,
    load_blocks,
    save,
)


def some(n_frames: int = 300, seed: int = 0, velocity: bool = True) -> NoteScores:
    rng = np.random.default_rng(seed)
    tables = rng.random((3, n_frames, 88), dtype=np.float32)
    return NoteScores(tables[0], tables[1], 0.0116, 0.0058, tables[2] if velocity else None)


def same(one: NoteScores, two: NoteScores) -> bool:
    tables = zip(one.tables().items(), two.tables().items(), strict=True)
    return (one.hop_s, one.first_s, one.lowest) == (two.hop_s, two.first_s, two.lowest) and all(
        a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in tables
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("velocity", [True, False])
def test_a_file_gives_back_rounded_scores_and_the_same_notes(bits: int, velocity: bool, tmp_path: Path):
    scores = some(velocity=velocity)
    save(scores, tmp_path / "a.npz", bits=bits)
    again = load(tmp_path / "a.npz")
    assert same(again, scores.rounded(bits))
    for one, two in zip(again.tables().values(), scores.tables().values(), strict=True):
        assert np.abs(one - two).max() <= 0.505 / (250 if bits == 8 else 10_000)
    wanted = scores if bits == 16 else scores.rounded(8)
    assert [vars_of(n) for n in decode(again)] == [vars_of(n) for n in decode(wanted)]


def vars_of(note) -> tuple:
    return note.start_s, note.end_s, note.pitch, note.velocity, note.score, note.flags


def test_blocks_are_kept_one_by_one_and_numpy_reads_them(tmp_path: Path):
    scores = some()
    with Keeper(tmp_path / "a.npz") as keeper:
        for block in scores.blocks(110):
            keeper.add(block)
    assert [len(block) for block in load_blocks(tmp_path / "a.npz")] == [110, 110, 80]
    assert same(load(tmp_path / "a.npz"), scores.rounded(16))
    with np.load(tmp_path / "a.npz") as file:
        assert file["onset_00001"].dtype == np.uint16 and file["onset_00001"].shape == (110, 88)
    save(scores, tmp_path / "b.npz")
    first = (tmp_path / "b.npz").read_bytes()
    save(scores, tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_music_is_small(tmp_path: Path):
    """A minute of mostly silence, as music is to 88 pitches, is far below a byte a value."""
    scores = some(5000)
    quiet = scores.onset < 0.95
    for table in scores.tables().values():
        table[quiet] = 0
    save(scores, tmp_path / "a.npz", bits=8)
    assert (tmp_path / "a.npz").stat().st_size < 3 * scores.onset.size / 5


def test_a_write_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="stopped"), Keeper(tmp_path / "a.npz") as keeper:
        keeper.add(some(10))
        raise RuntimeError("stopped")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_scores(tmp_path: Path):
    for content in (b"", b"PK\x03\x04 damaged", b"text"):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(UnreadableScores, match=r"x\.npz: no note scores can be read from it"):
            load(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", about=np.array('{"schema": 99}'))
    with pytest.raises(UnreadableScores, match=r"version 99, this program reads 1\. Update it"):
        load(tmp_path / "y.npz")
    with pytest.raises(UnreadableScores, match="FileNotFoundError"):
        load(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sustain": np.zeros((3, 87))}, r"\(3, 88\), \(3, 87\); all must be the same"),
        ({"velocity": np.zeros((2, 88))}, r"all must be the same \(frames, pitches\)"),
        ({"hop_s": 0.0}, r"hop_s=0\.0 and first_s=0\.0: seconds are needed, a hop above 0"),
        ({"lowest": 60}, r"88 pitches from 60 on are no MIDI numbers; those are 0\.\.127"),
    ],
)
def test_what_is_no_scores(change: dict, message: str):
    with pytest.raises(UsageError, match=message):
        NoteScores(**({"onset": np.zeros((3, 88)), "sustain": np.zeros((3, 88)), "hop_s": 0.01} | change))


def test_other_bits_and_no_block_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="bits=12: note scores are kept in 8 or 16 bits"):
        save(some(1), tmp_path / "a.npz", bits=12)
    with pytest.raises(UsageError, match="note scores of no block"):
        concatenate([])


def test_a_tempo_is_heard_in_the_onsets():
    onset = np.zeros((2000, 88))
    onset[::50, 40] = onset[::50, 44] = 0.9
    scores = NoteScores(onset, onset, 0.01)
    found = tempo_of(scores.strength(), 1 / scores.hop_s)
    assert found is not None and found.beats_per_minute == pytest.approx(120, rel=0.005)


# ---- windows -----------------------------------------------------------------------------------------------


@given(n=st.integers(0, 500), window=st.integers(1, 80), margin=st.integers(0, 39))
def test_every_frame_is_kept_once_and_away_from_edges(n: int, window: int, margin: int):
    if 2 * margin >= window:
        with pytest.raises(UsageError, match="keep a frame"):
            stitch.plan(n, window, margin)
        return
    kept = stitch.plan(n, window, margin)
    padded = np.arange(n + window)
    windows = [padded[k.start : k.start + window] for k in kept]
    whole = np.concatenate([np.zeros(0, int), *stitch.stitch(windows, kept)])
    assert np.array_equal(whole, np.arange(n))
    for number, k in enumerate(kept):
        assert 0 <= k.first < k.last <= window
        assert number == 0 or k.first == margin
        assert number == len(kept) - 1 or k.last == window - margin


def test_a_windowed_network_with_enough_margin_is_the_whole_one():
    """A moving sum over 7 frames, run in windows with zeros around each, is exact where margins hide the edges."""
    rng = np.random.default_rng(3)
    signal, kernel = rng.random(333), np.ones(7)
    kept = stitch.plan(len(signal), 50, 3)
    padded = np.concatenate([signal, np.zeros(50)])
    windows = (np.convolve(padded[k.start : k.start + 50], kernel, "same") for k in kept)
    assert np.allclose(
        np.concatenate(list(stitch.stitch(windows, kept))), np.convolve(signal, kernel, "same")
    )


def test_an_open_file_is_written_and_stays_open(rng: np.random.Generator) -> None:
    file, scores = io.BytesIO(), NoteScores(rng.random((50, 88)), rng.random((50, 88)), 0.02)
    with Keeper(file, bits=8) as keeper:
        keeper.add(scores)
        keeper.about |= {"model": "notes", "bits": 3}
    assert load_about(file)["model"] == "notes" and load_about(file)["bits"] == 8
    assert np.array_equal(load(file).onset, scores.rounded(8).onset)


def test_a_recording_without_frames_has_no_blocks() -> None:
    with Keeper(file := io.BytesIO()):
        pass
    assert list(load_blocks(file)) == []


def test_damage_is_found_out(rng: np.random.Generator) -> None:
    """Whatever is wrong with a file, it is said so; nothing else is taken for its scores."""
    with Keeper(file := io.BytesIO(), bits=8) as keeper:
        for _ in range(3):
            keeper.add(NoteScores(rng.random((9, 88)), rng.random((9, 88)), 0.02, 0.0, rng.random((9, 88))))
    whole, refused = file.getvalue(), 0
    for _ in range(300):
        at, count = int(rng.integers(len(whole))), int(rng.integers(1, 40))
        damaged = whole[:at] + bytes(rng.integers(0, 256, count).astype(np.uint8)) + whole[at + count :]
        try:
            assert np.array_equal(load(io.BytesIO(damaged)).onset, load(file).onset)
        except UnreadableScores:
            refused += 1
    assert refused > 200
