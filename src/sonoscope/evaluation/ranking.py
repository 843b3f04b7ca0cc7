"""Figures of scores that no threshold enters: average precision, area under the ROC curve, and LRAP.

Clips can be weighted: a draw of a bootstrap is a weight for each, so that scores are sorted once and not for each
draw. What nobody judged counts nowhere. Equal to scikit-learn's ``average_precision_score``, ``roc_auc_score`` and
``label_ranking_average_precision_score`` where everything was judged and every clip has a label.

LRAP (label ranking average precision; Tsoumakas, Katakis and Vlahavas 2010): of each label that sounds, the share of
those that sound among all that score at least as high, averaged over a clip's labels, then over clips. A label that
ties takes the worst rank of those it ties with: scores must come as they are, never rounded. A clip without labels
would count 1.0 whatever was said, so it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sonoscope.evaluation.metrics import mean_of_defined
from sonoscope.evaluation.tagging import Answers

#: Comparisons of labels that LRAP makes at a time.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Sorted:
    """One column of decisions in order of falling scores, with the last place of each distinct score.

    ``order`` are the places of the decisions in what was given, ``hits`` whether each was true, ``last`` the places
    in the order after which another score begins, ``scores`` the distinct scores.
    """

    order: np.ndarray
    hits: np.ndarray
    last: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, scores: np.ndarray) -> Sorted:
        """From 0/1 truth and scores, both of shape (n,)."""
        order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
        ranked = np.asarray(scores, dtype=np.float64)[order]
        last = (
            np.flatnonzero(np.r_[np.diff(ranked) != 0, True]) if ranked.size else np.zeros(0, dtype=np.int64)
        )
        return cls(order, np.asarray(truth, dtype=bool)[order], last, ranked[last])

    def counts(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """How many are true and how many false at or above each distinct score.

        Both (k,); with ``weights`` of shape (n,) weighted; with (d, n), a row for each draw, (d, k).
        """
        if weights is None:
            true = np.cumsum(self.hits)[self.last].astype(np.float64)
            return true, self.last + 1.0 - true
        ranked = weights[..., self.order]
        true = np.cumsum(ranked * self.hits, axis=-1)[..., self.last]
        return true, np.cumsum(ranked, axis=-1)[..., self.last] - true


def precision_of_counts(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Area under the steps of precision over recall, from :meth:`Sorted.counts`, over the last axis.

    nan without positives.
    """
    said = true + false
    precision = np.divide(true, said, out=np.zeros_like(said), where=said > 0)
    area = np.sum(np.diff(true, prepend=0.0, axis=-1) * precision, axis=-1)
    there = true[..., -1] if true.shape[-1] else np.zeros(true.shape[:-1])
    return np.divide(area, there, out=np.full(np.shape(area), np.nan), where=there > 0)


def area_of_counts(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Share of pairs of a positive and a negative in the right order, ties half, over the last axis.

    nan where there is one kind only.
    """
    pairs = true[..., -1] * false[..., -1] if true.shape[-1] else np.zeros(true.shape[:-1])
    before = true - np.diff(true, prepend=0.0, axis=-1) / 2
    area = np.sum(np.diff(false, prepend=0.0, axis=-1) * before, axis=-1)
    return np.divide(area, pairs, out=np.full(np.shape(area), np.nan), where=pairs > 0)


def lrap_of_clips(truth: np.ndarray, known: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """LRAP of each clip, (n,), from arrays of shape (n, c); nan for clips that nothing is known to sound in."""
    found = np.full(len(truth), np.nan)
    sounds = (np.asarray(truth) > 0) & known
    rows = np.flatnonzero(sounds.any(axis=1))
    step = max(_AT_ONCE // max(truth.shape[1] ** 2, 1), 1)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        s, k, t = scores[part], known[part], sounds[part]
        above = (s[:, None, :] >= s[:, :, None]) & k[
            :, None, :
        ]  # [clip, label, other that scores at least as high]
        rank = above.sum(axis=2)
        right = (above & t[:, None, :]).sum(axis=2)
        share = np.divide(right, rank, out=np.zeros(rank.shape), where=rank > 0) * t
        found[part] = share.sum(axis=1) / t.sum(axis=1)
    return found


class Ranking:
    """Everything that a set of answers says without a threshold; sorted once, weighted often."""

    def __init__(self, answers: Answers) -> None:
        self.labels = answers.labels
        self._answers = answers
        self._rows = [np.flatnonzero(known) for known in answers.known.T]
        self._columns = [
            Sorted.of(answers.truth[rows, k] > 0, answers.scores[rows, k])
            for k, rows in enumerate(self._rows)
        ]

    @cached_property
    def lrap_of_clips(self) -> np.ndarray:
        """See :func:`lrap_of_clips`."""
        return lrap_of_clips(self._answers.truth, self._answers.known, self._answers.scores)

    @cached_property
    def _pooled(self) -> tuple[Sorted, np.ndarray]:
        rows, columns = np.nonzero(self._answers.known)
        truth, scores = self._answers.truth[rows, columns] > 0, self._answers.scores[rows, columns]
        return Sorted.of(truth, scores), rows

    @property
    def pooled(self) -> Sorted:
        """The sorted decisions of all labels together."""
        return self._pooled[0]

    def column(self, label: int) -> Sorted:
        """The sorted decisions of a label."""
        return self._columns[label]

    def of_labels(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Average precision and area under the ROC curve of each label, nan where undefined.

        Both (c,); with ``weights`` (d, n), (d, c).
        """
        counts = [
            column.counts(None if weights is None else weights[:, rows])
            for column, rows in zip(self._columns, self._rows, strict=True)
        ]
        return (
            np.stack([precision_of_counts(*each) for each in counts], axis=-1),
            np.stack([area_of_counts(*each) for each in counts], axis=-1),
        )

    def figures(self) -> dict[str, float]:
        """``lrap``, ``macro_ap``, ``micro_ap`` and ``macro_roc_auc``; nan where undefined.

        Macro figures are means over the labels for which they are defined.
        """
        return self._figures(None, *self.of_labels())

    def drawn(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The same for each of several weightings of the clips, (d, n): (d,) each; ``ap/LABEL`` for labels."""
        precision, area = self.of_labels(weights)
        return self._figures(weights, precision, area) | {
            f"ap/{label}": precision[:, k] for k, label in enumerate(self.labels)
        }

    def _figures(self, weights: np.ndarray | None, precision: np.ndarray, area: np.ndarray) -> dict[str, Any]:
        pooled, rows = self._pooled
        return {
            "lrap": mean_of_defined(self.lrap_of_clips, weights),
            "macro_ap": mean_of_defined(precision),
            "micro_ap": precision_of_counts(*pooled.counts(None if weights is None else weights[:, rows])),
            "macro_roc_auc": mean_of_defined(area),
        }
