"""The canonical table, ``.events.csv``: every column, always, in the order of :data:`columns.COLUMNS`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from sonoscope.outputs.columns import COLUMNS, NEEDED, found_row, record
from sonoscope.outputs.format import Format, ReadOptions, WriteOptions, gather
from sonoscope.outputs.rows import comma_line, decimal, read_comma, score_text
from sonoscope.values import Event, FileResult, format_seconds

HEADER = comma_line(COLUMNS)
#: What others call the column ``file``.
FILE_NAMES = ("path", "filepath", "file_path", "filename")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """Header, then a line per event."""
    file.write(HEADER)
    for result in results:
        for event in result.in_order():
            file.write(line(result, event, raw=options.raw))


def line(result: FileResult, event: Event, *, raw: bool = False) -> str:
    """One event as a line of the table."""
    values = record(result, event, raw=raw)
    values["start"], values["end"] = format_seconds(event.start_s), format_seconds(event.end_s)
    values["score"] = score_text(event.score)
    return comma_line(_cell(value) for value in values.values())


def _cell(value: str | float | None) -> str:
    return value if isinstance(value, str) else decimal(value)


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Columns may be missing (except file, start, end, label) and in any order; the file may be called a path."""
    return gather(found_row(row) for row in read_comma(file, options.name, NEEDED, {"file": FILE_NAMES}))


FORMAT = Format("csv", ".events.csv", write, read, extensions=(".csv",), takes=("raw",))
