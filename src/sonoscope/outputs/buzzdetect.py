"""The tables of buzzdetect, ``.buzzdetect.csv``: ``start`` and ``activation_<class>`` for every window.

Activations are logits. With ``detections`` the columns are ``detections_<class>``, 1 where an event covers
the middle of the window's cell. buzzr reads both. A table belongs to one recording.

buzzr looks for names that end with ``_buzzdetect.csv``, as those of the program do: as the format ``buzzr`` the
same tables have such names, so that it reads a folder of results as it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    recording_name,
)
from sonoscope.outputs.rows import Row, comma_line, read_comma
from sonoscope.values import Event, FileResult, Scores, format_seconds

ACTIVATION, DETECTIONS = "activation_", "detections_"

#: The frame of buzzdetect's models on YAMNet, for a table of a single row, which does not show its step.
FRAME_S = 0.96


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """A row per window, all classes of the model.

    Raises
    ------
    UsageError
        If the scores are not at hand.
    """
    for result in results:
        if result.scores is None:
            raise UsageError(
                f"buzzdetect holds a value for every window, and {result.file!r} comes without scores; "
                "write it with: sonoscope analyze --format buzzdetect"
            )
        scores = result.scores
        prefix = DETECTIONS if options.detections else ACTIVATION
        file.write(comma_line(("start", *(prefix + label for label in scores.labels))))
        values = _covered(scores, result.events) if options.detections else scores.logits + 0.0
        form = ",%d" if options.detections else ",%.3f"
        for start, row in zip(scores.start_s.tolist(), values.tolist(), strict=True):
            file.write(format_seconds(start) + form * len(row) % tuple(row) + "\n")


def _covered(scores: Scores, events: Iterable[Event]) -> np.ndarray:
    """Which windows' cells have their middle in an event of a class, shape (n, c), 0 or 1."""
    edges = scores.cell_edges
    middles = (edges[:-1] + edges[1:]) / (2 * scores.sample_rate)
    covered = np.zeros((len(scores), len(scores.labels)), dtype=np.int8)
    for event in events:
        if event.label in scores.labels:
            first, last = np.searchsorted(middles, (event.start_s, event.end_s))
            covered[first:last, scores.labels.index(event.label)] = 1
    return covered


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Rows that follow each other and are detections become one event.

    In ``activation_`` columns a row counts if it is above ``options.threshold``, as in buzzr; the highest
    activation becomes ``raw``. There is no calibration to give a score.

    Raises
    ------
    UsageError
        If there are activations and no threshold.
    """
    rows = list(read_comma(file, options.name, ("start",)))
    name = recording_name(options.name, (FORMAT.suffix, FOR_BUZZR.suffix, ".csv"))
    if not rows:
        return gather([Found(name, None)])
    columns = [column for column in rows[0].columns if column.startswith((ACTIVATION, DETECTIONS))]
    if not columns:
        raise UnreadableTable(
            f"{options.name}, line 1: no column that begins with {ACTIVATION} or {DETECTIONS}; found "
            f"{', '.join(map(repr, rows[0].columns))}. Name the file's format with --from."
        )
    if options.threshold is None and any(column.startswith(ACTIVATION) for column in columns):
        raise UsageError(
            f"{options.name} holds activations; say above which they count, for example --threshold -1.2"
        )
    starts = [row.number("start") for row in rows]
    events = itertools.chain.from_iterable(
        _events(rows, starts, column, options.threshold) for column in columns
    )
    return gather([Found(name, None), *(Found(name, event) for event in events)])


def _events(
    rows: Sequence[Row], starts: Sequence[float], column: str, threshold: float | None
) -> Iterator[Event]:
    step = float(np.median(np.diff(starts))) if len(starts) > 1 else FRAME_S
    activation = column.startswith(ACTIVATION)
    first, highest, before = math.nan, -math.inf, math.nan
    label = column.removeprefix(ACTIVATION if activation else DETECTIONS)
    for row, start in zip(rows, starts, strict=True):
        value = _value(row, column)
        counts = value > threshold if activation and threshold is not None else value > 0
        if not math.isnan(first) and not (counts and start - before < 1.5 * step):
            yield _event(first, before + step, label, highest if activation else None)
            first, highest = math.nan, -math.inf
        if counts:
            first = start if math.isnan(first) else first
            highest, before = max(highest, value), start
    if not math.isnan(first):
        yield _event(first, before + step, label, highest if activation else None)


def _value(row: Row, column: str) -> float:
    truth = {"true": 1.0, "false": 0.0}.get(row.get(column).strip().casefold())
    return row.number(column) if truth is None else truth


def _event(start_s: float, end_s: float, label: str, raw: float | None) -> Event:
    return Event(start_s, round(end_s, 6), label, math.nan, raw)


FORMAT = Format(
    "buzzdetect",
    ".buzzdetect.csv",
    write,
    read,
    many=False,
    needs_scores=True,
    takes=("threshold", "detections"),
)

FOR_BUZZR = replace(FORMAT, name="buzzr", suffix="_buzzdetect.csv")
