"""A manifest kept up to date with a folder: what is new is added, and nothing else is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sonoscope.data import badrows, labelmap, paths
from sonoscope.data.manifest import append, read
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem, survey
from sonoscope.errors import UsageError, nearest

#: Rows found are written at least this often, so that whoever interrupts loses no more than this.
PUBLISH_S = 30.0


@dataclass(frozen=True)
class Updated:
    """How many rows were added and were there before, and what was left out."""

    added: int
    kept: int
    problems: tuple[Problem, ...]


def update(
    path: str | Path,
    folder: str | Path,
    *,
    labels_from: str | None = None,
    durations: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Updated:
    """Add the recordings of ``folder`` that the manifest ``path`` does not have; begin it if there is none.

    A recording is there if any row is about it, whatever part of it. What cannot be used is listed in
    ``bad_rows.csv`` beside the manifest; that file is removed where there is nothing to tell.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.parquet``.
    folder : path
    labels_from, durations
        See :func:`~sonoscope.data.survey.survey`.
    progress : function (recordings so far)

    Raises
    ------
    BadManifest
        If the manifest that is there is damaged.
    UsageError
        If ``folder`` is no folder, or its name as a label is not in the label map.
    """
    path, root = Path(path), Path(folder).resolve()
    old = read(path) if path.exists() else Manifest((), root)
    top = paths.portable(str(root))
    theirs = (paths.below(paths.portable(os.path.join(old.root, row.path)), top) for row in old.rows)  # noqa: PTH118
    known = {paths.same_name(name) for name in theirs if name is not None}
    check = _label_check(path.parent)
    pending: list[Row] = []
    problems: list[Problem] = []
    added, published = 0, time.monotonic()

    def publish() -> None:
        nonlocal added, published
        added += append(path, Manifest(tuple(pending), root))
        pending.clear()
        published = time.monotonic()

    try:
        for found in survey(folder, labels_from=labels_from, durations=durations, known=known):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                pending.append(check(found))
            if progress is not None:
                progress(added + len(pending))
            if time.monotonic() - published > PUBLISH_S:
                publish()
    finally:
        if pending or not path.exists():
            publish()
    _tell(problems, badrows.beside(path))
    return Updated(added, len(old), tuple(problems))


def _label_check(folder: Path) -> Callable[[Row], Row]:
    """Turns the names of folders into ids, or refuses them, if the manifest has a label map."""
    names = labelmap.Names(labelmap.find(None, folder))

    def ids(row: Row, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if names.find(name) is None:
                raise UsageError(
                    f"{row.path}: the folder's name {name!r} is not in {folder / labelmap.JSON_NAME}."
                    f"{nearest(name, names.ids)} Rename the folder, or add the label."
                )
        return tuple(dict.fromkeys(names.find(name) or name for name in given))

    def check(row: Row) -> Row:
        if not names.ids:
            return row
        return replace(row, labels=ids(row, row.labels), absent=ids(row, row.absent))

    return check


def _tell(problems: list[Problem], path: Path) -> None:
    if problems:
        badrows.write(problems, path)
    else:
        path.unlink(missing_ok=True)
