"""Several features of the same moments side by side, and rows as images.

Networks for pictures take channels of one height. :class:`Channels` puts features with one hop and one rate into one
row; :func:`image` turns the parts of any feature's rows (bands, harmonics, stacked features) into channels. Nothing
is ever resized: what is too high is cropped at the top, what is too low gets zeros there, so that a bin keeps its
frequency and a network its filters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.chroma import Chroma
from sonoscope.features.frames import Array, backend, concatenated, pad_zeros
from sonoscope.features.logmel import LogMel
from sonoscope.features.morlet import Morlet
from sonoscope.features.protocol import Feature, Framewise, samples_of
from sonoscope.features.stream import BATCH_FRAMES, Kernel


def fitted(rows: Array, size: int) -> Array:
    """The last axis cropped at its end, or filled up with zeros there: (..., n) to (..., size)."""
    n = rows.shape[-1]
    return rows[..., :size] if n >= size else pad_zeros(rows, 0, size - n)


def fitted_frames(rows: Array, n_frames: int) -> Array:
    """The axis of time cropped at its end, or filled up with zeros there: (..., t, n) to (..., n_frames, n)."""
    xp = backend(rows)
    return xp.swapaxes(fitted(xp.swapaxes(rows, -1, -2), n_frames), -1, -2)


def split(rows: Array, parts: tuple[int, ...]) -> list[Array]:
    """The parts of rows, each (..., t, width), as views.

    Raises
    ------
    ValueError
        If the widths do not add up to a row.
    """
    if sum(parts) != rows.shape[-1]:
        raise ValueError(f"parts={parts} must add up to the {rows.shape[-1]} values of a row")
    ends = list(accumulate(parts))
    return [rows[..., end - width : end] for end, width in zip(ends, parts, strict=True)]


def image(rows: Array, parts: tuple[int, ...], height: int | None = None) -> Array:
    """Rows as an image with a channel for each part: (..., t, sum(parts)) to (..., channels, height, t).

    The first bin is the first line. ``height`` crops each part at its top or fills it up with zeros there; None is
    the highest part's (128 bins become 224 lines with ``height=224``). Normalise before: then zero is the mean.
    """
    xp = backend(rows)
    height = max(parts) if height is None else height
    if height < 1:
        raise ValueError(f"height={height} must be at least 1")
    return xp.stack([xp.swapaxes(fitted(part, height), -1, -2) for part in split(rows, parts)], -3)


class ChannelsKernel:
    """A fixed number of rows of a :class:`Channels`, from the kernels of its features (``stream.Kernel``)."""

    def __init__(self, feature: Channels, n_frames: int) -> None:
        self.samples = np.zeros(samples_of(feature, n_frames), dtype=np.float32)
        self._feature = feature
        self._kernels = []
        for part in feature.features:
            kernel = part.kernel(n_frames)
            first = feature.left_context - part.left_context
            rows = np.empty((n_frames, part.n_bins), dtype=np.float32)
            self._kernels.append((slice(first, first + kernel.samples.size), kernel, rows))

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_bins), float32."""
        for reach, kernel, rows in self._kernels:
            kernel.samples[:] = self.samples[reach]
            kernel(rows)
        out[...] = self._feature.stacked([rows for _, _, rows in self._kernels])


def _pictures() -> tuple[Feature, ...]:
    """Three pictures of one moment: timbre, pitch classes, and what is short; made when wanted."""
    return LogMel(22_050, 2048, 512, 128, 0.0, 11_025.0), Chroma(hop_samples=512), Morlet(hop_samples=512)


@dataclass(frozen=True)
class Channels(Framewise):
    """Features side by side; calling it gives the rows of a whole signal.

    Parameters
    ----------
    features : tuple of Feature
        One or more with the same ``sample_rate`` and ``hop_samples``.
    height : int or None
        What every part is cropped to or filled up to with zeros; None leaves them as they are.

    Raises
    ------
    ValueError
        If there is none, or rates or hops differ, or ``height`` is out of range.
    """

    name: ClassVar[str] = "channels"

    features: tuple[Feature, ...] = field(default_factory=_pictures)
    height: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        checks.holds_features(self)
        for what in ("sample_rate", "hop_samples"):
            values = [getattr(feature, what) for feature in self.features]
            if len(set(values)) > 1:
                told = ", ".join(f"{f.name} {v}" for f, v in zip(self.features, values, strict=True))
                raise ValueError(f"the {what} of stacked features must be one and the same, got {told}")
        if self.height is not None and self.height < 1:
            raise ValueError(f"height={self.height} must be at least 1")

    @property
    def sample_rate(self) -> int:
        """Hz, of all features."""
        return self.features[0].sample_rate

    @property
    def hop_samples(self) -> int:
        """Distance between centres in samples, of all features."""
        return self.features[0].hop_samples

    @property
    def streamable(self) -> bool:
        """Whether all features are."""
        return all(feature.streamable for feature in self.features)

    @property
    def numpy_only(self) -> bool:
        """Whether any feature is."""
        return any(feature.numpy_only for feature in self.features)

    @property
    def batch_frames(self) -> int:  # type: ignore[override]
        """Rows that NumPy computes at a time: what the feature with the longest context needs."""
        return max(getattr(feature, "batch_frames", BATCH_FRAMES) for feature in self.features)

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return max(feature.left_context for feature in self.features)

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return max(feature.right_context for feature in self.features)

    @property
    def parts(self) -> tuple[int, ...]:
        """Widths of the parts of all features."""
        widths = sum((feature.parts for feature in self.features), ())
        return widths if self.height is None else (self.height,) * len(widths)

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return sum(self.parts)

    @property
    def silence(self) -> np.ndarray:
        """What each value is in digital silence, (n_bins,)."""
        return self.stacked([np.broadcast_to(np.float32(f.silence), (1, f.n_bins)) for f in self.features])[0]

    def stacked(self, rows: list[Array]) -> Array:
        """Rows of each feature to rows of all."""
        if self.height is None:
            return concatenated(rows)
        parts = [part for f, r in zip(self.features, rows, strict=True) for part in split(r, f.parts)]
        return concatenated([fitted(part, self.height) for part in parts])

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., rows, n_bins)."""
        n, rows = samples.shape[-1], []
        for feature in self.features:
            first = self.left_context - feature.left_context
            rows.append(feature.valid(samples[..., first : n - (self.right_context - feature.right_context)]))
        return self.stacked(rows)

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``). Raises as :meth:`stream` does."""
        self._must_stream()
        return ChannelsKernel(self, n_frames)
