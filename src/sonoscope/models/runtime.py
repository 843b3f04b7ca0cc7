"""Running a bundle's graph in ONNX Runtime, and turning features into window logits.

One thread per session and two shapes of graph inputs, long runs and, for what is left in the end, short ones
that are padded: a recording gives the same bytes wherever and however it is run. Three ways lead from the
recording to the logits of its windows, equal to 1e-5; the cheapest that is exact is taken
(docs/architecture.md, "The data path"):

- ``_SharedTrunk``: windows start on the trunk's stride; the trunk runs once over the recording.
- ``_SharedFeatures``: windows start on the features' hop; features are shared, the trunk runs per window. With
  little overlap this is cheaper than a trunk whose frames mostly lie between the windows.
- ``_OwnFeatures``: windows start anywhere; features are computed on each window's own grid.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sonoscope.errors import BadBundle, UsageError
from sonoscope.models.bundle import Bundle, sha256_of
from sonoscope.windows import Cutter, Grid

#: Feature frames that the graph takes at a time, besides the margin of its receptive field: enough to make that
#: margin and the call cheap, so few that what the trunk computes stays in a core's cache.
LONG_RUN = 1024
#: The same for what is left when the recording ends: few, since a short recording is nothing else.
SHORT_RUN = 64


class Scorer(Protocol):
    """Takes blocks of samples, gives logits (k, c) and embeddings (k, d) of the windows that became ready."""

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def close(self) -> tuple[np.ndarray, np.ndarray]: ...


class Runtime:
    """A bundle's graph, loaded.

    Parameters
    ----------
    bundle : Bundle
    on : str
        ``cpu``.

    Raises
    ------
    BadBundle
        If the graph is not the one that ``bundle.json`` describes, ONNX Runtime cannot load it, or it is of a
        kind that this version cannot run.
    """

    def __init__(self, bundle: Bundle, on: str = "cpu") -> None:
        import onnxruntime

        if on != "cpu":
            raise UsageError(f"on={on!r} must be 'cpu'")
        # Weights with a flipped bit load without a word; hashing takes milliseconds.
        if sha256_of(bundle.graph) != bundle.sha256:
            raise BadBundle(
                f"{bundle.graph} is not the file that bundle.json describes: fetch or export it again"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(bundle.graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises its own, undocumented kinds
            raise BadBundle(
                f"{bundle.graph} cannot be loaded ({error}): fetch or export the bundle again"
            ) from None
        self.bundle = bundle
        self._input = bundle.spec["input"]["name"]
        declared = {kind: entry["name"] for kind, entry in bundle.spec["outputs"].items()}
        missing = set(declared.values()) - {output.name for output in self._session.get_outputs()}
        if missing or self._input not in {entry.name for entry in self._session.get_inputs()}:
            raise BadBundle(
                f"{bundle.graph} lacks {sorted(missing) or self._input!r} that bundle.json declares"
            )
        _check_kind(bundle)
        self._outputs = declared

    def scorer(self, hop_samples: int, *, embeddings: bool = False) -> Scorer:
        """What scores one recording with windows ``hop_samples`` apart."""
        feature = self.bundle.feature
        assert feature is not None  # _check_kind
        if hop_samples % feature.hop_samples:
            return _OwnFeatures(self, hop_samples, embeddings)
        on_stride = hop_samples % (feature.hop_samples * self.bundle.trunk_stride) == 0
        if self.bundle.poolable and on_stride and hop_samples <= self._sharing_pays():
            return _SharedTrunk(self, hop_samples, embeddings)
        return _SharedFeatures(self, hop_samples, embeddings)

    def _sharing_pays(self) -> float:
        """The hop in samples up to which one run over the recording is cheaper than one for each window.

        For a window alone the first layer computes all its frames and the last layer only those that whole
        receptive fields lie in; on average over the layers it is about half of both together. For a shared
        trunk every layer computes a hop.
        """
        feature, stride = self.bundle.feature, self.bundle.trunk_stride
        assert feature is not None
        frames = self.bundle.window_samples // feature.hop_samples
        last = frames_of_output(self.bundle, frames) * stride
        return feature.hop_samples * (frames + last) / 2

    def frames(self, rows: np.ndarray, *, embeddings: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the graph on (batch, t, n_bins) features.

        Gives frame logits and attention (batch, t', c) and embeddings (batch, t', d); without ``embeddings``
        these have no columns and are not computed.
        """
        kinds = ["frame", "attention"] + (["embedding"] if embeddings else [])
        names = [self._outputs[kind] for kind in kinds]
        outputs = self._session.run(names, {self._input: np.ascontiguousarray(rows, dtype=np.float32)})
        if not embeddings:
            outputs.append(np.empty((*outputs[0].shape[:2], 0), dtype=np.float32))
        return tuple(outputs)


