"""Figures for notes against mir_eval, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.evaluation import notes
from sonoscope.evaluation.notes import Counts, Figures
from sonoscope.values import Event


def note(start_s: float, end_s: float, pitch: float) -> Event:
    return Event(start_s, end_s, "note", 1.0, pitch=pitch)


def some() -> st.SearchStrategy[list[Event]]:
    """Notes on a grid of 10 ms, so that distances of exactly 50 ms and exactly a fifth happen."""
    one = st.builds(
        lambda start, length, pitch: note(start / 100, (start + length) / 100, pitch),
        st.integers(0, 60), st.integers(1, 60), st.sampled_from([60.0, 60.3, 61.0, 72.0]),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=12)


@settings(deadline=None, max_examples=150)
@given(reference=some(), estimate=some())
def test_notes_are_matched_as_in_mir_eval(reference, estimate):
    transcription = pytest.importorskip("mir_eval.transcription")
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    for offsets, ratio in ((False, None), (True, 0.2)):
        expected = transcription.precision_recall_f1_overlap(
            true.intervals,
            notes.hertz(true.pitch),
            said.intervals,
            notes.hertz(said.pitch),
            offset_ratio=ratio,
        )
        pairs = notes.matched(true, said, offsets=offsets)
        counts = Counts(len(pairs), len(true), len(said))
        assert (counts.precision, counts.recall, counts.f1) == pytest.approx(expected[:3])
        assert len({r for r, _ in pairs}) == len({e for _, e in pairs}) == len(pairs)


@settings(deadline=None, max_examples=40)
@given(reference=some(), estimate=some())
def test_frames_are_counted_as_in_mir_eval(reference, estimate):
    multipitch = pytest.importorskip("mir_eval.multipitch")
    # Whole semitones: mir_eval matches within half of one, here pitches are rounded.
    reference, estimate = (
        [note(e.start_s, e.end_s, round(e.pitch)) for e in es] for es in (reference, estimate)
    )
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    rolls = notes.frames_of(true, said)
    times = np.arange(len(rolls[0])) * notes.FRAME_S
    freqs = [[notes.hertz(np.flatnonzero(row)) for row in one] for one in rolls]
    precision, recall, *_ = multipitch.metrics(times, freqs[0], times, freqs[1])
    counts = notes.frame_counts(true, said)
    assert (counts.precision, counts.recall) == pytest.approx((precision, recall))


def test_hertz_is_what_mir_eval_takes_for_it():
    util = pytest.importorskip("mir_eval.util")
    pitches = np.array([21, 60, 69, 69.5, 108])
    assert notes.hertz(pitches) == pytest.approx(util.midi_to_hz(pitches))
    assert notes.hertz(69) == 440 and notes.hertz(81) == 880


def test_a_note_fifty_milliseconds_late_is_found_and_one_of_another_pitch_is_not():
    one = notes.notes_of([note(1.0, 2.0, 60)])
    for estimate, found in (
        (note(1.05, 2.0, 60), True), (note(1.0502, 2.0, 60), False), (note(0.95, 2.0, 60), True),
        (note(1.0, 2.0, 60.5), True), (note(1.0, 2.0, 60.51), False), (note(1.0, 2.0, 72), False),
    ):  # fmt: skip
        assert bool(notes.matched(one, notes.notes_of([estimate]))) is found
    for end_s, found in ((2.2, True), (1.8, True), (2.21, False), (1.79, False)):
        assert bool(notes.matched(one, notes.notes_of([note(1.0, end_s, 60)]), offsets=True)) is found


def test_each_note_is_used_once_and_as_many_as_can_be():
    reference = notes.notes_of([note(1.0, 2.0, 60), note(1.04, 2.0, 60)])
    # The first estimate could serve both, the second the earlier one only: greed from the left would lose one.
    estimate = notes.notes_of([note(0.96, 2.0, 60), note(1.02, 2.0, 60)])
    assert len(notes.matched(reference, estimate)) == 2
    assert len(notes.matched(reference, notes.notes_of([note(1.02, 2.0, 60)]))) == 1


def test_what_already_sounds_is_left_out_for_both():
    reference = [note(0.0, 1.0, 60), note(-0.2, 0.5, 64), note(0.2, 1.0, 67)]
    estimate = [note(0.01, 1.0, 60), note(0.049, 1.0, 62), note(0.21, 1.0, 67)]
    assert notes.measure(reference, estimate).onset == Counts(1, 1, 1)
    assert notes.measure(reference, estimate, guard_s=None).onset == Counts(2, 3, 3)


def test_frames_by_hand():
    reference, estimate = notes.notes_of([note(0.0, 0.1, 60)]), notes.notes_of([note(0.05, 0.15, 60)])
    assert notes.frame_counts(reference, estimate) == Counts(5, 10, 10)


def test_lateness_of_onsets():
    reference = notes.notes_of([note(k, k + 0.5, 60) for k in range(10)])
    late = notes.notes_of([note(k + 0.012, k + 0.5, 60) for k in range(10)])
    assert np.median(notes.onset_errors(reference, late)) == pytest.approx(0.012)


def test_nothing_found_and_nothing_to_find():
    nothing = Counts(0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)
    assert notes.measure([], []) == Figures(nothing, nothing, nothing)
    assert notes.measure([note(1, 2, 60)], []).onset == Counts(0, 1, 0)
    assert notes.measure([Event(0, 1, "wind", 0.5), note(1, 1, 60)], []).onset == Counts(0, 0, 0)


def test_intervals_are_over_recordings():
    files = [notes.measure([note(1, 2, 60)], [note(1, 2, 60)])] * 20 + [
        notes.measure([note(1, 2, 60)], [])
    ] * 20
    found = notes.summary(files)
    assert (
        found["onset_f1"].value == 0.5 and 0.3 < found["onset_f1"].low < 0.45 < 0.55 < found["onset_f1"].high
    )
    same = notes.summary(files, ["one"] * 40)["onset_f1"]
    assert (same.low, same.high) == (0.5, 0.5)
    with pytest.raises(ValueError, match="40 recordings in 2 groups; each recording needs one"):
        notes.summary(files, ["a", "b"])


def test_time_does_not_grow_with_the_square():
    """An hour of dense music takes a second: no table of all against all."""
    rng = np.random.default_rng(0)
    starts = np.sort(rng.random(50_000) * 3600)
    many = notes.Notes(starts, starts + 0.3, rng.integers(40, 80, 50_000).astype(float))
    assert len(notes.matched(many, many, offsets=True)) == 50_000
