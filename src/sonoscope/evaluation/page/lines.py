"""Curves as line charts: inline SVG with axes, a title that is read aloud, and a legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from sonoscope.data.summary import charts
from sonoscope.evaluation.plots import axes
from sonoscope.evaluation.result import POOLED, Curve

#: Ways to draw a line, which tell those of one colour apart.
DASHES = ("", "7 4", "2 3")
_LEFT, _RIGHT, _TOP, _BOTTOM, _TALL = 46, 12, 10, 36, 320
#: Lines of which the ends say something by themselves are marked at their points.
_FEW = 30


def drawn(curves: Sequence[Curve]) -> str:
    """All curves side by side; where models lie over each other, those of single models are folded."""
    filled = [curve for curve in curves if any(len(x) for x, _ in curve.lines.values())]
    common = [_figure(curve) for curve in filled if "/" not in curve.name]
    single = [_figure(curve) for curve in filled if "/" in curve.name]
    rest = f'<div class="two">{"".join(single)}</div>' if single else ""
    if common and rest:
        rest = (
            f"<details><summary>Model by model <small>{len(single)} charts</small></summary>{rest}</details>"
        )
    return (f'<div class="two">{"".join(common)}</div>' if common else "") + rest


def _figure(curve: Curve) -> str:
    names = list(curve.lines)
    key = _legend(names) if len(names) > 1 else ""
    return f'<figure data-curve="{escape(curve.name)}"><h3>{escape(curve.title)}</h3>{chart(curve)}{key}</figure>'


def chart(curve: Curve) -> str:
    """A line for each of the curve's; an axis of shares goes from 0 to 1."""
    points = [(name, *axes.finite(x, y)) for name, (x, y) in curve.lines.items()]
    across, up = axes.ranges(curve)
    width, inner, tall = charts.HALF, charts.HALF - _LEFT - _RIGHT, _TALL - _TOP - _BOTTOM

    def at_x(value: np.ndarray) -> np.ndarray:
        return _LEFT + (value - across[0]) / (across[1] - across[0]) * inner

    def at_y(value: np.ndarray) -> np.ndarray:
        return _TOP + (1 - (value - up[0]) / (up[1] - up[0])) * tall

    parts = _axes(curve, across, up, at_x, at_y)
    if axes.kind(curve) in axes.DIAGONAL:
        parts.append(
            f'<line class="even" x1="{_LEFT}" y1="{_TOP + tall}" x2="{width - _RIGHT}" y2="{_TOP}"/>'
        )
    looks = _looks(list(curve.lines))
    for name, x, y in points:
        if not len(x):
            continue
        look, dash = looks[name]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(at_x(x).tolist(), at_y(y).tolist(), strict=True))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<path class="line {look}"{dashed} d="M{path}"><title>{escape(name)}</title></path>')
        if len(x) <= _FEW:
            parts += [
                f'<circle class="{look}" cx="{a:.1f}" cy="{b:.1f}" r="3"><title>{escape(name)}: '
                f"{charts.number(c)}, {charts.number(d)}</title></circle>"
                for a, b, c, d in zip(at_x(x).tolist(), at_y(y).tolist(), x.tolist(), y.tolist(), strict=True)
            ]
    told = f"{curve.y} over {curve.x}; lines: {', '.join(name for name, _, _ in points)}"
    return charts.svg(width, _TALL, curve.title, told, "".join(parts))


Place = Callable[[np.ndarray], np.ndarray]


def _axes(
    curve: Curve, across: tuple[float, float], up: tuple[float, float], at_x: Place, at_y: Place
) -> list[str]:
    """Rules with their numbers, and what the axes are."""
    width, foot = charts.HALF, _TALL - _BOTTOM
    parts = []
    for mark in charts.ticks(*across, 5):
        x = float(at_x(np.array(mark)))
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{foot}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{foot + 15}" text-anchor="middle">{charts.number(round(mark, 9))}</text>'
        )
    for mark in charts.ticks(*up, 5):
        y = float(at_y(np.array(mark)))
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{charts.number(round(mark, 9))}</text>'
        )
    middle = (_LEFT + width - _RIGHT) / 2
    parts.append(
        f'<text class="axis" x="{middle}" y="{_TALL - 5}" text-anchor="middle">{escape(curve.x)}</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(11 {(_TOP + foot) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(curve.y)}</text>"
    )
    return parts


def _looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each line; what stands for all labels has the colour of the text."""
    labels = [name for name in names if name != POOLED]
    found = {
        name: (f"c{place % charts.COLOURS}", DASHES[place // charts.COLOURS % len(DASHES)])
        for place, name in enumerate(labels)
    }
    return {name: found.get(name, ("pooled", "")) for name in names}


def _legend(names: Sequence[str]) -> str:
    items = []
    for name, (look, dash) in _looks(names).items():
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        items.append(
            f'<li><svg class="stroke" viewBox="0 0 24 10" aria-hidden="true"><line class="line {look}"{dashed} x1="1" '
            f'x2="23" y1="5" y2="5"/></svg>{escape(name)}</li>'
        )
    return f'<ul class="legend">{"".join(items)}</ul>'
