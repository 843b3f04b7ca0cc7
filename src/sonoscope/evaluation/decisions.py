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

from sonoscope.evaluation.metrics import mean_of_defined

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
        right = (accepted == sounds) & known
        self.hits = (accepted & sounds & known).astype(np.float64)
        self.said = (accepted & known).astype(np.float64)
        self.there = (sounds & known).astype(np.float64)
        self._right = right.sum(axis=1).astype(np.float64)
        self._judged = known.sum(axis=1).astype(np.float64)

    @cached_property
    def of_clips(self) -> dict[str, np.ndarray]:
        """``precision``, ``recall``, ``f1``, ``hamming`` and ``exact_match`` of each clip, (n,).

        The first three are nan where no label sounds, the last two where none was judged.
        """
        found = _rates(*(part.sum(axis=1) for part in (self.hits, self.said, self.there)))
        judged = self._judged > 0
        share = np.divide(self._right, self._judged, out=np.full(len(judged), np.nan), where=judged)
        return found | {"hamming": share, "exact_match": np.where(judged, share == 1.0, np.nan)}

    def of_labels(self) -> dict[str, np.ndarray]:
        """``precision``, ``recall`` and ``f1`` of each label, (c,); nan where it does not sound."""
        return _rates(*(part.sum(axis=0) for part in (self.hits, self.said, self.there)))

    def figures(self) -> dict[str, float]:
        """Every average of every measure (``macro_f1``), ``hamming`` and ``exact_match``; nan where undefined."""
        found = self.drawn(np.ones((1, len(self.hits))))
        return {name: float(values[0]) for name, values in found.items()}

    def drawn(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The same for each of several weightings of the clips, (d, n): (d,) each."""
        hits, said, there = (weights @ part for part in (self.hits, self.said, self.there))
        of_labels = _rates(hits, said, there)
        pooled = _rates(*(part.sum(axis=-1) for part in (hits, said, there)))
        found = {}
        for name in MEASURES:
            found[f"micro_{name}"] = pooled[name]
            found[f"macro_{name}"] = mean_of_defined(of_labels[name])
            found[f"weighted_{name}"] = mean_of_defined(of_labels[name], there)
            found[f"samples_{name}"] = mean_of_defined(self.of_clips[name], weights)
        judged = weights @ self._judged
        found["hamming"] = np.divide(
            weights @ self._right, judged, out=np.full(len(weights), np.nan), where=judged > 0
        )
        found["exact_match"] = mean_of_defined(self.of_clips["exact_match"], weights)
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


def accepted(scores: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """What is said: scores at or above the threshold, one for all labels or one for each."""
    return np.asarray(scores) >= np.asarray(thresholds)
