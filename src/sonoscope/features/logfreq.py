"""Spectrogram on a logarithmic frequency axis, interpolated from one short-time Fourier transform.

Bin ``k`` is at ``f_min_hz * 2 ** (k / bins_per_octave)``. Where these lie closer together than the transform's bins,
the power between two of those is interpolated linearly; where they lie further apart, a triangle that reaches to
both neighbours averages it. One formula is both: the sides of the triangle reach to the neighbour or one bin of the
transform, whichever is further, and its weights add up to 1. So a bin's level is that of the spectrogram there, and
pitches are told apart down to where a transform of this length can: from about ``2 sample_rate / n_fft /
(2 ** (1 / 12) - 1)`` Hz, 91 Hz for the defaults, for neighbouring semitones. ``cqt`` does it at every pitch, with
longer context.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array
from sonoscope.features.powers import Spectral, Spectrum
from sonoscope.features.scales import scaled, silence
from sonoscope.features.stft import centred_window
from sonoscope.features.tapers import taper


def pitches_hz(f_min_hz: float, n_bins: int, bins_per_octave: int) -> np.ndarray:
    """Frequencies of a logarithmic axis, (n_bins,)."""
    return f_min_hz * 2.0 ** (np.arange(n_bins) / bins_per_octave)


def interpolation(centres_hz: np.ndarray, ratio: float, sample_rate: int, n_fft: int) -> np.ndarray:
    """Weights of the transform's bins, shape (centres, n_fft // 2 + 1), each row adding up to 1, float64.

    ``ratio`` is that of neighbouring centres.
    """
    bin_hz = sample_rate / n_fft
    bins_hz = np.arange(n_fft // 2 + 1) * bin_hz
    centres = centres_hz[:, None]
    below = np.maximum(centres * (1.0 - 1.0 / ratio), bin_hz)
    above = np.maximum(centres * (ratio - 1.0), bin_hz)
    distance = bins_hz - centres
    weights = np.maximum(0.0, 1.0 - np.where(distance < 0, -distance / below, distance / above))
    return weights / weights.sum(axis=1, keepdims=True)


@lru_cache(maxsize=16)
def _constants(feature: LogFreq) -> tuple[Spectrum, Bank]:
    weights = interpolation(
        feature.frequencies_hz, 2.0 ** (1.0 / feature.bins_per_octave), feature.sample_rate, feature.n_fft
    )
    used = np.flatnonzero(weights.any(axis=0))
    bins = slice(int(used[0]), int(used[-1]) + 1)
    return Spectrum(centred_window(feature.window, feature.n_fft, feature.n_fft), bins), Bank(
        weights[:, bins].T
    )


@dataclass(frozen=True)
class LogFreq(Spectral):
    """Log-frequency spectrogram parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, n_fft, hop_samples, window, output, floor
        As for ``stft``.
    f_min_hz : float
        The lowest bin: A0 by default.
    n_bins, bins_per_octave : int
        264 at 36 an octave are three for each of a piano's keys.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the highest bin is above Nyquist.
    UnknownName
        If there is no such window.
    """

    name: ClassVar[str] = "logfreq"

    sample_rate: int = 22_050
    n_fft: int = 8192
    hop_samples: int = 256
    f_min_hz: float = 27.5
    n_bins: int = 264
    bins_per_octave: int = 36
    window: str = "hann"
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.at_least(self, 2, "n_fft")
        checks.hop(self.hop_samples, self.n_fft, "n_fft")
        checks.pitches(self)
        checks.output(self)
        taper(self.window, 1)

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each bin, (n_bins,)."""
        return pitches_hz(self.f_min_hz, self.n_bins, self.bins_per_octave)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The one spectrum."""
        return (_constants(self)[0],)

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def rows(self, powers: list[Array]) -> Array:
        """Interpolated powers, scaled."""
        return scaled(_constants(self)[1](powers[0]), self.output, self.floor)
