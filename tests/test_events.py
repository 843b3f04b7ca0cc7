"""Events: cells, hysteresis, joined gaps, shortest length, against a naive version and by invariants."""

from __future__ import annotations

import itertools
import math
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope import scores as score_rules
from sonoscope.errors import UnknownName, UsageError
from sonoscope.events import Decision, cells, find
from sonoscope.values import FileResult, Label, Scores

RATE = 100
A = Label("a", low_hz=50.0, high_hz=900.0)
LABELS = (A, Label("b"), Label("rest", kind="reject"), Label("hum", kind="background"))


def scored(
    columns: dict[str, list[float]], *, window: int = 100, hop: int = 100, n_samples: int | None = None
) -> Scores:
    """Scores with given probabilities; by default windows of 1 s that follow each other."""
    p = np.array(list(columns.values()), dtype=np.float32).T.reshape(-1, len(columns))
    n_samples = n_samples if n_samples is not None else max(len(p) - 1, 0) * hop + window
    starts = np.arange(len(p), dtype=np.int64) * hop
    logits = np.log(np.clip(p, 1e-6, 1 - 1e-6) / (1 - np.clip(p, 1e-6, 1 - 1e-6))).round(3).astype(np.float32)
    ends = np.minimum(starts + window, n_samples)
    return Scores(tuple(columns), RATE, window, hop, starts, ends, logits, p, n_samples)


def spans(scores: Scores, decision: Decision, **options) -> list[tuple[str, float, float, float]]:
    return [(e.label, e.start_s, e.end_s, e.score) for e in find(scores, decision, LABELS, **options)]


@st.composite
def tables(draw: st.DrawFn) -> Scores:
    """Two classes on any grid, with or without the last window, scores in steps of 0.1."""
    window = draw(st.integers(1, 40))
    hop = draw(st.integers(1, window))
    n_samples = draw(st.integers(1, 250))
    rows = 1 + math.ceil(max(n_samples - window, 0) / hop)
    if draw(st.booleans()) and (rows - 1) * hop + window > n_samples:
        rows -= 1
    column = st.lists(st.integers(0, 10).map(lambda q: q / 10), min_size=rows, max_size=rows)
    return scored({"a": draw(column), "b": draw(column)}, window=window, hop=hop, n_samples=n_samples)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    high = {name: draw(st.integers(1, 10)) / 10 for name in "ab"}
    low = {name: round(value * draw(st.integers(0, 10)) / 10, 2) for name, value in high.items()}
    seconds = st.integers(0, 100).map(lambda n: n / RATE)
    return Decision(high, low, draw(seconds), draw(seconds))


def naive(scores: Scores, decision: Decision) -> list[tuple[float, float, str, float]]:
    """The definition, word for word: grow, join, drop."""
    found = []
    starts, ends = (x.tolist() for x in cells(scores))
    for k, name in enumerate(scores.labels):
        p = [round(float(x), 4) for x in scores.probabilities[:, k]]
        inside = set()
        for seed in [i for i, x in enumerate(p) if x >= decision.thresholds[name]]:
            for step in (1, -1):
                i = seed
                while 0 <= i < len(p) and p[i] >= decision.low_thresholds[name]:
                    inside.add(i)
                    i += step
        runs: list[list[int]] = []
        for i in sorted(inside):
            gap = starts[i] - ends[runs[-1][1]] if runs else 0
            if runs and gap <= round(decision.max_gap_s * RATE):
                runs[-1][1] = i
            else:
                runs.append([i, i])
        for i, j in runs:
            if len(p) == 1 or ends[j] - starts[i] >= round(decision.min_duration_s * RATE):
                found.append((starts[i] / RATE, ends[j] / RATE, name, max(p[i : j + 1])))
    return sorted(found)


# --- cells ---


@given(tables())
def test_cells_tile_the_windows_and_each_lies_in_its_own(scores):
    starts, ends = cells(scores)
    assert len(starts) == len(ends) == len(scores)
    if not len(scores):
        return
    assert starts[0] == 0
    assert ends[-1] == scores.ends[-1] <= scores.n_samples
    np.testing.assert_array_equal(starts[1:], ends[:-1])
    assert (starts < ends).all()
    assert (starts >= scores.starts).all()
    assert (ends <= scores.ends).all()


