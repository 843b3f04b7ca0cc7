"""Do corrected labels make a better model? The same head is fitted on both labellings and tested on the same truth.

Both heads use the same folds of groups. The first learns from the labels before, the second from the labels after; both
are tested on the rows that are left after, once with the labels after as truth, which a person has looked at, and once
with those before, which nobody can accuse of favouring the second. Rows that were removed are learnt from before, and
never tested on. Intervals draw groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.data.audit import folds as folding
from sonoscope.data.audit import head, intervals
from sonoscope.data.audit.head import Targets

TRUTHS = ("after", "before")
#: A draw ranks all rows for every label.
DRAWS = 200


@dataclass(frozen=True)
class Figure:
    """A figure of both heads on one truth, and the 95 % interval of the difference (groups are drawn)."""

    name: str
    truth: str
    before: float
    after: float
    low: float
    high: float
    n: int
    groups: int

    @property
    def difference(self) -> float:
        return self.after - self.before


def compare(
    vectors: np.ndarray,
    before: Targets,
    after: Targets,
    kept: np.ndarray,
    *,
    folds: int = head.FOLDS,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Figure]:
    """Macro average precision, and top-1 accuracy or, with several labels a row, agreement per label.

    Parameters
    ----------
    vectors : np.ndarray, shape (r, d)
        Of the rows before.
    before, after : Targets
        What both labellings say about these rows, in the same order of labels.
    kept : np.ndarray, shape (r,), bool
        False for rows that were removed; what ``after`` says about them does not count.

    Raises
    ------
    UsageError
        As :func:`sonoscope.data.audit.head.unheard`.
    """
    if before.labels != after.labels:
        raise ValueError(f"labels differ: {before.labels} and {after.labels}")
    single = before.one_each and _only(after, kept).one_each
    placed = folding.assign(before.groups, before.sounds, folds, seed=seed)
    one = head.unheard(vectors, before, folds=placed, one_each=single).probabilities
    other = head.unheard(vectors, after, folds=placed, one_each=single, learn=kept).probabilities
    found = []
    for name, truth in zip(TRUTHS, (after, before), strict=True):
        tested = np.flatnonzero(kept & truth.known.any(axis=1))
        if single:
            tested = tested[truth.sounds[tested].any(axis=1)]

        def figures(rows: np.ndarray, truth: Targets = truth, tested: np.ndarray = tested) -> list[float]:
            places = tested[rows]
            return [value for scores in (one, other) for value in _figures(scores, truth, places, single)]

        whole = figures(np.arange(len(tested)))
        spread = intervals.intervals(
            lambda rows, figures=figures: [  # type: ignore[misc]
                (values := figures(rows))[2] - values[0],
                values[3] - values[1],
            ],
            truth.groups[tested],
            draws=draws,
            seed=seed,
        )
        names = ("average precision, mean over labels", "top-1" if single else "labels right")
        for k, kind in enumerate(names):
            found.append(
                Figure(
                    kind,
                    name,
                    whole[k],
                    whole[k + 2],
                    *spread[k],
                    len(tested),
                    len(set(truth.groups[tested])),
                )
            )
    return found


def _only(targets: Targets, rows: np.ndarray) -> Targets:
    return Targets(targets.labels, targets.sounds[rows], targets.known[rows], targets.groups[rows])


def _figures(scores: np.ndarray, truth: Targets, rows: np.ndarray, single: bool) -> tuple[float, float]:
    """Macro average precision, and the share of rows (or of judged labels) that are right.

    A label that a head could not learn scores 0.
    """
    scores = np.nan_to_num(scores[rows])
    sounds, known = truth.sounds[rows], truth.known[rows]
    precisions = [
        average_precision(sounds[judged, k], scores[judged, k])
        for k in range(scores.shape[1])
        if sounds[judged := known[:, k], k].any() and not sounds[judged, k].all()
    ]
    if single:
        right = sounds[np.arange(len(rows)), scores.argmax(axis=1)]
    else:
        right = ((scores >= 0.5) == sounds)[known]
    return (
        float(np.mean(precisions)) if precisions else float("nan"),
        float(np.mean(right)) if right.size else float("nan"),
    )


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall steps of (n,) truth and scores, ties taken together; ``truth`` has positives."""
    order = np.argsort(-scores)
    ranked = scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(truth[order])[last]
    return float((np.diff(hits, prepend=0) * hits / (last + 1)).sum() / hits[-1])
