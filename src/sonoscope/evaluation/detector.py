"""A detector at every threshold: precision, sensitivity and false-positive rate of its cells, and what follows.

A cell has a label if the label's events cover it for at least ``min_overlap_s`` (all of a cell that is shorter). At a
threshold, cells whose score reaches it are accepted. Falling thresholds accept more: sensitivity and false-positive
rate rise, precision mostly falls. So the best threshold under a condition is the lowest that meets it.

A *false alarm* is a run of accepted cells in a recording that has no event of the label. Their rate per hour has exact
limits, for alarms that come independently (Garwood 1936): also none in two hours says something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation.heard import PER_SECOND, Heard, covered, microseconds, spans, united
from sonoscope.evaluation.result import Figure

HOUR_S = 3600.0
#: Chance that a limit of a rate leaves out on each side.
TAIL = 0.025


def cells(
    recordings: Sequence[Heard], label: str, column: int, min_overlap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Truth, bool, and scores of all cells of the recordings in which the label was judged, shape (n,) each."""
    truth, scores = [np.zeros(0, dtype=bool)], [np.zeros(0)]
    for heard in recordings:
        if label in heard.unknown or heard.edges_s is None or heard.scores is None:
            continue
        edges = microseconds(heard.edges_s)
        overlap = np.diff(covered(united(spans(heard.truth, label)), edges))
        truth.append(overlap >= np.maximum(np.minimum(round(min_overlap_s * PER_SECOND), np.diff(edges)), 1))
        scores.append(heard.scores[:, column].astype(np.float64))
    return np.concatenate(truth), np.concatenate(scores)


@dataclass(frozen=True, eq=False)
class Operation:
    """What happens at each threshold, falling; every array has shape (k,).

    ``precision`` is that of what is accepted (never nothing); ``sensitivity`` is NaN without positives, ``fpr`` without
    negatives.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    sensitivity: np.ndarray
    fpr: np.ndarray
    positives: int
    negatives: int


def operation(truth: np.ndarray, scores: np.ndarray) -> Operation:
    """All thresholds that differ: the scores themselves."""
    truth, scores = np.asarray(truth, dtype=bool), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True]) if ranked.size else np.zeros(0, dtype=int)
    hits = np.cumsum(truth[order])[last]
    said = last + 1.0
    positives, negatives = int(truth.sum()), int((~truth).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return Operation(
            ranked[last], hits / said, hits / np.float64(positives), (said - hits) / np.float64(negatives),
            positives, negatives,
        )  # fmt: skip


def at_threshold(truth: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Precision, sensitivity and false-positive rate there; NaN where they are undefined."""
    truth, accepted = np.asarray(truth, dtype=bool), np.asarray(scores) >= threshold
    hits, said = int((truth & accepted).sum()), int(accepted.sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    return tuple(
        part / whole if whole else float("nan")
        for part, whole in ((hits, said), (hits, positives), (said - hits, negatives))
    )  # type: ignore[return-value]


@dataclass(frozen=True)
class Point:
    """The lowest threshold that meets a condition (None: none does), and the sensitivity there."""

    threshold: float | None
    figure: Figure


def at_precision(table: Operation, wanted: float) -> Point:
    """The highest sensitivity of all thresholds with at least this precision."""
    return _lowest(table, table.precision >= wanted, f"precision {wanted:g}", table.precision.argmax)


def at_fpr(table: Operation, wanted: float) -> Point:
    """The highest sensitivity of all thresholds with at most this share of the negatives accepted.

    Accepting nothing always does that: where no score will do, the sensitivity is 0.
    """
    if table.positives and not table.negatives:
        return Point(None, Figure(None, why="no negatives"))
    found = _lowest(table, table.fpr <= wanted, f"false-positive rate {wanted:g}", table.fpr.argmin)
    if found.threshold is None and table.positives:
        return Point(None, Figure(0.0, why=f"{found.figure.why}; 0 by accepting nothing"))
    return found


def _lowest(table: Operation, meets: np.ndarray, what: str, nearest: Callable[[], np.intp]) -> Point:
    if not table.positives:
        return Point(None, Figure(None, why="no positives"))
    good = np.flatnonzero(meets)
    if not good.size:
        place = int(nearest())
        value = table.precision[place] if what.startswith("precision") else table.fpr[place]
        why = f"no threshold reaches {what}; the nearest is {value:.4g} at {table.thresholds[place]:.4g}"
        return Point(None, Figure(None, why=why))
    return Point(float(table.thresholds[good[-1]]), Figure(float(table.sensitivity[good[-1]])))


# ---- false alarms ------------------------------------------------------------------------------------------


def poisson_limits(count: int, tail: float = TAIL) -> tuple[float, float]:
    """Exact limits of the mean of a Poisson variable that was ``count`` (Garwood 1936).

    >>> [round(limit, 3) for limit in poisson_limits(0) + poisson_limits(10)]
    [0.0, 3.689, 4.795, 18.39]

    Raises
    ------
    UsageError
        If the count is negative.
    """
    from scipy.special import gammaincinv

    if count < 0:
        raise UsageError(f"count={count} must be 0 or more")
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))


def alarms_per_hour(count: int, hours: float) -> Figure:
    """So many in so many hours, with limits; no value without time."""
    if hours <= 0:
        return Figure(None, why="no recording without an event of the label")
    low, high = poisson_limits(count)
    return Figure(count / hours, low / hours, high / hours, f"{count} in {hours:.3g} h")


def empty(recordings: Sequence[Heard], label: str) -> list[Heard]:
    """The recordings in which the label was judged and has no event."""
    return [
        heard
        for heard in recordings
        if label not in heard.unknown and all(e.label != label for e in heard.truth)
    ]


def false_runs(recordings: Sequence[Heard], label: str, column: int, threshold: float) -> Figure:
    """Runs of cells that reach the threshold in recordings without the label, per hour."""
    quiet = [heard for heard in empty(recordings, label) if heard.scores is not None]
    count = 0
    for heard in quiet:
        accepted = heard.scores[:, column] >= threshold  # type: ignore[index]
        count += int((accepted & ~np.r_[False, accepted[:-1]]).sum())
    return alarms_per_hour(count, sum(heard.duration_s for heard in quiet) / HOUR_S)


def false_events(recordings: Sequence[Heard], label: str) -> Figure:
    """Events of the label that were decided on in recordings without it, per hour."""
    quiet = [heard for heard in empty(recordings, label) if heard.said is not None]
    count = sum(event.label == label for heard in quiet for event in heard.said or ())
    return alarms_per_hour(count, sum(heard.duration_s for heard in quiet) / HOUR_S)