@given(tables())
def test_inner_cells_are_a_hop_long_and_in_the_middle(scores):
    starts, ends = cells(scores)
    inner = slice(1, -1)
    assert set(ends[inner] - starts[inner]) <= {scores.hop_samples}
    before, after = starts - scores.starts, scores.starts + scores.window_samples - ends
    assert (np.abs(before - after)[inner] <= 1).all()


def test_without_overlap_the_cells_are_the_windows():
    scores = scored({"a": [0.1] * 4}, n_samples=350)
    np.testing.assert_array_equal(cells(scores), [scores.starts, scores.ends])


# --- decisions ---


@settings(max_examples=200, deadline=None)
@given(tables(), decisions())
def test_events_are_those_of_the_definition(scores, decision):
    found = [(e.start_s, e.end_s, e.label, round(e.score, 4)) for e in find(scores, decision, LABELS)]
    assert found == naive(scores, decision)


@settings(deadline=None)
@given(tables(), decisions())
def test_events_are_sorted_apart_and_inside_the_recording(scores, decision):
    events = find(scores, decision, LABELS)
    assert [(e.start_s, e.end_s, e.label) for e in events] == sorted(
        (e.start_s, e.end_s, e.label) for e in events
    )
    for name in "ab":
        own = [e for e in events if e.label == name]
        for first, second in itertools.pairwise(own):
            assert second.start_s - first.end_s > decision.max_gap_s - 1e-9
        alone = len(scores) == 1
        assert all(alone or e.end_s - e.start_s >= decision.min_duration_s - 1e-9 for e in own)
        assert all(e.score >= decision.thresholds[name] for e in own)
    assert all(0 <= e.start_s < e.end_s <= scores.n_samples / RATE for e in events)


@given(tables(), decisions())
def test_a_longer_minimum_only_removes(scores, decision):
    some = find(scores, decision, LABELS)
    fewer = find(scores, replace(decision, min_duration_s=decision.min_duration_s + 0.5), LABELS)
    least_s = 0.0 if len(scores) == 1 else decision.min_duration_s + 0.5
    assert [e for e in some if e.end_s - e.start_s >= least_s - 1e-9] == fewer


def test_an_event_goes_on_above_the_low_threshold_in_both_directions():
    scores = scored({"a": [0.2, 0.4, 0.9, 0.4, 0.3, 0.4]})
    assert spans(scores, Decision({"a": 0.8}, {"a": 0.4})) == [("a", 1.0, 4.0, 0.9)]
    assert spans(scores, Decision({"a": 0.8})) == [("a", 2.0, 3.0, 0.9)]
    assert spans(scores, Decision({"a": 0.95}, {"a": 0.1})) == []


def test_a_gap_is_joined_only_up_to_its_limit():
    scores = scored({"a": [0.9, 0.1, 0.1, 0.8]})
    one, two = [("a", 0.0, 4.0, 0.9)], [("a", 0.0, 1.0, 0.9), ("a", 3.0, 4.0, 0.8)]
    assert spans(scores, Decision({"a": 0.5}, max_gap_s=2.0)) == one
    assert spans(scores, Decision({"a": 0.5}, max_gap_s=1.99)) == two
    assert spans(scores, Decision({"a": 0.5})) == two


def test_short_events_are_dropped_after_joining():
    scores = scored({"a": [0.9, 0.1, 0.9, 0.1, 0.1, 0.9]})
    assert spans(scores, Decision({"a": 0.5}, min_duration_s=2, max_gap_s=1)) == [("a", 0.0, 3.0, 0.9)]


def test_a_single_score_has_no_length_that_could_be_too_short():
    decision = Decision({"a": 0.5}, min_duration_s=2)
    assert spans(scored({"a": [0.9]}, n_samples=40), decision) == [("a", 0.0, 0.4, 0.9)]
    assert spans(scored({"a": [0.4]}, n_samples=40), decision) == []
    assert spans(scored({"a": [0.9, 0.1]}), decision) == []


