"""Rows of one table found in another: by path and start, else by file name if only one file has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sonoscope.data import paths
from sonoscope.data.rows import Row

#: Starts that are closer are the same: tables round to a millisecond.
SLACK_S = 0.0015


class Finder:
    """Looks rows up; says why it cannot."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._by_path: dict[str, list[int]] = defaultdict(list)
        by_name: dict[str, set[str]] = defaultdict(set)
        for place, row in enumerate(rows):
            key = paths.same_name(row.path)
            self._by_path[key].append(place)
            by_name[key.rpartition("/")[2]].add(key)
        self._by_name = {name: keys for name, keys in by_name.items() if name}

    def find(self, path: str, start_s: float | None) -> int | str:
        """The place of the row, or why there is none, in words. ``start_s`` None: the file's only row."""
        key = paths.same_name(path)
        if key not in self._by_path:
            files = self._by_name.get(key.rpartition("/")[2], set())
            if len(files) != 1:
                what = (
                    f"{len(files)} files have that name" if files else "there is no such file in the manifest"
                )
                return f"{path!r}: {what}"
            (key,) = files
        places = self._by_path[key]
        if start_s is None:
            if len(places) == 1:
                return places[0]
            return f"{path!r} has {len(places)} rows: say which by start_s"
        near = [place for place in places if abs(self._rows[place].start_s - start_s) <= SLACK_S]
        if len(near) == 1:
            return near[0]
        if near:
            return f"{path!r} has {len(near)} rows from {start_s:g} s, which only their lengths tell apart"
        return f"{path!r} has no row from {start_s:g} s"
