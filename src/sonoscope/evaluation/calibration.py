"""From logits to probabilities and thresholds, on scores of recordings that the model never heard.

Platt scaling (Platt 1999): ``p = sigmoid(slope * logit + offset)``, fitted per class by Newton's method on
the log-likelihood with his smoothed targets ``(n+ + 1) / (n+ + 2)`` and ``1 / (n- + 2)``, which keep it
finite when a class is separated perfectly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.metrics import precision_recall

#: Thresholds at which a bundle states precision, recall and false-positive rate.
GRID = np.array([0.01, 0.02, *(k / 20 for k in range(1, 20)), 0.97, 0.98, 0.99, 0.995])


def fit_platt(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope (never negative) and offset for one class from (n,) logits and (n,) 0/1 truth.

    Where larger logits speak against the class, the best slope that is not negative is 0, and the offset says
    how frequent the class is.

    Raises
    ------
    ValueError
        If ``truth`` has only one value.
    """
    logits, truth = np.asarray(logits, dtype=np.float64), np.asarray(truth, dtype=bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise ValueError(f"calibration needs both kinds, got {positives} positives and {negatives} negatives")
    target = np.where(truth, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    base = float(np.log(target.mean() / (1.0 - target.mean())))
    # In units of their own spread, logits of any scale converge alike.
    centre, spread = float(logits.mean()), float(logits.std())
    if spread == 0.0:
        return 0.0, base
    design = np.stack([(logits - centre) / spread, np.ones(truth.size)], axis=1)
    weights = np.array([0.0, base])
    loss = _cross_entropy(design @ weights, target)
    for _ in range(200):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -60, 60)))
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (p - target))
        # The loss is convex, but a whole Newton step can jump over its valley.
        while (shorter := _cross_entropy(design @ (weights - step), target)) > loss and np.abs(
            step
        ).max() > 1e-9:
            step = step / 2.0
        weights, loss = weights - step, min(shorter, loss)
        if np.abs(step).max() < 1e-9:
            break
    slope = float(weights[0]) / spread
    return (slope, float(weights[1]) - slope * centre) if slope > 0 else (0.0, base)


def fit_platt_together(
    logits: Sequence[np.ndarray], truth: Sequence[np.ndarray], *, own: float
) -> list[tuple[float, float]]:
    """Slope and offset of each of several classes, drawn towards one scaling that is fitted on all of them.

    What a class's few libraries say of its scale need not hold elsewhere; what all classes have in common does more
    often. ``own`` is the share of a class's own fit: 1 leaves each by itself, 0 gives all the same, and then no class
    gains on another by being calibrated.

    Raises
    ------
    ValueError
        If a class has only one value, or ``own`` is outside 0..1.
    """
    if not 0.0 <= own <= 1.0:
        raise ValueError(f"own must lie in 0..1, got {own}")
    each = np.array([fit_platt(raw, known) for raw, known in zip(logits, truth, strict=True)])
    common = np.array(fit_platt(np.concatenate(list(logits)), np.concatenate(list(truth))))
    return [(float(slope), float(offset)) for slope, offset in own * each + (1.0 - own) * common]


def _cross_entropy(logits: np.ndarray, target: np.ndarray) -> float:
    return float(np.sum(np.logaddexp(0.0, logits) - target * logits))


def operating_points(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Precision, recall and false-positive rate at every threshold of ``GRID`` that accepts anything."""
    truth = np.asarray(truth, dtype=bool)
    points = []
    for threshold in GRID.tolist():
        accepted = probabilities >= threshold
        if accepted.any():
            points.append(
                {
                    "threshold": threshold,
                    "precision": round(float(truth[accepted].mean()), 4),
                    "recall": round(float(accepted[truth].mean()), 4),
                    "fpr": round(float(accepted[~truth].mean()), 5),
                }
            )
    return points


def best_threshold(probabilities: np.ndarray, truth: np.ndarray, *, beta: float = 1.0) -> float:
    """Threshold of the highest F-beta, halfway to the next lower score, to two decimals, in 0.05..0.95.

    Raises
    ------
    ValueError
        If ``truth`` has no positive.
    """
    if not np.any(truth):
        raise ValueError(f"a threshold needs positives, got none among {len(truth)}")
    precision, recall, thresholds = precision_recall(truth, probabilities)
    f = (1 + beta**2) * precision * recall / np.maximum(beta**2 * precision + recall, 1e-12)
    best = int(np.argmax(f))
    below = thresholds[min(best + 1, len(thresholds) - 1)]
    return float(np.clip(np.round((thresholds[best] + below) / 2, 2), 0.05, 0.95))


@dataclass(frozen=True)
class Bin:
    """Scores in ``[low, high)`` (the last with ``high``): how many, their mean, and the share that is true."""

    low: float
    high: float
    count: int
    score: float
    share: float


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> list[Bin]:
    """The bins of equal width that hold any score."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    truth = np.asarray(truth, dtype=np.float64)
    return [
        Bin(
            k / bins,
            (k + 1) / bins,
            int(inside.sum()),
            float(probabilities[inside].mean()),
            float(truth[inside].mean()),
        )
        for k in range(bins)
        if (inside := place == k).any()
    ]


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Mean |confidence - accuracy| over equal-width bins, weighted by their size (Naeini et al. 2015)."""
    found = reliability(probabilities, truth, bins)
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.score - each.share) for each in found) / max(total, 1)
