"""The labels of the nearest examples: ``log((with + ½) / (without + ½))`` among the ``k`` nearest windows.

Neighbours of which nobody judged a label do not vote on it. All windows that were learned from are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.networks.writer import Writer
from sonoscope.training.classical import one_vs_rest
from sonoscope.training.classical.protocol import Examples, Say, scaled, scaling, write_scaled
from sonoscope.training.classical.svm import distances, in_blocks, several, write_distances

#: Votes that both sides have from the start.
PRIOR = 0.5


@dataclass(frozen=True)
class Knn:
    """What is said of it.

    Parameters
    ----------
    k : int or list
        Neighbours that vote, at most as many as there are windows; of several, the best on validation is taken.
    """

    name: ClassVar[str] = "knn"
    listens: ClassVar[bool] = True

    k: int | tuple[int, ...] = (1, 5, 15)

    def __post_init__(self) -> None:
        for value in several(self.k):
            if not isinstance(value, int) or value < 1:
                raise UsageError(f"knn: k={value} must be a whole number, at least 1")

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Nearest:
        """Keep the examples."""
        mean, std = scaling(learned.vectors)
        points = scaled(learned.vectors, mean, std).astype(np.float32)
        votes = np.stack([learned.truth * learned.known, (1 - learned.truth) * learned.known])

        def fitted(setting: dict[str, Any]) -> Nearest:
            return Nearest(mean, std, points, votes.astype(np.float32), np.array([setting["k"]]), setting)

        settings = [{"k": k} for k in sorted({min(k, len(points)) for k in several(self.k)})]
        best, table = one_vs_rest.best_of(settings, fitted, checked, say)
        return replace(best, settings={"chosen": best.settings, "tried": table, "examples": len(points)})


@dataclass(frozen=True, eq=False)
class Nearest:
    """Examples and their votes.

    Attributes
    ----------
    mean, std : np.ndarray, shape (d,), float32
    points : np.ndarray, shape (s, d), float32
        Standardised.
    votes : np.ndarray, shape (2, s, c), float32
        For and against each label.
    k : np.ndarray, shape (1,), int64
    """

    kind: ClassVar[str] = "nearest"

    mean: np.ndarray
    std: np.ndarray
    points: np.ndarray
    votes: np.ndarray
    k: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        return in_blocks(self._logits, vectors, len(self.points))

    def _logits(self, vectors: np.ndarray) -> np.ndarray:
        far = distances(scaled(vectors, self.mean, self.std), self.points)
        nearest = np.argsort(far, axis=1, kind="stable")[:, : int(self.k[0])]
        for_it, against = (side[nearest].sum(axis=1, dtype=np.float64) + PRIOR for side in self.votes)
        return np.asarray(np.log(for_it) - np.log(against))

    def write(self, graph: Writer, vectors: str) -> str:
        far = write_distances(graph, write_scaled(graph, vectors, self.mean, self.std), self.points)
        places = graph.node("TopK", far, graph.constant(self.k), outputs=2, axis=1, largest=0) + ":1"
        sides = []
        for side in self.votes:
            found = graph.node("Gather", graph.double(side), places, axis=0)
            total = graph.node("ReduceSum", found, graph.numbers(1), keepdims=0)
            sides.append(graph.node("Log", graph.node("Add", total, graph.double(np.array([PRIOR])))))
        return graph.node("Sub", *sides)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"mean": self.mean, "std": self.std, "points": self.points, "votes": self.votes, "k": self.k}
