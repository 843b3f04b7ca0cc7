"""One-vs-rest support vector machines, linear and with a Gaussian kernel: for 11 labels 11 each, 22 in all.

Fitted by scikit-learn (LIBLINEAR, LIBSVM) to standardised vectors; the decision values are the logits. A label that
nobody judged in a clip leaves that clip out of its own machine only. ``c`` and ``gamma`` may be lists: the pair with
the highest mean average precision on validation is taken, for all labels together.

All machines of a set share one table of support vectors, the union of theirs, so that a window's kernel values are
computed once: ``exp(-gamma |x - v|²) @ dual + offset``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError, optional
from sonoscope.networks.writer import Writer
from sonoscope.training.classical import one_vs_rest
from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.protocol import (
    Answerer,
    Examples,
    Say,
    scaled,
    scaling,
    write_scaled,
)

KERNELS = ("rbf", "linear")
#: Iterations of LIBLINEAR; standardised vectors need some hundred.
ITERATIONS = 5000
#: Distances that are held at a time: 64 MB.
AT_ONCE = 1 << 23


@dataclass(frozen=True)
class Svm:
    """What is said of a set of machines.

    Parameters
    ----------
    kernel : {"rbf", "linear"}
    c : float or list
        What an example on the wrong side costs.
    gamma : float, "scale" or list
        Of the Gaussian kernel; ``scale`` is one over the number of columns times their variance.
    balanced : bool
        Weigh examples so that those with and without the label count alike.
    """

    name: ClassVar[str] = "svm"
    listens: ClassVar[bool] = True

    kernel: str = "rbf"
    c: float | tuple[float, ...] = (1.0, 10.0)
    gamma: float | str | tuple[float | str, ...] = "scale"
    balanced: bool = True

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise UsageError(f"svm: kernel={self.kernel!r} must be one of {', '.join(KERNELS)}")
        for value in several(self.c):
            if not value > 0:
                raise UsageError(f"svm: c={value} must be greater than 0")
        for gamma in several(self.gamma):
            if gamma != "scale" and not (isinstance(gamma, int | float) and gamma > 0):
                raise UsageError(f"svm: gamma={gamma!r} must be greater than 0, or scale")

    def fit(self, learned: Examples, checked: Examples, *, seed: int, say: Say) -> Answerer:
        """A machine for each label."""
        optional("sklearn.svm", "teach", "fitting support vector machines")
        mean, std = scaling(learned.vectors)
        # What is kept is float32: the machines are fitted to exactly that.
        x = scaled(learned.vectors, mean, std).astype(np.float32).astype(np.float64)
        tasks = list(one_vs_rest.judged(learned, say))
        gammas = several(self.gamma) if self.kernel == "rbf" else (None,)
        settings = [
            {"c": float(c)} | ({} if gamma is None else {"gamma": gamma_of(gamma, x)})
            for c, gamma in product(several(self.c), gammas)
        ]
        weight = "balanced" if self.balanced else None

        def fitted(setting: dict[str, Any]) -> Answerer:
            if self.kernel == "linear":
                return planes(x, tasks, learned, mean, std, weight, seed, **setting)
            return kernels(x, tasks, learned, mean, std, weight, **setting)

        best, table = one_vs_rest.best_of(settings, fitted, checked, say)
        about = {"kernel": self.kernel, "balanced": self.balanced, "chosen": best.settings, "tried": table}
        return replace(best, settings=about)  # type: ignore[type-var]


def several(value: Any) -> tuple[Any, ...]:
    """A list as a tuple, one value as a tuple of it."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def gamma_of(wish: float | str, x: np.ndarray) -> float:
    """The width of the kernel in numbers."""
    return float(1.0 / (x.shape[1] * max(x.var(), 1e-12))) if wish == "scale" else float(wish)


def planes(
    x: np.ndarray, tasks: list[Any], learned: Examples, mean: np.ndarray, std: np.ndarray,
    weight: str | None, seed: int, c: float,
) -> Linear:  # fmt: skip
    """Linear machines."""
    from sklearn.svm import LinearSVC

    weights = np.zeros((x.shape[1], len(learned.labels)))
    offset = one_vs_rest.alone(learned)
    for k, rows, truth in tasks:
        machine = LinearSVC(C=c, class_weight=weight, dual="auto", max_iter=ITERATIONS, random_state=seed)
        machine.fit(x[rows], truth)
        weights[:, k], offset[k] = machine.coef_[0], machine.intercept_[0]
    return Linear(mean, std, weights, offset, {"c": c})


