"""Polyphonic sound detection scores (PSDS), from the scores of frames, over all thresholds at once.

Bilen et al. 2020 ("A framework for the robust evaluation of sound event detection", ICASSP): at a threshold,
detections are the longest runs of cells that reach it. A detection is *relevant* if at least ``dtc`` of it lies in
events of its label, else a false alarm, and a *cross trigger* of another label if at least ``cttc`` of it lies in
events of that. An event is found if at least ``gtc`` of it lies in relevant detections. Over thresholds this gives, for
each label, the share of events found against the effective rate of false alarms: per hour, plus ``alpha_ct`` times the
mean rate of cross triggers per hour of the other labels. The score is the area under mean minus ``alpha_st`` standard
deviations of the labels' curves, up to ``max_rate``, divided by it.

All thresholds are exact, as in Ebbers et al. 2022 ("Threshold independent evaluation of sound event detection scores",
ICASSP), in another way: every run that any threshold makes is a node of a tree with no more nodes than cells
(:func:`runs`), which lives between two scores; what it counts as follows from sums up to its two ends. So time grows
with cells and with events, not with thresholds times detections.

Events of one label that touch or overlap are one event here: else a detection could lie in them more than wholly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation.heard import PER_SECOND, Heard, covered, microseconds, spans, united

HOUR_S = 3600.0


@dataclass(frozen=True)
class Scenario:
    """What a detection must be like, and what errors cost.

    Raises
    ------
    UsageError
        If a share is not in (0, 1], or cross triggers are weighed without a criterion for them.
    """

    dtc: float
    gtc: float
    cttc: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 0.0
    max_rate: float = 100.0

    def __post_init__(self) -> None:
        for name in ("dtc", "gtc", "cttc"):
            share = getattr(self, name)
            if share is not None and not 0 < share <= 1:
                raise UsageError(f"{name}={share} must lie in (0, 1]")
        if (self.cttc is None) != (self.alpha_ct == 0) or self.alpha_ct < 0 or self.alpha_st < 0:
            raise UsageError(
                f"cttc={self.cttc} and alpha_ct={self.alpha_ct}, alpha_st={self.alpha_st}: weights are 0 or more, and "
                "a weight for cross triggers needs their criterion"
            )
        if not 0 < self.max_rate < np.inf:
            raise UsageError(f"max_rate={self.max_rate} must be above 0 false alarms an hour")


#: The two of DCASE task 4 since 2021: the first asks for exact times, the second for the right label.
SCENARIOS = {
    1: Scenario(0.7, 0.7, alpha_st=1.0),
    2: Scenario(0.1, 0.1, 0.3, alpha_ct=0.5, alpha_st=1.0),
}


@dataclass(frozen=True, eq=False)
class Runs:
    """Every longest run of cells at or above some threshold, of one label in one recording.

    ``first`` and ``after`` are cells; the run is there for thresholds in ``(low, high]``; ``parent`` is the run that it
    becomes part of at ``low`` (-1: none); ``of_cell`` is the shortest run with each cell.
    """

    first: np.ndarray
    after: np.ndarray
    high: np.ndarray
    low: np.ndarray
    parent: np.ndarray
    of_cell: np.ndarray


def runs(scores: np.ndarray) -> Runs:
    """The runs of scores of shape (n,): at most n."""
    first: list[int] = []
    after: list[int] = []
    high: list[float] = []
    low: list[float] = []
    parent: list[int] = []
    of_cell: list[int] = []
    open_: list[int] = []  # runs that go on, the scores rising
    for cell, score in enumerate([*np.asarray(scores, dtype=np.float64).tolist(), -np.inf]):
        begin = cell
        while open_ and high[open_[-1]] > score:
            run = open_.pop()
            begin = first[run]
            below = high[open_[-1]] if open_ else -np.inf
            after[run], low[run] = cell, max(score, below)
            parent[run] = open_[-1] if open_ and below >= score else len(first) if score > -np.inf else -1
        if score > -np.inf and (not open_ or high[open_[-1]] < score):
            open_.append(len(first))
            first.append(begin)
            high.append(score)
            after.append(0)
            low.append(-np.inf)
            parent.append(-1)
        if score > -np.inf:
            of_cell.append(open_[-1])
    whole = [np.array(each, dtype=np.int64) for each in (first, after, parent, of_cell)]
    return Runs(whole[0], whole[1], np.array(high), np.array(low), whole[2], whole[3])


@dataclass(frozen=True, eq=False)
class Steps:
    """How counts change as the threshold falls: ``levels`` (k,) and what is added at each, in columns (k, m)."""

    levels: np.ndarray
    change: np.ndarray


def _steps(found: Runs, chosen: np.ndarray, column: int, columns: int, weight: np.ndarray | int = 1) -> Steps:
    """Runs that are chosen, counted in a column: they come at ``high`` and go at ``low``."""
    levels = np.concatenate([found.high[chosen], found.low[chosen]])
    change = np.zeros((len(levels), columns), dtype=np.int64)
    amount = np.broadcast_to(weight, found.high.shape)[chosen]
    change[:, column] = np.concatenate([amount, -amount])
    lasting = np.isfinite(levels)
    return Steps(levels[lasting], change[lasting])


#: Start and end of the events of each label in one recording, as :func:`occurrences` gives them.
Events = Mapping[str, np.ndarray]


def occurrences(heard: Heard, label: str) -> np.ndarray:
    """Start and end of the label's events in microseconds, those that touch made one, shape (n, 2)."""
    return united(spans(heard.truth, label))


