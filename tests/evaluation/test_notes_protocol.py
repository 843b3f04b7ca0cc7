"""The protocol for notes against mir_eval, on random tables and on the traps that its users fall into."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.errors import UsageError
from sonoscope.evaluation import noteextras, notes
from sonoscope.evaluation.notes import Counts, Notes, Tolerance
from sonoscope.evaluation.protocols import notes as protocol
from sonoscope.evaluation.protocols.notes import NotesOptions, Piece
from sonoscope.values import Event


def note(
    start_s: float, end_s: float, pitch: float, velocity: int | None = None, label: str = "note"
) -> Event:
    return Event(start_s, end_s, label, 1.0, pitch=pitch, velocity=velocity)


def some(at_least: int = 1) -> st.SearchStrategy[list[Event]]:
    """Crowded notes on a grid of 10 ms: several matchings are as large, and distances of exactly 50 ms happen."""
    one = st.builds(
        lambda start, length, pitch, velocity, label: note(
            start / 100, (start + length) / 100, pitch, velocity, label
        ),
        st.integers(0, 80), st.integers(1, 60), st.sampled_from([60.0, 61.0, 72.0]), st.integers(1, 127),
        st.sampled_from(["violin", "cello", "piano", "drums"]),
    )  # fmt: skip
    return st.lists(one, min_size=at_least, max_size=16)


def theirs(function, true: Notes, said: Notes, **options):
    """A figure of mir_eval's, without its warnings about empty tables."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(
            true.intervals, notes.hertz(true.pitch), said.intervals, notes.hertz(said.pitch), **options
        )


@settings(deadline=None, max_examples=80)
@given(reference=some(), estimate=some())
def test_velocities_are_compared_as_in_mir_eval(reference, estimate):
    transcription = pytest.importorskip("mir_eval.transcription_velocity")
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    for offsets, ratio in ((True, 0.2), (False, None)):
        expected = transcription.precision_recall_f1_overlap(
            true.intervals, notes.hertz(true.pitch), true.velocity,
            said.intervals, notes.hertz(said.pitch), said.velocity, offset_ratio=ratio,
        )  # fmt: skip
        pairs = noteextras.with_velocity(true, said, offsets=offsets)
        counts = Counts(len(pairs), len(true), len(said))
        assert (counts.precision, counts.recall, counts.f1) == pytest.approx(expected[:3])


@settings(deadline=None, max_examples=80)
@given(reference=some(), estimate=some(), onset=st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.5]))
def test_tolerances_and_onsets_alone_are_mir_evals(reference, estimate, onset):
    transcription = pytest.importorskip("mir_eval.transcription")
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    for offsets, ratio in ((False, None), (True, 0.2)):
        (counts,) = noteextras.tolerance_counts(true, said, [onset], offsets=offsets)
        expected = theirs(
            transcription.precision_recall_f1_overlap, true, said,
            onset_tolerance=onset, offset_min_tolerance=onset, offset_ratio=ratio,
        )  # fmt: skip
        assert (counts.precision, counts.recall, counts.f1) == pytest.approx(expected[:3])
    alone = len(notes.matched(true, said, within=Tolerance(onset, cents=None)))
    expected = transcription.onset_precision_recall_f1(true.intervals, said.intervals, onset_tolerance=onset)
    assert (alone / len(said), alone / len(true)) == pytest.approx(expected[:2])


@settings(deadline=None, max_examples=40)
@given(reference=some(), estimate=some())
def test_instruments_are_pooled_as_in_mt3(reference, estimate):
    """Precision of every program weighted with its notes, drums without offset: the sums of MT3's own script."""
    transcription = pytest.importorskip("mir_eval.transcription")
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    hits = 0.0
    for label in {*true.label, *said.label}:
        r, e = true.where(true.label == label), said.where(said.label == label)
        ratio = None if label == "drums" else 0.2
        if len(r) and len(e):
            hits += theirs(transcription.precision_recall_f1_overlap, r, e, offset_ratio=ratio)[0] * len(e)
    total = sum(noteextras.by_instrument(true, said).values(), Counts())
    assert (total.hits, total.reference, total.estimate) == (pytest.approx(hits), len(true), len(said))


@settings(deadline=None, max_examples=40)
@given(reference=some(), estimate=some())
def test_what_is_stricter_finds_no_more(reference, estimate):
    true, said = notes.notes_of(reference), notes.notes_of(estimate)
    curve = [counts.hits for counts in noteextras.tolerance_counts(true, said)]
    assert curve == sorted(curve)
    hits = {
        kind: counts.hits
        for kind, counts in protocol._counted(Piece("a", true, said), NotesOptions()).items()
    }
    assert hits["onset_offset"] <= hits["onset"] <= hits["onset_only"]
    assert hits["velocity"] <= hits["onset_offset"] and hits["onset_velocity"] <= hits["onset"]
    assert hits["instrument_full"] <= hits["instrument_class"] <= hits["instrument_flat"]


