"""What the forms of tables have in common: columns that say no labels, and vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sonoscope.data import cells
from sonoscope.data.labelmap import Names
from sonoscope.data.roots import ROOT_COLUMN
from sonoscope.data.rows import COLUMNS, EVERYTHING_ELSE, EXTRA_PATHS, BadManifest, Manifest, Row
from sonoscope.data.table import VERSION_COLUMN, Line, Table
from sonoscope.errors import nearest
from sonoscope.values import format_seconds

#: What the column with the file is called; the first that is there counts.
PATHS = ("path", "file", "filepath", "file_path", "filename")
#: Columns that are about the table, and the row numbers that pandas adds.
ABOUT = (ROOT_COLUMN, VERSION_COLUMN, "", "Unnamed: 0")
#: Where a part ends, besides ``start_s`` and ``duration_s``.
END, OTHER_DURATION = "end_s", "dur_s"
#: What R writes where it knows nothing; a label only where a label map has it.
MISSING = "NA"
LISTS = ("labels", "absent", "unknown")
TEXTS = ("group", "split", "source", "licence", "site", "recorder")
#: Columns of a manifest, by any name, that are no labels.
NO_LABELS = frozenset(
    (*COLUMNS, *PATHS, *ABOUT, *EXTRA_PATHS, END, OTHER_DURATION, "n_frames", "orig_path", "irmas_filename")
)

Reader = Callable[[Line], Row]
Cells = tuple[Sequence[str], list[list[str]]]


@dataclass(frozen=True)
class Form:
    """A form of table.

    Attributes
    ----------
    name, header : str
    reader : function
        ``reader(table, names)`` is a function from a line to a row, whose paths are as they stand.
    writer : function
        ``writer(manifest)`` is a header and the cells of every row.
    needs_map : bool
        Whether labels cannot be told without the label map, which then lies beside the table.
    """

    name: str
    header: str
    reader: Callable[[Table, Names], Reader]
    writer: Callable[[Manifest], Cells]
    needs_map: bool = False


class Lists(NamedTuple):
    """What sounds, what does not, and what nobody judged."""

    labels: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def path_column(table: Table) -> str:
    """The column with the file, by any of its names.

    Raises
    ------
    BadManifest
        If there is none.
    """
    for column in PATHS:
        if column in table.columns:
            return column
    raise BadManifest(
        f"{table.name}, line 1: no column 'path' (or {', '.join(PATHS[1:])}).{nearest('path', table.columns)} "
        f"Found: {', '.join(map(repr, table.columns))}."
    )


def row_maker(table: Table, column: str, used: Sequence[str] = ()) -> Callable[[Line, Lists], Row]:
    """A function that makes the row of a line and its labels.

    The file is in ``column``; what is neither known nor ``used`` becomes ``extra``.
    """
    duration = OTHER_DURATION if OTHER_DURATION in table.columns else "duration_s"
    known = {*COLUMNS, *ABOUT, END, duration, column, *used}
    further = [key for key in table.columns if key not in known]

    def make(line: Line, lists: Lists) -> Row:
        given = line.cells
        start_s, duration_s = cells.span(line, "start_s", duration, END)
        return Row(
            given[column],
            start_s,
            duration_s,
            lists.labels,
            lists.absent,
            lists.unknown,
            group=given.get("group", ""),
            split=given.get("split", ""),
            source=given.get("source", ""),
            licence=given.get("licence", ""),
            site=given.get("site", ""),
            recorder=given.get("recorder", ""),
            start_datetime=cells.moment(line, "start_datetime"),
            annotation=given.get("annotation", ""),
            extra={key: given[key] for key in further},
        )

    return make


def lists(line: Line, names: Names, column: str = "labels") -> Lists:
    """The columns with lists of labels, those that sound in ``column``."""
    columns = (column, *LISTS[1:])
    for key in columns:
        if line.cells.get(key, "").strip() == MISSING and names.find(MISSING) is None:
            line.fail(
                key, "is R's word for what is missing", 'Leave the cell empty: write.csv(..., na = "").'
            )
    found = Lists(*(names.translate(line, key, cells.labels(line.cells.get(key, ""))) for key in columns))
    for key, named in zip(columns[:2], found[:2], strict=True):
        if EVERYTHING_ELSE in named:
            line.fail(key, f"holds {EVERYTHING_ELSE!r}, which is no label", "Only 'unknown' may hold it.")
    if sum(map(bool, found)) > 1:
        cells.check_disjoint(line, dict(zip(columns, found, strict=True)))
    return found


def texts(row: Row) -> dict[str, str]:
    """The cells of a row but for path and labels."""
    return {
        "start_s": format_seconds(row.start_s),
        "duration_s": format_seconds(row.duration_s),
        **{key: getattr(row, key) for key in (*TEXTS, "start_datetime", "annotation")},
        **row.extra,
    }


def with_texts(
    manifest: Manifest,
    columns: Sequence[str],
    said: Sequence[Sequence[str]],
    taken: Sequence[str] = (),
) -> Cells:
    """A table of ``columns`` and of those further ones in which any row says more than nothing, or a start of 0.

    Columns that a row's ``extra`` has too must be ``taken`` from there.
    """
    own = {key for row in manifest.rows for key in row.extra} & set(columns) - set(taken)
    if own:
        raise BadManifest(
            f"this form has a column {min(own)!r}, and so has the manifest. Rename or remove that one."
        )
    found = [texts(row) for row in manifest.rows]
    told = dict.fromkeys(key for text in found for key, cell in text.items() if cell)
    if not any(row.start_s for row in manifest.rows):
        told.pop("start_s", None)
    further = [key for key in told if key not in columns]
    rows = [[*line, *(text.get(key, "") for key in further)] for line, text in zip(said, found, strict=True)]
    return (*columns, *further), rows


def vocabulary(manifest: Manifest) -> tuple[str, ...]:
    """The labels in order.

    Raises
    ------
    BadManifest
        If a row says something about a label that is not among them.
    """
    labels = manifest.labels()
    known = set(labels)
    for row in manifest.rows:
        for name in (*row.labels, *row.absent):
            if name not in known:
                raise BadManifest(f"{row.path}: {name!r} is not in the label map.{nearest(name, labels)}")
    return labels
