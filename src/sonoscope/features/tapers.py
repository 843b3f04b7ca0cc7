"""Window functions of a short-time transform, by name.

Those of signal analysis are periodic (their shifted copies add up to a constant); ``hanning`` and ``povey`` are
Kaldi's symmetric ones, which its filter banks were trained with.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sonoscope.errors import lookup


def _cosines(phase: np.ndarray, *weights: float) -> np.ndarray:
    """``w0 - w1 cos(phase) + w2 cos(2 phase) - …``"""
    return sum((-1.0) ** k * w * np.cos(k * phase) for k, w in enumerate(weights))


def _periodic(n: int) -> np.ndarray:
    return 2.0 * np.pi * np.arange(n) / n


def _symmetric(n: int) -> np.ndarray:
    return 2.0 * np.pi * np.arange(n) / max(n - 1, 1)


#: Name to function of the length.
TAPERS: dict[str, Callable[[int], np.ndarray]] = {
    "hann": lambda n: _cosines(_periodic(n), 0.5, 0.5),
    "hamming": lambda n: _cosines(_periodic(n), 0.54, 0.46),
    "blackman": lambda n: _cosines(_periodic(n), 0.42, 0.5, 0.08),
    "rectangular": lambda n: np.ones(n),
    "hanning": lambda n: _cosines(_symmetric(n), 0.5, 0.5),
    "povey": lambda n: np.maximum(_cosines(_symmetric(n), 0.5, 0.5), 0.0) ** 0.85,
}


def taper(name: str, length: int) -> np.ndarray:
    """The window ``name`` of so many samples, float64. Raises ``UnknownName``."""
    return lookup(TAPERS, name, "window")(length)
