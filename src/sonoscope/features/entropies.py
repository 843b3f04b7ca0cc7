"""How regular a signal is: entropies of its spectrum, its ups and downs, its singular values, its recurrences.

A signal is of shape (n,); every entropy is a number that is finite for any signal, also for silence and for one
sample (0: nothing is uncertain about it). Those of spectrum, permutations and singular values are divided by their
largest value, so that they lie in 0..1. NumPy only, no torch.

==================  =====================================================================================
spectral            Inouye et al. 1991: Shannon entropy of the normalised power spectrum
permutation         Bandt and Pompe 2002: Shannon entropy of the orders of ``order`` neighbouring samples
svd                 Roberts, Penny and Rezek 1999: Shannon entropy of the singular values of the embedding
approximate         Pincus 1991, with self matches
sample              Richman and Moorman 2000, without self matches
hjorth              Hjorth 1970: mobility and complexity, which are no entropies but are used as such
==================  =====================================================================================

The formulas are those of antropy (github.com/raphaelvallat/antropy), whose defaults are the defaults here. The sums
over all pairs of ``approximate`` and ``sample`` cost n²; :func:`regularity` takes both from short stretches.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

#: Two stretches are alike if they nowhere differ by more than this many standard deviations of the signal.
TOLERANCE = 0.2
#: Length of the stretches that :func:`regularity` looks at, and how many of them, spread over the signal.
STRETCH_SAMPLES, STRETCHES = 600, 3
#: Pairs compared at a time.
_ROWS = 256


class Regularity(NamedTuple):
    """Approximate and sample entropy, in nats."""

    approximate: float
    sample: float


def shannon(weights: np.ndarray, *, axis: int = -1) -> np.ndarray:
    """Shannon entropy, in bits, of weights that need not add up to 1; 0 where all are zero."""
    weights = np.asarray(weights, dtype=np.float64)
    total = weights.sum(axis=axis, keepdims=True)
    shares = weights / np.where(total > 0, total, 1.0)
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=axis) + 0.0)


def spectral(power: np.ndarray) -> np.ndarray:
    """Spectral entropy of power spectra, (..., bins) to (...): 0 for a single line, 1 for a flat spectrum."""
    return shannon(power) / math.log2(max(power.shape[-1], 2))


def permutation(samples: np.ndarray, *, order: int = 3) -> float:
    """Permutation entropy: 0 if the signal only rises, 1 if every order of ``order`` neighbours is as frequent.

    Of equal samples the earlier one counts as the smaller.

    Raises
    ------
    ValueError
        If ``order`` is not in 2..7.
    """
    if not 2 <= order <= 7:
        raise ValueError(f"order={order} must lie in 2..7")
    if samples.size < order:
        return 0.0
    parts = [samples[k : samples.size - order + 1 + k] for k in range(order)]
    # A pattern is told by all comparisons of two of its samples; each is a bit.
    code = np.zeros(parts[0].size, dtype=np.int32)
    for late in range(1, order):
        for early in range(late):
            code = 2 * code + (parts[early] > parts[late])
    return float(shannon(np.unique(code, return_counts=True)[1]) / math.log2(math.factorial(order)))


def svd(samples: np.ndarray, *, order: int = 3) -> float:
    """Entropy of the singular values of the matrix whose rows are ``order`` neighbouring samples, 0..1.

    0 for a constant, whose rows are all alike; 1 for white noise.

    Raises
    ------
    ValueError
        If ``order`` is below 2.
    """
    if order < 2:
        raise ValueError(f"order={order} must be at least 2")
    if samples.size < order:
        return 0.0
    parts = np.stack([samples[k : samples.size - order + 1 + k] for k in range(order)]).astype(np.float64)
    # Squared singular values are the eigenvalues of the small matrix of products.
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(parts @ parts.T), 0.0))
    # What rounding leaves of an eigenvalue that is zero is 1e-16 of the largest.
    values[values < 1e-7 * values.max()] = 0.0
    return float(shannon(values) / math.log2(order))


def hjorth(samples: np.ndarray) -> tuple[float, float]:
    """Mobility and complexity: the mean frequency, in radians a sample, and how it compares with a sine's (1)."""
    signal = np.asarray(samples, dtype=np.float64)
    if signal.size < 3:
        return 0.0, 0.0
    first = np.diff(signal)
    spread = [float(np.var(each)) for each in (signal, first, np.diff(first))]
    if spread[0] <= 0 or spread[1] <= 0:
        return 0.0, 0.0
    mobility = math.sqrt(spread[1] / spread[0])
    return mobility, math.sqrt(spread[2] / spread[1]) / mobility


