"""From blocks of samples to the logits of windows: the ways a graph can be fed (``runtime.py`` says which is taken).

``prompt`` ones give each window as soon as it can be known, one at a time (:func:`prompt_scorer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sonoscope.models.answers import Numbers
from sonoscope.models.bundle import Bundle
from sonoscope.models.short import Repeating
from sonoscope.windows import Cutter, Grid

if TYPE_CHECKING:
    from sonoscope.models.runtime import Runtime

#: Feature frames that the graph takes at a time, besides the margin of its receptive field: enough to make that
#: margin and the call cheap, so few that what the trunk computes stays in a core's cache.
LONG_RUN = 1024
#: The same for what is left when the recording ends: few, since a short recording is nothing else.
SHORT_RUN = 64
#: Windows that a graph takes at a time where it sees whole windows, and where fewer are left.
WINDOWS, FEW_WINDOWS = 8, 1


def frames_of_output(bundle: Bundle, frames: int) -> int:
    """How many frames the trunk makes of so many feature frames, at least ``receptive_field``."""
    return (frames - bundle.receptive_field) // bundle.trunk_stride + 1


def pool(logits: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Attention-weighted mean over time, (batch, t, c) to (batch, c): ``networks.heads.framewise.pool``."""
    weight = np.exp(attention - attention.max(axis=1, keepdims=True))
    return (weight * logits).sum(axis=1) / weight.sum(axis=1)


