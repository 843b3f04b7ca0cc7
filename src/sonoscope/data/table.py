"""Tables of text, from CSV or Parquet: a header, and rows that know their place for messages.

CSV is as spreadsheets write it (:mod:`sonoscope.delimited`). Cells stay text: a bit string keeps its zeros. What is
written is UTF-8 with commas, ``\\n`` and quotes only where they must be.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sonoscope import delimited, writing
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UsageError, optional

#: Key of the schema's version in the metadata of a Parquet file; in a table, a column of that name.
PARQUET_KEY, VERSION_COLUMN = b"sonoscope.manifest", "schema"
#: The newest version that is read; a table that states none is of version 1.
VERSION = 1

#: What a cell cannot hold unquoted, whatever separates cells.
_SPECIAL = re.compile(r'["\r\n]')


@dataclass(frozen=True, slots=True)
class Line:
    """One row as text: cells by column name, where it stands, and what stands before the fraction of its numbers."""

    table: str
    number: int
    cells: Mapping[str, str]
    unit: str = "line"
    decimal: str = "."

    @property
    def place(self) -> str:
        """``m.csv, line 7``."""
        return f"{self.table}, {self.unit} {self.number}"

    def fail(self, column: str, what: str, remedy: str) -> NoReturn:
        """Raise the error that names file, line, column and value."""
        raise BadManifest(f"{self.place}, column {column!r}: {self.cells.get(column, '')!r} {what}. {remedy}")


@dataclass(frozen=True)
class Table:
    """A header and rows, in order."""

    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def read(path: str | Path) -> Table:
    """The table in a ``.parquet`` file, or in any other file as CSV.

    Raises
    ------
    BadManifest
        If the file is missing, is no such table, or a line does not fit the header.
    UsageError
        If Parquet needs a package that is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise BadManifest(
            f"{path}: {'a folder, not a manifest' if path.is_dir() else 'there is no such file'}"
        )
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    for line in table.lines:
        _check_version(line)
    return table


def header(path: Path) -> Table:
    """The table without its lines, which are not looked at.

    Raises
    ------
    BadManifest
        As :func:`read`.
    """
    if path.suffix.lower() == ".parquet":
        return Table(str(path), tuple(_parquet_file(path).schema_arrow.names), ())
    _, names = next(_rows(path).lines, (1, []))
    return Table(str(path), _header(names, path), ())


def _check_version(line: Line) -> None:
    """A later schema says so in a column; its columns may mean something else."""
    stated = line.cells.get(VERSION_COLUMN, "").strip()
    if stated and stated.partition(".")[0] != str(VERSION):
        line.fail(VERSION_COLUMN, f"is not {VERSION}, the version this sonoscope knows", "Update sonoscope.")


# ---- CSV ---------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> Table:
    rows = _rows(path)
    _, names = next(rows.lines, (1, []))
    columns = _header(names, path)
    lines: list[Line] = []
    for number, cells in rows.lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(columns) or any(cell.strip() for cell in cells[len(columns) :]):
            title = (
                f"Is line 1 ({columns[0]!r}) a title above the names? Remove it. "
                if len(columns) == 1
                else ""
            )
            raise BadManifest(
                f"{path}, line {number}: {len(cells)} cells under {len(columns)} column names. {title}"
                "Is the line cut off, or a comma or semicolon not quoted?"
            )
        line = Line(str(path), number, dict(zip(columns, cells, strict=False)), decimal=rows.decimal)
        lines.append(line)
    return Table(str(path), columns, tuple(lines))