def kernels(
    x: np.ndarray, tasks: list[Any], learned: Examples, mean: np.ndarray, std: np.ndarray,
    weight: str | None, c: float, gamma: float,
) -> Kernel:  # fmt: skip
    """Machines with a Gaussian kernel."""
    from sklearn.svm import SVC

    dual = np.zeros((len(x), len(learned.labels)))
    offset = one_vs_rest.alone(learned)
    for k, rows, truth in tasks:
        machine = SVC(C=c, gamma=gamma, class_weight=weight)
        machine.fit(x[rows], truth)
        dual[rows[machine.support_], k] = machine.dual_coef_[0]
        offset[k] = machine.intercept_[0]
    used = np.flatnonzero((dual != 0).any(axis=1))
    # A graph needs one row at least.
    used = used if used.size else np.array([0])
    counts = {label: int((dual[:, k] != 0).sum()) for k, label in enumerate(learned.labels)}
    settings = {"c": c, "gamma": gamma, "support_vectors": counts}
    width = np.array([gamma])
    return Kernel(mean, std, x[used].astype(np.float32), dual[used], offset, width, settings)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Machines with a Gaussian kernel and their common support vectors.

    Attributes
    ----------
    mean, std : np.ndarray, shape (d,), float32
    support : np.ndarray, shape (s, d), float32
        Standardised.
    dual : np.ndarray, shape (s, c), float64
    offset : np.ndarray, shape (c,), float64
    gamma : np.ndarray, shape (1,), float64
    """

    kind: ClassVar[str] = "kernel"

    mean: np.ndarray
    std: np.ndarray
    support: np.ndarray
    dual: np.ndarray
    offset: np.ndarray
    gamma: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        return in_blocks(self._logits, vectors, len(self.support))

    def _logits(self, vectors: np.ndarray) -> np.ndarray:
        far = distances(scaled(vectors, self.mean, self.std), self.support)
        return np.asarray(np.exp(-self.gamma * far) @ self.dual + self.offset)

    def write(self, graph: Writer, vectors: str) -> str:
        far = write_distances(graph, write_scaled(graph, vectors, self.mean, self.std), self.support)
        near = graph.node("Exp", graph.node("Mul", far, graph.double(-self.gamma)))
        return graph.node(
            "Add", graph.node("MatMul", near, graph.double(self.dual)), graph.double(self.offset)
        )

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "mean": self.mean, "std": self.std, "support": self.support, "dual": self.dual,
            "offset": self.offset, "gamma": self.gamma,
        }  # fmt: skip


def distances(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, (n, d) and (s, d) to (n, s), float64."""
    points = points.astype(np.float64)
    squares = np.square(x).sum(axis=1)[:, None] + np.square(points).sum(axis=1)
    return np.maximum(squares - 2.0 * x @ points.T, 0.0)


def in_blocks(logits: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray, points: int) -> np.ndarray:
    """``logits`` of vectors (n, d), so many at a time that their distances to all points fit into memory."""
    step = max(AT_ONCE // max(points, 1), 1)
    if len(vectors) <= step:
        return logits(vectors)
    return np.concatenate([logits(vectors[k : k + step]) for k in range(0, len(vectors), step)])


def write_distances(graph: Writer, x: str, points: np.ndarray) -> str:
    """Nodes for :func:`distances`."""
    wide = points.astype(np.float64)
    own = graph.node("ReduceSum", graph.node("Mul", x, x), graph.numbers(1), keepdims=1)
    squares = graph.node("Add", own, graph.double(np.square(wide).sum(axis=1)[None]))
    turned = graph.double(np.ascontiguousarray(points.T) * np.float32(2.0))
    between = graph.node("Sub", squares, graph.node("MatMul", x, turned))
    return graph.node("Max", between, graph.double(np.zeros(1)))
