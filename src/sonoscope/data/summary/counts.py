"""What a manifest says, counted: labels, splits, groups, origins, lengths. Nothing is decoded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sonoscope.data.rows import Manifest, Row

#: Columns that say where a row comes from; each is counted by value.
ORIGINS = ("source", "licence", "site", "recorder", "group")
#: What a row without a split is in.
NO_SPLIT = "(none)"
#: Splits that have an order of their own; others follow by name, then what has none.
_FIRST = ("train", "training", "val", "valid", "validation", "test", "testing")


@dataclass(frozen=True)
class LabelCount:
    """What rows say about one label.

    Attributes
    ----------
    label : str
    rows, absent, unknown : int
        Rows in which it sounds, in which it is known not to, and in which nobody judged it.
    seconds : float
        Length of the rows in which it sounds, as far as lengths are known.
    alone : int
        Rows in which nothing else is said to sound.
    groups, sources : int
        Different groups and sources of the rows in which it sounds; rows that name none do not count.
    by_split : mapping of str to int
        Rows in which it sounds, by split.
    """

    label: str
    rows: int
    absent: int
    unknown: int
    seconds: float
    alone: int
    groups: int
    sources: int
    by_split: Mapping[str, int]


@dataclass(frozen=True)
class SplitCount:
    """Rows, seconds, files and groups of one split."""

    split: str
    rows: int
    seconds: float
    files: int
    groups: int


@dataclass(frozen=True)
class Counts:
    """Everything that is counted.

    Attributes
    ----------
    rows, files : int
    seconds : float
        Of the rows whose length is known.
    open_rows : int
        Rows whose length is not known.
    labels : tuple of LabelCount
        In the order of the label map.
    splits : tuple of SplitCount
        Training, validation and test first, others by name, and ``(none)`` last, for rows without a split.
    together : np.ndarray, shape (labels, labels), int
        Rows in which both labels sound; on the diagonal, rows in which one does.
    labels_per_row : mapping of int to int
        Number of labels that sound: rows.
    origins : mapping of str to mapping of str to int
        Column: value: rows. Only columns that some row fills; an empty value is ``""``.
    shared_groups, shared_files : mapping of str to mapping of str to int
        Groups (files) whose rows are in several splits: split: rows.
    durations_s : np.ndarray, shape (rows with known length,)
    """

    rows: int
    files: int
    seconds: float
    open_rows: int
    labels: tuple[LabelCount, ...]
    splits: tuple[SplitCount, ...]
    together: np.ndarray
    labels_per_row: Mapping[int, int]
    origins: Mapping[str, Mapping[str, int]]
    shared_groups: Mapping[str, Mapping[str, int]]
    shared_files: Mapping[str, Mapping[str, int]]
    durations_s: np.ndarray

    @property
    def has_splits(self) -> bool:
        """Whether any row names a split."""
        return any(split.split != NO_SPLIT for split in self.splits)


def count(manifest: Manifest) -> Counts:
    """Count a manifest."""
    rows, labels = manifest.rows, manifest.labels()
    sounds, known = manifest.targets(labels)
    marks = sounds.astype(np.int64)
    lengths = np.array(
        [np.nan if row.duration_s is None else row.duration_s for row in rows], dtype=np.float64
    )
    per_row = marks.sum(axis=1)
    return Counts(
        rows=len(rows),
        files=len({row.path for row in rows}),
        seconds=float(np.nansum(lengths)),
        open_rows=int(np.isnan(lengths).sum()),
        labels=tuple(
            _label(label, rows, marks[:, place], known[:, place], lengths, per_row)
            for place, label in enumerate(labels)
        ),
        splits=_splits(rows, lengths),
        together=marks.T @ marks,
        labels_per_row=dict(sorted(Counter(per_row.tolist()).items())),
        origins=_origins(rows),
        shared_groups=_shared(rows, (row.group for row in rows)),
        shared_files=_shared(rows, (row.path for row in rows)),
        durations_s=lengths[~np.isnan(lengths)],
    )


def split_of(row: Row) -> str:
    """A row's split by the name that tables show."""
    return row.split or NO_SPLIT


def _label(
    label: str,
    rows: tuple[Row, ...],
    marks: np.ndarray,
    known: np.ndarray,
    lengths: np.ndarray,
    per_row: np.ndarray,
) -> LabelCount:
    places = np.flatnonzero(marks)
    mine = [rows[place] for place in places]
    return LabelCount(
        label=label,
        rows=len(mine),
        absent=int(np.count_nonzero(known)) - len(mine),
        unknown=int(np.count_nonzero(~known)),
        seconds=float(np.nansum(lengths[places])),
        alone=int(np.count_nonzero(per_row[places] == 1)),
        groups=len({row.group for row in mine} - {""}),
        sources=len({row.source for row in mine} - {""}),
        by_split=dict(Counter(map(split_of, mine))),
    )


def _splits(rows: tuple[Row, ...], lengths: np.ndarray) -> tuple[SplitCount, ...]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[split_of(row)].append(place)
    return tuple(
        SplitCount(
            split=split,
            rows=len(mine),
            seconds=float(np.nansum(lengths[mine])),
            files=len({rows[place].path for place in mine}),
            groups=len({rows[place].group for place in mine} - {""}),
        )
        for split, mine in sorted(places.items(), key=lambda item: _place(item[0]))
    )


def _place(split: str) -> tuple[bool, int, str]:
    """Where a split stands among others."""
    return split == NO_SPLIT, _FIRST.index(split) if split in _FIRST else len(_FIRST), split


def _origins(rows: tuple[Row, ...]) -> dict[str, dict[str, int]]:
    found = {}
    for column in ORIGINS:
        values = Counter(getattr(row, column) for row in rows)
        if set(values) - {""}:
            found[column] = dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
    return found


def _shared(rows: tuple[Row, ...], keys: Iterable[str]) -> dict[str, dict[str, int]]:
    """Keys whose rows are in several splits; rows that name no split or no key do not count."""
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for row, key in zip(rows, keys, strict=True):
        if key and row.split:
            splits[key][row.split] += 1
    return {key: dict(found) for key, found in sorted(splits.items()) if len(found) > 1}
