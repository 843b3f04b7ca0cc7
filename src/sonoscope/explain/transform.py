"""The short-time Fourier transform there and back, for sound that is partly taken away.

Frame ``k`` is centred at sample ``k * hop``, zeros around the signal; a Hann window on both ways and division by the
sum of its squares (Griffin and Lim 1984, eq. 6), so that a spectrum that was not changed gives the signal again, and
one that was changed gives the signal whose own spectrum is nearest to it.
"""

from __future__ import annotations

import numpy as np


def hann(n_fft: int) -> np.ndarray:
    """A periodic Hann window, float32 (n_fft,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def forward(samples: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Samples (n,), ``n`` a multiple of ``hop``, to a spectrum (1 + n // hop, n_fft // 2 + 1), complex64."""
    padded = np.pad(samples, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    return np.fft.rfft(frames * hann(n_fft), axis=1).astype(np.complex64)


def backward(spectra: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Spectra (..., frames, bins) to samples (..., (frames - 1) * hop), float32."""
    frames = np.fft.irfft(spectra, n=n_fft, axis=-1).astype(np.float32) * hann(n_fft)
    count = frames.shape[-2]
    total = np.zeros((*frames.shape[:-2], (count - 1) * hop + n_fft), dtype=np.float32)
    weight = np.zeros(total.shape[-1], dtype=np.float32)
    for k in range(count):
        total[..., k * hop : k * hop + n_fft] += frames[..., k, :]
        weight[k * hop : k * hop + n_fft] += hann(n_fft) ** 2
    middle = slice(n_fft // 2, n_fft // 2 + (count - 1) * hop)
    return total[..., middle] / np.maximum(weight[middle], 1e-6)
