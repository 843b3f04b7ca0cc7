"""Harmonic and percussive parts of a spectrogram, by median filters (Fitzgerald 2010). NumPy and SciPy only.

What lasts is a line along time, what strikes is a line along frequency: a median over neighbouring frames keeps the
one, a median over neighbouring bins the other. Each cell is shared out between both by a soft mask. Equal to
``librosa.decompose.hpss`` for a whole spectrogram, ten times as fast; the feature sees zeros outside the recording
where librosa mirrors it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array
from sonoscope.features.protocol import Framewise, samples_of
from sonoscope.features.scales import scaled, silence
from sonoscope.features.stft import Stft
from sonoscope.features.stream import Kernel

#: Squared magnitude below which a cell counts as empty: it is shared out evenly.
EMPTY = 1e-20


def soft_mask(ours: np.ndarray, theirs: np.ndarray, power: float, *, split_zeros: bool) -> np.ndarray:
    """``ours^power / (ours^power + theirs^power)``; where both are 0, 1/2 or, without ``split_zeros``, 0."""
    larger = np.maximum(ours, theirs)
    empty = larger < np.finfo(np.float32).tiny
    larger = np.where(empty, 1.0, larger)
    a, b = (ours / larger) ** power, (theirs / larger) ** power
    return np.where(empty, 0.5 if split_zeros else 0.0, a / np.where(empty, 1.0, a + b))


def running_median(rows: np.ndarray, length: int) -> np.ndarray:
    """Median of ``length`` neighbours along the last axis of (k, n), the edges mirrored."""
    # Here: scoring a recording never needs it, and its import takes time.
    from scipy.ndimage import median_filter

    # One long signal, each row between its own mirrored edges: SciPy's filter is ten times as fast on one axis.
    before, n = length // 2, rows.shape[-1]
    padded = np.pad(rows, ((0, 0), (before, length - 1 - before)), mode="symmetric")
    flat = median_filter(padded.reshape(-1), size=length)
    return flat.reshape(padded.shape)[:, before : before + n]


def separate(
    magnitude: np.ndarray,
    *,
    n_frames: int = 31,
    n_bins: int = 31,
    power: float = 2.0,
    margin: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Split a spectrogram into what lasts and what strikes.

    Parameters
    ----------
    magnitude : np.ndarray, shape (t, bins)
        Not negative.
    n_frames, n_bins : int
        Lengths of the medians over time and over frequency; the edges are mirrored.
    power : float
        Of the mask: the larger, the harder.
    margin : float
        How many times one median must exceed the other; above 1 the parts leave a residual.

    Returns
    -------
    tuple of np.ndarray, each shape (t, bins)
        Harmonic and percussive magnitude; with ``margin=1`` they add up to ``magnitude``.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    for name, value in (("n_frames", n_frames), ("n_bins", n_bins)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if power <= 0 or margin < 1:
        raise ValueError(f"power={power} must be greater than 0 and margin={margin} at least 1")
    lasting = running_median(magnitude.T, n_frames).T
    striking = running_median(magnitude, n_bins)
    split_zeros = margin == 1.0
    harmonic = soft_mask(lasting, striking * margin, power, split_zeros=split_zeros)
    percussive = soft_mask(striking, lasting * margin, power, split_zeros=split_zeros)
    return magnitude * harmonic, magnitude * percussive


class HpssKernel:
    """A fixed number of rows of an :class:`Hpss`, its spectrogram from ``stft``'s kernel (``stream.Kernel``)."""

    def __init__(self, feature: Hpss, n_frames: int) -> None:
        self._feature, around = feature, feature.n_frames // 2
        self._rows = slice(around, around + n_frames)
        self._stft = feature.stft.kernel(n_frames + 2 * around)
        self.samples = np.zeros(samples_of(feature, n_frames), dtype=np.float32)
        self._magnitude = np.empty((n_frames + 2 * around, feature.stft.n_bins), dtype=np.float32)

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_bins), float32."""
        feature = self._feature
        self._stft.samples[:] = self.samples
        self._stft(self._magnitude)
        both = separate(
            self._magnitude, n_frames=feature.n_frames, n_bins=feature.median_bins, power=feature.power,
            margin=feature.margin,
        )  # fmt: skip
        rows = np.concatenate([part[self._rows] for part in both], axis=1)
        out[...] = scaled(rows**2, feature.output, feature.floor)


@dataclass(frozen=True)
class Hpss(Framewise):
    """Harmonic and percussive spectrogram side by side, on NumPy only.

    Parameters
    ----------
    sample_rate, n_fft, hop_samples, output, floor
        As for ``stft``.
    n_frames, median_bins : int
        Lengths of the medians over time and over frequency, odd. A row sees ``n_frames // 2`` hops more on each side.
    power, margin : float
        See :func:`separate`.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "hpss"
    batch_frames: ClassVar[int] = 128

    sample_rate: int = 22_050
    n_fft: int = 2048
    hop_samples: int = 512
    n_frames: int = 31
    median_bins: int = 31
    power: float = 2.0
    margin: float = 1.0
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        for name in ("n_frames", "median_bins"):
            if (value := getattr(self, name)) < 1 or value % 2 == 0:
                raise ValueError(f"{name}={value} must be odd: 1, 3, 5, …")
        checks.within(self, "power", 0.1, 100.0)
        checks.within(self, "margin", 1.0, 100.0)
        checks.output(self)
        _ = self.stft

    @property
    def stft(self) -> Stft:
        """The spectrogram that is split, as magnitude."""
        return Stft(self.sample_rate, self.n_fft, self.hop_samples, output="magnitude", floor=EMPTY)

    @property
    def numpy_only(self) -> bool:
        """Whether tensors are refused: there is no median filter for them."""
        return True

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return self.stft.left_context + self.n_frames // 2 * self.hop_samples

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return self.stft.right_context + self.n_frames // 2 * self.hop_samples

    @property
    def parts(self) -> tuple[int, ...]:
        """Harmonic and percussive."""
        return (self.stft.n_bins,) * 2

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return sum(self.parts)

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding, by the kernel: (..., n) to (..., rows, n_bins)."""
        return self.valid(samples)

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``)."""
        return HpssKernel(self, n_frames)