def test_midi_numbers_are_not_hertz():
    """What mir_eval makes of MIDI numbers: a semitone is 28 cents, so all wrong notes are right."""
    transcription = pytest.importorskip("mir_eval.transcription")
    times = np.array([[0.1, 1.0], [1.1, 2.0], [2.1, 3.0]])
    wrong = transcription.precision_recall_f1_overlap(
        times, np.array([60, 62, 64.0]), times, np.array([61, 63, 64.0])
    )
    assert wrong[2] == 1.0
    with pytest.raises(UsageError, match=r"frequencies 60, 62, 64… look like MIDI numbers, not Hz"):
        notes.of_hertz(times, np.array([60, 62, 64]))
    with pytest.raises(UsageError, match=r"pitch=440 is no MIDI number \(0..127\); if these are frequencies"):
        notes.notes_of([note(0, 1, 440.0)])
    with pytest.raises(UsageError, match="frequency=0 Hz must be above 0"):
        notes.of_hertz(times, np.array([0.0, 440, 440]))
    true, said = (notes.of_hertz(times, notes.hertz(np.array(p))) for p in ([60, 62, 64], [61, 63, 64]))
    assert len(notes.matched(true, said)) == 1
    assert true.pitch == pytest.approx([60, 62, 64])
    # Low notes in Hz are told from MIDI numbers by their fractions.
    assert notes.of_hertz(times, np.array([41.2, 55.0, 82.4])).pitch == pytest.approx([28, 33, 40], abs=0.01)


def test_exactly_fifty_milliseconds_and_cents():
    one = notes.notes_of([note(1.0, 2.0, 60)])
    for late, found in ((0.05, 1), (0.05004, 1), (0.0501, 0)):
        assert len(notes.matched(one, notes.notes_of([note(1.0 + late, 2.0, 60)]))) == found
    fifty = notes.of_hertz(one.intervals, notes.hertz(np.array([60.5])))
    assert len(notes.matched(one, fifty)) == 1


def test_means_over_files_are_not_pooled_figures():
    short = Piece("short", *(notes.notes_of([note(1, 2, 60)]) for _ in range(2)))
    long = Piece(
        "long",
        notes.notes_of([note(k, k + 0.5, 60) for k in range(9)]),
        notes.notes_of([note(0, 0.5, 60)] * 1),
    )
    found = protocol.measure([short, long]).figures
    assert found["onset_f1"].value == pytest.approx((1 + 2 / 10) / 2)
    assert found["onset_pooled_f1"].value == pytest.approx(2 * 2 / (10 + 2))


def test_files_without_notes_are_counted_and_left_out():
    one, none = notes.notes_of([note(1, 2, 60)]), notes.notes_of([])
    result = protocol.measure(
        [Piece("a", one, one), Piece("b", none, one), Piece("c", none, none), Piece("d", one, none)]
    )
    assert result.figures["onset_f1"].value == 0.5
    assert result.figures["onset_pooled_f1"].value == pytest.approx(2 / (2 + 2))
    assert any(
        "2 of 4 files have no notes in the reference" in r and "in 1 of them" in r for r in result.notes
    )
    assert any("in 1 of 4 files no note was found" in remark for remark in result.notes)
    only = protocol.measure([Piece("b", none, one)])
    assert only.figures["onset_f1"].value is None
    assert only.figures["onset_f1"].why == "no file has notes in the reference"
    with pytest.raises(UsageError, match="no recording to compare"):
        protocol.measure([])


def test_what_is_not_there_is_not_compared():
    plain = notes.notes_of([note(1, 2, 60)])
    result = protocol.measure([Piece("a", plain, plain)])
    assert "velocity_f1" not in result.figures and "instrument_full_f1" not in result.figures
    assert {"velocities are not compared: truth or estimates have none",
            "instruments are not compared: truth or estimates name none"} <= set(result.notes)  # fmt: skip
    rich = notes.notes_of([note(1, 2, 60, 80, "violin"), note(2, 3, 62, 40, "drums")])
    full = protocol.measure([Piece("a", rich, rich)])
    assert {full.figures[f"{kind}_f1"].value for kind in protocol.TITLES} == {1.0}


def test_labels_that_are_late_are_noticed():
    truth = [note(k, k + 0.5, 60) for k in range(20)]
    late = [note(k + 0.12, k + 0.62, 60) for k in range(20)]
    result = protocol.measure([Piece("a", notes.notes_of(truth), notes.notes_of(late))])
    assert any("onset F1 rises from 0.000 at 50 ms to 1.000 at 500 ms" in remark for remark in result.notes)
    assert [row[1] for row in result.table("tolerances").rows] == [0.0] * 6 + [1.0] * 5


def test_the_result_is_written_and_read_by_people(tmp_path):
    rich = notes.notes_of([note(1, 2, 60, 80, "violin")])
    result = protocol.measure([Piece("a", rich, rich)], title="Notes of one")
    text = result.text()
    assert "onset_f1" in text and "onset, pitch and offset" in text and "Every file" not in text
    assert result.to_dict()["tables"]["files"]["rows"][0][:3] == ["a", 1, 1]
    assert result.table("files").csv().splitlines()[0].startswith("file,notes,estimated,onset F1,onset hits")


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"onset": -1.0}, "tolerance onset_s=-1.0 must be 0 or more"),
        ({"tolerances": (0.0,)}, r"must lie in \(0, 10\] seconds"),
        ({"guard": -0.1}, r"guard=-0.1 must lie in 0\.\.10"),
    ],
)
def test_impossible_options(given_, message):
    with pytest.raises(UsageError, match=message):
        NotesOptions(**given_)