def _rows(path: Path) -> delimited.Rows:
    return delimited.rows(io.StringIO(decoded(path), newline=""), str(path), BadManifest)


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark, without that, line ends as they are.

    Raises
    ------
    BadManifest
        If it is neither.
    """
    return delimited.decoded(path, BadManifest)


def _header(cells: Sequence[str], path: Path) -> tuple[str, ...]:
    """The names of columns; those without a name behind the last that has one are empty columns of a spreadsheet."""
    columns = tuple(cell.strip() for cell in cells)
    while columns and not columns[-1]:
        columns = columns[:-1]
    if not columns:
        raise BadManifest(f"{path}: empty; a manifest has at least its header")
    for place, column in enumerate(columns):
        if place and not column:  # the first one without a name holds the row names of R and pandas
            raise BadManifest(f"{path}, line 1: column {place + 1} has no name. Give it one, or remove it.")
        if column in columns[:place]:
            raise BadManifest(f"{path}, line 1: two columns {column!r}. Rename or remove one.")
    return columns


def csv_text(rows: Iterable[Sequence[str]], delimiter: str = ",", end: str = "\n") -> str:
    """Rows as CSV, the header being one of them."""
    return "".join(delimiter.join(_quoted(cell, delimiter) for cell in row) + end for row in rows)


def _quoted(cell: str, delimiter: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) or delimiter in cell else cell


# ---- Parquet -----------------------------------------------------------------------------------------------

_PURPOSE = "a manifest in Parquet"


def _read_parquet(path: Path) -> Table:
    file = _parquet_file(path)
    stated = (file.schema_arrow.metadata or {}).get(PARQUET_KEY, b"1").decode()
    if stated != str(VERSION):
        raise BadManifest(
            f"{path}: schema {stated}, not {VERSION}, which this sonoscope knows. Update sonoscope."
        )
    lines = (
        Line(str(path), number, {key: _text(value) for key, value in row.items()}, "row")
        for number, row in enumerate(file.read().to_pylist(), start=1)
    )
    return Table(str(path), tuple(file.schema_arrow.names), tuple(lines))


def _parquet_file(path: Path) -> Any:
    arrow, parquet = optional("pyarrow", "tables", _PURPOSE), optional("pyarrow.parquet", "tables", _PURPOSE)
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise BadManifest(f"{path}: not a Parquet file ({error})") from None


def _text(value: Any) -> str:
    """A Parquet value as its CSV cell: lists joined by ``;``, what is unknown empty, whole numbers whole."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def parquet_bytes(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[str] = ()
) -> bytes:
    """A table as Parquet: text, but for the columns ``numbers`` (empty cells become null)."""
    arrow, parquet = optional("pyarrow", "tables", _PURPOSE), optional("pyarrow.parquet", "tables", _PURPOSE)
    numbers = set(numbers)
    arrays = [
        arrow.array([float(cell) if cell else None for cell in cells], arrow.float64())
        if column in numbers
        else arrow.array(list(cells), arrow.string())
        for column, cells in zip(
            columns, zip(*rows, strict=True) if rows else [()] * len(columns), strict=True
        )
    ]
    table = arrow.Table.from_arrays(arrays, names=list(columns))
    file = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({PARQUET_KEY: str(VERSION)}), file)
    return file.getvalue()


# ---- files -------------------------------------------------------------------------------------------------


def write(
    path: str | Path, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[str] = ()
) -> None:
    """Write a table as ``.csv`` or ``.parquet``, whole or not at all.

    Raises
    ------
    UsageError
        If the suffix is another one, or the folder does not exist.
    """
    path = Path(path)
    if _suffix(path) == ".csv":
        put(path, csv_text([columns, *rows]).encode())
    else:
        put(path, parquet_bytes(columns, rows, numbers))


def put(path: Path, content: bytes) -> None:
    """Write a file beside and move it into place, so that a file that exists is whole.

    Raises
    ------
    UsageError
        If its folder does not exist.
    """
    _check_folder(path)
    writing.put(path, content)


def check_place(path: Path) -> None:
    """Find out whether a table can be written there, before hours of decoding.

    Raises
    ------
    UsageError
        As :func:`write`.
    OSError
        If the folder is read-only or of others.
    """
    _suffix(path)
    _check_folder(path)
    writing.check_place(path)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(
            f"{path}: a manifest is a .csv or a .parquet file, not {suffix or 'without suffix'!r}"
        )
    return suffix


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {str(path.parent)!r}. Make it first.")


def _check_own(path: Path) -> None:
    """A spreadsheet's semicolons, decimal commas and UTF-16 are read, not written."""
    if path.suffix.lower() == ".parquet":
        return
    rows = _rows(path)
    if rows.separator == ";" or rows.decimal != "." or delimited.encoding(path.read_bytes()) != "utf-8-sig":
        raise BadManifest(
            f"{path}: saved by a spreadsheet, as no lines can be added to. Write it anew, and add to that: "
            f"sonoscope data manifest {path} -o NEW.csv"
        )


def append(path: Path, rows: Sequence[Mapping[str, str]], numbers: Iterable[str] = ()) -> None:
    """Add rows to the file of a table; what a CSV holds stays byte for byte.

    Values that have no column get one, at the end of every line.

    Raises
    ------
    BadManifest
        If lines with decimal points, in UTF-8, would not fit to those that it has.
    """
    known = header(path).columns
    _check_own(path)
    further = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in known]
    further = [key for key in further if any(row.get(key) for row in rows)]
    columns = (*known, *further)
    lines = [[row.get(column, "") for column in columns] for row in rows]
    if path.suffix.lower() == ".parquet" or further:
        kept = [[line.cells.get(column, "") for column in columns] for line in read(path).lines]
        write(path, columns, [*kept, *lines], numbers)
        return
    content = path.read_bytes()
    first = content.partition(b"\n")[0].decode("utf-8", "replace")
    end = "\r\n" if first.endswith("\r") else "\n"
    if not content.endswith(b"\n"):
        content += end.encode()
    put(path, content + csv_text(lines, delimited.separator(first), end).encode())
