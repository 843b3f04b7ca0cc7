"""Thresholds from what is wished, on clips that were judged: by F1, by precision, by false-positive rate, or fixed.

Each label has its own, or all share one, chosen on all their decisions together. Candidates lie halfway between
neighbouring scores, so that a wish that is met on the clips is met exactly. Where a share of the field is given
(:mod:`sonoscope.evaluation.prior`), clips are weighted as if each label sounded in that share of them.

Thresholds belong to clips that are not reported: ``data/certificate.py`` and :mod:`sonoscope.evaluation.disjoint` see
to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation import prior
from sonoscope.evaluation.ranking import Sorted
from sonoscope.evaluation.tagging import Answers

BY = ("f1", "precision", "fpr", "fixed")
SCOPES = ("per-class", "global")
#: Thresholds that the published sweep tries on the very clips it reports (Zhong et al. 2023).
SWEEP = np.arange(0.0, 0.80, 0.02).round(2)

#: Truth (bool), scores and weights of the judged decisions of one label, each of shape (n,).
Column = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Wish:
    """``by`` one of :data:`BY`; ``value`` the precision or rate wanted, or the threshold itself."""

    by: str
    value: float | None = None

    def __str__(self) -> str:
        return self.by if self.value is None else f"{self.by}={self.value:g}"


def wish(text: str) -> Wish:
    """``f1``, ``precision=0.95``, ``fpr=0.005`` or ``fixed=0.4``.

    Raises
    ------
    UsageError
        If it is none of these, or the number is not in 0..1.
    """
    by, sign, number = (part.strip() for part in text.partition("="))
    forms = "f1, precision=0.95, fpr=0.005 or fixed=0.4"
    if by not in BY or (by == "f1") == bool(sign):
        raise UsageError(f"by={text!r} is not understood. It may be {forms}.")
    if by == "f1":
        return Wish("f1")
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"by={text!r}: {number!r} is not a number. It may be {forms}.") from None
    if not 0 <= value <= 1:
        raise UsageError(f"by={text!r}: {value:g} must lie in 0..1")
    return Wish(by, value)


@dataclass(frozen=True)
class Point:
    """What a threshold comes to; ``why`` is filled where the wish is not met, or nothing could be measured.

    Figures are None where they are undefined (no clip of a kind).
    """

    threshold: float
    precision: float | None
    recall: float | None
    fpr: float | None
    f1: float | None
    positives: int
    negatives: int
    why: str = ""


@dataclass(frozen=True)
class Fitted:
    """Thresholds by label, and what each comes to on the clips that it was fitted on.

    ``unmet`` names the labels for which the wish could not be met, with the nearest that can.
    """

    thresholds: Mapping[str, float]
    points: Mapping[str, Point]
    wish: Wish
    scope: str
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def unmet(self) -> dict[str, str]:
        return {label: point.why for label, point in self.points.items() if point.why}

    def array(self, labels: tuple[str, ...]) -> np.ndarray:
        """The thresholds in the order of ``labels``, (c,)."""
        return np.array([self.thresholds[label] for label in labels])


def fit(
    answers: Answers, wanted: Wish, *, scope: str = "per-class", shares: Mapping[str, float] | None = None
) -> Fitted:
    """The thresholds that a wish leads to; see :class:`Fitted` for wishes that cannot be met.

    Parameters
    ----------
    answers : Answers
        Clips that are not reported.
    wanted : Wish
    scope : str
        ``per-class`` or ``global``.
    shares : mapping of str to float, optional
        Of some labels: the share of the field's clips in which they sound.

    Raises
    ------
    UsageError
        If there is no such scope, a share is out of range or of a label that the clips do not show in both kinds, or a
        fixed threshold is to be the same for all labels and to follow their shares.
    """
    if scope not in SCOPES:
        raise UsageError(f"scope={scope!r} must be one of {', '.join(SCOPES)}")
    given = dict(shares or {})
    if scope == "global" and wanted.by == "fixed" and given:
        raise UsageError(
            "a fixed threshold for all labels does not change with their shares of the field, which move each label's "
            "own: leave out --global, or --prior"
        )
    columns = [_column(answers, k, given) for k in range(len(answers.labels))]
    if scope == "global":
        truth, scores, weights = (np.concatenate(part) for part in zip(*columns, strict=True))
        whole = _chosen((truth, scores, weights), wanted)
        points = {
            label: replace(_at(whole.threshold, column), why=whole.why)
            for label, column in zip(answers.labels, columns, strict=True)
        }
    elif wanted.by == "fixed":
        points = {
            label: _at(_fixed(wanted, column[0], given.get(label)), column)
            for label, column in zip(answers.labels, columns, strict=True)
        }
    else:
        points = {
            label: _chosen(column, wanted) for label, column in zip(answers.labels, columns, strict=True)
        }
    return Fitted({label: p.threshold for label, p in points.items()}, points, wanted, scope, given)


def swept(answers: Answers, thresholds: np.ndarray = SWEEP) -> tuple[float, np.ndarray]:
    """The one threshold of the best micro-F1 on these clips, and the micro-F1 of each threshold tried."""
    truth = (answers.truth > 0) & answers.known
    column = Sorted.of(truth[answers.known], answers.scores[answers.known])
    true, false = column.counts()
    # How many distinct scores lie at or above each threshold: the scores fall.
    reached = np.searchsorted(-column.scores, -thresholds, side="right")
    hits, wrong = (np.r_[0.0, part][reached] for part in (true, false))
    total = hits + wrong + truth.sum()
    f1 = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(np.argmax(f1))]), f1


def _column(answers: Answers, k: int, shares: Mapping[str, float]) -> Column:
    """Truth, scores and weights of the judged decisions of a label."""
    known, label = answers.known[:, k], answers.labels[k]
    truth, scores = answers.truth[known, k] > 0, answers.scores[known, k].astype(np.float64)
    if label not in shares:
        return truth, scores, np.ones(len(truth))
    try:
        return truth, scores, prior.weights(truth, shares[label])
    except ValueError as error:
        raise UsageError(f"prior {label}={shares[label]:g}: {error}") from None


def _fixed(wanted: Wish, truth: np.ndarray, share: float | None) -> float:
    """The threshold as it is; with a share of the field, the score that has that probability there."""
    value = 0.5 if wanted.value is None else wanted.value
    return value if share is None or value in (0.0, 1.0) else prior.before(value, float(truth.mean()), share)


def _chosen(column: Column, wanted: Wish) -> Point:
    """The best threshold for a wish, or the nearest."""
    truth, scores, weights = column
    if wanted.by == "fixed":
        return _at(0.5 if wanted.value is None else wanted.value, column)
    if not truth.any() or (wanted.by == "fpr" and truth.all()):
        kind = "negatives" if truth.any() else "positives"
        return replace(_at(0.5, column), why=f"no {kind} among {len(truth)} clips: 0.5 stands")
    ranked = Sorted.of(truth, scores)
    true, false = ranked.counts(weights)
    limits = (ranked.scores + np.r_[ranked.scores[1:], min(ranked.scores[-1], 0.0)]) / 2
    if wanted.by == "f1":
        return _at(float(limits[np.argmax(2 * true / (true + false + true[-1]))]), column)
    assert wanted.value is not None
    if wanted.by == "precision":
        reached = true / np.maximum(true + false, 1e-300)
        met, nearest = reached >= wanted.value, int(np.argmax(reached))
    else:
        reached = false / false[-1]
        met, nearest = reached <= wanted.value, int(np.argmin(reached))
    if met.any():
        return _at(float(limits[np.flatnonzero(met)[-1]]), column)
    point = _at(float(limits[nearest]), column)
    recall = 0.0 if point.recall is None else point.recall
    return replace(
        point,
        why=f"{wanted} cannot be met; nearest: {wanted.by}={reached[nearest]:.3f} at threshold {point.threshold:.3f}, "
        f"recall {recall:.3f}",
    )


def _at(threshold: float, column: Column) -> Point:
    """What a threshold comes to."""
    truth, scores, weights = column
    said = scores >= threshold
    hits, alarms = float(weights[said & truth].sum()), float(weights[said & ~truth].sum())
    there, not_there = float(weights[truth].sum()), float(weights[~truth].sum())
    return Point(
        threshold=threshold,
        precision=hits / (hits + alarms) if hits + alarms else None,
        recall=hits / there if there else None,
        fpr=alarms / not_there if not_there else None,
        f1=2 * hits / (hits + alarms + there) if there else None,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
    )
