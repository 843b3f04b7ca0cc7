"""What features of whole windows share: each window is alone, with nothing around it, and is one row.

A row is the window that begins at its centre, ``[k * window_samples, (k + 1) * window_samples)``: no context before it,
and a hop of a window. Such rows are for models that look at a window once, and are computed by NumPy only.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np

from sonoscope.features.frames import Array, n_frames
from sonoscope.features.protocol import Framewise


class WholeWindows(Framewise):
    """What follows from ``window_samples`` and ``of_windows``."""

    @property
    @abstractmethod
    def window_samples(self) -> int:
        """Length of a window."""

    @abstractmethod
    def of_windows(self, windows: np.ndarray) -> np.ndarray:
        """A row for each window: (..., count, window_samples) to (..., count, n_bins), float32."""

    @property
    def hop_samples(self) -> int:
        """Distance between rows, in samples: a window."""
        return self.window_samples

    @property
    def numpy_only(self) -> bool:
        """Whether tensors are refused: yes."""
        return True

    @property
    def left_context(self) -> int:
        """Samples before its first one that a row sees: none."""
        return 0

    @property
    def right_context(self) -> int:
        """Samples from its first one on that a row sees."""
        return self.window_samples

    @cached_property
    def silence(self) -> np.ndarray:
        """What each value of a row is in digital silence."""
        return self.of_windows(np.zeros((1, self.window_samples), dtype=np.float32))[0]

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., n // window_samples, n_bins)."""
        count = n_frames(samples.shape[-1], self.window_samples, self.window_samples)
        whole = samples[..., : count * self.window_samples]
        return self.of_windows(whole.reshape(*samples.shape[:-1], count, self.window_samples))
