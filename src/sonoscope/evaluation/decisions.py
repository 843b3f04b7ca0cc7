"""Figures of decisions: what is said, against what sounds, for many labels at once.

Micro figures count all decisions together; macro figures are means over labels that sound in some clip; weighted ones
weigh those labels by how often they sound; samples figures are means over clips in which some label sounds. All equal
scikit-learn's with ``zero_division=0``, but for one thing: scikit-learn lets a label that sounds in no clip (a clip
in which no label sounds) take part with 0, whatever was said. Here it takes no part, and who reports says how many.

Hamming score is the share of decisions that are right, exact match that of clips all of whose decisions are. Both are
high for a model that never says anything. What nobody judged counts nowhere; clips can be weighted.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sonoscope.evaluation.tagging import Answers

AVERAGES = ("micro", "macro", "weighted", "samples")
MEASURES = ("precision", "recall", "f1")


class Decisions:
    """Decisions of one kind on all clips of a set.

    Parameters
    ----------
    answers : Answers
        Their scores are not looked at.
    accepted : np.ndarray, shape (n, c), bool
        What is said.
    """

    def __init__(self, answers: Answers, accepted: np.ndarray) -> None:
        known, sounds = answers.known, answers.truth > 0
        self._right = ((accepted == sounds) & known).astype(np.float64)
        self._known = known.astype(np.float64)
        self.hits = (accepted & sounds & known).astype(np.float64)
        self.said = (accepted & known).astype(np.float64)
        self.there = (sounds & known).astype(np.float64)

    @cached_property
    def of_clips(self) -> dict[str, np.ndarray]:
        """``precision``, ``recall``, ``f1``, ``hamming`` and ``exact_match`` of each clip, (n,).

        The first three are nan where no label sounds, the last two where none was judged.
        """
        counts = (part.sum(axis=1) for part in (self.hits, self.said, self.there))
        found = _rates(*counts)
        judged = self._known.sum(axis=1)
        right = self._right.sum(axis=1)
        with np.errstate(invalid="ignore"):
            found["hamming"] = right / np.where(judged > 0, judged, np.nan)
        found["exact_match"] = np.where(judged > 0, (right == judged).astype(float), np.nan)
        return found

    def of_labels(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """``precision``, ``recall`` and ``f1`` of each label, (c,); nan where it does not sound."""
        return _rates(*self._counts(weights))

    def _counts(self, weights: np.ndarray | None) -> tuple[np.ndarray, ...]:
        parts = (self.hits, self.said, self.there)
        return tuple(part.sum(axis=0) if weights is None else weights @ part for part in parts)

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Every average of every measure (``macro_f1``), ``hamming`` and ``exact_match``; nan where undefined."""
        hits, said, there = self._counts(weights)
        of_labels = _rates(hits, said, there)
        pooled = _rates(*(np.atleast_1d(part.sum()) for part in (hits, said, there)))
        clips = self.of_clips
        each = np.ones(len(self.hits)) if weights is None else weights
        found = {}
        for name in MEASURES:
            found[f"micro_{name}"] = float(pooled[name][0])
            found[f"macro_{name}"] = _mean(of_labels[name], np.ones(len(there)))
            found[f"weighted_{name}"] = _mean(of_labels[name], there)
            found[f"samples_{name}"] = _mean(clips[name], each)
        judged = each @ self._known.sum(axis=1)
        found["hamming"] = float(each @ self._right.sum(axis=1) / judged) if judged > 0 else float("nan")
        found["exact_match"] = _mean(clips["exact_match"], each)
        return found


def _rates(hits: np.ndarray, said: np.ndarray, there: np.ndarray) -> dict[str, np.ndarray]:
    """Precision (0 where nothing is said), recall and F1; nan where nothing is there."""
    none = there <= 0
    precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
    recall = np.divide(hits, there, out=np.zeros_like(hits), where=~none)
    total = said + there
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return {
        name: np.where(none, np.nan, values)
        for name, values in zip(MEASURES, (precision, recall, f1), strict=True)
    }


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted mean of the values that are numbers; nan without any of some weight."""
    defined = np.isfinite(values) & (weights > 0)
    total = weights[defined].sum()
    return float(values[defined] @ weights[defined] / total) if total > 0 else float("nan")


def accepted(scores: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """What is said: scores at or above the threshold, one for all labels or one for each."""
    return np.asarray(scores) >= np.asarray(thresholds)
