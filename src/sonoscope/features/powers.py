"""Features that are functions of power spectra of one or several lengths, taken around the same centres.

A leaf names its :class:`Spectrum` s and turns their powers into rows (``rows``). On NumPy the spectra are computed
in memory that is used again (``fft.PowerFrames``), on tensors by torch.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from sonoscope.features.fft import PowerFrames, rfft_into
from sonoscope.features.frames import Array, constant, frame, power_spectrum
from sonoscope.features.protocol import Framewise, samples_of
from sonoscope.features.stream import Kernel


class Spectrum(NamedTuple):
    """A window, (length,) float32, the bins of its real FFT that are wanted, and where the window's centre is.

    ``before`` are the window's samples before the centre: half of them where it is not given.
    """

    window: np.ndarray
    bins: slice
    before: int | None = None

    @property
    def left(self) -> int:
        """Samples of the window before its centre."""
        return self.window.size // 2 if self.before is None else self.before


class Spectral(Framewise):
    """What follows from ``spectra`` and ``rows``; a row sees the furthest that any window reaches, on each side."""

    @property
    @abstractmethod
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectra that a row is made of, in the order in which :meth:`rows` takes them."""

    @abstractmethod
    def rows(self, powers: list[Array]) -> Array:
        """Rows of the powers of each spectrum, (..., rows, bins) each, to (..., rows, n_bins)."""

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return max(spectrum.left for spectrum in self.spectra)

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return max(spectrum.window.size - spectrum.left for spectrum in self.spectra)

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., rows, n_bins)."""
        length = self.left_context + self.right_context
        powers = []
        for spectrum in self.spectra:
            window, first = spectrum.window, self.left_context - spectrum.left
            reach = samples[..., first : samples.shape[-1] - (length - first - window.size)]
            frames = frame(reach, window.size, self.hop_samples)
            powers.append(power_spectrum(frames * constant(window, samples))[..., spectrum.bins])
        return self.rows(powers)

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``)."""
        return SpectralKernel(self, n_frames)


class SpectralKernel:
    """A fixed number of rows of a :class:`Spectral`, their spectra in memory that is used again."""

    def __init__(self, feature: Spectral, n_frames: int) -> None:
        self.samples = np.zeros(samples_of(feature, n_frames), dtype=np.float32)
        self._feature = feature
        self._spectra = [
            (
                slice(first := feature.left_context - spectrum.left, first + power.samples.size),
                power,
            )
            for spectrum in feature.spectra
            for power in [PowerFrames(spectrum.window, feature.hop_samples, n_frames, spectrum.bins)]
        ]

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_bins), float32."""
        for reach, power in self._spectra:
            power.samples[:] = self.samples[reach]
            power()
        out[...] = self._feature.rows([power.power for _, power in self._spectra])


def real_fft(frames: Array) -> Array:
    """Spectrum of real frames, (..., length) to complex (..., length // 2 + 1); complex64 for NumPy."""
    if not isinstance(frames, np.ndarray):
        import torch

        return torch.fft.rfft(frames)
    out = np.empty((*frames.shape[:-1], frames.shape[-1] // 2 + 1), dtype=np.complex64)
    flat = np.ascontiguousarray(frames, dtype=np.float32).reshape(-1, frames.shape[-1])
    rfft_into()(flat, out.reshape(-1, out.shape[-1]))
    return out


def bins_between(sample_rate: int, n_fft: int, f_min_hz: float, f_max_hz: float) -> slice:
    """The bins with ``f_min_hz <= frequency < f_max_hz``; up to Nyquist, the one at Nyquist too."""
    step_hz = sample_rate / n_fft
    # A frequency that is a bin's own must not depend on how its quotient was rounded.
    first, last = (int(np.ceil(hz / step_hz - 1e-9)) for hz in (f_min_hz, f_max_hz))
    return slice(first, n_fft // 2 + 1 if f_max_hz >= sample_rate / 2 else last)
