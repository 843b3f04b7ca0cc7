"""Frames of a signal that arrives in blocks.

The stream keeps the samples that later frames still need (left and right context) and computes frames in batches of
a **fixed** size: SIMD kernels round differently for different batch shapes, so only a fixed size makes the result
independent of the block sizes to the last bit. Memory is one batch, however long the signal.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np


class StreamableFeature(Protocol):
    """What a stream needs to know of a feature."""

    hop_samples: int

    @property
    def left_context(self) -> int: ...
    @property
    def right_context(self) -> int: ...
    @property
    def n_bins(self) -> int: ...
    def shape(self, n: int) -> tuple[int, int]: ...
    def valid(self, samples: np.ndarray) -> np.ndarray: ...


class FrameStream:
    """Turns blocks of samples into frames centred at ``k * hop`` with zeros before the start and after the end.

    Parameters
    ----------
    feature : StreamableFeature
    batch_frames : int
        Frames computed at a time; larger is faster, smaller answers sooner.
    """

    def __init__(self, feature: StreamableFeature, batch_frames: int = 128) -> None:
        if batch_frames < 1:
            raise ValueError(f"batch_frames={batch_frames} must be at least 1")
        length = feature.left_context + feature.right_context
        if feature.hop_samples > length:
            raise ValueError(f"hop_samples={feature.hop_samples} must not exceed the frame length {length}")
        self._feature, self._batch = feature, batch_frames
        self._need = (batch_frames - 1) * feature.hop_samples + length
        self._advance = batch_frames * feature.hop_samples
        self._buffer = np.zeros(self._need, dtype=np.float32)
        self._filled = feature.left_context  # the zeros before the start
        self._emitted = 0
        self.n_samples = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take float32 samples of shape (n,); return the frames that became ready, shape (k, n_bins), k >= 0."""
        self.n_samples += samples.size
        return self._take(samples)

    def close(self, n_frames: int | None = None) -> np.ndarray:
        """End the signal; return what is left so that the frames total ``n_frames`` (default: ``shape(n)[0]``)."""
        total = self._feature.shape(self.n_samples)[0] if n_frames is None else n_frames
        rest = [np.empty((0, self._feature.n_bins), dtype=np.float32)]
        while self._emitted < total:
            rest.append(self._take(np.zeros(self._advance, dtype=np.float32)))
        surplus = max(self._emitted - total, 0)
        frames = np.concatenate(rest)
        return frames[: len(frames) - surplus]

    def _take(self, samples: np.ndarray) -> np.ndarray:
        ready = []
        taken = 0
        while taken < samples.size:
            room = min(self._need - self._filled, samples.size - taken)
            self._buffer[self._filled : self._filled + room] = samples[taken : taken + room]
            self._filled += room
            taken += room
            if self._filled == self._need:
                ready.append(self._feature.valid(self._buffer[: self._need]))
                keep = self._need - self._advance
                self._buffer[:keep] = self._buffer[self._advance : self._need].copy()
                self._filled = keep
                self._emitted += self._batch
        return np.concatenate(ready) if ready else np.empty((0, self._feature.n_bins), dtype=np.float32)
