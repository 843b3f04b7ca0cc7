"""What a classical model is: something that is fitted to vectors, and what remains of it, which answers.

A **model** is a frozen dataclass of what a configuration says of it (``model: {name: svm, kernel: rbf}``); its ``fit``
gives an **answerer**: arrays, with the arithmetic that turns vectors into logits, once in NumPy and once as nodes of an
ONNX graph. Everything is double precision inside, so that both agree to rounding; what is kept in quantity (support
vectors, neighbours) is kept as float32, which is why models are fitted to vectors that float32 holds exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from sonoscope.evaluation.metrics import average_precision
from sonoscope.networks.writer import Writer

Say = Callable[[str], None]

#: A column that hardly changes is not blown up.
LEAST_STD = 1e-6


@dataclass(frozen=True, eq=False)
class Examples:
    """Windows of clips.

    Attributes
    ----------
    vectors : np.ndarray, shape (n, d), float32
    truth : np.ndarray, shape (n, c), 0/1
        Of the clip that the window is of.
    known : np.ndarray, shape (n, c), bool
        False where nobody judged it.
    clip : np.ndarray, shape (n,), int64
        Which of the clips (0..) a window is of, ascending.
    columns : tuple of str, length d
    labels : tuple of str, length c
    """

    vectors: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    clip: np.ndarray
    columns: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def clips(self) -> int:
        """How many clips there are."""
        return int(self.clip[-1]) + 1 if len(self.clip) else 0

    def of_clips(self, windows: np.ndarray) -> np.ndarray:
        """Means over the windows of each clip, (n, k) to (clips, k), float64."""
        total = np.zeros((self.clips, windows.shape[1]))
        np.add.at(total, self.clip, windows)
        return total / np.maximum(np.bincount(self.clip, minlength=self.clips), 1)[:, None]

    def first(self) -> np.ndarray:
        """The first window of each clip, shape (clips,)."""
        return np.searchsorted(self.clip, np.arange(self.clips))


class Answerer(Protocol):
    """What is left of a fitted model.

    Attributes
    ----------
    kind : str
        Its key in ``store.ANSWERERS``.
    settings : mapping
        Hyper-parameters, and how they were found; JSON can hold them.
    """

    kind: ClassVar[str]

    @property
    def settings(self) -> Mapping[str, Any]: ...
    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) to (n, c), float64."""

    def write(self, graph: Writer, vectors: str) -> str:
        """Add the nodes that do the same; take and give the name of a (batch, …) double tensor."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What is to be kept, by the names of its fields."""


class Model(Protocol):
    """What a configuration says of a model.

    Attributes
    ----------
    name : str
        Its key in ``MODELS``.
    listens : bool
        False for a dummy, which is shown how loud the first window of a clip is, and whose answers stay as they are.
    """

    name: ClassVar[str]
    listens: ClassVar[bool]

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Answerer:
        """Fit to ``learned``; choose between hyper-parameters by ``checked``."""


def scaling(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, float32; 1 where it does not change."""
    wide = vectors.astype(np.float64)
    mean, std = wide.mean(axis=0), wide.std(axis=0)
    std[std < LEAST_STD * np.maximum(np.abs(mean), 1.0)] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)


def scaled(vectors: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Vectors in units of the columns' own spread, float64."""
    return (np.asarray(vectors, dtype=np.float64) - mean) / std


def write_scaled(graph: Writer, vectors: str, mean: np.ndarray, std: np.ndarray) -> str:
    """Nodes for :func:`scaled`."""
    centred = graph.node("Sub", vectors, graph.double(mean))
    return graph.node("Div", centred, graph.double(std))


def mean_precision(examples: Examples, logits: np.ndarray) -> float:
    """Mean average precision over clips and the labels that have positives; nan without any."""
    first = examples.first()
    truth, known, scores = examples.truth[first], examples.known[first], examples.of_clips(logits)
    found = [average_precision(truth[k, i], scores[k, i]) for i, k in enumerate(known.T)]
    finite = [value for value in found if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