@pytest.mark.parametrize("threshold", [0.57, 0.7, 0.1, 0.29, 1.0, 0.0])
def test_a_score_at_the_threshold_counts(threshold):
    assert (
        len(spans(scored({"a": [threshold]}), Decision({"a": threshold}))) == 1
    )  # whatever float32 makes of it
    assert spans(scored({"a": [threshold - 1e-4]}), Decision({"a": threshold})) == []


def test_touching_cells_with_overlap_are_one_event():
    scores = scored({"a": [0.9, 0.9, 0.1, 0.1]}, window=100, hop=50)
    assert spans(scores, Decision({"a": 0.5})) == [("a", 0.0, 1.25, 0.9)]


def test_score_and_logit_come_from_the_strongest_window():
    scores = score_rules.assemble(
        np.array([[1.0], [9.5], [12.0], [0.5]]), None, labels=["a"], sample_rate=RATE, window_samples=100,
        hop_samples=100, n_samples=400,
    )  # fmt: skip
    event = find(scores, Decision({"a": 0.5}), LABELS)[0]
    assert (event.score, event.raw) == (1.0, 12.0)  # 0.9999 and 1.0000 differ by the rounding only


def test_events_that_rest_on_a_padded_window_say_so():
    scores = scored({"a": [0.9, 0.1, 0.1, 0.9], "b": [0.1, 0.1, 0.9, 0.9]}, n_samples=350)
    assert [
        (e.label, e.start_s, e.end_s, e.flags) for e in find(scores, Decision({"a": 0.5, "b": 0.5}), LABELS)
    ] == [
        ("a", 0.0, 1.0, ""),
        ("b", 2.0, 3.5, "padded"),
        ("a", 3.0, 3.5, "padded"),
    ]


def test_a_dropped_tail_ends_the_last_event_with_the_last_window():
    scores = scored({"a": [0.9, 0.9]}, window=100, hop=50, n_samples=180)
    assert spans(scores, Decision({"a": 0.5})) == [("a", 0.0, 1.5, 0.9)]


def test_no_event_ends_after_the_recording_by_its_own_count():
    scores = scored({"a": [0.9, 0.9]})
    assert find(scores, Decision({"a": 0.5}), LABELS, duration_s=1.9999)[0].end_s == 1.9999


def test_band_and_channel_are_passed_on():
    event = find(scored({"a": [0.9]}), Decision({"a": 0.5}), LABELS, channel=2)[0]
    assert (event.low_hz, event.high_hz, event.channel) == (50.0, 900.0, 2)


def test_rejects_and_background_are_no_events_unless_asked_for():
    scores = scored({"rest": [0.9], "a": [0.9], "hum": [0.9]})
    everything = Decision({"rest": 0.5, "a": 0.5, "hum": 0.5})
    assert [row[0] for row in spans(scores, everything)] == ["a"]
    assert [row[0] for row in spans(scores, Decision({"a": 0.5}))] == ["a"]
    assert [row[0] for row in spans(scores, everything, include_reject=True)] == ["a", "hum", "rest"]


def test_nothing_in_nothing_out():
    assert spans(scored({"a": []}), Decision({"a": 0.5})) == []
    assert spans(scored({"a": [0.0, 0.0]}), Decision({"a": 0.5}, min_duration_s=1, max_gap_s=1)) == []


@given(tables(), decisions())
def test_events_behave_as_the_list_of_them(scores, decision):
    events = find(scores, decision, LABELS)
    listed = list(events)
    assert listed == sorted(listed) == [events[i] for i in range(len(events))]
    assert events == listed
    assert events[1:] == listed[1:]
    assert events[-2:] == listed[-2:]
    assert (events != [*listed, None]) and (events == [] or events != [])
    result = FileResult("x", "x", "m", LABELS, 1.0, RATE, 1, events)
    assert list(result.in_order()) == listed
    assert list(replace(result, events=tuple(listed[::-1])).in_order()) == listed


