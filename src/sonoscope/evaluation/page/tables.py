"""Tables of results as HTML: figures with their intervals drawn, matrices coloured, long tables folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from sonoscope.data.summary import charts
from sonoscope.evaluation.result import ABSENT, SIDE_BY_SIDE, UNBOUNDED, Figure, Table, shown
from sonoscope.evaluation.sidebyside import ALL, MODEL

#: Rows beyond which a table is folded, and beyond which the page holds the first of them only.
FOLDED, MOST = 30, 500
#: Matrices, which are coloured, and tables of which pictures stand above.
SHARES = "confusion_shares"
MATRICES = ("confusion", SHARES, "confusion_pairs")
APART = (*MATRICES, SIDE_BY_SIDE, "reliability", "label_counts", "mistakes", "clips")
#: Labels beyond which a coloured matrix is not drawn.
WIDEST = 60
#: Size of the picture of an interval.
_WIDE, _TALL = 170, 16
#: From the line of one model to the next one's.
_NEXT = 9


def drawn(table: Table) -> str:
    """A table under its title; folded where it is long or for files."""
    left = [k for k in range(len(table.columns)) if any(isinstance(row[k], str) for row in table.rows)] or [0]
    rows = [[escape(shown(cell)) for cell in row] for row in table.rows[:MOST]]
    caption = table.caption
    if len(table.rows) > MOST:
        more = f"the first {MOST:,} of {len(table.rows):,} rows; a folder (-o FOLDER) has all of them as CSV"
        caption = f"{caption}; {more}" if caption else more
    content = charts.table(table.columns, rows, caption=caption, left=left)
    named = f'data-table="{escape(table.name)}"'
    if table.detail or len(table.rows) > FOLDED or table.name in APART:
        size = f"<small>{len(table.rows):,} rows</small>"
        return f"<details {named}><summary>{escape(table.title)} {size}</summary>{content}</details>"
    return f"<div {named}><h3>{escape(table.title)}</h3>{content}</div>"


def pairs(values: Mapping[str, Sequence[str]]) -> str:
    """Names and what they are, in lines."""
    rows = [
        (escape(name), "".join(f'<span class="long">{escape(line)}</span>' for line in lines))
        for name, lines in values.items()
    ]
    return charts.table(("what", "value"), rows, caption="", left=(0, 1)) if rows else ""


def of_figures(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[object]]]) -> str:
    """A row for each figure: its value for each model, and one picture with a dot for each, on a scale from 0 to 1."""
    if not rows:
        return ""
    cells = [
        [
            f"<code>{escape(name)}</code>",
            *map(_cell, values),
            "" if name in UNBOUNDED else intervals([_figure(value) for value in values]),
        ]
        for name, values in rows
    ]
    head = ["figure", *heads, "0 to 1"]
    caption = "The line is the 95 % interval where one is given, the dot the value, on a scale from 0 to 1."
    key = charts.keys([(_colour(k), name) for k, name in enumerate(heads)]) if len(heads) > 1 else ""
    return key + charts.table(head, cells, caption=caption, left=[0, len(head) - 1])


def _colour(place: int) -> str:
    return f"c{place % charts.COLOURS}"


def _figure(cell: object) -> Figure:
    return cell if isinstance(cell, Figure) else Figure(None)


def _cell(cell: object) -> str:
    figure = _figure(cell)
    told = escape(str(figure))
    return told if figure.value is not None else f'<span class="absent">{told}</span>'


def intervals(figures: Sequence[Figure]) -> str:
    """A dot at the value and a line over the interval of each model, below each other; empty beyond 0 and 1."""
    tall = _TALL + _NEXT * (len(figures) - 1)
    parts = []
    for place, figure in enumerate(figures):
        if figure.value is None or not 0 <= figure.value <= 1:
            continue
        spread = figure.sd or 0.0
        low = figure.value - spread if figure.low is None else figure.low
        high = figure.value + spread if figure.high is None else figure.high
        x, a, b = (5 + (_WIDE - 10) * min(max(value, 0.0), 1.0) for value in (figure.value, low, high))
        y = _TALL / 2 + _NEXT * place
        parts.append(
            f'<line class="rule" x1="5" x2="{_WIDE - 5}" y1="{y}" y2="{y}"/>'
            f'<line class="line {_colour(place)}" x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{_colour(place)}" cx="{x:.1f}" cy="{y}" r="3.5"/>'
        )
    if not parts:
        return ""
    view = f'viewBox="0 0 {_WIDE} {tall}"'
    return f'<svg class="interval" {view} aria-hidden="true">{"".join(parts)}</svg>'


def matrices(found: Sequence[Table]) -> str:
    """Matrices in colour; of several models folded, but for the first."""
    of_models: dict[str, list[str]] = {}
    for table in found:
        for model, picture in _coloured(table):
            of_models.setdefault(model, []).append(picture)
    common = "".join(of_models.pop("", []))
    folded = "".join(
        f"<details{'' if place else ' open'}><summary>{escape(model)}</summary>{''.join(pictures)}</details>"
        for place, (model, pictures) in enumerate(of_models.items())
    )
    return common + folded


def _coloured(table: Table) -> Iterator[tuple[str, str]]:
    """The picture of each model, whose name is empty for what is about none or all; nothing for other tables."""
    if table.name not in MATRICES or not table.rows:
        return
    several = table.columns[0] == MODEL
    names = table.columns[2:] if several else table.columns[1:]
    if len(names) > WIDEST:
        told = f"{table.title}: {len(names)} labels are too many for a picture; the table is below."
        yield "", f"<p>{escape(told)}</p>"
        return
    for model in dict.fromkeys(str(row[0]) for row in table.rows) if several else [""]:
        rows = [row[1:] for row in table.rows if str(row[0]) == model] if several else table.rows
        picture = _matrix(table.title, table.columns[1 if several else 0], names, rows, table.caption)
        if table.name == SHARES:
            picture = f"<details><summary>{escape(table.title)}</summary>{picture}</details>"
        yield "" if model == ALL else model, picture


def _matrix(
    title: str, corner: str, names: Sequence[str], rows: Sequence[Sequence[object]], caption: str
) -> str:
    body = []
    for row in rows:
        values = [_number(cell) for cell in row[1:]]
        whole = all(isinstance(cell, int | np.integer) for cell in row[1:])
        sum_of_row = sum(value for value in values if value is not None) if whole else 1.0
        cells = []
        for other, value in zip(names, values, strict=True):
            share = 0.0 if value is None or not sum_of_row else min(max(value / sum_of_row, 0.0), 1.0)
            colour = "--good" if str(row[0]) == other else "--plus"
            look = f"background:color-mix(in srgb, var({colour}) {75 * share:.0f}%, transparent)"
            text = ABSENT if value is None else f"{value:.0f}" if whole else f"{value:.2f}".lstrip("0") or "0"
            tip = f"{row[0]}, {other}: {text}"
            cells.append(f'<td style="{look}" title="{escape(tip)}">{"" if not value else text}</td>')
        body.append(f'<tr><th scope="row">{escape(str(row[0]))}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    across = corner.partition("\\")[2].strip() or "what is said"
    told = f"Rows: what sounds; columns: {across}. Green: right, red: wrong."
    told = f"{told} {caption[:1].upper()}{caption[1:]}." if caption else told
    return (
        f'<figure><h3>{escape(title)}</h3><div class="wide"><table class="pair"><caption>{escape(told)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div></figure>"
    )


def _number(cell: object) -> float | None:
    if isinstance(cell, Figure):
        return cell.value
    return float(cell) if isinstance(cell, int | float | np.number) else None
