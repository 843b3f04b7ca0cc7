"""How sure a figure is: whole groups of clips are drawn again and again, since clips of a group are not independent.

Percentile bootstrap over groups (Efron and Tibshirani 1993, chapter 13). Differences of two models are *paired*:
each draw takes the same groups for both, so that what makes a recording hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

import numpy as np

A = TypeVar("A")

DRAWS = 1000
LEVELS = (2.5, 97.5)
#: Weights of decisions that are held at a time.
AT_ONCE = 2_000_000


def draws_of(groups: Sequence[str], draws: int = DRAWS, seed: int = 0) -> list[np.ndarray]:
    """Row numbers of each draw: as many groups as there are, with replacement, each with all of its rows.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not len(groups):
        raise ValueError("a bootstrap needs rows, got none")
    _, of_group = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(of_group, kind="stable"), np.cumsum(np.bincount(of_group))[:-1])
    rng = np.random.default_rng(seed)
    return [
        np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        for _ in range(draws)
    ]


def weights_of(groups: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Iterator[np.ndarray]:
    """The draws of :func:`draws_of` as how often each row was drawn, float64, shape (n,).

    Figures that sort scores do so once and are weighted for each draw, which is a hundred times faster.
    """
    if not len(groups):
        raise ValueError("a bootstrap needs rows, got none")
    _, of_group = np.unique(np.asarray(groups), return_inverse=True)
    count = int(of_group.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(count, size=count), minlength=count).astype(np.float64)[of_group]


def stacked_weights(
    groups: Sequence[str], labels: int, draws: int = DRAWS, seed: int = 0
) -> Iterator[np.ndarray]:
    """The draws of :func:`weights_of` some at a time, (k, n): so many that decisions on ``labels`` fit into memory."""
    weights = weights_of(groups, draws, seed)
    at_once = max(AT_ONCE // max(len(groups) * labels, 1), 1)
    while part := list(islice(weights, at_once)):
        yield np.stack(part)


def remembered(metric: Callable[[np.ndarray], A]) -> Callable[[np.ndarray], A]:
    """``metric`` of rows in any order, computed once for each draw that there is: of four groups there are 35."""
    known: dict[bytes, A] = {}

    def of(rows: np.ndarray) -> A:
        key = blake2b(np.bincount(rows).tobytes(), digest_size=16).digest()
        if key not in known:
            known[key] = metric(rows)
        return known[key]

    return of


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the values that are numbers; nan without any."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return float("nan"), float("nan")
    low, high = np.percentile(finite, LEVELS)
    return float(low), float(high)


def of_metric(
    metric: Callable[[np.ndarray], float], groups: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of ``metric(rows)``, rows being numbers of clips."""
    of = remembered(metric)
    return interval([of(rows) for rows in draws_of(groups, draws, seed)])


def of_difference(first: np.ndarray, second: np.ndarray) -> tuple[tuple[float, float], float]:
    """First minus second, draw by draw, (d,) each: the 95 % interval, and the share of draws above zero.

    Both must be of the same draws. Draws in which either is nan are left out; nan without any other.
    """
    differences = np.asarray(first) - np.asarray(second)
    differences = differences[np.isfinite(differences)]
    above = float(np.mean(differences > 0)) if differences.size else float("nan")
    return interval(differences), above
