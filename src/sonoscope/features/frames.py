"""Framing, padding and the power spectrum, where NumPy and torch spell things differently.

Torch tensors stay on their device and keep their gradient; NumPy arrays get their spectrum from ``fft.py``,
in fixed batches and reused memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def namespace(tensor: Array) -> Any:
    """The array API namespace of an array that is not NumPy's."""
    # Here, not above: scoring a recording never needs it, and its import takes 50 ms.
    from array_api_compat import array_namespace

    return array_namespace(tensor)


def backend(array: Array) -> Any:
    """NumPy for its own arrays, else :func:`namespace`; only what NumPy 1.26 has too may be asked of it."""
    return np if isinstance(array, np.ndarray) else namespace(array)


def constant(values: np.ndarray, like: Array) -> Array:
    """A fixed array beside ``like``: itself for NumPy, else a tensor of its precision on its device.

    Complex values stay complex.
    """
    if isinstance(like, np.ndarray):
        return values
    import torch

    dtype = like.dtype
    if np.iscomplexobj(values):
        dtype = torch.complex128 if dtype in (torch.float64, torch.complex128) else torch.complex64
    elif dtype.is_complex:
        dtype = torch.float64 if dtype == torch.complex128 else torch.float32
    return torch.as_tensor(values).to(device=like.device, dtype=dtype)


def concatenated(arrays: list[Array]) -> Array:
    """Arrays one after the other along the last axis."""
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays, axis=-1)
    return namespace(arrays[0]).concat(arrays, axis=-1)


def n_frames(n: int, length: int, hop: int) -> int:
    """How many whole frames ``n`` samples hold. Raises ``ValueError`` if not even one."""
    if n < length:
        raise ValueError(f"a frame of length={length} needs as many samples, got {n}")
    return 1 + (n - length) // hop


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
    n_frames(samples.shape[-1], length, hop)
    if isinstance(samples, np.ndarray):
        return np.lib.stride_tricks.sliding_window_view(samples, length, axis=-1)[..., ::hop, :]
    return samples.unfold(-1, length, hop)


def pad_zeros(samples: Array, left: int, right: int) -> Array:
    """``samples`` of shape (..., n) with zeros before and after, shape (..., left + n + right)."""
    if isinstance(samples, np.ndarray):
        return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(left, right)])
    xp = namespace(samples)
    before, after = (
        xp.zeros((*samples.shape[:-1], n), dtype=samples.dtype, device=samples.device) for n in (left, right)
    )
    return xp.concat([before, samples, after], axis=-1)


def power_spectrum(frames: Array) -> Array:
    """Squared magnitude of the real FFT of a tensor's frames, (..., length) to (..., length // 2 + 1)."""
    import torch

    spectrum = torch.fft.rfft(frames)
    return spectrum.real.square() + spectrum.imag.square()
