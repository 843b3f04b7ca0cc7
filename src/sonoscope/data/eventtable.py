"""A table of events as a manifest: ``file,start,end,label``, a line for each event, of one recording or of many.

It becomes a row for each recording: its labels are those of its events, its annotation is the table itself. A table of
events names no recording without any: that needs a manifest.
"""

from __future__ import annotations

import os
from pathlib import Path

from sonoscope.data import cells
from sonoscope.data.formparts import PATHS, path_column
from sonoscope.data.table import Line, Table

_TIMES = frozenset(("start", "end", "label"))
#: Columns by which a table is a manifest whatever else it has.
_OF_MANIFESTS = frozenset(("labels", "start_s", "end_s", "annotation"))


def is_one(found: Table) -> bool:
    """Whether the header is that of events rather than of recordings."""
    columns = frozenset(found.columns)
    return columns >= _TIMES and bool(columns & set(PATHS)) and not columns & _OF_MANIFESTS


def by_recording(found: Table, path: Path, root: str | Path | None) -> Table:
    """The same as a manifest: a line for each recording, where its first event stands.

    Raises
    ------
    BadManifest
        If a label could not be one of a manifest.
    """
    column = path_column(found)
    lines: dict[str, Line] = {}
    labels: dict[str, dict[str, None]] = {}
    for line in found.lines:
        name = line.cells[column]
        lines.setdefault(name, line)
        labels.setdefault(name, {})[line.cells["label"]] = None
    place = Path(os.path.relpath(path, root if root is not None else path.parent)).as_posix()
    merged = [
        Line(
            line.table,
            line.number,
            {column: name, "labels": cells.joined(labels[name]), "annotation": place},
            line.unit,
        )
        for name, line in lines.items()
    ]
    return Table(found.name, (column, "labels", "annotation"), tuple(merged))
