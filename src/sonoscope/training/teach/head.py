"""The head: a plane for each class on the standardised embedding, logistic, fitted to soft targets.

Minimised, for all classes together, is the mean cross-entropy of targets that are smoothed, where windows with and
without a class weigh alike, plus ``l2 / 2`` times the squared weights (L-BFGS). To the windows are added as many means
of two of them, in embedding and targets (mixup, Zhang et al. 2018), with shares drawn from Beta(0.3, 0.3). All windows
of one sound together weigh at most as much as :data:`FEW` windows.

Unlabelled windows may hold what is taught. So a first head is fitted without them, and those that it scores above the
median of the taught windows, at most :data:`DOUBTED` of them, are not held against it in the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.protocol import scaled, scaling
from sonoscope.training.teach.examples import UNLABELLED, Examples

#: Both shape parameters of the shares of a mixture.
MIXUP = 0.3
#: Windows that count as many, of one sound.
FEW = 4.0
#: Share of the unlabelled windows that may be left out.
DOUBTED = 0.1
#: How strongly weights may be held at zero, in units in which embeddings have unit spread; what finds most of the
#: sounds that are left out is taken (:mod:`~sonoscope.training.teach.folds`).
L2 = (0.3, 0.1, 0.03)
ITERATIONS = 200


@dataclass(frozen=True)
class Fitting:
    """How a head is fitted: see :mod:`~sonoscope.training.teach.head`."""

    mixup: bool = True
    smoothing: float = 0.05
    l2: float = L2[1]
    seed: int = 0


def fit(examples: Examples, use: np.ndarray, how: Fitting) -> Linear:
    """The head of the sounds that ``use`` (s,) chooses; a class without any of them gets no logit (nan)."""
    windows = use[examples.owner]
    doubtful = windows & (examples.roles == UNLABELLED)[examples.owner]
    if not doubtful.any():
        return _fit(examples, windows, how)
    if (windows & ~doubtful).any():
        first = _fit(examples, windows & ~doubtful, how)
        windows = windows & ~_doubted(examples, first, windows, doubtful)
    return _fit(examples, windows, how)


def _doubted(examples: Examples, first: Linear, windows: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
    """The unlabelled windows that sound like a class, shape (n,), bool."""
    found = np.zeros(len(windows), dtype=bool)
    places = np.flatnonzero(doubtful)
    logits = first.logits(examples.vectors[places])
    for k, label in enumerate(examples.labels):
        mine = windows & examples.positives(label)[examples.owner] & ~examples.copy
        if not mine.any() or np.isnan(logits[:, k]).any():
            continue
        limit = float(np.median(first.logits(examples.vectors[mine])[:, k]))
        most = int(DOUBTED * len(places))
        highest = np.argsort(-logits[:, k])[:most]
        found[places[highest[logits[highest, k] >= limit]]] = True
    return found


def _fit(examples: Examples, windows: np.ndarray, how: Fitting) -> Linear:
    """A head of some windows."""
    from scipy.optimize import minimize

    owner = examples.owner[windows]
    mean, std = scaling(examples.vectors[windows])
    x = scaled(examples.vectors[windows], mean, std)
    target = examples.truth[owner].astype(np.float64)
    known = examples.known[owner].astype(np.float64)
    share = 1.0 / np.maximum(np.bincount(owner, minlength=len(examples))[owner] / FEW, 1.0)
    if how.mixup:
        x, target, known, share = _mixed(x, target, known, share, np.random.default_rng([how.seed, 5]))
    weight = _balanced(target, known * share[:, None])
    smooth = target * (1.0 - how.smoothing) + how.smoothing / 2
    d, c = x.shape[1], target.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        plane = flat.reshape(d + 1, c)
        logits = x @ plane[:-1] + plane[-1]
        value = float((weight * (np.logaddexp(0.0, logits) - smooth * logits)).sum())
        away = weight * (1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))) - smooth)
        slope = np.vstack([x.T @ away + how.l2 * plane[:-1], away.sum(axis=0)])
        return value + how.l2 / 2 * float(np.square(plane[:-1]).sum()), slope.ravel()

    found = minimize(
        loss, np.zeros((d + 1) * c), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    plane = found.x.reshape(d + 1, c)
    offset = plane[-1].copy()
    offset[~((target > 0.5) & (known > 0)).any(axis=0)] = np.nan
    about = {"mixup": how.mixup, "smoothing": how.smoothing, "l2": how.l2}
    return Linear(mean, std, plane[:-1], offset, about)


def _mixed(
    x: np.ndarray, target: np.ndarray, known: np.ndarray, share: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The windows and as many mixtures, half of whose first parts hold a class."""
    holds = np.flatnonzero(target.any(axis=1))
    any_of, n = np.arange(len(x)), len(x)
    first = np.where(
        rng.random(n) < 0.5, rng.choice(holds if len(holds) else any_of, n), rng.choice(any_of, n)
    )
    second = rng.choice(any_of, n)
    part = rng.beta(MIXUP, MIXUP, n)[:, None]
    return (
        np.vstack([x, part * x[first] + (1 - part) * x[second]]),
        np.vstack([target, part * target[first] + (1 - part) * target[second]]),
        np.vstack([known, known[first] * known[second]]),
        np.concatenate([share, part[:, 0] * share[first] + (1 - part[:, 0]) * share[second]]),
    )


def _balanced(target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights (n, c) that add up to one half for what holds a class, and to one half for what does not."""
    with_it = (weight * target).sum(axis=0)
    without = (weight * (1 - target)).sum(axis=0)
    up = np.divide(0.5, with_it, out=np.zeros_like(with_it), where=with_it > 0)
    down = np.divide(0.5, without, out=np.zeros_like(without), where=without > 0)
    return weight * (target * up + (1 - target) * down)
