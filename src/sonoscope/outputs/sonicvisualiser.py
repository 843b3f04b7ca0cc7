"""Regions exported by Sonic Visualiser as CSV, ``TIME,VALUE,DURATION,LABEL``: one recording, read only.

With the header row, in any order, or without it: four columns as above, three as ``start,duration,label``,
or the five of a note layer, ``TIME,VALUE,DURATION,LEVEL,LABEL``. VALUE and LEVEL are not read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import IO

from sonoscope import delimited
from sonoscope.outputs.format import Format, Found, ReadOptions, UnreadableTable, gather, recording_name
from sonoscope.outputs.rows import Row
from sonoscope.values import Event, FileResult

_HEADERLESS = {
    3: ("time", "duration", "label"),
    4: ("time", "value", "duration", "label"),
    5: ("time", "value", "duration", "level", "label"),
}


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """The regions of one layer."""
    held = delimited.rows(file, options.name, UnreadableTable)
    lines: Iterator[tuple[int, list[str]]] = (found for found in held.lines if any(map(str.strip, found[1])))
    number, first = next(lines, (0, ["time", "duration", "label"]))
    columns = tuple({"start": "time"}.get(c, c) for c in (x.strip("\ufeff ").casefold() for x in first))
    if not {"time", "duration", "label"} <= set(columns):
        columns = _HEADERLESS.get(len(first), ())
        lines = itertools.chain([(number, first)], lines)
    if not columns:
        raise UnreadableTable(
            f"{options.name}, line {number}: {len(first)} columns, not the TIME, VALUE, DURATION, LABEL of a "
            "region layer. Export the layer from Sonic Visualiser with its header row."
        )
    places = {column: place for place, column in enumerate(columns)}
    name = recording_name(options.name, (FORMAT.suffix, ".csv"))
    rows = [_event(Row(options.name, n, places, cells, held.decimal)) for n, cells in lines]
    return gather([Found(name, None), *(Found(name, event) for event in rows)])


def _event(row: Row) -> Event:
    start, length = row.number("time"), row.number("duration")
    start_s, end_s = row.span(start, round(start + length, 6), ("time", "duration"))
    return Event(start_s, end_s, row.get("label"), math.nan)


FORMAT = Format("sonicvisualiser", ".regions.csv", None, read, many=False)
