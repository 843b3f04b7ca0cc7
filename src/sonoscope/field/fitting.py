"""Thresholds from verdicts: the lowest at which a label is as precise as is wished, over the season.

A wish is met at a threshold if the estimate reaches it and the verdicts leave no more than twice the wished error
possible: for a precision of 0.95 the lower end of its 95 % interval is at least 0.90. What too few verdicts cannot show
is refused, with the number that could.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.field.estimates import Estimate, by_threshold, estimate
from sonoscope.field.evidence import Evidence
from sonoscope.outputs.rows import comma_line

#: Thresholds that are tried for a label, at most; spread over the levels of its frame.
TRIED = 40
#: Most verdicts that a message asks for.
MOST = 5000


@dataclass(frozen=True)
class Point:
    """A threshold, and what it gives."""

    threshold: float
    estimate: Estimate


def curve(evidence: Evidence, seed: int = 0) -> list[Point]:
    """Precision and recall at thresholds from low to high, levels of the frame that find a window."""
    frame = evidence.frame
    found = frame.windows.sum(axis=(0, 2))[::-1].cumsum()[::-1]
    levels = np.flatnonzero((frame.scores > 0) & (found > 0))
    if len(levels) > TRIED:
        levels = levels[np.unique(np.linspace(0, len(levels) - 1, TRIED).round().astype(int))]
    return [
        Point(
            float(frame.scores[level]),
            estimate(evidence, by_threshold(evidence, level), draws=2000, seed=seed),
        )
        for level in levels.tolist()
    ]


def least(wish: float) -> float:
    """The lower end of an interval that still counts as meeting a wish."""
    return 1.0 - 2.0 * (1.0 - wish)


def verdicts_needed(wish: float, share: float | None = None) -> int:
    """How many verdicts on found windows show a precision of ``wish``, if the share of yes among them is ``share``.

    With Jeffreys' interval; ``share`` at least ``wish``, by default halfway between it and 1.

    >>> verdicts_needed(0.95), verdicts_needed(0.9), verdicts_needed(0.95, 1.0)
    (84, 38, 24)
    """
    from scipy.special import betaincinv

    share = (1 + wish) / 2 if share is None else min(max(share, wish), 1.0)
    for count in range(1, MOST):
        yes = math.floor(share * count)
        if float(betaincinv(yes + 0.5, count - yes + 0.5, 0.025)) >= least(wish):
            return count
    return MOST


def for_precision(label: str, points: Sequence[Point], wish: float) -> Point:
    """The lowest threshold at which a precision is reached, and shown to be.

    Raises
    ------
    UsageError
        If none is; the message says how many verdicts would be needed, or how precise the label gets.
    """
    reached = [
        p for p in points if p.estimate.precision.value is not None and p.estimate.precision.value >= wish
    ]
    shown = [p for p in reached if (p.estimate.precision.low or 0.0) >= least(wish)]
    if shown:
        return min(shown, key=lambda point: point.threshold)
    if reached:
        best = max(reached, key=lambda point: point.estimate.judged_found)
        value, judged = best.estimate.precision.value or 0.0, best.estimate.judged_found
        needed = max(verdicts_needed(wish, value), judged + 1)
        raise UsageError(
            f"{label}: a precision of {wish:g} cannot be shown with {judged} verdicts above the threshold "
            f"{best.threshold:.4g} ({value:.2f}, 95 % interval from {best.estimate.precision.low or 0:.2f}): "
            f"about {needed} are needed there. Judge more clips (clips --next), or wish for less"
        )
    known = [p for p in points if p.estimate.precision.value is not None]
    if not known:
        raise UsageError(f"{label}: no verdicts on windows above any threshold: judge its clips first")
    best = max(known, key=lambda point: point.estimate.precision.value or 0.0)
    if (best.estimate.precision.high or 0.0) >= wish:
        raise UsageError(
            f"{label}: a precision of {wish:g} is not shown by {best.estimate.judged_found} verdicts above "
            f"{best.threshold:.4g} ({best.estimate.precision.value:.2f}, 95 % interval up to "
            f"{best.estimate.precision.high:.2f}): about {verdicts_needed(wish)} are needed there. Judge more clips "
            "(clips --next), or wish for less"
        )
    raise UsageError(
        f"{label}: no threshold gives a precision of {wish:g}; the best is {best.estimate.precision.value:.2f} at "
        f"{best.threshold:.4g}. Wish for less, or train the model with these verdicts"
    )


def for_recall(label: str, points: Sequence[Point], wish: float) -> Point:
    """The highest threshold at which a recall is reached.

    Raises
    ------
    UsageError
        If none does.
    """
    reached = [p for p in points if p.estimate.recall.value is not None and p.estimate.recall.value >= wish]
    if reached:
        return max(reached, key=lambda point: point.threshold)
    best = max((p.estimate.recall.value or 0.0 for p in points), default=0.0)
    raise UsageError(
        f"{label}: no threshold gives a recall of {wish:g} (the lowest tried gives {best:.2f}): wish for less"
    )


def check_wish(name: str, wish: float) -> None:
    """Find that a wish lies between 0.5 and 1 (precision) or 0 and 1 (recall).

    Raises
    ------
    UsageError
        If not.
    """
    low = 0.5 if name == "precision" else 0.0
    if not low < wish < 1:
        raise UsageError(f"--{name} {wish:g} must lie above {low:g} and below 1 (95 % is 0.95)")


def thresholds_text(fitted: Mapping[str, Point]) -> str:
    """``label,threshold`` and what was estimated there: what ``analyze --threshold FILE`` reads."""
    lines = [
        "label,threshold,precision,precision_low,precision_high,recall,recall_low,recall_high,verdicts\n"
    ]
    for label, point in fitted.items():
        figures = (point.estimate.precision, point.estimate.recall)
        cells = (
            "" if number is None else f"{number:.4f}"
            for figure in figures
            for number in (figure.value, figure.low, figure.high)
        )
        lines.append(comma_line((label, f"{point.threshold:.4f}", *cells, str(point.estimate.judged))))
    return "".join(lines)
