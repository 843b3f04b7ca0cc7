"""Samples that somebody has in memory already: what they must be, and one channel of them."""

from __future__ import annotations

import os
from numbers import Real
from typing import Any

import numpy as np

from sonoscope.errors import UsageError

#: A peak that no sound of full scale 1 has (36 dB above it): whole numbers that were made floating point undivided.
LOUDEST = 64.0
#: The highest rate that a header can state. From 10^18 Hz soxr does not come back.
HIGHEST_HZ = 2**32 - 1


def path_of(recording: Any, sample_rate: int | None) -> str:
    """The path of a recording that is no array; a TypeError that says how to make it one, if it is no path either."""
    if isinstance(recording, (str, os.PathLike)):
        if sample_rate is not None:
            raise ValueError(f"sample_rate={sample_rate} is for arrays; a file states its own rate")
        return os.fspath(recording)
    if hasattr(recording, "read"):
        rest = "give its name, or the samples that soundfile.read finds in it, with their sample_rate"
    elif isinstance(recording, tuple) and any(isinstance(each, np.ndarray) for each in recording):
        rest = "give the samples of such a pair, and its rate as sample_rate"
    elif hasattr(recording, "detach"):
        rest = "its .detach().cpu().float().numpy() is one"
    elif hasattr(recording, "__array__") or isinstance(recording, (list, tuple)):
        rest = "np.asarray makes samples an array; several recordings are given one by one"
    else:
        rest = "give one of them"
    raise TypeError(
        f"a recording is a path or a NumPy array of samples, got {type(recording).__name__}: {rest}"
    )


def checked(samples: np.ndarray, sample_rate: int | None) -> tuple[np.ndarray, int]:
    """An array of samples and its rate, or a ValueError that says how to mend it."""
    if sample_rate is None:
        raise ValueError("an array needs sample_rate=… in Hz")
    rate = checked_rate(sample_rate)
    if isinstance(samples, np.ma.MaskedArray):
        raise ValueError("samples are masked: samples.filled(0) puts 0 where they are")
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must have shape (n,) or (n, channels), got {samples.shape}")
    if samples.ndim == 2 and not samples.shape[1]:
        raise ValueError(f"samples of shape {samples.shape} have no channel")
    if samples.ndim == 2 and samples.shape[1] > samples.shape[0] > 0:
        raise ValueError(
            f"samples of shape {samples.shape} look like (channels, n); give (n, channels): pass samples.T"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"samples must be floating point with full scale 1, got {samples.dtype}{_divided(samples.dtype)}"
        )
    strange = samples.size - np.count_nonzero(np.isfinite(samples))
    if strange:
        raise ValueError(
            f"{strange} of {samples.size} samples are no numbers (NaN or infinite): np.nan_to_num puts 0 there"
        )
    peak = np.abs(samples).max(initial=0.0)
    if peak > LOUDEST:
        raise ValueError(
            f"samples must have full scale 1, and reach {peak:g}; divide 16-bit samples by 32768"
        )
    return samples, rate


def checked_rate(sample_rate: Any) -> int:
    """A rate in Hz, or a ValueError that says what it must be."""
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if not is_number or not 0 < sample_rate <= HIGHEST_HZ or sample_rate != int(sample_rate):
        raise ValueError(
            f"sample_rate={sample_rate!r} must be a whole number of Hz above 0, at most {HIGHEST_HZ:,}"
        )
    return int(sample_rate)


def _divided(dtype: np.dtype[Any]) -> str:
    """How whole numbers are divided, for a message: full scale is half of all that there are of the type."""
    if dtype.kind not in "iu":
        return ""
    middle = " - 1" if dtype.kind == "u" else ""
    return f"; divide first (x / {1 << (8 * dtype.itemsize - 1)}{middle})"


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