def _check_kind(bundle: Bundle) -> None:
    """Raise ``BadBundle`` for a graph that no way below can run: features in, frames and attention out."""
    kinds = set(bundle.spec["outputs"])
    if bundle.feature is None:
        problem = "its graph takes samples"
    elif not kinds >= {"frame", "attention"} or bundle.spec.get("pool") != "attention":
        problem = f"its windows are not pooled by attention (outputs {', '.join(sorted(kinds))})"
    elif bundle.spec.get("states"):
        problem = "its graph carries states"
    elif not 1 <= bundle.receptive_field <= bundle.window_samples // bundle.feature.hop_samples:
        problem = f"its receptive_field={bundle.receptive_field} frames does not fit into a window"
    elif bundle.trunk_stride < 1:
        problem = f"its stride={bundle.trunk_stride} is no number of frames"
    else:
        return
    raise BadBundle(f"{bundle.name}: {problem}, which this version of sonoscope cannot run: update it")


def frames_of_output(bundle: Bundle, frames: int) -> int:
    """How many frames the trunk makes of so many feature frames, at least ``receptive_field``."""
    return (frames - bundle.receptive_field) // bundle.trunk_stride + 1


def pool(logits: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Attention-weighted mean over time, (batch, t, c) to (batch, c): ``networks.heads.framewise.pool``."""
    weight = np.exp(attention - attention.max(axis=1, keepdims=True))
    return (weight * logits).sum(axis=1) / weight.sum(axis=1)


class _Windowed:
    """What the three ways share: counting samples, and knowing how many windows there are in the end."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool) -> None:
        bundle = runtime.bundle
        assert bundle.feature is not None
        self._runtime, self._embeddings, self._feature = runtime, embeddings, bundle.feature
        self._grid = Grid(bundle.window_samples, hop_samples)
        self._frames = bundle.window_samples // bundle.feature.hop_samples
        self._batch = max(LONG_RUN // self._frames, 1)
        self._small_batch = max(SHORT_RUN // self._frames, 1)
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
            framewise, attention, embeddings = self._runtime.frames(batch, embeddings=self._embeddings)
            logits[first : first + count] = pool(framewise[:count], attention[:count])
            vectors[first : first + count] = embeddings[:count].mean(axis=1)
        return logits, vectors

    def _gather(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """One table of the parts, which are counted."""
        if not parts:
            return tuple(np.empty((0, width), dtype=np.float32) for width in self._width)  # type: ignore[return-value]
        logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._given += len(logits)
        return logits, vectors


class _SharedFeatures(_Windowed):
    """Features once per recording, the trunk once per window."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool) -> None:
        super().__init__(runtime, hop_samples, embeddings)
        self._stream = self._feature.stream()
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


class _OwnFeatures(_Windowed):
    """Each window's features on its own grid, with the real sound around it as context."""

    def __init__(self, runtime: Runtime, hop_samples: int, embeddings: bool) -> None:
        super().__init__(runtime, hop_samples, embeddings)
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


class _SharedTrunk(_Windowed):
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