class Windowed:
    """What the three ways share: counting samples, and knowing how many windows there are in the end."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool, *, prompt: bool = False) -> None:
        bundle = runtime.bundle
        assert bundle.feature is not None
        self._runtime, self._embeddings, self._feature = runtime, embeddings, bundle.feature
        self._grid = Grid(bundle.window_samples, hop_samples)
        self._frames = bundle.window_frames
        self._batch = 1 if prompt else max(LONG_RUN // self._frames, 1)
        self._small_batch = 1 if prompt else max(SHORT_RUN // self._frames, 1)
        self._n_samples = 0
        self._given = 0
        self._width = (len(bundle.labels), bundle.embedding_size if embeddings else 0)

    def _pooled(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and embeddings of whole windows, (k, frames, n_bins): a full batch, or fewer in small ones."""
        size = self._batch if len(windows) == self._batch else self._small_batch
        logits = np.empty((len(windows), self._width[0]), dtype=np.float32)
        vectors = np.empty((len(windows), self._width[1]), dtype=np.float32)
        for first in range(0, len(windows), size):
            batch = windows[first : first + size]
            if (count := len(batch)) < size:
                batch = np.zeros((size, *windows.shape[1:]), dtype=np.float32)
                batch[:count] = windows[first:]
            answers = self._runtime.windows(batch, embeddings=self._embeddings)
            logits[first : first + count], vectors[first : first + count] = (part[:count] for part in answers)
        return logits, vectors

    def _gather(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """One table of the parts, which are counted."""
        if not parts:
            return tuple(np.empty((0, width), dtype=np.float32) for width in self._width)  # type: ignore[return-value]
        logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._given += len(logits)
        return logits, vectors


class SharedFeatures(Windowed):
    """Features once per recording, the trunk once per window."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool, *, prompt: bool = False) -> None:
        super().__init__(runtime, hop_samples, embeddings, prompt=prompt)
        self._stream = self._feature.stream(1) if prompt else self._feature.stream()
        self._cutter = Cutter(self._frames, hop_samples // self._feature.hop_samples, self._batch)

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._n_samples += samples.size
        return self._gather([self._pooled(batch) for batch in self._cutter.push(self._stream.push(samples))])

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        count = self._grid.count(self._n_samples)
        needed = ((count - 1) * self._grid.hop) // self._feature.hop_samples + self._frames if count else 0
        batches = self._cutter.push(self._stream.close(needed))
        rest = self._cutter.close()
        logits, vectors = self._gather(
            [self._pooled(b) for b in (*batches, *([] if rest is None else [rest]))]
        )
        surplus = self._given - count
        return logits[: len(logits) - surplus], vectors[: len(vectors) - surplus]


class OwnFeatures(Windowed):
    """Each window's features on its own grid, with the real sound around it as context."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool, *, prompt: bool = False) -> None:
        super().__init__(runtime, hop_samples, embeddings, prompt=prompt)
        feature = self._feature
        self._kernel = feature.kernel(self._frames)
        # Not less than the window: a window whose end has not come may turn out not to be one.
        self._reach = max(self._kernel.samples.size, feature.left_context + self._grid.window)
        self._cutter = Cutter(self._reach, hop_samples, self._batch)
        self._cutter.push(np.zeros(feature.left_context, dtype=np.float32))

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._n_samples += samples.size
        return self._gather([self._featured(batch) for batch in self._cutter.push(samples.copy())])

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        count = self._grid.count(self._n_samples)
        held = self._feature.left_context + self._n_samples
        padding = max((count - 1) * self._grid.hop + self._reach - held, 0) if count else 0
        batches = self._cutter.push(np.zeros(padding, dtype=np.float32))
        rest = self._cutter.close()
        logits, vectors = self._gather(
            [self._featured(b) for b in (*batches, *([] if rest is None else [rest]))]
        )
        surplus = self._given - count
        return logits[: len(logits) - surplus], vectors[: len(vectors) - surplus]

    def _featured(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        frames = np.empty((len(batch), self._frames, self._feature.n_bins), dtype=np.float32)
        for window, out in zip(batch, frames, strict=True):
            self._kernel.samples[:] = window[: self._kernel.samples.size]
            self._kernel(out)
        return self._pooled(frames)


class SharedTrunk(Windowed):
    """Features and trunk once per recording; windows are pools over runs of its frames."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool) -> None:
        super().__init__(runtime, hop_samples, embeddings)
        bundle = runtime.bundle
        self._stride, self._field = bundle.trunk_stride, bundle.receptive_field
        self._long, self._short = (max(rows // self._stride, 1) for rows in (LONG_RUN, SHORT_RUN))
        self._stream = self._feature.stream()
        self._blocks = Cutter(self._rows_for(self._long), self._long * self._stride, 1)
        self._per_window = frames_of_output(bundle, self._frames)
        self._step = hop_samples // (self._feature.hop_samples * self._stride)
        self._held: list[np.ndarray] = []
        self._next = 0  # row of _held where the next window starts

    def _rows_for(self, frames: int) -> int:
        """Feature frames for so many frames of output, the whole of the last one's stride included."""
        return (frames - 1) * self._stride + max(self._field, self._stride)

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._n_samples += samples.size
        return self._score(self._blocks.push(self._stream.push(samples)))

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        count = self._grid.count(self._n_samples)
        needed = ((count - 1) * self._grid.hop) // self._feature.hop_samples + self._frames if count else 0
        blocks = self._blocks.push(self._stream.close(needed))
        logits, vectors = self._score([*blocks, *self._short_blocks()])
        surplus = max(self._given - count, 0)
        return logits[: len(logits) - surplus], vectors[: len(vectors) - surplus]

    def _short_blocks(self) -> list[np.ndarray]:
        """What no long run took; rows of silence fill up the last block, and what they give is in no window."""
        rest = self._blocks.rest()
        if rest is None or len(rest) < self._field:
            return []
        count = -(-frames_of_output(self._runtime.bundle, len(rest)) // self._short)
        rows = np.full(
            (self._rows_for(count * self._short), rest.shape[1]), self._feature.silence, np.float32
        )
        rows[: len(rest)] = rest[: len(rows)]
        cutter = Cutter(self._rows_for(self._short), self._short * self._stride, 1)
        return cutter.push(rows)

    def _score(self, blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Run the blocks, append their frames to what earlier ones left, pool the windows that are whole."""
        outputs = [self._runtime.frames(block, embeddings=self._embeddings) for block in blocks]
        if not outputs:
            return self._gather([])
        columns = [np.concatenate([o[k][0] for o in outputs]) for k in range(3)]
        if self._held:
            columns = [np.concatenate(pair) for pair in zip(self._held, columns, strict=True)]
        held = len(columns[0])
        ready = max((held - self._next - self._per_window) // self._step + 1, 0)
        pieces = self._next + np.arange(ready)[:, None] * self._step + np.arange(self._per_window)
        self._next += ready * self._step
        # Without overlap the next window may start on a frame that has not come yet.
        spent = min(self._next, held)
        self._next -= spent
        self._held = [c[spent:] for c in columns]
        if not ready:
            return self._gather([])
        logits, attention, vectors = (c[pieces] for c in columns)
        return self._gather([(pool(logits, attention), vectors.mean(axis=1))])


class WholeWindows:
    """Graphs that take samples, or a feature that sees a whole signal: each window is alone, zeros around it."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool, *, prompt: bool = False) -> None:
        bundle = runtime.bundle
        self._runtime, self._embeddings, self._feature = runtime, embeddings, bundle.feature
        self._grid = Grid(bundle.window_samples, hop_samples)
        self._cutter = Cutter(bundle.window_samples, hop_samples, FEW_WINDOWS if prompt else WINDOWS)
        self._width = (len(bundle.labels), bundle.embedding_size if embeddings else 0)
        self._n_samples = 0

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._n_samples += samples.size
        return self._answers(self._cutter.push(samples.copy()))

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        count = self._grid.count(self._n_samples)
        padding = max((count - 1) * self._grid.hop + self._grid.window - self._n_samples, 0) if count else 0
        batches = self._cutter.push(np.zeros(padding, dtype=np.float32))
        rest = self._cutter.close()
        return self._answers([*batches, *([] if rest is None else [rest])])

    def _answers(self, batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        parts = [self._runtime.windows(piece, embeddings=self._embeddings) for piece in self._equal(batches)]
        if not parts:
            return tuple(np.empty((0, width), dtype=np.float32) for width in self._width)  # type: ignore[return-value]
        logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        return logits, vectors

    def _equal(self, batches: list[np.ndarray]) -> list[np.ndarray]:
        """The graph's inputs, all of one of two batch sizes."""
        pieces: list[np.ndarray] = []
        for batch in batches:
            size = WINDOWS if len(batch) == WINDOWS else FEW_WINDOWS
            pieces += [batch[first : first + size] for first in range(0, len(batch), size)]
        feature = self._feature
        return pieces if feature is None else [feature(np.ascontiguousarray(piece)) for piece in pieces]


Prompt = SharedFeatures | OwnFeatures | WholeWindows


def prompt_scorer(runtime: Runtime, hop_samples: int) -> Numbers:
    """What scores windows ``hop_samples`` apart while they come: the trunk once per window, which waits for nothing."""
    scorer = _prompt(runtime, hop_samples)
    return Numbers(
        Repeating(scorer, runtime.bundle) if runtime.bundle.repeats_short else scorer, runtime.bundle
    )


def _prompt(runtime: Runtime, hop_samples: int) -> Prompt:
    feature = runtime.bundle.feature
    if feature is None or not feature.streamable:
        return WholeWindows(runtime, hop_samples, False, prompt=True)
    if hop_samples % feature.hop_samples:
        return OwnFeatures(runtime, hop_samples, False, prompt=True)
    return SharedFeatures(runtime, hop_samples, False, prompt=True)


def samples_of_window(bundle: Bundle) -> int:
    """Samples from the start of a window to the last one that its score depends on, context included."""
    feature, window = bundle.feature, bundle.window_samples
    if feature is None or not feature.streamable:
        return window
    return max(window, (bundle.window_frames - 1) * feature.hop_samples + feature.right_context)
