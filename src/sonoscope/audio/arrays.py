"""Samples that somebody has in memory already: what they must be, and one channel of them."""

from __future__ import annotations

import numpy as np

from sonoscope.errors import UsageError


def checked(samples: np.ndarray, sample_rate: int | None) -> tuple[np.ndarray, int]:
    """An array of samples and its rate, or a ValueError that says how to mend it."""
    if sample_rate is None:
        raise ValueError("an array needs sample_rate=… in Hz")
    if not sample_rate > 0 or sample_rate != int(sample_rate):
        raise ValueError(f"sample_rate={sample_rate} must be a whole number of Hz above 0")
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must have shape (n,) or (n, channels), got {samples.shape}")
    if samples.ndim == 2 and samples.shape[1] > samples.shape[0]:
        raise ValueError(
            f"samples of shape {samples.shape} look like (channels, n); give (n, channels): pass samples.T"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"samples must be floating point with full scale 1, got {samples.dtype}; divide first"
        )
    return samples, int(sample_rate)


def to_mono(samples: np.ndarray, channel: int | None) -> np.ndarray:
    """(n,) or (n, channels) to float32 (n,): one channel, from 1, or the mean of all."""
    if channel is not None:
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        if not 1 <= channel <= channels:
            raise UsageError(f"channel={channel} must lie in 1..{channels}, the channels of the array")
        samples = samples if samples.ndim == 1 else samples[:, channel - 1]
    elif samples.ndim == 2:
        samples = samples.mean(axis=1)
    return np.ascontiguousarray(samples, dtype=np.float32)
