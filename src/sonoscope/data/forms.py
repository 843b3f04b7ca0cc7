"""The tables that say what sounds in which file: ours, and those of the systems that this one grew from.

===========  ==================================================================================================
form         header
===========  ==================================================================================================
sonoscope    ``path,start_s,duration_s,labels,absent,unknown,…`` and any further columns
===========  ==================================================================================================

Which form a table has follows from its header alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sonoscope.data import cells, paths
from sonoscope.data.labelmap import Names
from sonoscope.data.roots import ROOT_COLUMN
from sonoscope.data.rows import COLUMNS, BadManifest, Manifest, Row
from sonoscope.data.table import VERSION_COLUMN, Line, Table
from sonoscope.errors import nearest
from sonoscope.values import format_seconds

#: Columns of a table that are no cells of a row: they are about the table.
ABOUT = (ROOT_COLUMN, VERSION_COLUMN)
_LISTS = ("labels", "absent", "unknown")
_TEXTS = ("group", "split", "source", "licence", "site", "recorder")


@dataclass(frozen=True)
class Form:
    """A form of table: ``read`` makes a row of a line (its paths as they stand), ``write`` the whole table."""

    name: str
    header: str
    read: Callable[[Line, Names], Row]
    write: Callable[[Manifest, str], tuple[Sequence[str], list[list[str]]]]


def recognise(table: Table) -> Form:
    """The form that the header shows."""
    if "path" in table.columns:
        return FORMS["sonoscope"]
    raise BadManifest(
        f"{table.name}, line 1: no column 'path'.{nearest('path', table.columns)} "
        f"Found: {', '.join(table.columns)}."
    )


def _read_own(line: Line, names: Names) -> Row:
    given = line.cells
    start_s, duration_s = cells.span(line, "start_s", "duration_s", "end_s")
    lists = tuple(names.translate(line, key, cells.labels(given.get(key, ""))) for key in _LISTS)
    cells.check_disjoint(line, _LISTS, lists)
    return Row(
        given["path"],
        start_s,
        duration_s,
        *lists,
        *(given.get(key, "") for key in _TEXTS),
        start_datetime=cells.moment(line, "start_datetime"),
        annotation=paths.portable(given.get("annotation", "")),
        extra={
            key: given[key] for key in given if key not in COLUMNS and key not in ABOUT and key != "end_s"
        },
    )


def _write_own(manifest: Manifest, prefix: str) -> tuple[Sequence[str], list[list[str]]]:
    further = dict.fromkeys(key for row in manifest.rows for key in row.extra)
    return (*COLUMNS, *further), [
        [
            prefix + row.path,
            format_seconds(row.start_s),
            "" if row.duration_s is None else format_seconds(row.duration_s),
            *(cells.joined(getattr(row, key)) for key in _LISTS),
            *(getattr(row, key) for key in _TEXTS),
            row.start_datetime,
            row.annotation and prefix + row.annotation,
            *(row.extra.get(key, "") for key in further),
        ]
        for row in manifest.rows
    ]


FORMS: dict[str, Form] = {
    "sonoscope": Form("sonoscope", "path,start_s,duration_s,labels,…", _read_own, _write_own),
}
