"""The manifest: a table with a row for every recording, or part of one, and what is known about it.

    m = manifest.read("clips/manifest.csv", labels="instruments")
    train = m.where(split="train")
    for row in train.rows: train.path_of(row), row.start_s, row.duration_s, row.labels

CSV or Parquet by suffix; the columns are :data:`COLUMNS` and any others, which are kept. Paths are relative to the
manifest's folder, or, if recordings lie elsewhere, to the folder in the column ``root``. The version of the
schema is 1; a later one will say so in a column ``schema``, and is refused by this one. Tables of other systems
(:mod:`~sonoscope.data.forms`) are read and written too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sonoscope.data import eventtable, forms, labelmap, paths, roots, table
from sonoscope.data.formparts import OTHER_DURATION
from sonoscope.data.labelmap import Names
from sonoscope.data.roots import ROOT_COLUMN, Reference
from sonoscope.data.rows import COLUMNS, BadManifest, Manifest, Row
from sonoscope.data.survey import Problem, check, from_folder, survey
from sonoscope.data.table import Line
from sonoscope.errors import UsageError, lookup
from sonoscope.values import Label

__all__ = [
    "COLUMNS", "BadManifest", "Manifest", "Problem", "Row",
    "append", "check", "copy_into", "from_folder", "merge", "moved", "read", "survey", "write",
]  # fmt: skip

#: Columns that are numbers in Parquet.
_NUMBERS = ("start_s", "duration_s", OTHER_DURATION)
#: The copy of a training set's manifest in a model's folder.
MODEL_COPY = "training-manifest.csv"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def read(
    path: str | Path,
    *,
    root: str | Path | None = None,
    labels: str | Path | Sequence[str | Label] | None = None,
    remap: Sequence[tuple[str, str]] = (),
) -> Manifest:
    """Read a manifest of any form, which its header shows; a table of events too (:mod:`~sonoscope.data.eventtable`).

    Parameters
    ----------
    path : path
        ``.parquet``, or CSV with any other suffix.
    root : path, optional
        What paths are relative to; default: what the manifest says.
    labels : str, path or sequence, optional
        The labels there are: a named set, a label map, or a list; default: a ``labels.json`` beside the manifest.
    remap : sequence of (old, new)
        Beginnings of paths to be replaced (:func:`sonoscope.data.paths.remap`).

    Raises
    ------
    BadManifest
        If the table, a cell or the label map is wrong: names file, line, column, value and remedy.
    UnknownName
        If there is no such label set.
    """
    path = Path(path)
    names = Names(labelmap.find(labels, path.parent), beside=labels is None)
    found = table.read(path)
    if eventtable.is_one(found):
        found = eventtable.by_recording(found, path, root)
    reader = forms.recognise(found).reader(found, names)
    rows = [reader(line) for line in found.lines]
    named = forms.path_column(found)
    references = [
        Reference(
            line,
            column,
            _portable(line, column, text, remap),
            paths.portable(line.cells.get(ROOT_COLUMN, "")),
        )
        for line, row in zip(found.lines, rows, strict=True)
        for column, text in _paths(line, row, named)
    ]
    base, settled = roots.settle(references, path.parent, root)
    places = iter(settled)
    rows = [_with_paths(row, places) for row in rows]
    _check_repeats(rows, found)
    return Manifest(tuple(rows), base, names.ids)


def _paths(line: Line, row: Row, named: str) -> list[tuple[str, str]]:
    """The paths of a row, in the order of :meth:`Row.paths`, with the columns that they are in."""
    if not row.path:
        line.fail(named, "names no file", "Fill it in, or remove the row.")
    return [(named if column == "path" else column, text) for column, text in row.paths().items()]


def _with_paths(row: Row, places: Iterator[str]) -> Row:
    before = row.paths()
    after = {column: next(places) for column in before}
    return row if after == before else row.with_paths(after)


def _portable(line: Line, column: str, text: str, remap: Sequence[tuple[str, str]]) -> str:
    if _URL.match(text):
        line.fail(column, "is an address, not a path", "Fetch the file, and name it by its path.")
    if "\0" in text:
        line.fail(column, "holds a zero byte, which no name does", "Save the table as CSV in UTF-8.")
    found = paths.remap(paths.portable(text), remap)
    if not found.strip("/."):
        line.fail(column, "names no file", "Correct it, or remove the row.")
    return found


def _check_repeats(rows: Sequence[Row], found: table.Table) -> None:
    seen: dict[tuple, int] = {}
    for row, line in zip(rows, found.lines, strict=True):
        first = seen.setdefault(_key(row), line.number)
        if first != line.number:
            raise BadManifest(
                f"{line.place}, column 'path': {row.path!r} from {row.start_s:g} s is in {line.unit} {first} already. "
                "Remove one of the two rows."
            )


def _key(row: Row) -> tuple:
    """What makes a row the same row: the part of the file that it is about."""
    return paths.same_name(row.path), row.start_s, row.duration_s


def write(manifest: Manifest, path: str | Path, *, form: str = "sonoscope") -> None:
    """Write a manifest, whole or not at all.

    Raises
    ------
    UnknownName
        If there is no such form.
    UsageError
        If the suffix is neither ``.csv`` nor ``.parquet``, or the form cannot say what a row says.
    """
    path = Path(path)
    chosen = lookup(forms.FORMS, form, "form of manifest")
    columns, rows = _placed(manifest, path.parent, chosen)
    if chosen.needs_map:
        labelmap.keep(manifest.labels(), path.parent)
    table.write(path, columns, rows, _NUMBERS)


def _placed(manifest: Manifest, folder: Path, form: forms.Form) -> tuple[Sequence[str], list[list[str]]]:
    """The table of a manifest as it lies in ``folder``."""
    prefix, stated = roots.place(manifest.root, folder)
    columns, rows = form.writer(_prefixed(manifest, prefix))
    return ((*columns, ROOT_COLUMN), [[*row, stated] for row in rows]) if stated else (columns, rows)


def _prefixed(manifest: Manifest, prefix: str) -> Manifest:
    if not prefix:
        return manifest
    rows = (
        row.with_paths({column: prefix + path for column, path in row.paths().items()})
        for row in manifest.rows
    )
    return replace(manifest, rows=tuple(rows))


def merge(old: Manifest, new: Manifest) -> Manifest:
    """``old`` with those rows of ``new`` whose part of a file it does not have; what it has stays as it is.

    If the roots differ, the result's is the folder that they have in common. If the label maps do, labels that only
    ``new`` maps come after those of ``old``, and in the rows of the other one they are unknown.

    Raises
    ------
    UsageError
        If the roots have nothing in common (two drives of Windows).
    """
    root = old.root
    if new.root != root:
        root = _common_root(old.root.absolute(), new.root.absolute())
    old, new = moved(old, root), moved(new, root)
    known = {_key(row) for row in old.rows}
    added = replace(new, rows=tuple(row for row in new.rows if _key(row) not in known))
    rows = (*_judged(old, new.label_map), *_judged(added, old.label_map))
    return Manifest(rows, root, tuple(dict.fromkeys((*old.label_map, *new.label_map))))


def missing(old: Manifest, new: Manifest) -> tuple[Row, ...]:
    """The rows of ``new`` whose part of a file ``old`` does not have."""
    root = _common_root(old.root.absolute(), new.root.absolute())
    known = {_key(row) for row in moved(old, root).rows}
    placed = moved(new, root).rows
    return tuple(row for row, there in zip(new.rows, placed, strict=True) if _key(there) not in known)


def _common_root(one: Path, other: Path) -> Path:
    try:
        return Path(os.path.commonpath([one, other]))
    except ValueError:
        raise UsageError(
            f"{one} and {other} lie on two disks, and a manifest has one root. Keep two."
        ) from None


def _judged(manifest: Manifest, further: Sequence[str]) -> tuple[Row, ...]:
    """Rows that stay true when ``further`` labels join the map: nobody has judged those here."""
    if not manifest.label_map:
        return manifest.rows
    news = [label for label in further if label not in manifest.label_map]

    def judged(row: Row) -> Row:
        unsaid = tuple(label for label in news if not row.mentions(label))
        return replace(row, unknown=(*row.unknown, *unsaid)) if unsaid else row

    return tuple(map(judged, manifest.rows)) if news else manifest.rows


def moved(manifest: Manifest, root: Path) -> Manifest:
    """The same manifest with paths relative to ``root``, which holds the old root."""
    way = manifest.root.absolute().relative_to(root.absolute()).as_posix()
    return replace(_prefixed(manifest, "" if way == "." else f"{way}/"), root=root)


def append(path: str | Path, new: Manifest) -> int:
    """Add the rows of ``new`` to the manifest ``path``, or begin it; rows that are there stay byte for byte.

    A value for which the file has no column gets one, at the end of every line.

    Parameters
    ----------
    path : path
        CSV or Parquet.
    new : Manifest
        Its rows must not be in the file yet (:func:`merge` tells).

    Returns
    -------
    int
        Rows added.

    Raises
    ------
    BadManifest
        If the file is not of the form ``sonoscope``.
    """
    path = Path(path)
    if not path.exists():
        write(new, path)
        return len(new)
    if not new.rows:
        return 0
    found = table.header(path)
    if forms.recognise(found).name != "sonoscope":
        raise BadManifest(f"{path} is a table of another form. Write a manifest to a new file first.")
    columns, rows = _placed(new, path.parent, forms.FORMS["sonoscope"])
    theirs = {"path": forms.path_column(found)}
    if OTHER_DURATION in found.columns:
        theirs["duration_s"] = OTHER_DURATION
    columns = [theirs.get(column, column) for column in columns]
    added = [dict(zip(columns, row, strict=True)) for row in rows]
    if "start_s" not in found.columns and not any(row.start_s for row in new.rows):
        added = [{**row, "start_s": ""} for row in added]
    table.append(path, added, _NUMBERS)
    return len(rows)


def copy_into(manifest: Manifest, folder: str | Path, *, name: str = MODEL_COPY) -> Path:
    """Write what a model was trained on into the model's folder, and return the file.

    Paths stay relative to the root, and no path of this machine is told: read with ``root=`` it is the manifest
    again.
    """
    path = Path(folder) / name
    columns, rows = forms.FORMS["sonoscope"].writer(manifest)
    table.write(path, columns, rows, _NUMBERS)
    return path
