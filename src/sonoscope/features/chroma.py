"""Chroma: how much of a spectrum falls on each of the twelve pitch classes, whatever the octave.

The weights of librosa's ``filters.chroma`` (after Ellis): for each bin a Gaussian over the pitch classes, wider
where bins lie further apart than semitones, and over octaves one around ``centre_octave`` that lets the low ones,
which a transform of this length cannot tell apart, and the high ones, which hold little of a melody, fade. Equal to
``librosa.feature.chroma_stft(S=power, tuning=tuning, norm=np.inf)`` for frames that are not silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array, backend
from sonoscope.features.powers import Spectral, Spectrum
from sonoscope.features.scales import SMALLEST_FLOOR
from sonoscope.features.stft import centred_window
from sonoscope.features.tapers import taper


def chroma_filters(
    sample_rate: int, n_fft: int, n_chroma: int, tuning: float, centre_octave: float, octave_width: float
) -> np.ndarray:
    """Weights of each bin for each class from C on, shape (n_chroma, n_fft // 2 + 1), float64.

    ``tuning`` is the deviation from A = 440 Hz in classes (semitones for 12); octaves count from A0 = 27.5 Hz; an
    ``octave_width`` of 0 weighs all alike.
    """
    hz = np.fft.fftfreq(n_fft, 1.0 / sample_rate)
    hz[n_fft // 2 :] = np.arange(n_fft // 2, n_fft) * sample_rate / n_fft
    octaves = np.log2(hz[1:] / (440.0 * 2.0 ** (tuning / n_chroma) / 16.0))
    # 0 Hz has no octave: librosa puts it one and a half below the first bin.
    classes = n_chroma * np.concatenate([[octaves[0] - 1.5], octaves])
    widths = np.concatenate([np.maximum(np.diff(classes), 1.0), [1.0]])
    distance = classes - np.arange(n_chroma)[:, None]
    half = round(n_chroma / 2)
    distance = np.remainder(distance + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2.0 * distance / widths) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    if octave_width:
        weights *= np.exp(-0.5 * ((classes / n_chroma - centre_octave) / octave_width) ** 2)
    # From A on to from C on.
    return np.roll(weights, -3 * (n_chroma // 12), axis=0)[:, : n_fft // 2 + 1]


@lru_cache(maxsize=16)
def _constants(feature: Chroma) -> tuple[Spectrum, Bank]:
    window = centred_window(feature.window, feature.n_fft, feature.n_fft)
    filters = chroma_filters(
        feature.sample_rate, feature.n_fft, feature.n_chroma, feature.tuning, feature.centre_octave,
        feature.octave_width,
    )  # fmt: skip
    return Spectrum(window, slice(0, feature.n_fft // 2 + 1)), Bank(filters.T)


@dataclass(frozen=True)
class Chroma(Spectral):
    """Chroma parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, n_fft, hop_samples, window
        As for ``stft``. Semitones are told apart from about ``30 sample_rate / n_fft`` Hz on.
    n_chroma : int
        Classes in an octave, a multiple of 12; the first is C.
    tuning : float
        Deviation from A = 440 Hz in classes.
    centre_octave, octave_width : float
        Where the weight over octaves (from A0) has its middle, and its standard deviation; 0 for no weight.
    norm : str
        ``max``: the strongest class of each row is 1; ``none``: power.
    floor : float
        Smallest power that counts: a row whose strongest class has less is the smaller for it, silence is 0.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    UnknownName
        If there is no such window.
    """

    name: ClassVar[str] = "chroma"

    sample_rate: int = 22_050
    n_fft: int = 4096
    hop_samples: int = 512
    window: str = "hann"
    n_chroma: int = 12
    tuning: float = 0.0
    centre_octave: float = 5.0
    octave_width: float = 2.0
    norm: str = "max"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.at_least(self, 4, "n_fft")
        checks.hop(self.hop_samples, self.n_fft, "n_fft")
        if self.n_chroma < 12 or self.n_chroma % 12:
            raise ValueError(f"n_chroma={self.n_chroma} must be a multiple of 12")
        checks.within(self, "tuning", -0.5 * self.n_chroma, 0.5 * self.n_chroma)
        checks.at_least(self, 0, "octave_width")
        checks.one_of(self, "norm", ("max", "none"))
        checks.within(self, "floor", SMALLEST_FLOOR, 1.0)
        taper(self.window, 1)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The one spectrum."""
        return (_constants(self)[0],)

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.n_chroma

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return 0.0

    def rows(self, powers: list[Array]) -> Array:
        """Weighted sums of the powers, normalised."""
        chroma = _constants(self)[1](powers[0])
        if self.norm == "none":
            return chroma
        xp = backend(chroma)
        strongest = xp.max(chroma, axis=-1, keepdims=True)
        return chroma / xp.clip(strongest, self.floor, None)
