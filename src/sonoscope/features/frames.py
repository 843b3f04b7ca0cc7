"""Framing and the real FFT, the two operations that NumPy and torch spell differently.

Everything else in ``features/`` is written once against the array API. NumPy arrays go through ``scipy.fft``, which
keeps float32 (``numpy.fft`` widened it before 2.0) and is vectorised over the batch axis; torch tensors stay on their
device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from array_api_compat import array_namespace, is_torch_array

Array = Any


def frame(samples: Array, length: int, hop: int) -> Array:
    """Overlapping frames without padding, as a view.

    Parameters
    ----------
    samples : array, shape (..., n)
    length, hop : int
        Frame length and distance between frame starts, in samples.

    Returns
    -------
    array, shape (..., 1 + (n - length) // hop, length)

    Raises
    ------
    ValueError
        If there are fewer than ``length`` samples.
    """
    if samples.shape[-1] < length:
        raise ValueError(f"a frame of length={length} needs as many samples, got {samples.shape[-1]}")
    if is_torch_array(samples):
        return samples.unfold(-1, length, hop)
    return np.lib.stride_tricks.sliding_window_view(samples, length, axis=-1)[..., ::hop, :]


def power_spectrum(frames: Array) -> Array:
    """Squared magnitude of the real FFT of each frame, shape (..., length // 2 + 1), in the frames' dtype."""
    if is_torch_array(frames):
        import torch

        return torch.fft.rfft(frames).abs().square()
    spectrum = scipy.fft.rfft(frames, overwrite_x=True)
    power = np.square(spectrum.real)
    imaginary = spectrum.imag
    imaginary *= imaginary
    power += imaginary
    return power


def pad_zeros(samples: Array, left: int, right: int) -> Array:
    """``samples`` of shape (..., n) with zeros before and after, shape (..., left + n + right)."""
    xp = array_namespace(samples)
    if not left and not right:
        return samples
    before = xp.zeros((*samples.shape[:-1], left), dtype=samples.dtype, device=samples.device)
    after = xp.zeros((*samples.shape[:-1], right), dtype=samples.dtype, device=samples.device)
    return xp.concat([before, samples, after], axis=-1)
