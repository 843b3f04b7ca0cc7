"""How far two computations of the same numbers are apart: what every gate before a bundle or a device asks."""

from __future__ import annotations

import numpy as np


def apart(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of two arrays of one shape: 0.0 for empty ones, infinity if one is no number.

    Without the latter a graph of NaN would pass: ``max(0.0, nan)`` is 0.0.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.abs(np.asarray(got) - np.asarray(expected))
    return float(np.nan_to_num(differences, nan=np.inf, posinf=np.inf).max(initial=0.0))
