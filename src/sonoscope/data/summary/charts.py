"""Charts as inline SVG and HTML: text in, text out, no library and nothing from outside.

Colours are variables of the page (``--c0`` … ``--c7`` for categories, ``--bar``, ``--ink``, ``--faint``), so that one
chart serves light and dark. Every SVG has a title and a description for those who hear it; marks have tooltips.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

#: Categories that get a colour of their own.
COLOURS = 8
#: Width of charts in their own units, and of those that stand side by side; they scale to the page.
WIDTH, HALF = 640, 440
#: Bars of a histogram, about.
BARS = 40
#: Values this many times apart are shown on a logarithmic axis.
LOG_RANGE = 50.0


def number(value: float) -> str:
    """A number for people: three digits that count, thousands separated.

    >>> number(1234567), number(12.345), number(0.01234), number(5.0)
    ('1,234,567', '12.3', '0.0123', '5')
    """
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def svg(width: float, height: float, title: str, description: str, content: str) -> str:
    """An accessible picture of a size in its own units."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}. {escape(description)}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", look: str = "") -> str:
    look = f' class="{look}"' if look else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{look}>{escape(text)}</text>'


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most about ``most``."""
    if not high > low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / most))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= most)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def histogram(values: np.ndarray, title: str, *, unit: str, width: int = WIDTH, height: int = 190) -> str:
    """How often values occur; on a logarithmic axis where they are far apart and all positive."""
    values = np.asarray(values[np.isfinite(values)], dtype=np.float64)
    if not values.size:
        return ""
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high / low > LOG_RANGE
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        return f"<p>All {values.size:,} are {number(low)} {escape(unit)}.</p>"
    edges = _edges(low, high, logarithmic)
    found = np.histogram(values, edges)[0]
    left, right, top, bottom = 46, 8, 8, 34
    scale = np.log if logarithmic else np.asarray
    across = np.asarray(scale(edges), dtype=float)
    x = left + (across - across[0]) / (across[-1] - across[0]) * (width - left - right)
    inner = height - top - bottom
    parts = [_rules(found.max(), left, width, top, inner)]
    for k, count in enumerate(found.tolist()):
        if count:
            tall = count / found.max() * inner
            tip = f"{number(edges[k])} to {number(edges[k + 1])} {unit}: {count:,}"
            parts.append(
                f'<rect class="bar" x="{x[k] + 0.5:.1f}" y="{top + inner - tall:.1f}" '
                f'width="{max(x[k + 1] - x[k] - 1, 0.8):.1f}" height="{tall:.1f}"><title>{escape(tip)}</title></rect>'
            )
    marks = _log_ticks(low, high) if logarithmic else ticks(edges[0], edges[-1])
    for mark in marks:
        place = left + (float(scale(mark)) - across[0]) / (across[-1] - across[0]) * (width - left - right)
        parts.append(_text(place, height - bottom + 15, number(mark), anchor="middle"))
    parts.append(_text((left + width - right) / 2, height - 3, unit, anchor="middle", look="axis"))
    middle = number(float(np.median(values)))
    told = f"{values.size:,} values from {number(low)} to {number(high)} {unit}, median {middle}"
    return svg(width, height, title, told, "".join(parts))


def _edges(low: float, high: float, logarithmic: bool) -> np.ndarray:
    """Edges of about :data:`BARS` bars that hold everything from ``low`` to ``high``, at round numbers or at equal
    ratios."""
    if logarithmic:
        edges = np.geomspace(low, high, BARS + 1)
        edges[[0, -1]] = low, high
        return edges
    marks = ticks(low, high, BARS)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    return np.arange(math.floor(low / step), math.ceil(high / step + 1e-9) + 1) * step


def _log_ticks(low: float, high: float) -> list[float]:
    found = [
        k * 10.0**e
        for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for k in (1, 2, 5)
    ]
    return [mark for mark in found if low <= mark <= high]


def _rules(most: float, left: float, width: float, top: float, inner: float) -> str:
    """Horizontal lines with their numbers, from 0 to ``most``; what is counted is whole."""
    parts = []
    for mark in (mark for mark in ticks(0, float(most), 4) if mark == int(mark)):
        y = top + inner * (1 - mark / most)
        parts.append(f'<line class="rule" x1="{left}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 6, y + 4, number(mark), anchor="end"))
    return "".join(parts)


def pillars(
    counts: Mapping[str, Sequence[float]], title: str, names: Sequence[str] = ("",), *, unit: str = ""
) -> str:
    """A group of bars for each category, a bar for each of ``names``."""
    left, top, bottom, height = 46, 8, 34, 190
    inner, most = height - top - bottom, max((max(values) for values in counts.values()), default=0)
    if not most:
        return ""
    step = (WIDTH - left - 8) / len(counts)
    wide = min(step * 0.84, 60 * len(names)) / len(names)
    parts = [_rules(most, left, WIDTH, top, inner)]
    for place, (category, values) in enumerate(counts.items()):
        middle = left + (place + 0.5) * step
        for k, value in enumerate(values):
            tall = value / most * inner
            x = middle + (k - len(names) / 2) * wide
            tip = " ".join(word for word in (category, names[k]) if word) + f": {number(value)}"
            parts.append(
                f'<rect class="{"bar" if len(names) == 1 else f"c{k}"}" x="{x + 0.5:.1f}" y="{top + inner - tall:.1f}" '
                f'width="{wide - 1:.1f}" height="{tall:.1f}"><title>{escape(tip)}</title></rect>'
            )
        parts.append(_text(middle, height - bottom + 15, category, anchor="middle"))
    parts.append(_text((left + WIDTH - 8) / 2, height - 3, unit, anchor="middle", look="axis"))
    told = ", ".join(f"{category} {'/'.join(map(number, values))}" for category, values in counts.items())
    return svg(WIDTH, height, title, told, "".join(parts))


def strips(groups: Sequence[tuple[str, np.ndarray]], title: str, *, unit: str, width: int = WIDTH) -> str:
    """The spread of values in each group: a line from the 5th to the 95th percentile, a box of the middle half, a
    mark at the median."""
    groups = [(name, values[np.isfinite(values)]) for name, values in groups]
    groups = [(name, values) for name, values in groups if values.size]
    if not groups:
        return ""
    spread = [np.percentile(values, [5, 25, 50, 75, 95]) for _, values in groups]
    low, high = min(each[0] for each in spread), max(each[-1] for each in spread)
    room = 0.03 * (high - low) or 1.0
    low, high = low - room, high + room
    left, row, top = 130, 20, 6
    height = top + row * len(groups) + 34
    across = lambda value: left + (value - low) / (high - low) * (width - left - 10)  # noqa: E731
    parts = []
    for mark in ticks(low, high):
        x = across(mark)
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - 32}"/>')
        parts.append(_text(x, height - 18, number(round(mark, 9)), anchor="middle"))
    for place, ((name, values), five) in enumerate(zip(groups, spread, strict=True)):
        y = top + row * (place + 0.5)
        x = [across(value) for value in five]
        tip = f"{name}: median {number(five[2])}, middle half {number(five[1])} to {number(five[3])} {unit}"
        tip += f", {values.size:,} rows"
        parts.append(
            f"<g><title>{escape(tip)}</title>{_text(left - 8, y + 4, _short(name), anchor='end')}"
            f'<line class="whisker" x1="{x[0]:.1f}" x2="{x[4]:.1f}" y1="{y}" y2="{y}"/>'
            f'<rect class="box" x="{x[1]:.1f}" y="{y - 6}" width="{max(x[3] - x[1], 1):.1f}" height="12" rx="2"/>'
            f'<line class="median" x1="{x[2]:.1f}" x2="{x[2]:.1f}" y1="{y - 7}" y2="{y + 7}"/></g>'
        )
    parts.append(_text((left + width - 10) / 2, height - 3, unit, anchor="middle", look="axis"))
    told = "; ".join(f"{name} {number(five[2])}" for (name, _), five in zip(groups, spread, strict=True))
    return svg(width, height, title, f"Medians: {told}", "".join(parts))


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def matrix(names: Sequence[str], values: np.ndarray, title: str) -> str:
    """Correlations as coloured squares: one colour for positive, another for negative, none for none."""
    cell, left, top = 18, 150, 140
    size = cell * len(names)
    parts = []
    for row, name in enumerate(names):
        y = top + row * cell
        parts.append(_text(left - 6, y + cell * 0.7, name, anchor="end", look="small"))
        x = left + row * cell + cell * 0.65
        parts.append(
            f'<text class="small" transform="translate({x:.1f} {top - 6}) rotate(-60)">{escape(name)}</text>'
        )
        for column, other in enumerate(names):
            value = float(values[row, column])
            tip = escape(f"{name}, {other}: {value:.2f}")
            parts.append(
                f'<rect class="{"plus" if value >= 0 else "minus"}" fill-opacity="{min(abs(value), 1):.2f}" '
                f'x="{left + column * cell}" y="{y}" width="{cell - 1}" height="{cell - 1}">'
                f"<title>{tip}</title></rect>"
            )
    told = f"{len(names)} features; a table of the same numbers is below"
    return svg(left + size + 70, top + size + 4, title, told, "".join(parts))


def cloud(points: np.ndarray, groups: Sequence[str], title: str, axes: tuple[str, str] = ("", "")) -> str:
    """Points in the plane, those of the most frequent groups in colours of their own, and a legend."""
    sizes = Counter(groups)
    named = [name for name, _ in sizes.most_common() if name]
    top = named if len(named) <= COLOURS else named[: COLOURS - 1]
    height, x, y = 430, *_fitted(points, WIDTH, 395)
    # Few points are large, many are small.
    wide = min(max(90 / math.sqrt(len(points)), 2.6), 7.0)
    parts = []
    for look, name in [("cx", ""), *((f"c{k}", name) for k, name in enumerate(top))]:
        mine = [k for k, group in enumerate(groups) if (group == name if name else group not in top)]
        if mine:
            parts.append(
                f'<path class="dots {look}" stroke-width="{wide:.1f}" d="{_dots(x[mine], y[mine])}"/>'
            )
    parts += [_text(WIDTH / 2, height - 19, axes[0], anchor="middle", look="small")]
    parts += [
        _text(WIDTH / 2, height - 6, f"upwards: {axes[1]}" if axes[1] else "", anchor="middle", look="small")
    ]
    told = f"{len(points):,} rows; groups: {', '.join(top)}"
    legend = [(f"c{k}", name) for k, name in enumerate(top)] + (
        [("cx", "others")] if len(sizes) > len(top) else []
    )
    return svg(WIDTH, height, title, told, "".join(parts)) + keys(legend)


def clouds(points: np.ndarray, groups: Sequence[tuple[str, np.ndarray]], name: str) -> str:
    """The same points once for each group, with the group's in colour: small pictures side by side."""
    wide, tall = 180, 150
    x, y = _fitted(points, wide, tall)
    # Drawn once, shown in each picture.
    shared = f"points-{name.lower()}"
    whole = _dots(x, y)
    parts = []
    for place, (label, mine) in enumerate(groups):
        behind = (
            f'<path id="{shared}" class="dots cx" d="{whole}"/>' if not place else f'<use href="#{shared}"/>'
        )
        drawn = svg(
            wide, tall, f"{name}: {label}", f"{mine.size:,} of {len(points):,} rows",
            behind + f'<path class="dots c0" d="{_dots(x[mine], y[mine])}"/>',
        )  # fmt: skip
        parts.append(
            f"<figure>{drawn}<figcaption>{escape(label)} <small>{mine.size:,}</small></figcaption></figure>"
        )
    return f'<div class="many">{"".join(parts)}</div>'


