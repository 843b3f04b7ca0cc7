"""Scalogram: a continuous wavelet transform with complex Morlet wavelets, through the FFT.

The wavelet is PyWavelets' ``cmorB-C``: ``psi(t) = exp(-t^2 / B) exp(2 pi i C t) / sqrt(pi B)`` with the spectrum
``exp(-pi^2 B (f - C)^2)``; bin ``k`` is stretched to ``f_k = f_min_hz 2^(k / bins_per_octave)``. Coefficients are
normalised to a peak of 1 in the spectrum, so that a sine of amplitude 1 has a magnitude of 1/2 in its bin
(PyWavelets' are these times the root of the scale in samples).

A row is wanted every hop, not at every sample. The product of a piece's spectrum and a wavelet's is a narrow band, and
keeping every ``hop``-th sample of a signal folds its spectrum onto ``1 / hop`` of its length: so the band is folded
first and the inverse FFT is only as long as there are rows. These are exactly the full transform's magnitudes at the
centres. (The band begins at any multiple of one bin, which turns the phase and leaves the magnitude.)

A wavelet is taken to last :data:`REACH` standard deviations on each side, where it has fallen to 1.5e-8, below the
rounding of float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array, backend, concatenated, constant, pad_zeros
from sonoscope.features.logfreq import pitches_hz
from sonoscope.features.powers import real_fft
from sonoscope.features.protocol import Framewise
from sonoscope.features.scales import scaled, silence

#: Standard deviations of the wavelet's envelope after which it counts as zero, in time and in frequency.
REACH = 6.0
#: Lengths of inverse transforms are rounded up to a multiple of this, so that clips of similar lengths share a plan.
ROUND_FRAMES = 16


class _Bands(NamedTuple):
    """Wavelets whose bands fold equally often, ``folds``: the bins of the spectrum that each uses, (c, folds * m)
    int64, and its spectrum there, float32."""

    folds: int
    bins: np.ndarray
    spectra: np.ndarray


class _Plan(NamedTuple):
    """For an inverse FFT of ``m`` rows: the bands in the order of the bins."""

    m: int
    bands: tuple[_Bands, ...]


@lru_cache(maxsize=32)
def _plan(feature: Morlet, m: int) -> _Plan:
    length = m * feature.hop_samples
    bin_hz = feature.sample_rate / length
    centres = feature.frequencies_hz
    width = REACH * centres / (np.pi * feature.centre * np.sqrt(2.0 * feature.bandwidth))
    first = np.floor((centres - width) / bin_hz).astype(np.int64)
    last = np.ceil((centres + width) / bin_hz).astype(np.int64) + 1
    folds = -(-(last - first) // m)
    # Few groups: a band may as well be folded once or twice more than it needs.
    folds = 1 << np.ceil(np.log2(folds)).astype(np.int64)
    bands = []
    for count in np.unique(folds):
        chosen = np.flatnonzero(folds == count)
        bins = first[chosen, None] + np.arange(count * m)
        ratio = bins * bin_hz / centres[chosen, None] - 1.0
        spectra = np.exp(-feature.bandwidth * (np.pi * feature.centre * ratio) ** 2)
        spectra[bins >= last[chosen, None]] = 0.0
        bands.append(_Bands(int(count), bins % length, spectra.astype(np.float32)))
    return _Plan(m, tuple(bands))


@dataclass(frozen=True)
class Morlet(Framewise):
    """Morlet scalogram parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, hop_samples : int
        Hz; distance between centres in samples.
    f_min_hz : float
        The lowest bin.
    n_bins, bins_per_octave : int
    bandwidth, centre : float
        PyWavelets' ``B`` and ``C``. The envelope's standard deviation is ``C sqrt(B / 2)`` periods of the pitch: the
        larger, the finer in pitch and the coarser in time.
    output, floor
        As for ``stft``; of the squared magnitude.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the highest bin is above Nyquist.
    """

    name: ClassVar[str] = "morlet"
    batch_frames: ClassVar[int] = 128

    sample_rate: int = 22_050
    hop_samples: int = 256
    f_min_hz: float = 32.703
    n_bins: int = 100
    bins_per_octave: int = 12
    bandwidth: float = 1.5
    centre: float = 1.0
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.pitches(self)
        for name in ("bandwidth", "centre"):
            checks.within(self, name, 0.01, 1000.0)
        # A wavelet with fewer oscillations does not add up to zero: it would see the mean of the signal.
        if (np.pi * self.centre) ** 2 * self.bandwidth < 9.0:
            raise ValueError(
                f"bandwidth={self.bandwidth} and centre={self.centre} make a wavelet that sees constants: "
                "bandwidth * centre^2 must be at least 0.92"
            )
        checks.output(self)

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each bin, (n_bins,)."""
        return pitches_hz(self.f_min_hz, self.n_bins, self.bins_per_octave)

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees: whole hops, so that the centre is on the grid of rows."""
        deviation = self.centre * np.sqrt(self.bandwidth / 2.0) / self.f_min_hz * self.sample_rate
        return int(np.ceil(REACH * deviation / self.hop_samples)) * self.hop_samples

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return self.left_context

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., 1 + (n - left - right) // hop, n_bins)."""
        xp, n, hop = backend(samples), samples.shape[-1], self.hop_samples
        count = 1 + (n - self.left_context - self.right_context) // hop
        m = -(-n // (hop * ROUND_FRAMES)) * ROUND_FRAMES
        plan = _plan(self, m)
        half = real_fft(pad_zeros(samples, 0, m * hop - n))
        # A wavelet whose band reaches beyond Nyquist sees there what a sampled signal has: its mirror image.
        spectrum = concatenated([half, xp.conj(xp.flip(half[..., 1:-1], axis=-1))])
        parts = []
        for folds, bins, spectra in plan.bands:
            bands = _taken(spectrum, bins) * constant(spectra, samples)
            bands = bands.reshape(*bands.shape[:-1], folds, m)
            rows = _inverse_fft(xp.sum(bands, axis=-2))
            # The inverse divides by its own length; a full one would have divided by that of the piece.
            rows = rows[..., (first := self.left_context // hop) : first + count] * (1.0 / hop)
            parts.append(xp.swapaxes(xp.real(rows) ** 2 + xp.imag(rows) ** 2, -1, -2))
        return scaled(concatenated(parts), self.output, self.floor)


def _taken(spectrum: Array, bins: np.ndarray) -> Array:
    """Bins of the last axis: (..., n) to (..., *bins.shape)."""
    if isinstance(spectrum, np.ndarray):
        return spectrum[..., bins]
    import torch

    return spectrum[..., torch.as_tensor(bins, device=spectrum.device)]


def _inverse_fft(spectrum: Array) -> Array:
    """Complex inverse FFT over the last axis, in the precision that is given."""
    if isinstance(spectrum, np.ndarray):
        import scipy.fft

        return scipy.fft.ifft(spectrum, axis=-1)
    import torch

    return torch.fft.ifft(spectrum)
