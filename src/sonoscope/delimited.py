"""Tables of text as spreadsheets save them: their encoding, what separates cells, and how numbers are written.

Where numbers have a decimal comma, spreadsheets put semicolons between cells; what they call Unicode text is UTF-16
with tabs. The header says what separates cells. Numbers are told apart as they are read, so that text stays what it is;
one that can be read in two ways (``1.234`` or ``1,234``, which may be thousands) is no number, unless the others of the
table say what it is.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sonoscope.errors import SonoscopeError

_FRACTION = re.compile(r"[+-]?\d*([.,])\d+([eE][+-]?\d+)?")
#: What may be thousands, or a fraction of three digits.
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}")
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')


def encoding(head: bytes) -> str:
    """How a text is encoded that begins with these bytes: UTF-16 says so by its mark, all else is to be UTF-8."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def decoded(path: Path, error: type[SonoscopeError]) -> str:
    """The text of a file without byte order mark, line ends as they are; raises ``error`` if it is no such text."""
    data = path.read_bytes()
    name = encoding(data)
    try:
        return data.decode(name)
    except UnicodeDecodeError as found:
        line = data.count(b"\n", 0, found.start) + 1
        said = "not the UTF-16 that it begins as" if name == "utf-16" else "not UTF-8"
        raise error(f"{path}, line {line}: {said}. Save the table as CSV in UTF-8.") from None


def separator(header: str) -> str:
    """What separates cells: a tab if the first line has one outside of quotes, else its first comma or semicolon."""
    bare = _QUOTED.sub("", header)
    return "\t" if "\t" in bare else next((mark for mark in bare if mark in ",;"), ",")


@dataclass(frozen=True)
class Rows:
    """The rows of a table, the header being the first: line numbers (of a row's first line) and cells.

    ``decimal`` is what stands before the fraction of its numbers, empty where the table does not say; ``separator``
    what stands between its cells.
    """

    lines: Iterator[tuple[int, list[str]]]
    decimal: str
    separator: str


def rows(file: IO[str], name: str, error: type[SonoscopeError], *, mark: str = "") -> Rows:
    """The rows of a table whose cells may be quoted; those of one with commas are read as they are asked for.

    ``mark`` is what separates cells; empty: what the header says.

    Raises
    ------
    SonoscopeError
        ``error``, of whoever asks for a row that is none.
    """
    first = file.readline()
    mark = mark or separator(first.removeprefix("\ufeff"))
    lines = _lines(itertools.chain([first], file), mark, name, error)
    return Rows(lines, ".", mark) if mark == "," else kept(lines, mark)


def kept(lines: Iterable[tuple[int, list[str]]], mark: str) -> Rows:
    """All rows of a table whose numbers may have a decimal comma."""
    held = list(lines)
    return Rows(iter(held), _decimal((cell.strip() for _, cells in held for cell in cells), mark), mark)


def _lines(
    text: Iterator[str], mark: str, name: str, error: type[SonoscopeError]
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, strict=True, delimiter=mark)
    number = 1
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 1
    except csv.Error as found:
        raise error(f"{name}, line {reader.line_num}: {found}. Is this a table with commas?") from None


def _decimal(cells: Iterable[str], mark: str) -> str:
    """What stands before fractions. In tables with tabs it is a point wherever one is seen, as their formats have it:
    a comma may belong to a label there."""
    sure: set[str] = set()
    either: set[str] = set()
    for cell in cells:
        if (found := _EITHER.fullmatch(cell)) is not None:
            either.add(found[1])
        elif (found := _FRACTION.fullmatch(cell)) is not None:
            sure.add(found[1])
    if mark == "\t" and "." in sure | either:
        return "."
    if len(sure) == 1:
        return sure.pop()
    # Semicolons stand where the comma is taken by numbers: alone, it is a decimal one.
    return "," if not sure and mark == ";" and either == {","} else "" if sure or either else "."


def number(text: str, decimal: str = ".") -> float:
    """The number in a cell; NaN if it is none, or can be read in two ways.

    >>> number("1.5"), number("1,5"), number("1,5", ","), number("1.234", ",")
    (1.5, nan, 1.5, nan)
    """
    text = text.strip()
    if decimal != ".":
        either = _EITHER.fullmatch(text)
        if either is not None and either[1] != decimal:
            return math.nan
        if _FRACTION.fullmatch(text) is not None:
            text = text.replace(",", ".")
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def remedy(text: str) -> str:
    """What to do about a cell that is no number."""
    if _EITHER.fullmatch(text.strip()) is not None:
        return (
            "It may be thousands or a fraction: save numbers without a separator of thousands, and all with the same "
            "decimal mark."
        )
    return "Use a decimal point and no unit."
