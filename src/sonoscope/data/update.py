"""A manifest kept up to date: what is new is added, and nothing else is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonoscope.data import badrows, labelmap, manifest, paths
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.data.survey import Problem, check, survey
from sonoscope.errors import UsageError, nearest
from sonoscope.values import Label

#: Rows found are written at least this often, so that whoever interrupts loses little, and memory holds few.
PUBLISH_S, PUBLISH_ROWS = 30.0, 10_000

#: Labels that a warning names.
SHOWN = 5

LabelWish = str | Path | Sequence[str | Label] | None


@dataclass(frozen=True)
class Updated:
    """Rows that were added and that were there before, what cannot be used, and what may surprise elsewhere."""

    added: int
    kept: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def add_folder(
    path: str | Path,
    folder: str | Path,
    *,
    labels_from: str | None = None,
    durations: bool = True,
    labels: LabelWish = None,
    progress: Callable[[int], None] | None = None,
) -> Updated:
    """Add the recordings of ``folder`` that the manifest ``path`` does not have; begin it if there is none.

    A recording is there if any row is about it, whatever part of it. What is found is written every
    half a minute, so the same call goes on where an interrupted one was.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.parquet``.
    folder : path
    labels_from, durations
        See :func:`~sonoscope.data.survey.survey`.
    labels : str, path or sequence, optional
        The label map, which is put beside the manifest; default: the one that is there.
    progress : function (recordings so far), optional

    Raises
    ------
    BadManifest
        If the manifest that is there is damaged.
    UsageError
        If ``folder`` is no folder, or its name as a label is not in the label map.
    """
    path, root = Path(path), Path(folder).resolve()
    wanted = labelmap.find(labels, path.parent)
    labelmap.is_kept(wanted, path.parent)
    old = manifest.read(path, labels=wanted or None) if path.exists() else Manifest((), root)
    known = _Known(old, root)
    fits = _fitting(wanted, "the folder's name")
    pending: list[Row] = []
    problems: list[Problem] = []
    added, published = 0, time.monotonic()

    def publish() -> None:
        nonlocal added, published
        added += manifest.append(path, Manifest(tuple(pending), root))
        pending.clear()
        published = time.monotonic()

    try:
        for found in survey(folder, labels_from=labels_from, durations=durations, known=known.names):
            clash = known.clash(found.path) if isinstance(found, Row) else None
            if isinstance(found, Problem) or clash is not None:
                problems.append(clash or found)  # type: ignore[arg-type]
            else:
                pending.append(fits(found))
            if progress is not None:
                progress(added + len(pending) + len(problems))
            if len(pending) >= PUBLISH_ROWS or time.monotonic() - published > PUBLISH_S:
                publish()
    finally:
        if pending or not path.exists():
            publish()
    if labels is not None:
        labelmap.keep(wanted, path.parent)
    return Updated(added, len(old), tuple(problems), known.warnings())


class _Known:
    """The recordings below ``root`` that a manifest has, and names that cannot be told apart everywhere."""

    def __init__(self, old: Manifest, root: Path) -> None:
        top = paths.portable(str(root))
        there = (paths.below(paths.portable(os.path.join(old.root, row.path)), top) for row in old.rows)  # noqa: PTH118
        #: Names to pass over, and the name that has each key.
        self.names = {paths.same_name(name) for name in there if name is not None}
        self._by_key = {paths.same_name_anywhere(name): name for name in self.names}
        self._root = root
        self._colliding: list[str] = []
        self._refused: list[str] = []

    def clash(self, name: str) -> Problem | None:
        """Why a new name is not new: the manifest has it in other case, and no second file has that name."""
        first = self._by_key.setdefault(paths.same_name_anywhere(name), name)
        if reason := paths.unportable(name):
            self._refused.append(f"{name!r} ({reason})")
        if first == name:
            return None
        other = self._root / first
        if other.exists() and not other.samefile(self._root / name):
            self._colliding.append(f"{name!r} and {first!r}")
            return None
        return Problem(
            name,
            0.0,
            None,
            f"the manifest has it as {first!r}, and the case of letters counts",
            "Correct the path in the manifest, or rename the file.",
        )

    def warnings(self) -> tuple[str, ...]:
        """What will not survive on other systems, in words."""
        told = []
        if self._refused:
            told.append(f"{len(self._refused)} of the names cannot be files on Windows: {self._refused[0]}")
        if self._colliding:
            told.append(
                f"{len(self._colliding)} of the names differ from another in case only, and are one file on Windows "
                f"and macOS: {self._colliding[0]}"
            )
        return tuple(told)


def _fitting(labels: Sequence[Label], what: str) -> Callable[[Row], Row]:
    """Turns what rows name into ids, or refuses it, if there is a label map; ``what`` is where names are from."""
    names = labelmap.Names(labels)

    def ids(row: Row, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if names.find(name) is None and name != EVERYTHING_ELSE:
                raise UsageError(
                    f"{row.path}: {what} {name!r} is not in the label map.{nearest(name, names.ids)} "
                    "Correct it, or add it to the map."
                )
        return tuple(dict.fromkeys(names.find(name) or name for name in given))

    def fits(row: Row) -> Row:
        if not labels:
            return row
        lists = (ids(row, given) for given in (row.labels, row.absent, row.unknown))
        return replace(row, **dict(zip(("labels", "absent", "unknown"), lists, strict=True)))  # type: ignore[arg-type]

    return fits


def add_rows(
    path: str | Path,
    new: Manifest,
    *,
    form: str = "sonoscope",
    decode: bool = True,
    look: bool = True,
    labels: LabelWish = None,
    progress: Callable[[int], None] | None = None,
) -> Updated:
    """Add those rows of ``new`` that the manifest ``path`` does not have; begin it if there is none.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.parquet``.
    new : Manifest
    form : str
        What is written (:data:`sonoscope.data.forms.FORMS`); only ``sonoscope`` can be added to.
    decode, look : bool
        Decode the files of new rows, or at least see whether they are there
        (:func:`~sonoscope.data.survey.check`); rows about what is not good are left out.
    labels : str, path or sequence, optional
        The label map, which is put beside the manifest.
    progress : function (files so far), optional

    Raises
    ------
    UsageError
        If the file is there and is, or is to be, of another form than ``sonoscope``.
    """
    path = Path(path)
    is_there = path.exists()
    if is_there and form != "sonoscope":
        raise UsageError(
            f"{path} exists, and rows can be added to the form sonoscope only. Write to a new file."
        )
    wanted = labelmap.find(labels, path.parent)
    labelmap.is_kept(wanted, path.parent)
    old = manifest.read(path, labels=wanted or None) if is_there else Manifest((), new.root)
    news = replace(new, rows=manifest.missing(old, new)) if is_there else new
    if wanted:
        news = _within(news, wanted)
    good, problems = check(news, decode=decode, progress=progress) if look else (news, ())
    if is_there:
        manifest.append(path, good)
    else:
        manifest.write(good, path, form=form)
    if labels is not None:
        labelmap.keep(wanted, path.parent)
    return Updated(len(good), len(old), problems, () if wanted else _unjudged(old, good))


def _within(new: Manifest, labels: Sequence[Label]) -> Manifest:
    """Rows that say the same under another label map: what theirs lacks, nobody judged."""
    fits = _fitting(labels, "the label")
    fitted = tuple(map(fits, new.rows))
    names = labelmap.Names(labels)
    theirs = {names.find(name) for name in new.label_map}
    unjudged = [name for name in names.ids if name not in theirs] if new.label_map else []

    def judged(row: Row) -> Row:
        unsaid = tuple(name for name in unjudged if not row.mentions(name))
        is_partial = EVERYTHING_ELSE in row.unknown
        return replace(row, unknown=(*row.unknown, *unsaid)) if unsaid and not is_partial else row

    return replace(new, rows=tuple(map(judged, fitted)), label_map=names.ids)


def _unjudged(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """That rows of either side say nothing about labels of the other, which counts as not sounding."""
    one, other = set(old.labels()), set(new.labels())
    if not old.rows or not new.rows or one == other:
        return ()
    strange = sorted(one ^ other)
    shown = ", ".join(strange[:SHOWN]) + (", ..." if len(strange) > SHOWN else "")
    return (
        f"labels that only the rows that were there have, or only the new ones: {shown}. The other rows count as not "
        "having them; a label map (--labels) and the column unknown can say otherwise.",
    )


def tell(path: str | Path, problems: Sequence[Problem]) -> Path | None:
    """Keep the ``bad_rows.csv`` of a manifest: written if there are any, removed if there are none."""
    beside = badrows.beside(path)
    badrows.keep(problems, beside)
    return beside if problems else None
