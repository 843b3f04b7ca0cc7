"""Frames of a signal that arrives in blocks, and of a whole one, in batches of a fixed size.

SIMD kernels round differently for different batch shapes; with a fixed one, and frames always in the same
batches counted from the first, the result is the same to the last bit however the signal was cut, and whether
it was streamed or given whole. The memory in use is one batch, however long the signal, and stays in a core's
cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from sonoscope.features.frames import n_frames

if TYPE_CHECKING:
    from sonoscope.features.protocol import Feature

#: Frames computed at a time: few enough to stay in the second-level cache (25 bytes a sample of the frame),
#: enough to make the calls between them cheap.
BATCH_FRAMES = 32


class Kernel(Protocol):
    """Computes a fixed number of frames: fill ``samples``, call with where the frames go.

    ``samples`` is float32, as long as ``n_frames`` frames reach, and is left as it was filled. ``out`` has
    shape (n_frames, n_bins), float32. The memory inside is used again at every call, so one kernel serves one
    thread.
    """

    samples: np.ndarray

    def __call__(self, out: np.ndarray) -> None: ...


def in_batches(feature: Feature, samples: np.ndarray, batch_frames: int = BATCH_FRAMES) -> np.ndarray:
    """Frames that need no padding, ``batch_frames`` at a time: (..., n) samples to (..., frames, n_bins) float32.

    Raises
    ------
    ValueError
        If there is not one whole frame.
    """
    hop = feature.hop_samples
    count = n_frames(samples.shape[-1], feature.left_context + feature.right_context, hop)
    out = np.empty((*samples.shape[:-1], count, feature.n_bins), dtype=np.float32)
    kernel = feature.kernel(batch_frames)
    last = np.empty((batch_frames, feature.n_bins), dtype=np.float32)
    for signal, frames in zip(
        samples.reshape(-1, samples.shape[-1]), out.reshape(-1, count, feature.n_bins), strict=True
    ):
        for first in range(0, count, batch_frames):
            piece = signal[first * hop :][: kernel.samples.size]
            kernel.samples[: piece.size] = piece
            kernel.samples[piece.size :] = 0.0
            if first + batch_frames <= count:
                kernel(frames[first : first + batch_frames])
            else:
                kernel(last)
                frames[first:] = last[: count - first]
    return out


class FrameStream:
    """Turns blocks of samples into frames centred at ``k * hop``, with zeros before and after.

    Parameters
    ----------
    feature : Feature
    batch_frames : int
        Frames computed at a time; larger is faster, smaller answers sooner. With the default the frames equal
        those of the whole signal to the last bit, with another size to rounding.
    """

    def __init__(self, feature: Feature, batch_frames: int = BATCH_FRAMES) -> None:
        if batch_frames < 1:
            raise ValueError(f"batch_frames={batch_frames} must be at least 1")
        length = feature.left_context + feature.right_context
        if feature.hop_samples > length:
            raise ValueError(f"hop_samples={feature.hop_samples} must not exceed the frame length {length}")
        self._feature, self._batch = feature, batch_frames
        self._kernel = feature.kernel(batch_frames)
        self._buffer = self._kernel.samples
        self._advance = batch_frames * feature.hop_samples
        self._buffer[: feature.left_context] = 0.0
        self._filled = feature.left_context
        self._emitted = 0
        self.n_samples = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples of shape (n,); return the frames that became ready, (k, n_bins) float32, k >= 0."""
        self.n_samples += samples.size
        return self._take(samples)

    def close(self, n_frames: int | None = None) -> np.ndarray:
        """End the signal; return what is left of ``n_frames`` frames in all (default: ``shape(n)[0]``)."""
        total = self._feature.shape(self.n_samples)[0] if n_frames is None else n_frames
        left = max(total - self._emitted, 0)
        batches = -(-left // self._batch)
        missing = self._buffer.size - self._filled + (batches - 1) * self._advance if batches else 0
        return self._take(np.zeros(missing, dtype=np.float32))[:left]

    def _take(self, samples: np.ndarray) -> np.ndarray:
        """Fill the kernel's samples, and run it and move on whenever they are full."""
        need = self._buffer.size
        batches = max(0, 1 + (self._filled + samples.size - need) // self._advance)
        frames = np.empty((batches * self._batch, self._feature.n_bins), dtype=np.float32)
        taken = 0
        for first in range(0, len(frames), self._batch):
            room = need - self._filled
            self._buffer[self._filled :] = samples[taken : taken + room]
            taken += room
            self._kernel(frames[first : first + self._batch])
            self._filled = need - self._advance
            self._buffer[: self._filled] = self._buffer[self._advance :].copy()
        rest = samples[taken:]
        self._buffer[self._filled : self._filled + rest.size] = rest
        self._filled += rest.size
        self._emitted += len(frames)
        return frames
