"""The tables of a paper: every model at each threshold with what hears nothing, each label, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping

from sonoscope.evaluation import paired
from sonoscope.evaluation.paper import tex
from sonoscope.evaluation.result import SIDE_BY_SIDE, Figure, Result, Table

#: Rows of thresholds by their names in figures, as a paper calls them.
ROWS = {
    "fixed": "fixed",
    "fitted_global": "fitted, one for all",
    "fitted": "fitted, by label",
    "own": "the model's own",
    "oracle": "oracle (tuned on these clips)",
}
#: Columns of figures without a threshold, and of those at one.
RANKED = {"lrap": "LRAP", "macro_ap": "mAP"}
DECIDED = {"micro_f1": "micro F1", "macro_f1": "macro F1", "hamming": "Hamming", "exact_match": "exact"}
#: In what hears nothing, the word that the table of answers has.
NOTHING = " (hears nothing)"


def drawn(result: Result, models: list[str]) -> dict[str, str]:
    """Tables by the names of their files."""
    found = {"table": _answers(result, models) if _answers_of(result) else _figures(result, models)}
    for table in result.tables:
        if table.name == "per_class":
            found["per_class"] = tex.of_table(table, label="labels", drop=("negatives", "not judged", "ECE"))
        elif table.name == paired.TABLE:
            found["differences"] = tex.of_table(table, label="differences")
    return found


def _answers_of(result: Result) -> Table | None:
    return next((table for table in result.tables if table.name == "answers"), None)


def _figure(result: Result, model: str, name: str) -> Figure | None:
    """Of one model figures have their own name, of several the model's before it."""
    return result.figures.get(f"{model}/{name}", result.figures.get(name))


def _answers(result: Result, models: list[str]) -> str:
    """Figures at each row of thresholds with their intervals, and below what constant answers come to."""
    blocks = []
    for model in models:
        rows: list[list[str]] = []
        for row, title in ROWS.items():
            values = [_figure(result, model, f"{name}_{row}") for name in DECIDED]
            if any(figure is not None and figure.value is not None for figure in values):
                ranked = [_figure(result, model, name) if not rows else "" for name in RANKED]
                first = tex.escape(model) if not rows else ""
                rows += tex.with_intervals([first, tex.escape(title)], [*ranked, *values])
        blocks.append(rows)
    blocks.append(_floors(result))
    caption = (
        f"{tex.escape(result.title)}: {_clips(result)}. Below: answers that hear nothing. The row \\emph{{oracle}} "
        "chooses its threshold on the clips that are reported and is there to compare with figures published so. "
        "In brackets: 95\\,\\% intervals of a bootstrap over groups."
    )
    columns = ["model", "threshold", *RANKED.values(), *DECIDED.values()]
    return tex.table(
        columns, [block for block in blocks if block], caption=caption, label="results", left=(0, 1)
    )


def _clips(result: Result) -> str:
    count = result.provenance.get("clips", "")
    return f"{count:,} clips" if isinstance(count, int) else f"{tex.escape(count)} clips"


def _floors(result: Result) -> list[list[str]]:
    answers = _answers_of(result)
    assert answers is not None
    named = {"LRAP": "lrap", "mAP": "macro_ap", **{title: name for name, title in DECIDED.items()}}
    places = {title: answers.columns.index(title) for title in named}
    told = answers.columns.index("answer")
    rows = []
    for row in answers.rows:
        if str(row[told]).endswith(NOTHING):
            name = tex.escape(str(row[told]).removesuffix(NOTHING))
            rows.append(["", rf"\emph{{{name}}}", *(tex.cell(row[places[title]]) for title in named)])
    return rows


def _figures(result: Result, models: list[str]) -> str:
    """Every figure, a column for each model."""
    side = next((table for table in result.tables if table.name == SIDE_BY_SIDE), None)
    rows: Mapping[str, tuple[object, ...]]
    if side is not None:
        rows, heads = {str(row[0]): tuple(row[1:]) for row in side.rows}, list(side.columns[1:])
    else:
        rows, heads = {name: (figure,) for name, figure in result.figures.items()}, models[:1] or ["value"]
    lines = [
        line for name, values in rows.items() for line in tex.with_intervals([tex.escape(name)], list(values))
    ]
    caption = f"{tex.escape(result.title)}. In brackets: 95\\,\\% intervals of a bootstrap over groups."
    return tex.table(["figure", *map(tex.escape, heads)], [lines], caption=caption, label="results")
