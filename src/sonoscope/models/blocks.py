"""Blocks of samples through one graph that does everything, features too: the way on a GPU.

The graph (``networks/fused.py``, without padding) takes as many samples as :data:`SECONDS` of windows see, always as
many, and answers for all of those windows. It is made once and kept in the cache, under the name of what it depends
on; where it is not there, features are computed on the CPU and only the network runs on the GPU.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonoscope.errors import BadBundle
from sonoscope.models import cache
from sonoscope.models.bundle import Bundle
from sonoscope.windows import Cutter, Grid

if TYPE_CHECKING:
    from sonoscope.models.devices import Session

#: How much sound goes through at a time: enough to keep a GPU busy, some 50 MB of frames.
SECONDS = 60.0
#: Counted up when files made by an older version must not be used.
VERSION = 1


def fused_file(bundle: Bundle, hop_samples: int) -> Path:
    """Where the fused graph for windows that far apart is kept, if it was made."""
    depends = [
        VERSION, bundle.sha256, bundle.spec["input"], bundle.spec["outputs"], bundle.sample_rate,
        bundle.spec.get("window"), hop_samples,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:24]
    return cache.folder("fused", f"{digest}.onnx")


class Blocks:
    """A scorer (``runtime.Scorer``) on a fused graph.

    Parameters
    ----------
    bundle : Bundle
    graph : Session
        The graph, opened.
    file : Path
        Where it lies; its metadata say what it takes.
    hop_samples : int
    embeddings : bool

    Raises
    ------
    BadBundle
        If the file is for something else.
    """

    def __init__(
        self, bundle: Bundle, graph: Session, file: Path, hop_samples: int, embeddings: bool
    ) -> None:
        about = described(file)
        if about.get("padded", True) or about["hop"] != hop_samples or about["sha256"] != bundle.sha256:
            raise BadBundle(f"{file} is not the graph of {bundle.name}, window by window: remove it")
        self._graph, self._grid = graph, Grid(bundle.window_samples, hop_samples)
        self._windows = max(round(SECONDS * bundle.sample_rate / hop_samples), 1)
        self._left, reach = int(about["left"]), int(about["reach"])
        step = self._windows * hop_samples
        self._length = max(step - hop_samples + reach, step)
        self._cutter = Cutter(self._length, step, 1)
        self._cutter.push(np.zeros(self._left, dtype=np.float32))
        self._names = ["logits", "embedding"][: 1 + bool(embeddings and bundle.embedding_size)]
        self._width = (len(bundle.labels), bundle.embedding_size if embeddings else 0)
        self._n_samples = self._given = 0

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take samples (n,); logits (k, c) and embeddings (k, d) of the windows that became ready."""
        self._n_samples += samples.size
        return self._answers(self._cutter.push(samples.copy()))

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        """The sound ends: the windows that are left."""
        count = self._grid.count(self._n_samples)
        blocks = -(-(count - self._given) // self._windows)
        end = (self._given + (blocks - 1) * self._windows) * self._grid.hop + self._length
        padding = end - self._left - self._n_samples if blocks else 0
        logits, vectors = self._answers(self._cutter.push(np.zeros(max(padding, 0), dtype=np.float32)))
        surplus = max(self._given - count, 0)
        return logits[: len(logits) - surplus], vectors[: len(vectors) - surplus]

    def _answers(self, blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        parts: list[list[np.ndarray]] = []
        for block in blocks:
            found = self._graph.run(self._names, {"samples": np.ascontiguousarray(block[0])})
            if len(found) == 1:
                found.append(np.empty((len(found[0]), self._width[1]), dtype=np.float32))
            parts.append(found)
        if not parts:
            return tuple(np.empty((0, width), dtype=np.float32) for width in self._width)  # type: ignore[return-value]
        logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._given += len(logits)
        return logits, vectors


@functools.lru_cache(maxsize=32)
def described(file: Path) -> dict[str, Any]:
    """What a fused graph's metadata say (``networks.fused.described``).

    Raises
    ------
    BadBundle
        If it has none.
    """
    import onnxruntime

    try:
        held = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).get_modelmeta()
        return json.loads(held.custom_metadata_map["sonoscope"])
    except Exception as error:  # ONNX Runtime raises its own, undocumented kinds
        raise BadBundle(f"{file} is no fused graph ({error}): remove it") from None