def approximate(samples: np.ndarray, *, order: int = 2, tolerance: float = TOLERANCE) -> float:
    """Approximate entropy in nats: the mean log share of stretches alike that stay so for one more sample.

    Every stretch is like itself, so short signals look more regular than they are. Costs n².
    """
    return _regularity(samples, order, tolerance).approximate


def sample(samples: np.ndarray, *, order: int = 2, tolerance: float = TOLERANCE) -> float:
    """Sample entropy in nats: minus the log of how often two stretches that are alike stay so. Costs n².

    If none stays so, the value is what a single pair would give: the logarithm of the pairs that are alike.
    """
    return _regularity(samples, order, tolerance).sample


def regularity(samples: np.ndarray) -> Regularity:
    """Both entropies as their means over :data:`STRETCHES` stretches of :data:`STRETCH_SAMPLES` samples.

    The stretches are spread evenly over the signal; stretches without any sound are passed over. A signal shorter
    than all of them together is taken whole, up to that length.
    """
    if samples.size <= STRETCHES * STRETCH_SAMPLES:
        stretches = [samples[k : k + STRETCH_SAMPLES] for k in range(0, samples.size, STRETCH_SAMPLES)]
    else:
        last = samples.size - STRETCH_SAMPLES
        places = np.linspace(0, last, STRETCHES + 2).astype(int)[1:-1]
        stretches = [samples[place : place + STRETCH_SAMPLES] for place in places]
    found = [_regularity(each, 2, TOLERANCE) for each in stretches if np.ptp(each) > 0]
    if not found:
        return Regularity(0.0, 0.0)
    means = np.mean(found, axis=0)
    return Regularity(float(means[0]), float(means[1]))


def _regularity(samples: np.ndarray, order: int, tolerance: float) -> Regularity:
    """Approximate and sample entropy from one pass over all pairs."""
    if order < 1:
        raise ValueError(f"order={order} must be at least 1")
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance} must not be negative")
    signal = np.ascontiguousarray(samples, dtype=np.float32)
    if signal.size < order + 2:
        return Regularity(0.0, 0.0)
    limit = np.float32(tolerance * np.std(signal, dtype=np.float64))
    n_short, n_long = signal.size - order + 1, signal.size - order
    short, long = np.empty(n_short), np.empty(n_long)
    # Rows of marks are counted by a product, five times as fast as count_nonzero along an axis.
    ones = np.ones(n_short, dtype=np.float32)
    among_long = 0
    for first in range(0, n_short, _ROWS):
        rows = min(_ROWS, n_short - first)
        # Sample i against sample j, once; stretches are diagonals of it.
        near = np.abs(signal[first : first + rows + order, None] - signal) <= limit
        alike = near[:rows, :n_short].copy()
        for step in range(1, order):
            alike &= near[step : step + rows, step : step + n_short]
        short[first : first + rows] = alike.astype(np.float32) @ ones
        # What can go on for one more sample: all stretches but the last.
        rows = min(rows, n_long - first)
        alike = alike[:rows, :n_long]
        among_long += int(np.count_nonzero(alike))
        alike &= near[order : order + rows, order:]
        long[first : first + rows] = alike.astype(np.float32) @ ones[:n_long]
    approximated = float(np.mean(np.log(short / n_short)) - np.mean(np.log(long / n_long)))
    # Without self matches, both counts over the stretches that have a next sample.
    start, stay = among_long - n_long, int(long.sum()) - n_long
    sampled = math.log(start / max(stay, 1)) if start else 0.0
    return Regularity(max(approximated, 0.0), max(sampled, 0.0))


def over_time(samples: np.ndarray, sample_rate: int, *, piece_s: float = 0.1) -> np.ndarray:
    """Spectral entropy of each piece of a signal: 30 of them in 3 s.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
    sample_rate : int
    piece_s : float
        Length of a piece, in seconds.

    Returns
    -------
    np.ndarray, shape (n // round(piece_s * sample_rate),)
        What is left over at the end is no piece.

    Raises
    ------
    ValueError
        If a piece has fewer than four samples.
    """
    length = round(piece_s * sample_rate)
    if length < 4:
        raise ValueError(f"piece_s={piece_s} is {length} samples at {sample_rate} Hz; a spectrum needs four")
    count = samples.size // length
    pieces = np.asarray(samples[: count * length], dtype=np.float64).reshape(count, length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return spectral(np.square(np.abs(np.fft.rfft(pieces * window))))
