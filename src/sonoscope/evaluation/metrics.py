"""Clip-level metrics, in NumPy, against scikit-learn in the tests.

Truth is a binary matrix ``(n, c)``, scores are real, larger meaning more likely. A class without positives
has no average precision: it is ``nan`` here and must be left out (and named) by whoever averages.
"""

from __future__ import annotations

import numpy as np


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall steps, ties taken together
    (``sklearn.metrics.average_precision_score``).

    Parameters
    ----------
    truth : np.ndarray, shape (n,), bool or 0/1
    scores : np.ndarray, shape (n,)

    Returns
    -------
    float
        In 0..1; nan without positives.
    """
    truth = np.asarray(truth, dtype=bool)
    if not truth.any():
        return float("nan")
    precision, recall, _ = precision_recall(truth, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def precision_recall(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall when everything at or above each distinct score is accepted, scores descending.

    Returns
    -------
    precision, recall, thresholds : np.ndarray, shape (k,)
        ``k`` distinct scores. Recall is nan without positives.
    """
    truth, scores = np.asarray(truth, dtype=bool), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.r_[np.diff(ranked) != 0, True])
    hits = np.cumsum(truth[order])[last]
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / (last + 1.0), hits / float(truth.sum()), ranked[last]


def confusion(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts, shape (c, c): row is the truth, column what was said."""
    return np.bincount(
        np.asarray(truth) * n_classes + np.asarray(predicted), minlength=n_classes * n_classes
    ).reshape(n_classes, n_classes)


def mean_of_defined(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean over the last axis of the values that are numbers; nan without any.

    With ``weights`` (d, n) for values (n,), or of the shape of the values: their weighted means.
    """
    defined = np.isfinite(values)
    held = np.where(defined, values, 0.0)
    if weights is None:
        total, count = held.sum(axis=-1), defined.sum(axis=-1)
    elif held.ndim == 1:
        total, count = weights @ held, weights @ defined
    else:
        total, count = (weights * held).sum(axis=-1), (weights * defined).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
