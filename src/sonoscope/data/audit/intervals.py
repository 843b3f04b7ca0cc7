"""Intervals of figures whose rows are not independent: the bootstrap draws groups, not rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 500


def interval(
    figure: Callable[[np.ndarray], float], groups: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of ``figure(rows)``, groups drawn with replacement.

    Draws in which the figure is nan are left out; with a single group there is no interval: (nan, nan).

    Parameters
    ----------
    figure : callable
        Takes places of rows, int64, with repetitions.
    groups : np.ndarray, shape (r,), int
    """
    (low, high), *_ = intervals(lambda rows: [figure(rows)], groups, draws=draws, seed=seed)
    return low, high


def intervals(
    figures: Callable[[np.ndarray], Sequence[float]],
    groups: np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """The same for several figures at once, from the same draws."""
    order = np.argsort(groups, kind="stable")
    names, first = np.unique(groups[order], return_index=True)
    members = np.split(order, first[1:])
    if len(names) < 2:
        return [(float("nan"), float("nan"))] * len(figures(order))
    rng = np.random.default_rng(seed)
    drawn = [
        figures(np.concatenate([members[k] for k in rng.integers(len(names), size=len(names))]))
        for _ in range(draws)
    ]
    columns = np.asarray(drawn, dtype=np.float64).T
    return [_percentiles(column[~np.isnan(column)]) for column in columns]


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
