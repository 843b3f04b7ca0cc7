"""Events as they come are those of all scores at once, and nothing is told that is not certain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope import events
from sonoscope.errors import UnknownName, UsageError
from sonoscope.events import Decision
from sonoscope.live.events import Cell, Change, Tracker
from sonoscope.values import Event, Label, Scores

LABELS = (Label("a"), Label("noise", kind="reject"), Label("b", low_hz=100.0))
RATE = 100


def scores_of(steps: np.ndarray, window: int, hop: int, cut: int) -> Scores:
    """Scores whose last window ends ``cut`` samples early."""
    starts = np.arange(len(steps)) * hop
    ends = starts + window
    ends[-1] -= cut
    logits = (steps[:, ::-1] % 977).astype(np.int16)
    n = int(ends[-1])
    return Scores(
        tuple(label.id for label in LABELS),
        RATE,
        window,
        hop,
        starts,
        ends,
        logits,
        steps.astype(np.int16),
        n,
    )


def followed(scores: Scores, decision: Decision, *, whole_in_push: bool) -> tuple[list[Event], list[Change]]:
    """Events of a tracker, and all its changes. ``whole_in_push``: the last cell comes as if more would follow."""
    tracker = Tracker(decision, LABELS, RATE)
    edges, padded = scores.cell_edges, scores.padded
    changes: list[Change] = []
    for i in range(len(scores)):
        end = int(edges[i + 1])
        if i == len(scores) - 1 and whole_in_push and not padded[i]:
            end = int(edges[i]) + (
                scores.hop_samples
                if i
                else scores.hop_samples + (scores.window_samples - scores.hop_samples) // 2
            )
        steps, logits = (tuple(scores.held(name)[i].tolist()) for name in ("probabilities", "logits"))
        changes += tracker.push(Cell(int(edges[i]), end, steps, logits, bool(padded[i])))
    changes += tracker.close(int(scores.ends[-1]))
    found = [tracker.event(change, scores.n_samples / RATE) for change in changes if change.end is not None]
    return sorted(found), changes


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_events_are_those_of_the_whole(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 25))
    levels = st.sampled_from([0, 2999, 3000, 4999, 5000, 5001, 9000])
    steps = np.array(data.draw(st.lists(st.tuples(levels, levels, levels), min_size=n, max_size=n)))
    window = data.draw(st.integers(2, 12))
    hop = data.draw(st.integers(1, window))
    cut = data.draw(st.integers(0, hop - 1))
    scores = scores_of(steps, window, hop, cut)
    decision = Decision(
        {"a": 0.5, "b": 0.5}, {"a": 0.3}, data.draw(st.integers(0, 30)) / RATE, data.draw(st.integers(0, 30)) / RATE
    )  # fmt: skip
    wanted = list(events.find(scores, decision, LABELS))
    found, changes = followed(scores, decision, whole_in_push=data.draw(st.booleans()))
    assert found == wanted
    for mine, theirs in zip(found, wanted, strict=True):
        assert (mine.score, mine.raw, mine.flags, mine.low_hz) == (
            theirs.score, theirs.raw, theirs.flags, theirs.low_hz,
        )  # fmt: skip
    begun = sorted((change.label.id, change.start) for change in changes if change.end is None)
    assert begun == sorted((event.label, round(event.start_s * RATE)) for event in wanted)


def test_it_is_told_when_it_is_certain_and_not_before() -> None:
    tracker = Tracker(Decision({"a": 0.5, "b": 0.5}, {"a": 0.3}, 0.2, 0.15), LABELS, RATE)

    def push(place: int, score: int) -> list[Change]:
        return tracker.push(Cell(place * 10, place * 10 + 10, (score, 0, 0), (0, 0, 0)))

    assert push(0, 3500) == []  # above the lower threshold only
    assert push(1, 6000) == [
        Change(LABELS[0], 0, None, (6000, 0))
    ]  # two cells: as long as the shortest event
    assert push(2, 1000) == []  # 10 samples: a gap that may be joined
    assert push(3, 3500) == []  # may become an event that is joined
    assert push(4, 1000) == [Change(LABELS[0], 0, 20, (6000, 0))]  # it did not, and now the gap is too long
    assert tracker.close(50) == []


def test_a_threshold_for_no_label_and_a_label_without_one_are_refused() -> None:
    with pytest.raises(UnknownName, match="'c'"):
        Tracker(Decision({"a": 0.5, "b": 0.5, "c": 0.5}), LABELS, RATE)
    with pytest.raises(UsageError, match="no threshold for the label 'b'"):
        Tracker(Decision({"a": 0.5}), LABELS, RATE)
