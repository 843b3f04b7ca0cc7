"""Drawings of clips, from a result's arrays: scores of what sounds and of what does not, how many labels, and maps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from sonoscope.evaluation.page import maps
from sonoscope.evaluation.page.clipcharts import models_of
from sonoscope.evaluation.plots import charts
from sonoscope.evaluation.plots.drawing import (
    COLOURS,
    INK,
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
from sonoscope.evaluation.result import Result

#: Histograms beside each other, their size in points, and how many labels have one.
ACROSS, WIDE, TALL, MOST, BARS = 4, 112.0, 74.0, 60, 25
#: Of a map: its side, and colours that are told apart as far as twenty can be (Tableau).
SIDE = 300.0
MANY = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
    "#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5",
)  # fmt: skip


def drawn(result: Result) -> Iterator[tuple[str, Drawing]]:
    """Names and drawings; of several models one each."""
    for place, (model, arrays) in enumerate(models_of(result)):
        behind, of = (f"/{model}", f": {model}") if model else ("", "")
        if not place:
            yield "label_counts", _counts(arrays)
        yield f"scores{behind}", histograms(arrays, f"Scores of what sounds and of what does not{of}")
        for name, points, groups in maps.found(result, model):
            yield f"map_{name}{behind}", cloud(points, groups, f"Clips by {name}{of}")


def _counts(arrays: Mapping[str, np.ndarray]) -> Drawing:
    sounds = (arrays["truth"] > 0) & arrays["known"].astype(bool)
    size, count = np.unique(sounds.sum(axis=1), return_counts=True)
    values = {str(s): float(c) for s, c in zip(size.tolist(), count.tolist(), strict=True)}
    return charts.bars("How many labels clips have", values, "clips in which so many labels sound")


def histograms(arrays: Mapping[str, np.ndarray], title: str) -> Drawing:
    """For each label the scores of clips in which it sounds, above those of the others, each as a share of its own."""
    names = [str(label) for label in arrays["labels"]][:MOST]
    low, high = min(float(arrays["scores"].min()), 0.0), max(float(arrays["scores"].max()), 1.0)
    edges = np.linspace(low, high, BARS + 1)
    rows = math.ceil(len(names) / ACROSS)
    key: list[Mark] = [
        Box(6, 6, 8, 8, COLOURS[1]), Text(18, 13, "sounds"), Box(70, 6, 8, 8, COLOURS[0]), Text(82, 13, "does not"),
    ]  # fmt: skip
    marks = [*key]
    for k, name in enumerate(names):
        known = arrays["known"][:, k].astype(bool)
        sounds = arrays["truth"][known, k] > 0
        values = arrays["scores"][known, k]
        at = 6 + k % ACROSS * WIDE, 22 + k // ACROSS * TALL
        marks += _histogram(at, f"{name} ({int(sounds.sum())})", values[sounds], values[~sounds], edges)
    return Drawing(title, 12 + ACROSS * WIDE, 26 + rows * TALL, tuple(marks))


def _histogram(
    at: tuple[float, float], name: str, sounds: np.ndarray, rest: np.ndarray, edges: np.ndarray
) -> Iterator[Mark]:
    x, y = at
    step, half = (WIDE - 10) / BARS, (TALL - 26) / 2
    middle = y + 12 + half
    yield Text(x, y + 8, name)
    for values, colour, up in ((sounds, COLOURS[1], True), (rest, COLOURS[0], False)):
        count = np.histogram(values, edges)[0]
        for bar in np.flatnonzero(count).tolist():
            tall = half * float(count[bar] / count.max())
            yield Box(x + bar * step, middle - tall if up else middle, step - 0.6, tall, colour)
    yield Line(((x, middle), (x + WIDE - 10, middle)), SOFT, 0.5)
    for value, place, anchor in ((edges[0], x, "start"), (edges[-1], x + WIDE - 10, "end")):
        yield Text(place, middle + half + 9, charts.number(float(value)), anchor, SOFT, 6)  # type: ignore[arg-type]


def cloud(points: np.ndarray, groups: list[str], title: str) -> Drawing:
    """A dot for each clip, in the colour of its group; groups by their size, those beyond the colours grey."""
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-12)
    placed = 8 + (points - low) / span * (SIDE - 16)
    sizes = Counter(groups)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    colours = {name: MANY[k] if k < len(MANY) and name else RULE for k, name in enumerate(names)}
    marks: list[Mark] = [
        Dot(float(x), SIDE - float(y), 1.7, colours[name])
        for (x, y), name in zip(placed, groups, strict=True)
    ]
    marks.append(Line(((2, 2), (SIDE, 2), (SIDE, SIDE), (2, SIDE), (2, 2)), INK, 0.6))
    longest = max(map(len, names), default=0)
    for k, name in enumerate(names):
        y = 12 + k * 12
        marks += [Dot(SIDE + 12, y - 3, 2.6, colours[name]), Text(SIDE + 20, y, name or "nothing")]
    width = SIDE + 26 + longest * SIZE * 0.58
    return Drawing(title, width, max(SIDE + 4, 12 + len(names) * 12), tuple(marks))
