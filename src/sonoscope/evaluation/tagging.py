"""Multi-label metrics of clips, where some labels of some clips were judged by nobody.

Everything takes ``truth`` (n, c) of 0/1, ``known`` (n, c) bool and ``scores`` (n, c); what is not known counts
nowhere. A class that the known truth holds no positive of has no average precision or recall and is left out of
macro means; :func:`measured` says how many were measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.calibration import best_threshold
from sonoscope.evaluation.decisions import Decisions
from sonoscope.evaluation.metrics import average_precision

#: Names of the figures of :func:`measured`.
MEASURED = (
    "map", "micro_f1", "macro_f1", "micro_precision", "macro_precision", "micro_recall", "macro_recall", "hamming",
    "top1", "macro_top1", "classes", "clips",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answers:
    """Truth and scores of clips.

    Attributes
    ----------
    truth, known, scores : np.ndarray, shape (n, c)
        0/1, bool, and probabilities (or any scores where only their order counts).
    labels : tuple of str, length c
    groups : tuple of str, length n
        What clips have in common: resampling draws whole groups.
    names : tuple of str, length n
        What clips are called, so that two models' answers can be paired.
    """

    truth: np.ndarray
    known: np.ndarray
    scores: np.ndarray
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    names: tuple[str, ...]

    def take(self, rows: np.ndarray) -> Answers:
        """Some of the clips, or one several times."""
        return Answers(
            self.truth[rows], self.known[rows], self.scores[rows], self.labels,
            tuple(self.groups[i] for i in rows), tuple(self.names[i] for i in rows),
        )  # fmt: skip


def average_precisions(answers: Answers) -> np.ndarray:
    """Per class, (c,), nan where the truth has no positive."""
    return np.array(
        [
            average_precision(answers.truth[known, k], answers.scores[known, k])
            for k, known in enumerate(answers.known.T)
        ]
    )


def f1(answers: Answers, thresholds: np.ndarray | float = 0.5) -> dict[str, float]:
    """Micro and macro F1, precision and recall when scores at or above the thresholds (c,) are accepted.

    Macro is the mean over classes with positives; a class that is never predicted has a precision of 0.
    """
    found = Decisions(answers, answers.scores >= thresholds).figures()
    return {
        f"{average}_{name}": found[f"{average}_{name}"]
        for name in ("f1", "precision", "recall")
        for average in ("micro", "macro")
    }


def hamming(answers: Answers, thresholds: np.ndarray | float = 0.5) -> float:
    """Share of the known decisions that are right: high for a model that never answers."""
    return Decisions(answers, answers.scores >= thresholds).figures()["hamming"]


def top1(answers: Answers) -> tuple[float, float]:
    """Accuracy and mean class recall of the highest score, over clips with exactly one label; nan without any."""
    single = (answers.truth * answers.known).sum(axis=1) == 1
    if not single.any():
        return float("nan"), float("nan")
    truth = answers.truth[single].argmax(axis=1)
    right = answers.scores[single].argmax(axis=1) == truth
    return float(right.mean()), float(np.mean([right[truth == k].mean() for k in np.unique(truth)]))


def fitted_thresholds(answers: Answers) -> np.ndarray:
    """Per class the threshold of the best F1, (c,); 0.5 where there are no positives to fit it on."""
    return np.array(
        [
            best_threshold(answers.scores[known, k], answers.truth[known, k])
            if answers.truth[known, k].any()
            else 0.5
            for k, known in enumerate(answers.known.T)
        ]
    )


def measured(answers: Answers, thresholds: np.ndarray | float = 0.5) -> dict[str, float]:
    """What a training reports of a set of clips; ``classes`` counts those with positives."""
    precisions = average_precisions(answers)
    accuracy, recall = top1(answers)
    return {
        "map": float(np.nanmean(precisions)) if np.isfinite(precisions).any() else float("nan"),
        **f1(answers, thresholds),
        "hamming": hamming(answers, thresholds),
        "top1": accuracy,
        "macro_top1": recall,
        "classes": float(np.isfinite(precisions).sum()),
        "clips": float(len(answers.truth)),
    }


def per_label(answers: Answers, thresholds: np.ndarray) -> Mapping[str, Mapping[str, float]]:
    """Average precision, precision, recall, F1 and count of positives for each label."""
    precisions = average_precisions(answers)
    table = {}
    for k, label in enumerate(answers.labels):
        known = answers.known[:, k]
        truth, said = answers.truth[known, k].astype(bool), answers.scores[known, k] >= thresholds[k]
        hits = int((truth & said).sum())
        table[label] = {
            "average_precision": float(precisions[k]),
            "precision": hits / said.sum() if said.any() else 0.0,
            "recall": hits / truth.sum() if truth.any() else float("nan"),
            "f1": 2 * hits / max(int(said.sum() + truth.sum()), 1),
            "positives": float(truth.sum()),
            "threshold": float(thresholds[k]),
        }
    return table
