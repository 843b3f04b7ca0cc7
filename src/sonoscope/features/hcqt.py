"""Harmonic constant-Q: at every pitch, what lies at its harmonics, each harmonic a part (a channel).

On a logarithmic axis the ``h``-th harmonic is the same shift for every pitch, so one transform is enough: part ``h`` is
the transform read ``bins_per_octave * log2(h)`` bins higher. The transform underneath is finer than what comes out
(``step`` of its bins to one), which makes that shift, a whole number of bins, exact to half a fine bin: 8 cents
at 72 an octave. What would lie outside the transform is silence. (After Bittner et al. 2017, who run one
transform for each harmonic, and basic-pitch, which shifts.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.cqt import Cqt
from sonoscope.features.frames import Array, backend, concatenated
from sonoscope.features.logfreq import LogFreq
from sonoscope.features.protocol import Framewise
from sonoscope.features.stream import Kernel


def _fine() -> Cqt:
    """72 bins an octave with the windows of 36, from A0 to 9.9 kHz; made when wanted, which takes 30 ms."""
    return Cqt(n_bins=612, bins_per_octave=72, filter_scale=0.5)


@lru_cache(maxsize=16)
def _positions(feature: Hcqt) -> np.ndarray:
    """Bin of the transform for each value of a row, its ``n_bins`` for what lies outside, (n_bins,), int64."""
    transform = feature.transform
    shifts = np.round(transform.bins_per_octave * np.log2(feature.harmonics)).astype(np.int64)
    positions = shifts[:, None] + feature.step * np.arange(feature.n_pitches)
    outside = (positions < 0) | (positions >= transform.n_bins)
    return np.where(outside, transform.n_bins, positions).reshape(-1)


class HcqtKernel:
    """A fixed number of rows of an :class:`Hcqt`, from its transform's kernel (``stream.Kernel``)."""

    def __init__(self, feature: Hcqt, n_frames: int) -> None:
        self._feature, self._kernel = feature, feature.transform.kernel(n_frames)
        self.samples = self._kernel.samples
        self._rows = np.empty((n_frames, feature.transform.n_bins), dtype=np.float32)

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_bins), float32."""
        self._kernel(self._rows)
        out[...] = self._feature.shifted(self._rows)


@dataclass(frozen=True)
class Hcqt(Framewise):
    """Harmonic constant-Q parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    transform : Cqt or LogFreq
        What is shifted.
    harmonics : tuple of float
        Multiples of the pitch, in the order of the parts.
    n_pitches : int
        Pitches from the transform's ``f_min_hz`` on, ``step`` of its bins apart.
    step : int
        Fine bins to one.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "hcqt"
    batch_frames: ClassVar[int] = Cqt.batch_frames

    transform: Cqt | LogFreq = field(default_factory=_fine)
    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    n_pitches: int = 264
    step: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "harmonics", tuple(self.harmonics))
        if not isinstance(self.transform, Cqt | LogFreq):
            raise ValueError(f"transform={self.transform!r} must be a cqt or a logfreq")
        if not self.harmonics or min(self.harmonics) <= 0:
            raise ValueError(f"harmonics={self.harmonics} must be one multiple or more, all greater than 0")
        checks.at_least(self, 1, "n_pitches", "step")
        reach = 1 + (self.n_pitches - 1) * self.step
        if reach > self.transform.n_bins:
            raise ValueError(
                f"n_pitches={self.n_pitches} at step={self.step} need {reach} bins, the transform has "
                f"n_bins={self.transform.n_bins}: take fewer pitches or more bins"
            )

    @property
    def sample_rate(self) -> int:
        """Hz, of the transform."""
        return self.transform.sample_rate

    @property
    def hop_samples(self) -> int:
        """Distance between centres in samples, of the transform."""
        return self.transform.hop_samples

    @property
    def frequencies_hz(self) -> np.ndarray:
        """The pitch, the harmonic 1, of each bin of a part, (n_pitches,)."""
        return self.transform.frequencies_hz[: self.n_pitches * self.step : self.step]

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return self.transform.left_context

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return self.transform.right_context

    @property
    def parts(self) -> tuple[int, ...]:
        """A part of ``n_pitches`` for each harmonic."""
        return (self.n_pitches,) * len(self.harmonics)

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.n_pitches * len(self.harmonics)

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return self.transform.silence

    def shifted(self, rows: Array) -> Array:
        """Rows of the transform to rows of harmonics."""
        xp = backend(rows)
        outside = xp.full_like(rows[..., :1], self.silence)
        positions = _positions(self)
        rows = concatenated([rows, outside])
        if isinstance(rows, np.ndarray):
            return np.take(rows, positions, axis=-1)
        return xp.take(rows, xp.asarray(positions, device=rows.device), axis=-1)

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., rows, n_bins)."""
        return self.shifted(self.transform.compute(samples))

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``)."""
        return HcqtKernel(self, n_frames)
