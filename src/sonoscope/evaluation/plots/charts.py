"""Drawings of a result: curves, figures with their intervals, matrices, bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sonoscope.data.summary.charts import number, ticks
from sonoscope.evaluation.plots import axes
from sonoscope.evaluation.plots.drawing import (
    COLOURS,
    INK,
    PAPER,
    RULE,
    SIZE,
    SOFT,
    Box,
    Dot,
    Drawing,
    Line,
    Mark,
    Text,
)
from sonoscope.evaluation.result import POOLED, Curve, Figure

#: Width of a plot and height of its axes: a column of a paper.
WIDE, TALL = 252.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _ROW = 38.0, 10.0, 8.0, 30.0, 12.0
#: Where legends begin.
_SIDE = 12.0
#: Dashes that tell lines of one colour apart.
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))
#: Width of a letter, as a share of its size, about.
_LETTER = 0.58
#: Lines that can be told apart; more of them are drawn as a crowd behind that of all labels.
MOST = 20
_CROWD: tuple[str, float, tuple[float, ...]] = (SOFT, 0.3, ())
#: Lines with no more points than this have them marked.
_FEW = 30


def curve(of: Curve) -> Drawing:
    """Lines over axes with their legend below; lines without points are left out."""
    lines = {name: axes.finite(x, y) for name, (x, y) in of.lines.items()}
    lines = {name: points for name, points in lines.items() if len(points[0])}
    (left, right), (low, high) = axes.ranges(of)
    wide, tall = WIDE - _LEFT - _RIGHT, TALL - _TOP - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (x - left) / (right - left) * wide, _TOP + (high - y) / (high - low) * tall

    marks: list[Mark] = []
    for mark in ticks(left, right, 5):
        x, foot = at(mark, low)
        marks += [Line(((x, _TOP), (x, foot)), RULE, 0.5), _centred(x, foot + 10, mark)]
    for mark in ticks(low, high, 5):
        x, y = at(left, mark)
        marks += [Line(((x, y), (x + wide, y)), RULE, 0.5)]
        marks += [Text(x - 4, y + 2.8, number(round(mark, 9)), "end", SOFT)]
    marks += [
        Text(_LEFT + wide / 2, _TOP + tall + 22, of.x, "middle"),
        Text(10, _TOP + tall / 2, of.y, "middle", turn=90),
    ]
    if axes.kind(of) in axes.DIAGONAL:
        marks.append(Line((at(0, 0), at(1, 1)), SOFT, 0.6, (2, 2)))
    crowd = len(lines) > MOST and POOLED in lines
    looks = dict.fromkeys(lines, _CROWD) | _looks([POOLED]) if crowd else _looks(list(lines))
    for name, (across, up) in sorted(lines.items(), key=lambda item: crowd and item[0] == POOLED):
        colour, width, dash = looks[name]
        points = tuple(at(a, b) for a, b in zip(across.tolist(), up.tolist(), strict=True))
        if len(points) > 1:
            marks.append(Line(points, colour, width, dash))
        if len(points) <= _FEW and not crowd:
            marks += [Dot(a, b, 1.8, colour) for a, b in points]
    marks.append(Line((at(left, high), at(left, low), at(right, low)), INK, 0.8))
    if crowd:
        looks = {POOLED: looks[POOLED], "each label": _CROWD}
    key, height = _legend(looks, TALL + 2) if len(lines) > 1 else ([], TALL)
    return Drawing(of.title, WIDE, height, (*marks, *key))


def _looks(names: Sequence[str]) -> dict[str, tuple[str, float, tuple[float, ...]]]:
    labels = [name for name in names if name != POOLED]
    found = {
        name: (COLOURS[k % len(COLOURS)], 1.2, DASHES[k // len(COLOURS) % len(DASHES)])
        for k, name in enumerate(labels)
    }
    return {name: found.get(name, (INK, 2.0, ())) for name in names}


def _legend(
    looks: Mapping[str, tuple[str, float, tuple[float, ...]]], top: float
) -> tuple[list[Mark], float]:
    """Names beside a piece of their line, in as many columns as fit, and where it ends; all labels have a row."""
    longest = max((len(name) for name in looks if name != POOLED), default=0)
    column = 24 + longest * SIZE * _LETTER + 6
    columns = max(int((WIDE - _SIDE) // column), 1)
    marks: list[Mark] = []
    place = 0
    for name, (colour, width, dash) in looks.items():
        x = _SIDE + place % columns * column
        y = top + place // columns * _ROW + _ROW / 2
        marks += [Line(((x, y), (x + 18, y)), colour, width, dash), Text(x + 22, y + 2.8, name)]
        place += columns if name == POOLED else 1
    return marks, top + math.ceil(place / columns) * _ROW + 4


def _centred(x: float, y: float, value: float) -> Text:
    return Text(x, y, number(round(value, 9)), "middle", SOFT)


def intervals(title: str, rows: Mapping[str, Mapping[str, Figure]], what: str) -> Drawing:
    """A row for each name with a dot and a line over its interval for each model; ``rows[name][model]``.

    The axis is 0 to 1; rows of which no model has a value are left out.
    """
    models = list(dict.fromkeys(model for row in rows.values() for model in row))
    rows = {name: row for name, row in rows.items() if any(f.value is not None for f in row.values())}
    left = 12 + max((len(name) for name in rows), default=0) * SIZE * _LETTER
    step = max(_ROW, 5.0 * len(models) + 4)
    wide, tall = WIDE - _RIGHT - left, step * len(rows)
    marks: list[Mark] = []
    for mark in ticks(0.0, 1.0, 5):
        x = left + mark * wide
        marks += [Line(((x, _TOP), (x, _TOP + tall)), RULE, 0.5), _centred(x, _TOP + tall + 10, mark)]
    for place, (name, row) in enumerate(rows.items()):
        middle = _TOP + (place + 0.5) * step
        marks.append(Text(left - 5, middle + 2.8, name, "end"))
        for k, model in enumerate(models):
            figure = row.get(model)
            if figure is None or figure.value is None:
                continue
            y = middle + (k - (len(models) - 1) / 2) * 5
            spread = figure.sd or 0.0
            ends = (
                figure.value - spread if figure.low is None else figure.low,
                figure.value + spread if figure.high is None else figure.high,
            )
            a, b, x = (left + min(max(value, 0.0), 1.0) * wide for value in (*ends, figure.value))
            colour = COLOURS[k % len(COLOURS)]
            marks += [Line(((a, y), (b, y)), colour, 1.2), Dot(x, y, 2.0, colour)]
    foot = _TOP + tall
    marks += [
        Line(((left, foot), (left + wide, foot)), INK, 0.8),
        Text(left + wide / 2, foot + 22, what, "middle"),
    ]
    looks = {model: (COLOURS[k % len(COLOURS)], 1.2, ()) for k, model in enumerate(models)}
    key, height = _legend(looks, foot + 28) if len(models) > 1 else ([], foot + 28)
    return Drawing(title, WIDE, height, (*marks, *key))


def matrix(title: str, names: Sequence[str], others: Sequence[str], values: np.ndarray) -> Drawing:
    """Cells shaded by their share of the row, with their number; rows sound, columns are said. nan: empty."""
    whole = bool(np.isfinite(values).any() and (np.nan_to_num(values) % 1 == 0).all())
    sums = np.nansum(values, axis=1, keepdims=True) if whole else np.ones((len(values), 1))
    shares = np.clip(np.divide(values, sums, out=np.zeros(values.shape), where=sums > 0), 0, 1)
    cell = 17.0
    left = 16 + max(map(len, names), default=0) * 7 * _LETTER
    top = 12 + max(map(len, others), default=0) * 7 * _LETTER
    marks: list[Mark] = []
    for row, name in enumerate(names):
        y = top + row * cell
        marks.append(Text(left - 4, y + cell * 0.65, name, "end", size=7))
        for column in range(len(others)):
            value, share = float(values[row, column]), float(shares[row, column])
            x = left + column * cell
            if math.isfinite(share):
                marks.append(Box(x, y, cell - 0.5, cell - 0.5, _shade(share)))
            if math.isfinite(value) and value:
                words = f"{value:.0f}" if whole else f"{value:.2f}".lstrip("0")
                colour = PAPER if share > 0.55 else INK
                marks.append(Text(x + cell / 2 - 0.2, y + cell * 0.62, words, "middle", colour, 5.5))
    for column, name in enumerate(others):
        marks.append(Text(left + (column + 0.65) * cell, top - 4, name, turn=90, size=7))
    width, height = left + cell * len(others) + 6, top + cell * len(names) + 6
    return Drawing(title, width, height, tuple(marks))


def _shade(share: float) -> str:
    """From white to dark blue."""
    parts = (round(255 + share * (end - 255)) for end in (0x0B, 0x3C, 0x7A))
    return "#" + "".join(f"{part:02x}" for part in parts)


def bars(title: str, values: Mapping[str, float], what: str) -> Drawing:
    """A bar for each name, the longest reaching across."""
    left = 12 + max((len(name) for name in values), default=0) * SIZE * _LETTER
    most = max(values.values(), default=0.0) or 1.0
    wide = WIDE - left - 34
    marks: list[Mark] = []
    for place, (name, value) in enumerate(values.items()):
        y = _TOP + place * _ROW
        marks += [
            Text(left - 5, y + 8.5, name, "end"),
            Box(left, y + 2, max(value / most * wide, 0.4), _ROW - 3, COLOURS[0]),
            Text(left + value / most * wide + 3, y + 8.5, number(value), colour=SOFT),
        ]
    foot = _TOP + _ROW * len(values)
    marks.append(Text(left, foot + 12, what))
    return Drawing(title, WIDE, foot + 18, tuple(marks))
