"""Labels to windows and frames: by hand, by brute force, and the numbers of the founding systems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoscope.data import windowing
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.windowing import Windowing, frame_labels, pitch_rows, windows
from sonoscope.errors import UsageError
from sonoscope.values import Event


def event(start_s: float, end_s: float, label: str = "bee", pitch: float | None = None) -> Event:
    return Event(start_s, end_s, label, 1.0, pitch=pitch)


def test_a_window_of_training_and_one_of_testing_have_301_frames():
    for sample_rate in (16_000, 22_050, 44_100, 48_000):
        train, test = Windowing(sample_rate=sample_rate), Windowing(hop_s=1.5, sample_rate=sample_rate)
        assert train.frames() == test.frames() == 301
        assert train.grid.window == test.grid.window


def test_weak_labels_go_to_every_window_or_become_unknown():
    row = Row(
        "a.wav", start_s=10.0, duration_s=7.5, labels=("violin",), absent=("drums",), group="g", split="train"
    )
    cut = list(windows(row, Windowing()))
    assert [(w.start_s, w.duration_s) for w in cut] == [(10, 3), (13, 3), (16, 1.5)]
    assert all(w.labels == ("violin",) and w.absent == ("drums",) for w in cut)
    assert all(w.group == "g" and w.split == "train" for w in cut)
    assert [w.extra["window"] for w in cut] == ["0", "1", "2"]
    bag = list(windows(row, Windowing(weak="unknown")))
    assert all(w.labels == () and w.says("violin") is None and w.says("drums") is False for w in bag)
    whole = Row("a.wav", duration_s=3.0, labels=("violin",))
    assert [w.labels for w in windows(whole, Windowing(weak="unknown"))] == [("violin",)]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [("keep", [(0, 3), (3, 3), (6, 1.5)]), ("drop", [(0, 3), (3, 3)]), ("back", [(0, 3), (3, 3), (4.5, 3)])],
)
def test_the_tail_is_as_one_says(tail: str, expected: list):
    cut = windows(Row("a.wav", duration_s=7.5), Windowing(tail=tail))
    assert [(w.start_s, w.duration_s) for w in cut] == expected


def test_a_buzz_must_overlap_a_frame_by_a_fifth():
    """The rule of buzzdetect: frames of 0.96 s, positive where a buzz overlaps them by 0.192 s or more."""
    rule = Windowing(0.96, 0.96, 16_000, min_overlap_s=0.192)
    row = Row("a.wav", duration_s=2.88)
    for end_s, sounds in ((0.96 + 0.191, False), (0.96 + 0.192, True)):
        second = list(windows(row, rule, events=[event(0.5, end_s)]))[1]
        assert (second.labels == ("bee",)) is sounds
        assert second.says("bee") is sounds
    unknown = Windowing(0.96, 0.96, 16_000, min_share=0.2, short="unknown")
    second = list(windows(row, unknown, events=[event(0.5, 1.1)]))[1]
    assert second.says("bee") is None
    together = [event(1.0, 1.1), event(1.3, 1.4), event(1.35, 1.42)]
    assert list(windows(row, rule, events=together))[1].labels == ("bee",), "two calls count together"


def test_an_event_that_ends_where_a_window_begins_is_not_in_it():
    cut = list(windows(Row("a.wav", start_s=100, duration_s=6), Windowing(), events=[event(101, 103)]))
    assert [w.labels for w in cut] == [("bee",), ()]


def test_times_of_a_row_that_begins_later_are_of_the_file():
    cut = list(
        windows(
            Row("a.wav", start_s=3.0, duration_s=3.0), Windowing(), events=[event(0, 3), event(5, 6, "fly")]
        )
    )
    assert cut[0].labels == ("fly",)


@given(
    spans=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), max_size=6),
    window=st.integers(1, 40),
    hop=st.integers(1, 40),
    least=st.integers(0, 10),
)
def test_windows_have_what_a_count_of_samples_says(spans, window, hop, least):
    hop, least = min(hop, window), min(least, window)
    rule = Windowing(window / 10, hop / 10, 10, min_overlap_s=least / 10, tail="drop")
    row = Row("a.wav", duration_s=10.0)
    events = [event(a / 10, (a + n) / 10) for a, n in spans]
    sounding = np.zeros(200, bool)
    for a, n in spans:
        sounding[a : a + n] = True
    for cut in windows(row, rule, events=events):
        start = round(cut.start_s * 10)
        if round(cut.duration_s * 10) == window:
            assert bool(cut.labels) == (sounding[start : start + window].sum() >= max(least, 1))


def test_a_manifest_of_windows_reads_its_annotations(tmp_path):
    (tmp_path / "a.txt").write_text("1.0\t2.0\tviolin\n7.0\t8.0\tpiano\n")
    rows = (
        Row("a.wav", duration_s=9.0, annotation="a.txt", group="g"),
        Row("b.wav", duration_s=3.0, labels=("flute",)),
    )
    cut = windowing.manifest_of_windows(Manifest(rows, tmp_path), Windowing())
    assert [w.labels for w in cut.rows] == [("violin",), (), ("piano",), ("flute",)]
    weak = windowing.manifest_of_windows(Manifest(rows, tmp_path), Windowing(), strong=False)
    assert [w.labels for w in weak.rows] == [(), (), (), ("flute",)]


# ---- frames ------------------------------------------------------------------------------------------------


@given(
    on=st.integers(0, 3000),
    length=st.integers(0, 900),
    hop=st.integers(1, 500),
    window=st.integers(1, 1200),
    rule=st.sampled_from(["intersects", "centre"]),
)
def test_a_note_is_in_the_frames_whose_window_intersects_it(on, length, hop, window, rule):
    found = frame_labels(
        [event(on / 1000, (on + length) / 1000, "note", 60)],
        12,
        hop_samples=hop,
        window_samples=window,
        sample_rate=1000,
        pitches=128,
        rule=rule,
    )
    off = on + length
    for k in range(12):
        if rule == "centre":
            expected = on <= k * hop < off
        else:  # [k hop - w/2, k hop + w/2) and [on, off)
            expected = length > 0 and k * hop - window / 2 < off and k * hop + window / 2 > on
        assert found[60, k] == expected, (k, on, off)
    assert not np.delete(found, 60, axis=0).any()


def test_rolls_of_12_88_96_and_128_rows():
    notes = [event(0, 1, "n", 21), event(0, 1, "n", 60.3), event(0, 1, "n", 108), event(0, 1, "n", 5)]
    shape = {"hop_samples": 10, "window_samples": 20, "sample_rate": 100}
    for pitches, expected in ((12, {9, 0, 5}), (88, {0, 39, 87}), (96, {9, 48}), (128, {5, 21, 60, 108})):
        found = frame_labels(notes, 5, pitches=pitches, **shape)
        assert found.shape == (len(pitch_rows(pitches)), 5) == (pitches, 5)
        assert set(np.flatnonzero(found[:, 0])) == expected
    by_label = frame_labels([event(0.2, 0.3, "b")], 5, labels=("a", "b"), **shape)
    assert by_label.tolist() == [[0] * 5, [0, 0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hop_s": 4.0}, r"hop_s=4.0 must lie in \(0, window_s=3.0\]"),
        ({"min_share": 1.5}, "min_share=1.5 must lie in"),
        ({"min_overlap_s": 9.0}, "min_overlap_s=9.0 must lie in"),
        ({"tail": "cut"}, "tail='cut' must be one of keep, drop, back"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong: dict, message: str):
    with pytest.raises(UsageError, match=message):
        Windowing(**wrong)


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(UsageError, match=r"a\.wav has no duration"):
        list(windows(Row("a.wav"), Windowing()))
    with pytest.raises(UsageError, match="pitches=7 must be 12"):
        frame_labels([], 1, hop_samples=1, window_samples=1, sample_rate=1, pitches=7)
    with pytest.raises(UsageError, match="rule='touch'"):
        frame_labels([], 1, hop_samples=1, window_samples=1, sample_rate=1, pitches=88, rule="touch")
    with pytest.raises(UsageError, match="one of the two"):
        frame_labels([], 1, hop_samples=1, window_samples=1, sample_rate=1)
