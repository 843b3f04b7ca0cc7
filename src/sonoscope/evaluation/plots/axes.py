"""What charts on the page and plots in files share: which axes are forced, ranges, ticks, and how lines differ."""

from __future__ import annotations

import numpy as np

from sonoscope.evaluation.result import Curve

#: Curves on which a line from corner to corner is what chance, or a perfect calibration, comes to: their axes go from
#: 0 to 1, whatever the points are.
DIAGONAL = ("roc", "reliability")
#: Curves of shares against shares, whose axes go from 0 to 1 too.
SHARES = (*DIAGONAL, "precision_recall", "sweep")
#: Curves whose values are no shares, although they may lie between 0 and 1.
BARE = ("training_losses", "training_learning_rate")


def kind(curve: Curve) -> str:
    """The curve's name without that of a model."""
    return curve.name.partition("/")[0]


def finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of which both coordinates are numbers."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    kept = np.isfinite(x) & np.isfinite(y)
    return x[kept], y[kept]


def ranges(curve: Curve) -> tuple[tuple[float, float], tuple[float, float]]:
    """From where to where both axes go: 0 to 1 for shares; else from 0, or the lowest below it, to the highest."""
    if kind(curve) in SHARES:
        return (0.0, 1.0), (0.0, 1.0)
    points = [finite(x, y) for x, y in curve.lines.values()]
    across, up = (
        _range(
            np.concatenate([each[k] for each in points]) if points else np.zeros(0), kind(curve) not in BARE
        )
        for k in (0, 1)
    )
    return across, up


def _range(values: np.ndarray, shares: bool) -> tuple[float, float]:
    low, high = min(float(values.min(initial=0.0)), 0.0), float(values.max(initial=0.0))
    if shares and low == 0 and 0.2 < high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0
