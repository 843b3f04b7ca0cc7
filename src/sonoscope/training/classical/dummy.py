"""What any model must beat: all zeros, all ones, the prior, and two to four labels at random.

They hear nothing. With a share ``p`` of positives among the decisions of a label, and ``c`` labels,

=========  ==============================================================================================
zeros      accuracy ``1 - p``, recall 0: how well a model does that never answers
ones       recall 1, precision ``p``, F1 ``2 p / (1 + p)``; accuracy ``p``
prior      the share of each label in the training clips as its score; its mean average precision is the mean of ``p``
random     two to four labels of each clip: recall ``3 / c``, precision ``p``
=========  ==============================================================================================

``random`` must give the same answer whenever a recording is analysed, in any order and on any machine: it is drawn from
how loud the window is, the seed mixed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.networks.writer import Writer
from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.protocol import Examples, Say

#: Logit of what is said for certain: a probability of 0.9999.
CERTAIN = 9.2103
#: Shares are kept this far from 0 and 1.
LEAST_SHARE = 1e-4
#: The hash of shaders: what is left of large sines is as good as random.
STRETCH = 43758.5453


def constant(logits: np.ndarray, settings: Mapping[str, Any]) -> Linear:
    """The same answer to everything."""
    one = np.ones(1, dtype=np.float32)
    return Linear(np.zeros_like(one), one, np.zeros((1, len(logits))), logits, settings)


@dataclass(frozen=True)
class Zeros:
    """Never any label."""

    name: ClassVar[str] = "zeros"
    listens: ClassVar[bool] = False

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Linear:
        """Nothing to fit."""
        return constant(np.full(len(learned.labels), -CERTAIN), {"answer": "no label"})


@dataclass(frozen=True)
class Ones:
    """Always every label."""

    name: ClassVar[str] = "ones"
    listens: ClassVar[bool] = False

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Linear:
        """Nothing to fit."""
        return constant(np.full(len(learned.labels), CERTAIN), {"answer": "every label"})


@dataclass(frozen=True)
class Prior:
    """How frequent each label is."""

    name: ClassVar[str] = "prior"
    listens: ClassVar[bool] = False

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Linear:
        """Count."""
        first = learned.first()
        sounds = (learned.truth[first] * learned.known[first]).sum(axis=0)
        share = sounds / np.maximum(learned.known[first].sum(axis=0), 1)
        kept = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)
        shares = dict(zip(learned.labels, np.round(share, 4).tolist(), strict=True))
        return constant(np.log(kept / (1 - kept)), {"shares": shares})


@dataclass(frozen=True)
class Random:
    """``least`` to ``most`` labels of each window, at most as many as there are."""

    name: ClassVar[str] = "random"
    listens: ClassVar[bool] = False

    least: int = 2
    most: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most:
            raise UsageError(
                f"random: least={self.least} and most={self.most} must satisfy 0 <= least <= most"
            )

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Drawn:
        """Draw how windows are told apart."""
        rng = np.random.default_rng(seed)
        count = len(learned.labels) + 1
        span = np.array([min(self.least, len(learned.labels)), min(self.most, len(learned.labels))])
        settings = {"least": int(span[0]), "most": int(span[1]), "seed": seed}
        return Drawn(rng.uniform(1e3, 1e4, count), rng.uniform(0, 2 * np.pi, count), span, settings)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Numbers in 0..1 from a level: the first says how many labels, the others which (those with the highest).

    Attributes
    ----------
    factor, phase : np.ndarray, shape (1 + c,), float64
    span : np.ndarray, shape (2,), int64
        Fewest and most labels.
    """

    kind: ClassVar[str] = "drawn"

    factor: np.ndarray
    phase: np.ndarray
    span: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        wide = np.asarray(vectors, dtype=np.float64)[:, :1]
        large = np.sin(wide * self.factor + self.phase) * STRETCH
        chance = large - np.floor(large)
        above = (chance[:, None, 1:] > chance[:, 1:, None]).sum(axis=2)
        count = self.span[0] + np.floor(chance[:, :1] * (self.span[1] - self.span[0] + 1))
        return np.where(above < count, CERTAIN, -CERTAIN)

    def write(self, graph: Writer, vectors: str) -> str:
        angle = graph.node(
            "Add", graph.node("Mul", vectors, graph.double(self.factor)), graph.double(self.phase)
        )
        large = graph.node("Mul", graph.node("Sin", angle), graph.double(np.array([STRETCH])))
        chance = graph.node("Sub", large, graph.node("Floor", large))
        which = graph.columns(chance, 1, len(self.factor))
        one, other = (graph.node("Unsqueeze", which, graph.numbers(axis)) for axis in (1, 2))
        larger = graph.cast(graph.node("Greater", one, other), np.float64)
        above = graph.node("ReduceSum", larger, graph.numbers(2), keepdims=0)
        spread = graph.double(np.array([float(self.span[1] - self.span[0] + 1)]))
        extra = graph.node("Floor", graph.node("Mul", graph.columns(chance, 0, 1), spread))
        count = graph.node("Add", extra, graph.double(np.array([float(self.span[0])])))
        taken = graph.node("Less", above, count)
        return graph.node(
            "Where", taken, graph.double(np.array([CERTAIN])), graph.double(np.array([-CERTAIN]))
        )

    def arrays(self) -> dict[str, np.ndarray]:
        return {"factor": self.factor, "phase": self.phase, "span": self.span}
