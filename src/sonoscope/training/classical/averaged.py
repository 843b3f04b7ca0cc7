"""The weighted mean of what several models say: an ensemble of scores.

Its features are ``{name: scores, model: …}``, one for each model: calibrated logits by label. A label that some of the
models do not know is the mean of those that do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.networks.writer import Writer
from sonoscope.training.classical.protocol import Examples, Say

#: Probabilities are kept this far from 0 and 1.
LEAST = 1e-6
#: Between the number and name of a model and the label, in the names of columns (``0:instruments/violin``).
SIGN = "/"


@dataclass(frozen=True)
class Mean:
    """What is said of it.

    Parameters
    ----------
    weights : list of float
        One for each model, in the order of ``features``; default: equal.
    """

    name: ClassVar[str] = "mean"
    listens: ClassVar[bool] = True

    weights: float | tuple[float, ...] = ()

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Averaged:
        """Nothing to fit: find each label among the models' own."""
        if not all(SIGN in column for column in learned.columns):
            raise UsageError("model=mean averages scores: give features as {name: scores, model: …}")
        spoken = [column.split(SIGN, 1) for column in learned.columns]
        models = list(dict.fromkeys(model for model, _ in spoken))
        given = self.weights if isinstance(self.weights, list | tuple) else (self.weights,)
        weights = list(given) or [1.0] * len(models)
        if len(weights) != len(models) or min(weights) < 0 or not sum(weights) > 0:
            raise UsageError(
                f"mean: weights={weights} must be {len(models)} numbers that are not negative and not all zero, "
                f"one for each of {', '.join(models)}"
            )
        weight_of = dict(zip(models, weights, strict=True))
        mixing = np.array([[weight_of[m] * (own == label) for label in learned.labels] for m, own in spoken])
        total = mixing.sum(axis=0)
        if not total.all():
            unknown = ", ".join(label for label, sum_ in zip(learned.labels, total, strict=True) if not sum_)
            raise UsageError(
                f"mean: none of the models has a score for {unknown}: choose data.labels among theirs"
            )
        return Averaged(mixing / total, {"weights": weight_of})


@dataclass(frozen=True, eq=False)
class Averaged:
    """Logit of a mean of probabilities.

    Attributes
    ----------
    mixing : np.ndarray, shape (d, c), float64
        Share of each column in each label; columns add up to 1.
    """

    kind: ClassVar[str] = "averaged"

    mixing: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        wide = np.clip(np.asarray(vectors, dtype=np.float64), -60, 60)
        mean = np.clip((1.0 / (1.0 + np.exp(-wide))) @ self.mixing, LEAST, 1 - LEAST)
        return np.asarray(np.log(mean) - np.log(1 - mean))

    def write(self, graph: Writer, vectors: str) -> str:
        each = graph.node("Sigmoid", vectors)
        mean = graph.node("MatMul", each, graph.double(self.mixing))
        low, high = (graph.double(np.array(value)) for value in (LEAST, 1 - LEAST))
        kept = graph.node("Clip", mean, low, high)
        rest = graph.node("Sub", graph.double(np.ones(1)), kept)
        return graph.node("Sub", graph.node("Log", kept), graph.node("Log", rest))

    def arrays(self) -> dict[str, np.ndarray]:
        return {"mixing": self.mixing}
