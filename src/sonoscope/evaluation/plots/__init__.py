"""A result as plots in files, from a :class:`~sonoscope.evaluation.result.Result` alone.

Every curve, the figures with their intervals, what comes of each label, matrices of confusion, how often labels sound,
scores of what sounds and of what does not, and maps of embeddings; several models in one plot where their lines or dots
can be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from sonoscope.evaluation.plots import charts, clips
from sonoscope.evaluation.plots.drawing import Drawing
from sonoscope.evaluation.result import SIDE_BY_SIDE, UNBOUNDED, Figure, Result, Table
from sonoscope.evaluation.sidebyside import ALL, MODEL

#: Tables that are drawn as matrices, and labels beyond which they are not.
MATRICES, WIDEST = ("confusion", "confusion_shares", "confusion_pairs"), 60
#: The column of the table by label that is drawn, and models beyond which dots of a row cannot be told apart.
OF_LABELS, MOST_MODELS = "AP", 8


def drawn(result: Result) -> dict[str, Drawing]:
    """Drawings by the names of their files, without an ending."""
    found: dict[str, Drawing] = {}
    for name, drawing in _all(result):
        found.setdefault(filename(name), drawing)
    return found


def filename(name: str) -> str:
    """A name that every file system takes.

    >>> filename("roc/runs/mine@last")
    'roc-runs-mine-last'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "plot"


def _all(result: Result) -> Iterator[tuple[str, Drawing]]:
    for curve in result.curves:
        if any(len(x) for x, _ in curve.lines.values()):
            yield curve.name, charts.curve(curve)
    if figures := _figures(result):
        yield (
            "figures",
            charts.intervals(f"{result.title}: figures", figures, "value, with its 95 % interval"),
        )
    for table in result.tables:
        if table.name == "per_class" and (rows := _of_labels(table)):
            yield (
                "per_class",
                charts.intervals(table.title, rows, "average precision, with its 95 % interval"),
            )
        elif table.name in MATRICES:
            yield from _matrices(table)
    if counts := _counts(result):
        yield "labels", charts.bars("Labels of the clips", counts, "clips in which the label sounds")
    yield from clips.drawn(result)


def _figures(result: Result) -> dict[str, dict[str, Figure]]:
    """Figures from 0 to 1 by model, whose name is empty where there is one."""
    side = next((table for table in result.tables if table.name == SIDE_BY_SIDE), None)
    if side is None:
        rows = {name: {"": figure} for name, figure in result.figures.items()}
    else:
        models = side.columns[1 : 1 + MOST_MODELS]
        rows = {
            str(row[0]): {
                m: cell for m, cell in zip(models, row[1:], strict=False) if isinstance(cell, Figure)
            }
            for row in side.rows
        }
    return {
        name: row
        for name, row in rows.items()
        if name not in UNBOUNDED
        and any(f.value is not None for f in row.values())
        and all(f.value is None or 0 <= f.value <= 1 for f in row.values())
    }


def _of_labels(table: Table) -> dict[str, dict[str, Figure]]:
    if OF_LABELS not in table.columns or "label" not in table.columns:
        return {}
    label, value = table.columns.index("label"), table.columns.index(OF_LABELS)
    several = table.columns[0] == MODEL
    models = list(dict.fromkeys(str(row[0]) for row in table.rows if row[0] != ALL)) if several else [""]
    found: dict[str, dict[str, Figure]] = {}
    for row in table.rows:
        figure = row[value]
        if isinstance(figure, Figure):
            named = models if several and row[0] == ALL else [str(row[0]) if several else ""]
            for model in named:
                if model in models[:MOST_MODELS]:
                    found.setdefault(str(row[label]), {})[model] = figure
    return found


def _matrices(table: Table) -> Iterator[tuple[str, Drawing]]:
    """One for each model."""
    several = table.columns[0] == MODEL
    first = 2 if several else 1
    names = table.columns[first:]
    if not table.rows or len(names) > WIDEST:
        return
    for model in dict.fromkeys(str(row[0]) for row in table.rows) if several else [""]:
        rows = [row for row in table.rows if not several or str(row[0]) == model]
        values = np.array([[_number(cell) for cell in row[first:]] for row in rows], dtype=np.float64)
        title = f"{table.title}: {model}" if model and model != ALL else table.title
        name = f"{table.name}/{model}" if model and model != ALL else table.name
        yield name, charts.matrix(title, [str(row[first - 1]) for row in rows], names, values)


def _number(cell: object) -> float:
    if isinstance(cell, Figure):
        cell = cell.value
    return float(cell) if isinstance(cell, int | float | np.number) else float("nan")


def _counts(result: Result) -> Mapping[str, float]:
    """In how many clips each label sounds; models share their clips."""
    key = next((name for name in result.arrays if name.rpartition("/")[2] == "truth"), None)
    if key is None:
        return {}
    before = key.removesuffix("truth")
    if f"{before}known" not in result.arrays or f"{before}labels" not in result.arrays:
        return {}
    sounds = (np.asarray(result.arrays[key]) > 0) & np.asarray(result.arrays[f"{before}known"]).astype(bool)
    found = dict(zip(map(str, result.arrays[f"{before}labels"]), sounds.sum(axis=0).tolist(), strict=True))
    return dict(sorted(found.items(), key=lambda item: -item[1]))
