"""One plane for each label: logits are ``(x - mean) / std @ weights + offset``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from sonoscope.networks.writer import Writer
from sonoscope.training.classical.protocol import scaled, write_scaled


@dataclass(frozen=True, eq=False)
class Linear:
    """Of linear SVMs, logistic regressions, and dummies that always say the same.

    Attributes
    ----------
    mean, std : np.ndarray, shape (d,), float32
    weights : np.ndarray, shape (d, c), float64
    offset : np.ndarray, shape (c,), float64
    """

    kind: ClassVar[str] = "linear"

    mean: np.ndarray
    std: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(scaled(vectors, self.mean, self.std) @ self.weights + self.offset)

    def write(self, graph: Writer, vectors: str) -> str:
        product = graph.node(
            "MatMul", write_scaled(graph, vectors, self.mean, self.std), graph.double(self.weights)
        )
        return graph.node("Add", product, graph.double(self.offset))

    def arrays(self) -> dict[str, np.ndarray]:
        return {"mean": self.mean, "std": self.std, "weights": self.weights, "offset": self.offset}
