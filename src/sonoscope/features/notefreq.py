"""Two spectrograms on one logarithmic axis, for notes: a long window tells pitches apart, a short one says when.

A row is the long spectrogram and then the short one, the same pitches in both (``parts``), so that a network reads
every harmonic by a shift of the index and no transform is computed per harmonic. The long window is skewed: it rises
for ``before_samples`` and falls for ``after_samples``, half a Hann window each. Skewing leaves its equivalent noise
bandwidth as it was and its first derivative continuous, so pitches are told apart as by a symmetric window of the
same length, while the newest sound it waits for is ``after_samples`` away: 85 ms instead of 171 for the defaults,
which is what a live answer may cost. Where the spectra's own bins lie further apart than the pitches, the power is
interpolated (``logfreq``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array, concatenated
from sonoscope.features.logfreq import interpolation, pitches_hz
from sonoscope.features.powers import Spectral, Spectrum
from sonoscope.features.scales import scaled, silence
from sonoscope.features.tapers import taper


def skewed_hann(before: int, after: int) -> np.ndarray:
    """A window that rises over ``before`` samples and falls over ``after``, its top at ``before``, float32."""
    return np.concatenate([taper("hann", 2 * before)[:before], taper("hann", 2 * after)[after:]]).astype(
        np.float32
    )


@lru_cache(maxsize=16)
def _constants(feature: NoteFreq) -> tuple[tuple[Spectrum, Bank], ...]:
    found = []
    for before, after in ((feature.before_samples, feature.after_samples), (feature.short_samples // 2,) * 2):
        window = skewed_hann(before, after)
        # A full-scale sine has the level that it has in both, whatever their lengths.
        window /= np.float32(window.sum())
        weights = interpolation(
            feature.frequencies_hz, 2.0 ** (1.0 / feature.bins_per_octave), feature.sample_rate, window.size
        )
        used = np.flatnonzero(weights.any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        found.append((Spectrum(window, bins, before), Bank(weights[:, bins].T)))
    return tuple(found)


@dataclass(frozen=True)
class NoteFreq(Spectral):
    """Two log-frequency spectrograms; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, hop_samples : int
        Hz; distance between centres in samples: 20 ms.
    before_samples, after_samples : int
        What the long window sees before and after its top.
    short_samples : int
        Length of the short window, even, symmetric; not longer than what the long one sees on either side.
    f_min_hz : float
        The lowest pitch: A0.
    n_pitches, bins_per_octave : int
        264 at 36 an octave are three for each of a piano's keys; 310 reach to 10.6 kHz, for the harmonics of the
        highest.
    floor : float
        Smallest power, re that of a full-scale sine.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the highest pitch is above Nyquist.
    """

    name: ClassVar[str] = "notefreq"

    sample_rate: int = 24_000
    hop_samples: int = 480
    before_samples: int = 6144
    after_samples: int = 2048
    short_samples: int = 2048
    f_min_hz: float = 27.5
    n_pitches: int = 310
    bins_per_octave: int = 36
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.at_least(self, 2, "short_samples")
        half = self.short_samples // 2
        if self.short_samples % 2 or half > min(self.before_samples, self.after_samples):
            raise ValueError(
                f"short_samples={self.short_samples} must be even, and half of it not above "
                f"before_samples={self.before_samples} and after_samples={self.after_samples}"
            )
        checks.hop(self.hop_samples, self.short_samples, "short_samples")
        checks.floor(self)
        checks.pitches(self, "n_pitches")

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each pitch, (n_pitches,)."""
        return pitches_hz(self.f_min_hz, self.n_pitches, self.bins_per_octave)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The long spectrum and the short one."""
        return tuple(spectrum for spectrum, _ in _constants(self))

    @property
    def parts(self) -> tuple[int, ...]:
        """The pitches of the long window, and those of the short one."""
        return (self.n_pitches, self.n_pitches)

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return 2 * self.n_pitches

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence("db", self.floor)

    def rows(self, powers: list[Array]) -> Array:
        """Interpolated powers of both windows, in dB."""
        banks = (bank for _, bank in _constants(self))
        return scaled(
            concatenated([bank(power) for bank, power in zip(banks, powers, strict=True)]), "db", self.floor
        )
