"""Scores and events as a picture: time to the right, a row for each label, its score as a curve, its events as bars.

:func:`svg` needs nothing else; :func:`png` needs matplotlib (the ``eval`` extra). A dotted line is the threshold of the
label. Shown are labels that have events, the longest-sounding first; where there is none, those that score highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np

from sonoscope.errors import UsageError, optional
from sonoscope.outputs.lettering import lettered
from sonoscope.outputs.picture import COLOURS, GREY, INK, LINE, PAPER, plain, rect, ticks, written
from sonoscope.outputs.rows import decimal
from sonoscope.values import SCORE_DECIMALS, Event, Scores

#: Rows at most, and of a recording without events.
MOST, WITHOUT = 24, 5
#: Cells that a curve has at most: what lies between is shown by its highest.
CELLS = 1000
#: Pixels: width of the time, heights of a curve, of its bar and of the space below, room for names and the scale.
WIDE, CURVE, BAR, SPACE, ABOVE, BELOW = 760.0, 22.0, 5.0, 5.0, 8.0, 22.0
_LETTER = 6.2


@dataclass(frozen=True)
class _Row:
    """A label: its score in each cell, its threshold, its events and its colour."""

    label: str
    scores: np.ndarray
    threshold: float | None
    events: tuple[Event, ...]
    colour: str


@dataclass(frozen=True)
class _Timeline:
    """What is drawn: rows, the edges of their cells in seconds (one more than cells), seconds in all."""

    rows: tuple[_Row, ...]
    edges: np.ndarray
    seconds: float


def _timeline(
    scores: Scores,
    events: Sequence[Event],
    thresholds: Mapping[str, float],
    duration_s: float,
    labels: Iterable[str] | None,
) -> _Timeline:
    shown = _shown(scores, events) if labels is None else _known(scores, labels)
    edges = scores.cell_edges / scores.sample_rate
    groups = np.unique(np.linspace(0, len(scores), min(len(scores), CELLS) + 1).astype(np.int64))
    rows = []
    for place, label in enumerate(shown):
        steps = scores.steps("probabilities", scores.labels.index(label))
        highest = np.maximum.reduceat(steps, groups[:-1]) if len(steps) else steps
        own = tuple(event for event in events if event.label == label)
        colour = COLOURS[place % len(COLOURS)]
        rows.append(_Row(label, highest / 10**SCORE_DECIMALS, thresholds.get(label), own, colour))
    seconds = max([duration_s, *(event.end_s for row in rows for event in row.events), 0.1])
    return _Timeline(tuple(rows), edges[groups] if len(edges) else np.zeros(1), seconds)


def _shown(scores: Scores, events: Sequence[Event]) -> list[str]:
    sounding: dict[str, float] = {}
    for event in events:
        sounding[event.label] = sounding.get(event.label, 0.0) + event.end_s - event.start_s
    if sounding:
        return sorted(sounding, key=lambda label: -sounding[label])[:MOST]
    if not len(scores):
        return list(scores.labels[:WITHOUT])
    highest = scores.held("probabilities").max(axis=0)
    return [scores.labels[column] for column in np.argsort(-highest, kind="stable")[:WITHOUT]]


def _known(scores: Scores, labels: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(labels))
    for label in wanted:
        if label not in scores.labels:
            raise UsageError(f"labels: {label!r} has no scores here; known: {', '.join(scores.labels)}")
    return wanted


def svg(
    scores: Scores,
    events: Sequence[Event],
    thresholds: Mapping[str, float],
    duration_s: float = 0.0,
    *,
    labels: Iterable[str] | None = None,
) -> str:
    """The rows as an SVG document, UTF-8 text; pointing at a bar says what it is.

    Parameters
    ----------
    scores : Scores
    events : sequence of Event
        Those that were decided from the scores.
    thresholds : mapping of label to float
        Drawn as far as they are there.
    duration_s : float
        Counted length of the recording.
    labels : iterable of str, optional
        The rows, in order; default: see the module.

    Raises
    ------
    UsageError
        If there are no scores of a label that was asked for.
    """
    drawn = _timeline(scores, events, thresholds, duration_s, labels)
    left = 10 + _LETTER * max((len(plain(row.label)) for row in drawn.rows), default=0)
    step = CURVE + BAR + SPACE
    foot = ABOVE + step * len(drawn.rows)
    scale = WIDE / drawn.seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + WIDE + 18:.0f}" height="{foot + BELOW:.0f}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
    ]
    for second in ticks(drawn.seconds, 100 / scale):
        x = left + second * scale
        parts.append(f'<path d="M{x:.2f} {ABOVE:g}V{foot:g}" stroke="{LINE}" stroke-width="0.5"/>')
        parts.append(f'<text x="{x:.2f}" y="{foot + 14:g}" text-anchor="middle">{decimal(second)} s</text>')
    for place, row in enumerate(drawn.rows):
        parts += _row(row, drawn.edges, left, ABOVE + place * step, scale)
    return "\n".join([*parts, "</svg>", ""])


def _row(row: _Row, edges: np.ndarray, left: float, top: float, scale: float) -> Iterator[str]:
    foot = top + CURVE
    yield f'<text x="{left - 6:.2f}" y="{foot - 2:g}" text-anchor="end">{written(row.label)}</text>'
    yield rect(left, top, WIDE, CURVE, f'fill="{GREY}"')
    if len(row.scores):
        xs, ys = left + edges * scale, foot - row.scores * CURVE
        path = "".join(f"V{y:.1f}H{x:.2f}" for x, y in zip(xs[1:], ys, strict=True))
        yield f'<path d="M{xs[0]:.2f} {foot:g}{path}V{foot:g}Z" fill="{row.colour}" fill-opacity="0.45"/>'
    if row.threshold is not None:
        y = foot - row.threshold * CURVE
        yield f'<path d="M{left:.2f} {y:.2f}h{WIDE:g}" stroke="{INK}" stroke-width="0.6" stroke-dasharray="2 2"/>'
    for event in row.events:
        title = f"{event.label} {event.score:.2f}, {event.start_s:.2f}–{event.end_s:.2f} s"
        wide = max((event.end_s - event.start_s) * scale, 0.75)
        yield rect(left + event.start_s * scale, foot + 1, wide, BAR - 1, f'fill="{row.colour}"', title)


@lettered()
def png(
    file: IO[bytes],
    scores: Scores,
    events: Sequence[Event],
    thresholds: Mapping[str, float],
    duration_s: float = 0.0,
    *,
    labels: Iterable[str] | None = None,
    dpi: int = 110,
) -> None:
    """The same as a PNG in an open file.

    Raises
    ------
    UsageError
        As :func:`svg`, and if matplotlib is not installed.
    """
    optional("matplotlib", "eval", "a timeline as PNG")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = _timeline(scores, events, thresholds, duration_s, labels)
    figure = Figure(figsize=(9.0, 0.8 + 0.42 * max(len(drawn.rows), 1)), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, row in enumerate(drawn.rows):
        foot = -1.3 * place
        axes.axhspan(foot, foot + 1, color=GREY, zorder=0)
        if len(row.scores):
            axes.stairs(
                foot + row.scores, drawn.edges, baseline=foot, fill=True, color=row.colour, alpha=0.45
            )
        if row.threshold is not None:
            axes.axhline(foot + row.threshold, color=INK, linewidth=0.6, linestyle=":")
        for event in row.events:
            axes.barh(foot - 0.12, event.end_s - event.start_s, 0.18, event.start_s, color=row.colour)
    names = [plain(row.label).replace("$", r"\$") for row in drawn.rows]
    axes.set_yticks([0.5 - 1.3 * place for place in range(len(names))], names)
    axes.set(xlim=(0, drawn.seconds), ylim=(0.7 - 1.3 * max(len(names), 1), 1.1), xlabel="s")
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.tick_params(left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(file, format="png", bbox_inches="tight", metadata={"Software": None})
