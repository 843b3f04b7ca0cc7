"""A manifest in memory: rows that say what a recording, or a part of one, holds, and where the files are.

Labels are names. What a row says about one label is one of three: it sounds, it does not, or nobody judged it. A
label that a row does not mention does not sound, since that is what lists of labels mean in nearly all data sets.
There are two exceptions: a row whose ``unknown`` holds ``*`` is *partial* (OpenMIC's are), there what is not
mentioned was not judged; and nobody judged what is not in the manifest's label map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from sonoscope.data.paths import Tree
from sonoscope.errors import UsageError
from sonoscope.values import Recording

#: Columns of a manifest in their order: version 1 of the schema.
COLUMNS = (
    "path", "start_s", "duration_s", "labels", "absent", "unknown", "group", "split", "source", "licence",
    "site", "recorder", "start_datetime", "annotation",
)  # fmt: skip

#: Further columns that hold paths, which are relative to the root too.
EXTRA_PATHS = ("mel_path",)

#: In ``unknown``: whatever the row does not mention was not judged.
EVERYTHING_ELSE = "*"


class BadManifest(UsageError):
    """A manifest that cannot be trusted; the message names file, line, column, value and remedy."""


@dataclass(frozen=True, slots=True)
class Row:
    """A recording or a part of one, and what is known about it.

    Attributes
    ----------
    path : str
        Relative to the manifest's root, ``/`` between the parts.
    start_s, duration_s : float
        The part of the file, ``[start_s, start_s + duration_s)``; a duration of None reaches to the end.
    labels, absent, unknown : tuple of str
        What sounds, what is known not to sound, and what was not judged (``*``: everything else).
    group : str
        What no split may cut: the recording, player or library that clips have in common.
    split : str
        ``train``, ``val``, ``test`` or any other name.
    source, licence, site, recorder : str
    start_datetime : str
        ISO 8601 with offset, or empty.
    annotation : str
        A file with events or notes, relative to the root like ``path``.
    extra : mapping of str to str
        Every further column.
    """

    path: str
    start_s: float = 0.0
    duration_s: float | None = None
    labels: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    group: str = ""
    split: str = ""
    source: str = ""
    licence: str = ""
    site: str = ""
    recorder: str = ""
    start_datetime: str = ""
    annotation: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def end_s(self) -> float | None:
        """Where the part ends, in seconds; None: with the file."""
        return None if self.duration_s is None else self.start_s + self.duration_s

    def says(self, label: str) -> bool | None:
        """Whether ``label`` sounds; None where nobody judged it."""
        if label in self.labels:
            return True
        if label in self.absent:
            return False
        return None if label in self.unknown or EVERYTHING_ELSE in self.unknown else False

    def mentions(self, label: str) -> bool:
        """Whether ``label`` itself is in one of the three lists."""
        return label in self.labels or label in self.absent or label in self.unknown

    def paths(self) -> dict[str, str]:
        """Every path in the row that is not empty, by column."""
        found = {"path": self.path, "annotation": self.annotation}
        found |= {column: self.extra.get(column, "") for column in EXTRA_PATHS}
        return {column: path for column, path in found.items() if path}

    def with_paths(self, found: Mapping[str, str]) -> Row:
        """The row with other paths: what :meth:`paths` gives, changed."""
        further = {column: path for column, path in found.items() if column in EXTRA_PATHS}
        extra = {**self.extra, **further} if further else self.extra
        return replace(self, path=found["path"], annotation=found.get("annotation", ""), extra=extra)


@dataclass(frozen=True)
class Manifest:
    """Rows, the folder that their paths are relative to, and the labels there are.

    ``label_map`` gives the labels their order; empty where nobody stated one.
    """

    rows: tuple[Row, ...]
    root: Path
    label_map: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def labels(self) -> tuple[str, ...]:
        """The label map, or where there is none the labels that rows mention, sorted."""
        if self.label_map:
            return self.label_map
        named = (
            label for row in self.rows for part in (row.labels, row.absent, row.unknown) for label in part
        )
        return tuple(sorted(set(named) - {EVERYTHING_ELSE}))

    def where(self, test: Callable[[Row], bool] | None = None, /, **values: str | Iterable[str]) -> Manifest:
        """The rows for which ``test`` holds and every column has the value, or one of the values, given.

        ``m.where(split=("train", "val"), site="A")``, ``m.where(labels="violin")`` (among others),
        ``m.where(lambda row: row.start_s < 60)``; columns of ``extra`` count too.

        Raises
        ------
        UsageError
            If no row has such a column of text.
        """
        wanted = {key: {value} if isinstance(value, str) else set(value) for key, value in values.items()}
        known = {*COLUMNS, *(key for row in self.rows for key in row.extra)} - {"start_s", "duration_s"}
        for key in wanted:
            if key not in known:
                raise UsageError(
                    f"no column {key!r} of text in this manifest. Known: {', '.join(sorted(known))}."
                )
        kept = (
            row
            for row in self.rows
            if (test is None or test(row))
            and all(not any_of.isdisjoint(_values(row, key)) for key, any_of in wanted.items())
        )
        return replace(self, rows=tuple(kept))

    def says(self, row: Row, label: str) -> bool | None:
        """Whether ``label`` sounds in a row; None where nobody judged it, as nobody could what is not in the map."""
        if self.label_map and label not in self.label_map and not row.mentions(label):
            return None
        return row.says(label)

    def path_of(self, row: Row) -> Path:
        """Where the row's file is; Unicode normalisation does not count. It need not exist.

        Raises
        ------
        UnreadableAudio
            If the disk has only a name that differs in case.
        """
        return self.tree.locate(row.path)

    def recording_of(self, row: Row) -> Recording:
        """The row's file as something to decode (all of it; the row's part is the caller's to take)."""
        return Recording(str(self.path_of(row)), row.path)

    @cached_property
    def tree(self) -> Tree:
        """Looks up paths below the root."""
        return Tree(self.root)

    def targets(self, labels: Iterable[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """What every row says about every label.

        Returns
        -------
        sounds : np.ndarray, shape (rows, labels), float32
            1 where the label sounds, else 0.
        known : np.ndarray, shape (rows, labels), bool
            False where nobody judged it.
        """
        columns = tuple(self.labels() if labels is None else labels)
        said = [[self.says(row, label) for label in columns] for row in self.rows]
        shape = (len(self.rows), len(columns))
        sounds = np.array([[value is True for value in line] for line in said], np.float32).reshape(shape)
        known = np.array([[value is not None for value in line] for line in said], bool).reshape(shape)
        return sounds, known


def _values(row: Row, column: str) -> tuple[str, ...]:
    """What a column of text, or of labels, holds."""
    value = getattr(row, column) if column in COLUMNS else row.extra.get(column, "")
    return value if isinstance(value, tuple) else (value,)