def _fitted(points: np.ndarray, width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Points within a picture, upwards being upwards."""
    low, high = points.min(axis=0), points.max(axis=0)
    shares = (points - low) / np.maximum(high - low, 1e-12)
    return 6 + shares[:, 0] * (width - 12), 6 + (1 - shares[:, 1]) * (height - 12)


def _dots(x: np.ndarray, y: np.ndarray) -> str:
    """A path of points: lines of no length, which round caps make visible."""
    return "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def keys(entries: Sequence[tuple[str, str]]) -> str:
    """A legend: classes of colours, and what they stand for."""
    items = "".join(f'<li><span class="key {look}"></span>{escape(name)}</li>' for look, name in entries)
    return f'<ul class="legend">{items}</ul>'


def bar(parts: Sequence[tuple[float, str, str]], most: float) -> str:
    """A bar of parts (value, class of its colour, tooltip) beside others of which the longest is ``most``."""
    spans = "".join(
        f'<span class="{look}" style="width:{100 * value / most:.2f}%" title="{escape(tip)}"></span>'
        for value, look, tip in parts
        if value > 0 and most > 0
    )
    return f'<span class="track" aria-hidden="true">{spans}</span>'


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, left: Sequence[int] = (0,)
) -> str:
    """A table of cells that are HTML already; columns in ``left`` to the left, numbers to the right."""
    looks = ["" if place in left else ' class="n"' for place in range(len(head))]
    top = "".join(
        f'<th scope="col"{look}>{escape(name)}</th>' for name, look in zip(head, looks, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{cell}</th>' if not place else f"<td{look}>{cell}</td>"
            for place, (cell, look) in enumerate(zip(row, looks, strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
