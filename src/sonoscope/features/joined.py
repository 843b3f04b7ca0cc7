"""Several features of one whole window behind each other in one row, whatever their hops.

For models that look at a window in more than one way: the input of a network beside the classical vector
(``statistics``). Each window is alone, with zeros around it, and is one row: the rows of the first feature whose
centres lie in the window, flattened, then those of the second, and so on; ``parts`` are their lengths. Features of one
hop that are looked at together frame by frame are :class:`~sonoscope.features.channels.Channels`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array, pad_zeros
from sonoscope.features.logmel import LogMel
from sonoscope.features.protocol import Feature
from sonoscope.features.windowed import WholeWindows


@dataclass(frozen=True)
class Joined(WholeWindows):
    """Rows of whole windows.

    Parameters
    ----------
    features : tuple of Feature
        Of one sample rate; the window is a multiple of each hop.
    window_samples : int
        Length of a window.
    rows : tuple of int
        How many rows of each feature, from the window's start on; empty: those whose centres lie in the window.

    Raises
    ------
    ValueError
        If there is none, they differ in their rate, a hop does not divide the window, or ``rows`` do not match.
    """

    name: ClassVar[str] = "joined"

    features: tuple[Feature, ...] = field(default_factory=lambda: (LogMel(),))
    window_samples: int = 72_000
    rows: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "window_samples")
        checks.holds_features(self)
        rates = sorted({feature.sample_rate for feature in self.features})
        if len(rates) > 1:
            raise ValueError(f"joined features must have one sample_rate, got {rates}")
        if self.rows and (len(self.rows) != len(self.features) or min(self.rows) < 1):
            raise ValueError(
                f"rows={self.rows} must be {len(self.features)} numbers from 1 up, one for each feature"
            )
        for feature in self.features:
            if self.window_samples % feature.hop_samples:
                raise ValueError(
                    f"window_samples={self.window_samples} must be a multiple of the hop_samples="
                    f"{feature.hop_samples} of {feature.name!r}"
                )

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.features[0].sample_rate

    @property
    def streamable(self) -> bool:
        """Whether rows are the same in a stream: windows are alone, so there is none."""
        return False

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return sum(self.parts)

    @cached_property
    def parts(self) -> tuple[int, ...]:
        """Length of each feature's rows one after the other."""
        return tuple(n * f.n_bins for n, f in zip(self.counts, self.features, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many rows of each feature there are in a row."""
        return self.rows or tuple(self.window_samples // feature.hop_samples for feature in self.features)

    def shape(self, n: int) -> tuple[int, int]:
        """Shape of the rows of ``n`` samples: as many windows as cover them, one at least."""
        return max(-(-n // self.window_samples), 1), self.n_bins

    def __call__(self, samples: Array) -> Array:
        """Rows of whole signals, the last window filled up with zeros: (..., n) to (..., windows, n_bins)."""
        count = self.shape(samples.shape[-1])[0]
        if not isinstance(samples, np.ndarray):
            return self.valid(samples)  # which refuses it
        return self.valid(pad_zeros(samples, 0, count * self.window_samples - samples.shape[-1]))

    def of_windows(self, windows: np.ndarray) -> np.ndarray:
        """A row for each window: (..., count, window_samples) to (..., count, n_bins), float32."""
        return np.concatenate(
            [
                self._rows(feature, rows, windows).reshape(*windows.shape[:-1], rows * feature.n_bins)
                for feature, rows in zip(self.features, self.counts, strict=True)
            ],
            axis=-1,
        )

    def _rows(self, feature: Feature, count: int, windows: np.ndarray) -> np.ndarray:
        """The first rows of a feature of each window, with zeros around it."""
        reach = (count - 1) * feature.hop_samples + feature.right_context - self.window_samples
        padded = pad_zeros(windows, feature.left_context, max(reach, 0))
        return np.asarray(feature.valid(padded)[..., :count, :], dtype=np.float32)
