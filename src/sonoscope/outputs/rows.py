"""Lines of delimited text: how a cell is written in each dialect, and how rows are read.

Two dialects. *Comma*: RFC 4180 quoting with ``\\n`` line ends, so any text survives. *Tab*: no quoting, as
Raven, Audacity and DCASE read it, so a tab or line break inside a text becomes a space.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO

from sonoscope import delimited
from sonoscope.outputs.format import UnreadableTable

#: Every character that some program takes for the end of a line or a cell.
_BREAKS = re.compile("[\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029]+")

#: What a comma-separated cell cannot hold unquoted.
_SPECIAL = re.compile('[,"\r\n]')

#: What to do about a table without the columns of an events table.
OTHER_FORMAT = "If it is of another format, name that: `sonoscope convert FILE --from FORMAT`."


def text(value: str) -> str:
    """``value`` as UTF-8 can hold it: bytes of a file name that are no text appear as ``\\udcXX``."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def comma_line(cells: Iterable[str]) -> str:
    """A line of comma-separated cells, quoted where they must be."""
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    cell = text(cell)
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell


def tab_line(cells: Iterable[str]) -> str:
    """A line of tab-separated cells; breaks inside a cell become a space."""
    return "\t".join(_BREAKS.sub(" ", text(c)) for c in cells) + "\n"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with at most ``digits`` decimals and no needless zero; empty for None and NaN.

    >>> decimal(1200.0), decimal(0.5), decimal(None), decimal(-0.0001)
    ('1200', '0.5', '', '0')
    """
    if value is None or math.isnan(value):
        return ""
    written = f"{value:.{digits}f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def score_text(score: float) -> str:
    """A score with 4 decimals; empty where it is unknown (NaN)."""
    return "" if math.isnan(score) else f"{score:.4f}"


@dataclass(frozen=True)
class Row:
    """One row of a table: its line number (1-based, the first of its lines), its cells by column, and what stands
    before the fraction of its numbers."""

    name: str
    line: int
    columns: dict[str, int]
    cells: list[str]
    decimal: str = "."

    def get(self, *columns: str) -> str:
        """The cell under the first of ``columns`` that the table has, or an empty text."""
        for column in columns:
            place = self.columns.get(column.casefold())
            if place is not None:
                return self.cells[place] if place < len(self.cells) else ""
        return ""

    def number(self, column: str) -> float:
        """The number under ``column``.

        Raises
        ------
        UnreadableTable
            If there is none.
        """
        value = self.optional(column)
        if value is None:
            raise self.problem(column, "is empty, a number is needed", "Fill it in, or remove the row.")
        return value

    def optional(self, *columns: str) -> float | None:
        """The number under the first of ``columns`` that the table has; None where the cell is empty."""
        cell = self.get(*columns).strip()
        if not cell:
            return None
        value = delimited.number(cell, self.decimal)
        if not math.isfinite(value):
            raise self.problem(columns[0], f"is {cell!r}, not a number", delimited.remedy(cell))
        return value

    def span(self, start_s: float, end_s: float, columns: tuple[str, str]) -> tuple[float, float]:
        """``(start_s, end_s)`` if they are the times of an event, in order and not before the recording."""
        if start_s < 0:
            raise self.problem(
                columns[0], f"is {start_s:g}, before the recording begins", "Times are 0 or more."
            )
        if end_s < start_s:
            raise self.problem(
                columns[1], f"ends at {end_s:g}, before it begins at {start_s:g}", "Swap them."
            )
        return start_s, end_s

    def problem(self, column: str, what: str, remedy: str) -> UnreadableTable:
        """The error that says what is wrong with a cell."""
        return UnreadableTable(f"{self.name}, line {self.line}, column {column!r}: {what}. {remedy}")


def read_comma(
    file: IO[str],
    name: str,
    needed: Sequence[str],
    also: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    remedy: str = OTHER_FORMAT,
) -> Iterator[Row]:
    """The rows of a comma-separated table whose header has all of ``needed``. BOM and CRLF are accepted, and
    semicolons or tabs between cells, as spreadsheets write them.

    ``remedy`` is what to do where a column is missing.

    ``also`` has further names of columns; the first that is there counts.

    Raises
    ------
    UnreadableTable
        If a column is missing or a row does not fit the header.
    """
    return _rows(delimited.rows(file, name, UnreadableTable), name, needed, also, remedy=remedy)


def read_tabs(file: IO[str], name: str, needed: Sequence[str]) -> Iterator[Row]:
    """The rows of a tab-separated table without quoting; otherwise as :func:`read_comma`."""
    return _rows(
        tab_cells(file), name, needed, remedy=f"Cells must stand between tabs, without quotes. {OTHER_FORMAT}"
    )


def tab_cells(file: IO[str]) -> delimited.Rows:
    """The cells of tab-separated lines without quoting, whatever their line ends."""
    lines = ((number, line.rstrip("\r\n").split("\t")) for number, line in enumerate(file, start=1))
    return delimited.kept(lines, "\t")


def _rows(
    rows: delimited.Rows,
    name: str,
    needed: Sequence[str],
    also: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    remedy: str = OTHER_FORMAT,
) -> Iterator[Row]:
    _, header = next(rows.lines, (0, []))
    columns: dict[str, int] = {}
    for place, column in enumerate(header):
        columns.setdefault(column.removeprefix("\ufeff").strip().casefold(), place)
    for column, others in also.items():
        if column not in columns and (other := next((each for each in others if each in columns), "")):
            columns[column] = columns[other]
    missing = [column for column in needed if column.casefold() not in columns]
    if missing:
        found = ", ".join(repr(column) for column in header) or "nothing"
        raise UnreadableTable(f"{name}, line 1: no column {missing[0]!r}; found {found}. {remedy}")
    return _checked(rows, name, columns, len(header))


def _checked(rows: delimited.Rows, name: str, columns: dict[str, int], width: int) -> Iterator[Row]:
    for number, cells in rows.lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > width and any(cell.strip() for cell in cells[width:]):
            raise UnreadableTable(
                f"{name}, line {number}: {len(cells)} cells under {width} column names. "
                "A separator inside a cell must be quoted."
            )
        yield Row(name, number, columns, cells, rows.decimal)
