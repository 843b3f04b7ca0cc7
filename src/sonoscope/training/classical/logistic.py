"""One-vs-rest logistic regression: the usual head on an embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError, optional
from sonoscope.training.classical import one_vs_rest
from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.protocol import Examples, Say, scaled, scaling
from sonoscope.training.classical.svm import several

#: Of L-BFGS.
ITERATIONS = 2000


@dataclass(frozen=True)
class Logistic:
    """What is said of it.

    Parameters
    ----------
    c : float or list
        Inverse of how strongly weights are held at zero; of several, the best on validation is taken.
    balanced : bool
        Weigh examples so that those with and without the label count alike.
    standardise : bool
        Bring each value to mean 0 and standard deviation 1. Vectors of length 1, of few examples, are better left as
        they are.
    """

    name: ClassVar[str] = "logistic"
    listens: ClassVar[bool] = True

    c: float | tuple[float, ...] = (0.01, 0.1, 1.0)
    balanced: bool = True
    standardise: bool = True

    def __post_init__(self) -> None:
        for value in several(self.c):
            if not value > 0:
                raise UsageError(f"logistic: c={value} must be greater than 0")

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Linear:
        """A plane for each label."""
        regression = optional(
            "sklearn.linear_model", "teach", "fitting logistic regressions"
        ).LogisticRegression
        mean, std = scaling(learned.vectors)
        if not self.standardise:
            mean, std = np.zeros_like(mean), np.ones_like(std)
        x = scaled(learned.vectors, mean, std)
        tasks = list(one_vs_rest.judged(learned, say))
        weight = "balanced" if self.balanced else None

        def fitted(setting: dict[str, Any]) -> Linear:
            weights = np.zeros((x.shape[1], len(learned.labels)))
            offset = one_vs_rest.alone(learned)
            for k, rows, truth in tasks:
                model = regression(
                    C=setting["c"], class_weight=weight, max_iter=ITERATIONS, random_state=seed
                )
                model.fit(x[rows], truth)
                weights[:, k], offset[k] = model.coef_[0], model.intercept_[0]
            return Linear(mean, std, weights, offset, setting)

        settings = [{"c": float(value)} for value in several(self.c)]
        best, table = one_vs_rest.best_of(settings, fitted, checked, say)
        about = {
            "balanced": self.balanced,
            "standardise": self.standardise,
            "chosen": best.settings,
            "tried": table,
        }
        return replace(best, settings=about)
