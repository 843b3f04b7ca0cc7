"""Spectrograms of several bands side by side, each with the transform length that suits it.

Long windows tell low notes apart, short ones keep high onsets sharp. All bands have one hop and the same centres;
band by band they are :class:`~sonoscope.features.stft.Stft` of the same length. ``parts`` are the bands' widths:
47, 69 and 82 bins for the defaults (0-1 kHz at 1024, 1-4 kHz at 512, 4-11.025 kHz at 256, 22.05 kHz).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array, concatenated
from sonoscope.features.powers import Spectral, Spectrum, bins_between
from sonoscope.features.scales import scaled, silence
from sonoscope.features.stft import centred_window
from sonoscope.features.tapers import taper


@dataclass(frozen=True)
class Band:
    """Bins from ``f_min_hz`` to below ``f_max_hz`` of a transform of ``n_fft`` samples."""

    f_min_hz: float
    f_max_hz: float
    n_fft: int

    def __str__(self) -> str:
        return f"{self.f_min_hz:g}-{self.f_max_hz:g}Hz_fft{self.n_fft}"


def _band(given: Any) -> Band:
    """A band from itself, a mapping of its fields, or three numbers."""
    if isinstance(given, Band):
        return given
    names = [field.name for field in fields(Band)]
    if not isinstance(given, Mapping | list | tuple):
        raise ValueError(f"a band needs {', '.join(names)}, got {given!r}")
    values = given if isinstance(given, Mapping) else dict(zip(names, given, strict=False))
    if sorted(values) != sorted(names) or len(given) != len(names):
        raise ValueError(f"a band needs {', '.join(names)}, got {given!r}")
    return Band(**values)


@lru_cache(maxsize=32)
def _spectra(feature: Multiband) -> tuple[Spectrum, ...]:
    return tuple(
        Spectrum(
            centred_window(feature.window, band.n_fft, band.n_fft),
            bins_between(feature.sample_rate, band.n_fft, band.f_min_hz, band.f_max_hz),
        )
        for band in feature.bands
    )


@dataclass(frozen=True)
class Multiband(Spectral):
    """Multi-band spectrogram parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, hop_samples : int
        Hz; distance between centres in samples. Where the hop is longer than a band's ``n_fft``, that band
        does not see the samples between its frames.
    bands : tuple of Band
        Or of three numbers, or of mappings: ``f_min_hz``, ``f_max_hz``, ``n_fft`` each.
    window, output, floor
        As for ``stft``.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    UnknownName
        If there is no such window.
    """

    name: ClassVar[str] = "multiband"

    sample_rate: int = 22_050
    hop_samples: int = 256
    bands: tuple[Band, ...] = (
        Band(0.0, 1000.0, 1024),
        Band(1000.0, 4000.0, 512),
        Band(4000.0, 11_025.0, 256),
    )
    window: str = "hann"
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(map(_band, self.bands)))
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        if not self.bands:
            raise ValueError("bands=() must hold one band or more")
        for band in self.bands:
            checks.at_least(band, 2, "n_fft")
            checks.band(band.f_min_hz, band.f_max_hz, self.sample_rate)
        checks.hop(self.hop_samples, max(band.n_fft for band in self.bands), "the longest n_fft")
        checks.output(self)
        taper(self.window, 1)
        for band, width in zip(self.bands, self.parts, strict=True):
            if width < 1:
                raise ValueError(
                    f"the band {band} lies between two bins: take a wider band or a longer n_fft"
                )

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """A spectrum for each band."""
        return _spectra(self)

    @property
    def parts(self) -> tuple[int, ...]:
        """Bins of each band."""
        return tuple(spectrum.bins.stop - spectrum.bins.start for spectrum in self.spectra)

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each bin, band after band, (n_bins,)."""
        return np.concatenate(
            [
                np.fft.rfftfreq(band.n_fft, 1.0 / self.sample_rate)[spectrum.bins]
                for band, spectrum in zip(self.bands, self.spectra, strict=True)
            ]
        )

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return sum(self.parts)

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def rows(self, powers: list[Array]) -> Array:
        """Scaled powers of the bands side by side."""
        return scaled(concatenated(powers), self.output, self.floor)
