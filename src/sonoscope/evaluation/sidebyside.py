"""Several results in one: models side by side, or one training's seeds as mean and standard deviation.

Both know nothing of protocols: they join tables of the same name and figures of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sonoscope.evaluation import paired
from sonoscope.evaluation.result import POOLED, SIDE_BY_SIDE, Curve, Figure, Result, Table, plain

#: What the first column of a joined table is called, and what stands in it for rows that all models share.
MODEL, ALL = "model", "(any)"


def together(results: Mapping[str, Result]) -> Result:
    """Results of several models on the same data, by name, as one; a single one as it is.

    Tables get a first column with the model; rows that all have alike (what hears nothing) come once, at the end.
    Figures are called ``MODEL/FIGURE``; a table shows them side by side.
    """
    first = next(iter(results.values()))
    if len(results) == 1:
        return first
    names = tuple(dict.fromkeys(table.name for result in results.values() for table in result.tables))
    tables = [_joined(name, results) for name in names]
    compared = paired.differences(results)
    notes = [dict.fromkeys(result.notes) for result in results.values()]
    common = [note for note in notes[0] if all(note in other for other in notes)]
    own = [
        f"{name}: {note}" for name, result in results.items() for note in result.notes if note not in common
    ]
    return replace(
        first,
        figures={
            f"{name}/{key}": figure
            for name, result in results.items()
            for key, figure in result.figures.items()
        },
        tables=(_figures(results), *(() if compared is None else (compared,)), *tables),
        curves=tuple(_curves(results)),
        arrays={
            f"{name}/{key}": array for name, result in results.items() for key, array in result.arrays.items()
        },
        notes=(*common, *own),
        provenance=_origins(results),
        pictures={
            f"{name}: {key}": png for name, result in results.items() for key, png in result.pictures.items()
        },
    )


def _curves(results: Mapping[str, Result]) -> list[Curve]:
    """What stands for whole models over each other; after all of these, what differs by label, model by model."""
    common, single = [], []
    for name in dict.fromkeys(curve.name for result in results.values() for curve in result.curves):
        held = {
            model: curve for model, result in results.items() for curve in result.curves if curve.name == name
        }
        first = next(iter(held.values()))
        whole = {model: line for model, curve in held.items() if (line := _whole(curve)) is not None}
        if len(whole) > 1:
            pooled = any(POOLED in curve.lines for curve in held.values())
            title = f"{first.title}, {POOLED}" if pooled else first.title
            common.append(replace(first, title=title, lines=whole))
        single += [
            replace(curve, name=f"{name}/{model}", title=f"{curve.title}: {model}")
            for model, curve in held.items()
            if len(curve.lines) > 1 or len(whole) < 2
        ]
    return [*common, *single]


def _whole(curve: Curve) -> tuple[np.ndarray, np.ndarray] | None:
    """The line that stands for the model: that of all labels, or the only one."""
    if POOLED in curve.lines:
        return curve.lines[POOLED]
    return next(iter(curve.lines.values())) if len(curve.lines) == 1 else None


def _figures(results: Mapping[str, Result]) -> Table:
    names = tuple(dict.fromkeys(name for result in results.values() for name in result.figures))
    rows = tuple(
        (name, *(result.figures.get(name, Figure(None, why="has none")) for result in results.values()))
        for name in names
    )
    return Table(SIDE_BY_SIDE, "Side by side", ("figure", *results), rows)


def _joined(name: str, results: Mapping[str, Result]) -> Table:
    """One table of those of a name, with the model before each row."""
    held = {
        model: table for model, result in results.items() for table in result.tables if table.name == name
    }
    first = next(iter(held.values()))
    if any(table.columns != first.columns for table in held.values()):
        widest = max(held.values(), key=lambda table: len(table.columns))
        return replace(
            widest,
            columns=(MODEL, *widest.columns),
            rows=tuple(
                (m, *row)
                for m, table in held.items()
                if table.columns == widest.columns
                for row in table.rows
            ),
        )
    texts = [{repr(row) for row in table.rows} for table in held.values()]
    everywhere = set.intersection(*texts) if len(held) == len(results) else set()
    rows = [(m, *row) for m, table in held.items() for row in table.rows if repr(row) not in everywhere]
    rows += [(ALL, *row) for row in first.rows if repr(row) in everywhere]
    titles = {table.title for table in held.values()}
    title = first.title if len(titles) == 1 else first.title.partition(" (")[0]
    return replace(first, title=title, columns=(MODEL, *first.columns), rows=tuple(rows))


def _origins(results: Mapping[str, Result]) -> dict[str, object]:
    """What is the same for all once, the rest by model."""
    keys = tuple(dict.fromkeys(key for result in results.values() for key in result.provenance))
    found: dict[str, object] = {}
    for key in keys:
        values = {name: result.provenance.get(key) for name, result in results.items()}
        same = len({repr(plain(value)) for value in values.values()}) == 1
        found[key] = next(iter(values.values())) if same else values
    return found


def over_seeds(results: Mapping[str, Result]) -> Result:
    """Results of trainings that differ in their seed only: every number the mean, with its standard deviation (n - 1).

    Tables whose rows differ in more than numbers (those of single clips) are left out, and so are curves and arrays.
    Intervals of single models are left out too: how sure a mean over seeds is, its standard deviation says.
    """
    held = list(results.values())
    first = held[0]
    if len(held) == 1:
        return first
    figures = {
        name: _mean([result.figures.get(name, Figure(None)) for result in held]) for name in first.figures
    }
    tables = []
    for table in first.tables:
        others = [other for result in held for other in result.tables if other.name == table.name]
        if len(others) == len(held) and not table.detail and (merged := _merged(others)) is not None:
            tables.append(merged)
    notes = [note for note in first.notes if all(note in result.notes for result in held)]
    return replace(
        first,
        title=f"{first.title}: {len(held)} seeds",
        figures=figures,
        tables=tuple(tables),
        curves=(),
        arrays={},
        notes=(f"mean ± standard deviation over {len(held)} models: {', '.join(results)}", *notes),
        provenance={**_origins(results), "seeds": list(results)},
    )


def _mean(figures: Sequence[Figure]) -> Figure:
    values = [figure.value for figure in figures if figure.value is not None]
    if len(values) < len(figures):
        return Figure(
            None, why=next(figure.why for figure in figures if figure.value is None) or "not in every model"
        )
    return Figure(float(np.mean(values)), sd=float(np.std(values, ddof=1)))


def _merged(tables: Sequence[Table]) -> Table | None:
    """The mean table, if all have the same columns, and rows that differ in numbers only."""
    first = tables[0]
    if any(t.columns != first.columns or len(t.rows) != len(first.rows) for t in tables):
        return None
    rows = []
    for cells in zip(*(table.rows for table in tables), strict=True):
        merged = [_cell(column) for column in zip(*cells, strict=True)]
        if merged[0] is None and cells[0][0] is not None:
            return None
        rows.append(tuple(merged))
    return replace(first, rows=tuple(rows))


def _cell(values: Sequence[object]) -> object:
    """The same if all are; the mean of numbers; nothing where texts differ."""
    if len({repr(value) for value in values}) == 1:
        return values[0]
    if any(value is None or isinstance(value, str) for value in values):
        return None
    return _mean([value if isinstance(value, Figure) else Figure(float(value)) for value in values])  # type: ignore[arg-type]