def test_deciding_again_from_kept_scores_gives_the_same_events(tmp_path, rng):
    calibration = np.array([[1.1, -0.3]])
    heard = score_rules.assemble(
        rng.normal(0, 3, (200, 1)), calibration, labels=["a"], sample_rate=RATE, window_samples=100,
        hop_samples=50, n_samples=10_030,
    )  # fmt: skip
    score_rules.save(tmp_path / "x.npz", heard, {})
    kept, _ = score_rules.load(tmp_path / "x.npz", calibration)
    decision = Decision({"a": 0.7}, {"a": 0.4}, 1.0, 0.5)
    assert find(kept, decision, LABELS) == find(heard, decision, LABELS) != []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thresholds": {"a": 1.2}}, r"threshold a=1\.2 must lie in 0\.\.1"),
        ({"thresholds": {"a": math.nan}}, r"threshold a=nan must lie in 0\.\.1"),
        (
            {"thresholds": {"a": 0.5}, "low_thresholds": {"a": 0.6}},
            r"low threshold a=0\.6 must lie in 0\.\.0\.5",
        ),
        (
            {"thresholds": {}, "min_duration_s": -1},
            r"min_duration_s=-1 must be a number of seconds, 0 or more",
        ),
        ({"thresholds": {}, "max_gap_s": math.inf}, "max_gap_s=inf must be a number of seconds, 0 or more"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Decision(**values)


def test_unknown_labels_name_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown label in low_thresholds 'vilin'.* Did you mean 'violin'"):
        Decision({"violin": 0.5}, {"vilin": 0.4})
    with pytest.raises(UnknownName, match=r"threshold for an unknown label 'rset'\. Did you mean 'rest'"):
        spans(scored({"rest": [0.5], "a": [0.2]}), Decision({"rset": 0.4, "a": 0.5}))
    with pytest.raises(UnknownName, match="unknown label 'c'"):
        spans(scored({"c": [0.5]}), Decision({"c": 0.4}))
    with pytest.raises(UsageError, match="no threshold for the label 'b'"):
        spans(scored({"a": [0.5], "b": [0.5]}), Decision({"a": 0.4}))


def test_a_long_recording_takes_linear_time(rng):
    scores = score_rules.assemble(
        rng.normal(-2, 3, (90_000, 4)), None, labels=["a", "b", "rest", "hum"], sample_rate=16_000,
        window_samples=15_360, hop_samples=15_360, n_samples=15_360 * 90_000,
    )  # fmt: skip
    began = time.process_time()
    events = find(scores, Decision({"a": 0.5, "b": 0.5}, {"a": 0.3}, 1.0, 2.0), LABELS)
    assert len(events) > 1_000
    assert time.process_time() - began < 1.5


def many() -> tuple[Scores, Decision]:
    """Events of two classes, more than are turned into rows at a time."""
    rng = np.random.default_rng(5)
    columns = {name: list((rng.random(12_001) > 0.5).astype(float)) for name in "ba"}
    scores = scored(columns, n_samples=12_001 * 100 - 50)
    return scores, Decision({"a": 0.5, "b": 0.5})


def test_more_events_than_are_made_at_a_time():
    found = find(*many(), LABELS, channel=2)
    listed = list(found)
    assert len(found) == len(listed) > 5000
    assert listed == sorted(listed, key=lambda e: (e.start_s, e.end_s, e.label))
    assert found == listed and listed == found[:] and found != listed[:-1]
    assert [found[i] for i in (0, 4095, 4096, -1)] == [listed[i] for i in (0, 4095, 4096, -1)]
    assert found[10:4100:7] == listed[10:4100:7]
    assert {e.channel for e in listed} == {2}
    assert repr(found[:1][0]) in repr(found)
    with pytest.raises(IndexError):
        found[len(found)]


def test_events_take_the_memory_of_their_columns():
    tracemalloc.start()
    try:
        scores, decision = many()
        before, _ = tracemalloc.get_traced_memory()
        found = find(scores, decision, LABELS)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(found) < 40
