"""Spectrogram: squared magnitudes of the short-time Fourier transform.

Equal to ``np.abs(librosa.stft(..., center=True, pad_mode="constant")) ** 2`` with the same window, between
``f_min_hz`` and ``f_max_hz``, then scaled (``scales.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array
from sonoscope.features.powers import Spectral, Spectrum, bins_between
from sonoscope.features.scales import scaled, silence
from sonoscope.features.tapers import taper


def centred_window(name: str, length: int, n_fft: int) -> np.ndarray:
    """A window in the middle of ``n_fft`` samples, zeros around it, float32."""
    window, first = np.zeros(n_fft, dtype=np.float32), (n_fft - length) // 2
    window[first : first + length] = taper(name, length)
    return window


@lru_cache(maxsize=32)
def _spectra(feature: Stft) -> tuple[Spectrum, ...]:
    window = centred_window(feature.window, feature.window_samples or feature.n_fft, feature.n_fft)
    return (
        Spectrum(window, bins_between(feature.sample_rate, feature.n_fft, feature.f_min_hz, feature.top_hz)),
    )


@dataclass(frozen=True)
class Stft(Spectral):
    """Spectrogram parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft, hop_samples : int
        Length of the transform and distance between centres, in samples.
    window : str
        One of ``tapers.TAPERS``.
    window_samples : int or None
        Length of the window in the middle of ``n_fft``; None for all of it.
    f_min_hz, f_max_hz : float, float or None
        Bins from the one up to below the other; None for Nyquist, which includes its bin.
    output : str
        ``db`` (re full scale), ``power`` or ``magnitude``.
    floor : float
        Smallest power.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    UnknownName
        If there is no such window.
    """

    name: ClassVar[str] = "stft"

    sample_rate: int = 22_050
    n_fft: int = 1024
    hop_samples: int = 256
    window: str = "hann"
    window_samples: int | None = None
    f_min_hz: float = 0.0
    f_max_hz: float | None = None
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.at_least(self, 2, "n_fft")
        if self.window_samples is not None:
            checks.within(self, "window_samples", 1, self.n_fft)
        checks.hop(self.hop_samples, self.window_samples or self.n_fft, "the window")
        checks.band(self.f_min_hz, self.top_hz, self.sample_rate)
        checks.output(self)
        taper(self.window, 1)
        if self.n_bins < 1:
            raise ValueError(
                f"f_min_hz={self.f_min_hz} and f_max_hz={self.top_hz} lie between two bins of "
                f"n_fft={self.n_fft}: take a wider band or a longer n_fft"
            )

    @property
    def top_hz(self) -> float:
        """Upper edge: ``f_max_hz`` or Nyquist."""
        return self.sample_rate / 2 if self.f_max_hz is None else self.f_max_hz

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each bin, (n_bins,)."""
        return np.fft.rfftfreq(self.n_fft, 1.0 / self.sample_rate)[self.spectra[0].bins]

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The one spectrum."""
        return _spectra(self)

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        bins = self.spectra[0].bins
        return bins.stop - bins.start

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def rows(self, powers: list[Array]) -> Array:
        """Scaled powers."""
        return scaled(powers[0], self.output, self.floor)
