"""The tables of a whole run: ``events.csv``, ``files.csv`` and ``errors.csv``.

``files.csv`` has a row for every input, also those with no event or that failed: the denominator of every
rate. ``errors.csv`` has its header also when there is nothing to tell. All three are streamed, so a run of
any size fits.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sonoscope.outputs.events_csv import HEADER
from sonoscope.outputs.format import UnreadableTable
from sonoscope.outputs.rows import comma_line, read_comma
from sonoscope.values import format_seconds

FILES_COLUMNS = (
    "file", "status", "start_datetime", "site", "recorder",
    "duration", "analysed", "sample_rate", "events", "note",
)  # fmt: skip

ERRORS_COLUMNS = ("file", "reason", "remedy")


@dataclass(frozen=True)
class FilesRow:
    """One input: ``status`` is ``ok`` or ``failed``; lengths in seconds, None where unknown.

    ``duration`` is counted, ``analysed`` the part of it that has scores, ``sample_rate`` the recording's own.
    """

    file: str
    status: str
    start_datetime: str = ""
    site: str = ""
    recorder: str = ""
    duration: float | None = None
    analysed: float | None = None
    sample_rate: int | None = None
    events: int | None = None
    note: str = ""


@dataclass(frozen=True)
class ErrorsRow:
    """One input that failed: what is wrong with it, and what to do."""

    file: str
    reason: str
    remedy: str


def write_files(rows: Iterable[FilesRow], file: IO[str]) -> None:
    """``files.csv``: header, then a line per row, in the order given."""
    file.write(comma_line(FILES_COLUMNS))
    for row in rows:
        file.write(comma_line(_text(getattr(row, column)) for column in FILES_COLUMNS))


def write_errors(rows: Iterable[ErrorsRow], file: IO[str]) -> None:
    """``errors.csv``: header, then a line per row, in the order given."""
    file.write(comma_line(ERRORS_COLUMNS))
    for row in rows:
        file.write(comma_line((row.file, row.reason, row.remedy)))


def _text(value: str | float | None) -> str:
    if isinstance(value, float):
        return format_seconds(value)
    return "" if value is None else str(value)


def read_files(file: IO[str], name: str = "files.csv") -> Iterator[FilesRow]:
    """The rows of a ``files.csv``, as they come.

    Raises
    ------
    UnreadableTable
        If it is none.
    """
    for row in read_comma(
        file,
        name,
        ("file", "status"),
        remedy="A run writes this table: restore it, or run that analysis again.",
    ):
        numbers = {
            column: row.optional(column) for column in ("duration", "analysed", "sample_rate", "events")
        }
        yield FilesRow(
            **{column: row.get(column) for column in FILES_COLUMNS if column not in numbers},
            duration=numbers["duration"],
            analysed=numbers["analysed"],
            sample_rate=_whole(numbers["sample_rate"]),
            events=_whole(numbers["events"]),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def concatenate(paths: Iterable[str | Path], out: IO[str]) -> None:
    """Join the ``.events.csv`` of a run into one table, in the order of ``paths``.

    Each file is sorted, so the result is sorted by (file, start, end, label) if ``paths`` follow the
    recordings' names. Nothing is parsed: the bytes of the rows stay as they are, and a file of any size
    passes through.

    Raises
    ------
    UnreadableTable
        If a file does not begin with the header of this version.
    """
    out.write(HEADER)
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            header = file.readline()
            if header != HEADER:
                raise UnreadableTable(
                    f"{path}: begins with {header[:80]!r}, not with the columns of this version. "
                    "Delete it and run again."
                )
            shutil.copyfileobj(file, out)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the objects of JSON Lines files and of ``live``."""
    return json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
