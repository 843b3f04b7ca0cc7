"""Audacity label tracks, ``.labels.txt``: ``start<TAB>end<TAB>text``, 6 decimals, no header.

The text is the label and its score with 2 decimals, ``violin 0.87``. With ``frequencies`` a second line
``\\<TAB>low<TAB>high`` follows each event that has a range, as Audacity writes it for spectral selections, where
-1 means undefined. A track belongs to one recording.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO

from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    probability,
    recording_name,
)
from sonoscope.outputs.rows import Row, tab_cells, tab_line
from sonoscope.values import Event, FileResult

#: A score at the end of the text, exactly as it is written here: other numbers belong to the label.
_SCORED = re.compile(r"(?P<label>.+) (?P<score>0\.\d\d|1\.00)", re.DOTALL)

_COLUMNS = {"start": 0, "end": 1, "label": 2, "score": 3}
_BAND = {"\\": 0, "low": 1, "high": 2}


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """A line per event, and its range where that is asked for and known."""
    for result in results:
        for event in result.in_order():
            label = event.label if math.isnan(event.score) else f"{event.label} {event.score:.2f}"
            file.write(tab_line((f"{event.start_s:.6f}", f"{event.end_s:.6f}", label)))
            if options.frequencies and not (event.low_hz is None and event.high_hz is None):
                file.write(tab_line(("\\", _hertz(event.low_hz), _hertz(event.high_hz))))


def _hertz(value: float | None) -> str:
    return f"{-1.0 if value is None else value:.6f}"


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Point labels (start = end), ranges, empty labels, and BirdNET's score in a fourth column are read."""
    name = recording_name(options.name, (FORMAT.suffix, ".txt"))
    found = [Found(name, event) for event in _events(file, options.name)]
    return gather(found or [Found(name, None)])


def _events(file: IO[str], name: str) -> Iterator[Event]:
    waiting: Event | None = None
    found = tab_cells(file)
    for number, cells in found.lines:
        cells[0] = cells[0].removeprefix("\ufeff")
        if cells[0] == "\\":
            if waiting is None:
                raise UnreadableTable(
                    f"{name}, line {number}: a range without a label before it. Remove the line."
                )
            band = Row(name, number, _BAND, cells, found.decimal)
            waiting = replace(
                waiting, low_hz=_defined(band.number("low")), high_hz=_defined(band.number("high"))
            )
        elif any(cells):
            if waiting is not None:
                yield waiting
            waiting = _event(Row(name, number, _COLUMNS, cells, found.decimal))
    if waiting is not None:
        yield waiting


def _defined(hertz: float) -> float | None:
    return hertz if hertz >= 0 else None


def _event(row: Row) -> Event:
    if len(row.cells) < 2:
        raise row.problem("end", "is missing", "Each line is start, end and label, with tabs between.")
    start_s, end_s = row.span(row.number("start"), row.number("end"), ("start", "end"))
    label, score = row.get("label"), row.optional("score")
    if score is None and (scored := _SCORED.fullmatch(label)):
        label, score = scored["label"], float(scored["score"])
    return Event(start_s, end_s, label, probability(score))


FORMAT = Format("audacity", ".labels.txt", write, read, many=False, takes=("frequencies",))
