"""Notes as a table, ``.notes.csv``: ``onset,offset,pitch,velocity,label,score``, seconds and MIDI numbers.

The table of rendered music is of the same form. It belongs to one recording. Events that are no notes have an empty
pitch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    WriteOptions,
    gather,
    recording_name,
)
from sonoscope.outputs.rows import Row, comma_line, decimal, read_comma, score_text
from sonoscope.values import Event, FileResult, format_seconds

COLUMNS = ("onset", "offset", "pitch", "velocity", "label", "score")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """Header, then a line per event."""
    file.write(comma_line(COLUMNS))
    for result in results:
        for event in result.in_order():
            times = format_seconds(event.start_s), format_seconds(event.end_s)
            numbers = decimal(event.pitch), decimal(event.velocity)
            file.write(comma_line((*times, *numbers, event.label, score_text(event.score))))


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """``onset``, ``offset`` and ``pitch`` are needed, in any order; without a label, notes are called ``note``."""
    name = recording_name(options.name, (FORMAT.suffix, ".csv"))
    rows = read_comma(file, options.name, COLUMNS[:3])
    return gather([Found(name, None), *(Found(name, _event(row)) for row in rows)])


def _event(row: Row) -> Event:
    start_s, end_s = row.span(row.number("onset"), row.number("offset"), COLUMNS[:2])
    pitch, velocity, score = (row.optional(column) for column in ("pitch", "velocity", "score"))
    if pitch is not None and not 0 <= pitch <= 127:
        raise row.problem("pitch", f"is {pitch:g}", "A MIDI number is needed, 0 to 127.")
    if score is not None and not 0 <= score <= 1:
        raise row.problem("score", f"is {score:g}", "A score is a probability from 0 to 1.")
    return Event(
        start_s,
        end_s,
        row.get("label") or "note",
        float("nan") if score is None else score,
        pitch=pitch,
        velocity=None if velocity is None else int(velocity),
    )


FORMAT = Format("notes", ".notes.csv", write, read, many=False)
