"""The strong labels of DCASE, ``.dcase.tsv``, as sed_eval and psds_eval read them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import IO

from sonoscope import delimited
from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    recording_name,
)
from sonoscope.outputs.rows import Row, tab_cells, tab_line
from sonoscope.values import Event, FileResult, format_seconds

COLUMNS = ("filename", "onset", "offset", "event_label")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """Header, then a line per event."""
    file.write(tab_line(COLUMNS))
    for result in results:
        for event in result.in_order():
            times = format_seconds(event.start_s), format_seconds(event.end_s)
            file.write(tab_line((result.file, *times, event.label)))


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """With the header, or without it in the forms of sed_eval: with the name of the recording, or without it.

    A row that has a name and nothing else says that the recording was looked at and holds no event.
    """
    held = tab_cells(file)
    lines: Iterator[tuple[int, list[str]]] = (found for found in held.lines if any(found[1]))
    number, first = next(lines, (0, list(COLUMNS)))
    first[0] = first[0].removeprefix("\ufeff")
    columns = [cell.strip().casefold() for cell in first]
    if "filename" not in columns and "onset" not in columns:
        lines = itertools.chain([(number, first)], lines)
        columns = list(COLUMNS) if math.isnan(delimited.number(first[0], held.decimal)) else list(COLUMNS[1:])
    missing = [column for column in COLUMNS[1:] if column not in columns]
    if missing:
        raise UnreadableTable(
            f"{options.name}, line {number}: no column {missing[0]!r}; "
            f"found {', '.join(map(repr, columns))}. Only strong labels (with times) can be converted."
        )
    places = {column: place for place, column in enumerate(columns)}
    own = recording_name(options.name, (FORMAT.suffix, ".tsv", ".txt"))
    return gather(_found(Row(options.name, n, places, cells, held.decimal), own) for n, cells in lines)


def _found(row: Row, own_name: str) -> Found:
    name = row.get("filename") or own_name
    if not any(row.get(column).strip() for column in COLUMNS[1:]):
        return Found(name, None)
    start_s, end_s = row.span(row.number("onset"), row.number("offset"), ("onset", "offset"))
    return Found(name, Event(start_s, end_s, row.get("event_label"), math.nan))


FORMAT = Format("dcase", ".dcase.tsv", write, read, extensions=(".tsv",))