def _of_recording(
    heard: Heard, events: Events, column: int, label: str, others: Sequence[str], scenario: Scenario
) -> list[Steps]:
    """Changes of true positives, false alarms, and cross triggers with each other label."""
    if heard.edges_s is None or heard.scores is None:
        raise UsageError(f"{heard.name}: PSDS needs scores; events that were decided on do not hold them")
    columns = 2 + len(others)
    found = runs(heard.scores[:, column])
    edges = microseconds(heard.edges_s)
    lengths = edges[found.after] - edges[found.first]
    truth = events[label]

    def inside(table: np.ndarray) -> np.ndarray:
        before = covered(table, edges)
        return before[found.after] - before[found.first]

    relevant = inside(truth) >= np.rint(scenario.dtc * lengths)
    steps = [_steps(found, ~relevant, 1, columns)]
    for number, other in enumerate(others):
        table = events[other]
        if scenario.cttc is not None and len(table):
            crossing = ~relevant & (inside(table) >= np.rint(scenario.cttc * lengths))
            steps.append(_steps(found, crossing, 2 + number, columns))
    for start, end in truth.tolist():
        steps.append(_of_event(found, edges, relevant, start, end, scenario.gtc, columns))
    return steps


def _of_event(
    found: Runs, edges: np.ndarray, relevant: np.ndarray, start: int, end: int, gtc: float, columns: int
) -> Steps:
    """The thresholds at which enough of one event lies in relevant detections, and those at which no longer."""
    first = max(int(np.searchsorted(edges, start, side="right")) - 1, 0)
    after = min(int(np.searchsorted(edges, end, side="left")), len(edges) - 1)
    if first >= after:
        return Steps(np.zeros(0), np.zeros((0, columns), dtype=np.int64))
    # A run that meets the event has its lowest cell in it, or else holds the event's first or last cell.
    near = set(found.of_cell[first:after].tolist())
    for cell in (first, after - 1):
        run = int(found.of_cell[cell])
        while run >= 0:
            near.add(run)
            run = int(found.parent[run])
    near_ = np.array(sorted(near))
    near_ = near_[relevant[near_]]
    share = np.minimum(edges[found.after[near_]], end) - np.maximum(edges[found.first[near_]], start)
    levels, change = _summed(
        [
            Steps(found.high[near_], share[:, None]),
            Steps(found.low[near_][lasting := np.isfinite(found.low[near_])], -share[lasting, None]),
        ],
        1,
    )
    hit = np.cumsum(change[:, 0]) >= round(gtc * (end - start))
    turns = np.diff(hit.astype(np.int64), prepend=0)
    changed = np.zeros((len(levels), columns), dtype=np.int64)
    changed[:, 0] = turns
    return Steps(levels[turns != 0], changed[turns != 0])


