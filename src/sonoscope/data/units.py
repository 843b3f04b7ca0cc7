"""What belongs together and no split may cut: rows with a value in common, rows of one file, rows that are tied.

A *unit* is all rows that have a value in common in one of the columns of ``by`` (an empty cell has nothing in common
with any), rows of one file, and rows that are tied for another reason, such as sounding the same
(:mod:`~sonoscope.data.duplicates`). Ties are followed through: if A is tied to B, and B to C, all three are one unit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.data.rows import COLUMNS, Manifest
from sonoscope.errors import UnknownName, count, nearest

#: The column that says what no split may cut.
BY = ("group",)
#: Names of groups in a message.
SHOWN = 6


def column(manifest: Manifest, name: str) -> list[str]:
    """The text of a column, a cell for each row.

    Raises
    ------
    UnknownName
        If no row has such a column.
    """
    if name in COLUMNS and name not in ("start_s", "duration_s", "labels", "absent", "unknown"):
        return [getattr(row, name).strip() for row in manifest.rows]
    if not any(name in row.extra for row in manifest.rows):
        known = {*COLUMNS, *(key for row in manifest.rows for key in row.extra)}
        known -= {"start_s", "duration_s", "labels", "absent", "unknown"}
        raise UnknownName(
            f"no column {name!r} in this manifest.{nearest(name, known)} Known: {', '.join(sorted(known))}."
        )
    return [row.extra.get(name, "").strip() for row in manifest.rows]


def belongings(name: str, cell: str) -> list[str]:
    """The values in a cell: the groups of a mixture are several, ``;`` between them; any other cell is one value."""
    return list(filter(None, map(str.strip, cell.split(";")))) if name == "group" else [cell] if cell else []


@dataclass(frozen=True)
class Units:
    """What no split may cut: ``of`` is the unit of every row, shape (rows,); ``names`` calls each unit something."""

    of: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def listed(self, chosen: Sequence[int]) -> str:
        """The names of some units, the largest first, not more than :data:`SHOWN`."""
        rows = np.bincount(self.of, minlength=len(self))
        order = sorted(chosen, key=lambda unit: (-rows[unit], self.names[unit]))
        shown = [f"{self.names[unit]} ({count(int(rows[unit]), 'row')})" for unit in order[:SHOWN]]
        return ", ".join(shown) + (f" and {len(order) - SHOWN:,} more" if len(order) > SHOWN else "")


def units(manifest: Manifest, *, by: Sequence[str] = BY, ties: Sequence[Sequence[int]] = ()) -> Units:
    """The units of a manifest's rows; ``ties`` are further sets of rows (their places) that stay together.

    Raises
    ------
    UnknownName
        If there is no such column.
    """
    first: dict[Hashable, int] = {}
    links: list[Sequence[int]] = list(ties)
    names: dict[int, str] = {}
    cells = {name: column(manifest, name) for name in by}
    for place, row in enumerate(manifest.rows):
        links.append((first.setdefault(("path", row.path), place), place))
        for name, values in cells.items():
            for value in belongings(name, values[place]):
                links.append((first.setdefault((name, value), place), place))
    of = united(len(manifest), links)
    for place, unit in enumerate(of.tolist()):
        if unit not in names:
            value = next((values[place] for values in cells.values() if values[place]), "")
            names[unit] = value or manifest.rows[place].path
    return Units(of, tuple(names[unit] for unit in range(len(names))))


def united(places: int, ties: Iterable[Sequence[int]]) -> np.ndarray:
    """The number of the set that each of ``places`` things is in, when those in one tie are together.

    Sets are numbered in the order of their first members. Shape (places,), int64.
    """
    above = list(range(places))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    for tie in ties:
        first = top(tie[0])
        for other in tie[1:]:
            one, two = sorted((first, top(other)))
            above[two] = first = one
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(top(place), len(numbers)) for place in range(places)], dtype=np.int64)
