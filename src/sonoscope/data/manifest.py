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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sonoscope.data import forms, labelmap, paths, roots, table
from sonoscope.data.labelmap import Names
from sonoscope.data.roots import ROOT_COLUMN, Reference
from sonoscope.data.rows import COLUMNS, BadManifest, Manifest, Row
from sonoscope.data.survey import Problem, from_folder, survey
from sonoscope.errors import lookup
from sonoscope.values import Label

__all__ = [
    "COLUMNS", "BadManifest", "Manifest", "Problem", "Row",
    "append", "from_folder", "merge", "read", "survey", "write",
]  # fmt: skip

_NUMBERS = ("start_s", "duration_s")


def read(
    path: str | Path,
    *,
    root: str | Path | None = None,
    labels: str | Path | Sequence[str | Label] | None = None,
    remap: Sequence[tuple[str, str]] = (),
) -> Manifest:
    """Read a manifest of any form, which its header shows.

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
    names = Names(labelmap.find(labels, path.parent))
    found = table.read(path)
    form = forms.recognise(found)
    rows = [form.read(line, names) for line in found.lines]
    references = []
    for line, row in zip(found.lines, rows, strict=True):
        stated = paths.portable(line.cells.get(ROOT_COLUMN, ""))
        for column, text in (("path", row.path), ("annotation", row.annotation)):
            if text:
                moved = paths.remap(paths.portable(text), remap)
                references.append(Reference(line, column, moved, stated))
            elif column == "path":
                line.fail(column, "names no file", "Fill it in, or remove the row.")
    base, settled = roots.settle(references, path.parent, root)
    places = iter(settled)
    rows = [
        replace(row, path=next(places), annotation=next(places) if row.annotation else "") for row in rows
    ]
    _check_repeats(rows, found)
    return Manifest(tuple(rows), base, names.ids)


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
    prefix, stated = roots.place(manifest.root, path.parent)
    columns, rows = lookup(forms.FORMS, form, "form of manifest").write(manifest, prefix)
    if stated:
        columns, rows = (*columns, ROOT_COLUMN), [[*row, stated] for row in rows]
    table.write(path, columns, rows, _NUMBERS)


def merge(old: Manifest, new: Manifest) -> Manifest:
    """``old`` with those rows of ``new`` whose part of a file it does not have; what it has stays as it is.

    If the roots differ, the result's is the folder that they have in common. Labels that only ``new`` maps come
    after those of ``old``.

    Raises
    ------
    UsageError
        If the roots have nothing in common (two drives of Windows).
    """
    root = old.root
    if new.root != root:
        root = Path(os.path.commonpath([old.root.absolute(), new.root.absolute()]))
    old_rows, new_rows = moved(old, root).rows, moved(new, root).rows
    known = {_key(row) for row in old_rows}
    added = [row for row in new_rows if _key(row) not in known]
    return Manifest((*old_rows, *added), root, tuple(dict.fromkeys((*old.label_map, *new.label_map))))


def moved(manifest: Manifest, root: Path) -> Manifest:
    """The same manifest with paths relative to ``root``, which holds the old root."""
    way = Path(os.path.relpath(manifest.root.absolute(), root)).as_posix()
    if way == ".":
        return replace(manifest, root=root)
    rows = (
        replace(row, path=f"{way}/{row.path}", annotation=row.annotation and f"{way}/{row.annotation}")
        for row in manifest.rows
    )
    return replace(manifest, rows=tuple(rows), root=root)


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
    prefix, stated = roots.place(new.root, path.parent)
    columns, rows = forms.FORMS["sonoscope"].write(new, prefix)
    added = [dict(zip(columns, row, strict=True)) | {ROOT_COLUMN: stated} for row in rows]
    found = table.read(path)
    if forms.recognise(found).name != "sonoscope":
        raise BadManifest(f"{path} is a table of another form. Write a manifest to a new file first.")
    table.append(path, found, added, _NUMBERS)
    return len(added)