def _summed(steps: Sequence[Steps], columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels that differ, falling, and all that is added at each."""
    if not steps:
        return np.zeros(0), np.zeros((0, columns), dtype=np.int64)
    levels, place = np.unique(-np.concatenate([step.levels for step in steps]), return_inverse=True)
    change = np.zeros((len(levels), columns), dtype=np.int64)
    np.add.at(change, place, np.concatenate([step.change for step in steps]))
    return -levels, change


def _curve(
    recordings: Sequence[tuple[Heard, Events]], labels: Sequence[str], label: str, scenario: Scenario
) -> tuple[np.ndarray, np.ndarray]:
    """One label's curve: effective rates of false alarms per hour, rising from 0, and the share of its events found.

    ``labels`` are the columns of the scores, those without events too; only labels with events can be triggered by
    mistake. Recordings in which nobody judged the label count neither as time nor for its events.
    """
    judged = [(heard, events) for heard, events in recordings if label not in heard.unknown]
    seconds = {
        name: sum(int(np.diff(events[name], axis=1).sum()) for _, events in judged) / PER_SECOND
        for name in labels
    }
    others = [name for name in labels if name != label and seconds[name] > 0]
    column = list(labels).index(label)
    _, change = _summed(
        [
            step
            for heard, events in judged
            for step in _of_recording(heard, events, column, label, others, scenario)
        ],
        2 + len(others),
    )
    counts = np.concatenate([np.zeros((1, 2 + len(others))), np.cumsum(change, axis=0)])
    count = sum(len(events[label]) for _, events in judged)
    hours = sum(heard.duration_s for heard, _ in judged) / HOUR_S
    rate = counts[:, 1] / max(hours, 1e-12)
    if others and scenario.alpha_ct:
        crossed = counts[:, 2:] / (np.array([seconds[name] for name in others]) / HOUR_S)
        rate = rate + scenario.alpha_ct * crossed.mean(axis=1)
    return _upper(rate, counts[:, 0] / max(count, 1), scenario.max_rate)


def _upper(rate: np.ndarray, share: np.ndarray, max_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The best share at each rate or below."""
    order = np.lexsort((share, rate))
    rate, best = rate[order], np.maximum.accumulate(share[order])
    last = np.r_[rate[1:] != rate[:-1], True] & (rate <= max_rate)
    return rate[last], best[last]


def score(
    recordings: Sequence[Heard], labels: Sequence[str], scenario: Scenario
) -> tuple[float, tuple[np.ndarray, np.ndarray], Mapping[str, tuple[np.ndarray, np.ndarray]]]:
    """The score, the curve that it is the area of, and each label's.

    Labels without a single event in the truth have no curve and are left out; with none left, the score is NaN.
    """
    known = [(heard, {label: occurrences(heard, label) for label in labels}) for heard in recordings]
    present = [
        label
        for label in labels
        if any(len(events[label]) for heard, events in known if label not in heard.unknown)
    ]
    curves = {label: _curve(known, labels, label, scenario) for label in present}
    if not curves:
        return float("nan"), (np.zeros(0), np.zeros(0)), {}
    rates = np.unique(np.concatenate([rate for rate, _ in curves.values()]))
    table = np.array(
        [share[np.searchsorted(rate, rates, side="right") - 1] for rate, share in curves.values()]
    )
    effective = np.maximum(table.mean(axis=0) - scenario.alpha_st * table.std(axis=0), 0.0)
    widths = np.diff(rates, append=scenario.max_rate)
    return float((effective * widths).sum() / scenario.max_rate), (rates, effective), curves
