"""Differences of models on the same recordings, draw by draw.

Two intervals that overlap do not say that two models are alike: what makes a recording hard is hard for both. Each
draw of the bootstrap takes the same groups for all models, so that the differences of a figure, draw by draw, have an
interval of their own (:mod:`sonoscope.evaluation.bootstrap`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from sonoscope.evaluation import bootstrap
from sonoscope.evaluation.result import Figure, Result, Table

TABLE = "differences"
#: Models of which every pair is compared; of more, each is compared with the first.
ALL_PAIRS = 4
#: Rows beyond which the table is for files and pages only.
LONG = 36


def differences(results: Mapping[str, Result]) -> Table | None:
    """A row for each pair of models and figure; None where nothing was drawn alike.

    ``difference`` is the second model's figure less the first's, with the 95 % interval of the same over all draws;
    ``draws above 0`` is the share of draws in which the second is better (figures that are better when they are
    less have none).
    """
    names = tuple(results)
    pairs = list(itertools.combinations(names, 2))
    if len(names) > ALL_PAIRS:
        pairs = [pair for pair in pairs if pair[0] == names[0]]
    rows = tuple(
        (first, second, name, figure, above)
        for first, second in pairs
        for name in results[first].figures
        if (row := _difference(name, results[first], results[second])) is not None
        for figure, above in [row]
    )
    if not rows:
        return None
    title = "Differences, paired: the second less the first"
    caption = "intervals over draws that take the same groups for both; one that holds 0 shows no difference"
    return Table(
        TABLE, title, ("first", "second", "figure", "difference", "draws above 0"), rows, caption,
        detail=len(rows) > LONG,
    )  # fmt: skip


def _difference(name: str, first: Result, second: Result) -> tuple[Figure, float] | None:
    one, other = first.figures[name], second.figures.get(name)
    if other is None or one.value is None or other.value is None or one.draws is None or other.draws is None:
        return None
    if not one.draws.pairs_with(other.draws):
        return None
    interval, above = bootstrap.of_difference(other.draws.values, one.draws.values)
    if np.isnan(above):
        return None
    return Figure.of(other.value - one.value, "", interval), above
