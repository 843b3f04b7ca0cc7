"""Names of recordings: the keys of all that is written about them.

Names are unique and follow from the inputs alone:

- in a folder: the path relative to the folder; if several folders are given, after the folder's own name;
- a file: its name, or as much of the end of its path as tells it from the others;
- what matches a pattern: its path below the part of the pattern that has no wildcard, whatever else matches;
- in an archive: the archive's name (as a file's), then the member's path.

Equal names that remain get ``-2``, ``-3`` and so on.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count
from pathlib import PurePath
from urllib.parse import unquote


@dataclass(frozen=True)
class Input:
    """An input that exists: ``kind`` is ``folder``, ``archive`` or ``file``.

    ``depth`` is how many parts of the path a pattern left open, which all belong to the name; 0 without one.
    """

    path: str
    kind: str
    depth: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the absolute path below the root; links keep their names."""
        scheme, is_url, place = self.path.partition("://")
        if is_url:
            # The names of web servers are encoded.
            place = unquote(place) if scheme.startswith("http") else place
            return tuple(part for part in place.split("/") if part not in ("", ".", ".."))
        absolute = PurePath(os.path.abspath(self.path))  # noqa: PTH100
        return absolute.parts[1:] or ("root",)

    @property
    def end(self) -> str:
        """The shortest end of the path that may be the name."""
        return "/".join(self.parts[-max(self.depth, 1) :])


def names(given: list[Input], is_listed: Callable[[str, str], bool]) -> list[str]:
    """The name of each input; that of an only folder is empty, since what it holds is named without it.

    ``is_listed(folder, name)`` tells whether listing a folder gives this name, or names below it.
    """
    folders = [entry for entry in given if entry.kind == "folder"]
    only = folders[0].path if len(folders) == 1 and not folders[0].depth else None
    folder_names = [""] if only else list(map(Unique(_at_end), (entry.end for entry in folders)))
    of_a_folder = set(folder_names)

    def is_taken(name: str) -> bool:
        """Whether something in a folder has, or may have, the name."""
        if only is not None:
            return is_listed(only, name)
        return not of_a_folder.isdisjoint(accumulate(name.split("/"), "{}/{}".format))

    others = _distinct([entry for entry in given if entry.kind != "folder"], is_taken)
    of_folders, of_others = iter(folder_names), iter(others)
    return [next(of_folders if entry.kind == "folder" else of_others) for entry in given]


def _distinct(entries: list[Input], is_taken: Callable[[str], bool]) -> list[str]:
    """The shortest ends of the paths that differ from one another and are not taken."""
    paths = [entry.parts for entry in entries]
    depths = [max(entry.depth, 1) for entry in entries]
    while True:
        found = ["/".join(parts[-depth:]) for parts, depth in zip(paths, depths, strict=True)]
        uses = Counter(found)
        unclear = [
            i
            for i, name in enumerate(found)
            if depths[i] < len(paths[i]) and (uses[name] > 1 or is_taken(name))
        ]
        if not unclear:
            return list(map(Unique(_in_first_part, is_taken), found))
        for i in unclear:
            depths[i] += 1


class Unique:
    """Gives each name once: what was given, or is taken, gets the first number that makes it new.

    Parameters
    ----------
    numbered : callable
        ``(name, number)`` to the name with the number; default: before the suffix (``a-2.wav``).
    is_taken : callable
        Whether a name is not to be given; numbers must lead to one that is not taken.
    """

    def __init__(
        self,
        numbered: Callable[[str, int], str] | None = None,
        is_taken: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._numbered, self._is_taken = numbered or _before_suffix, is_taken
        self._used: set[str] = set()

    def __call__(self, name: str) -> str:
        tries = (name if number == 1 else self._numbered(name, number) for number in count(1))
        chosen = next(text for text in tries if text not in self._used and not self._is_taken(text))
        self._used.add(chosen)
        return chosen


def _at_end(name: str, number: int) -> str:
    return f"{name}-{number}"


def _before_suffix(name: str, number: int) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return f"{stem}-{number}{suffix}"


def _in_first_part(name: str, number: int) -> str:
    """``b-2/a.wav``, since it is the first part that a folder may have taken."""
    first, slash, rest = name.partition("/")
    return f"{_at_end(first, number)}/{rest}" if slash else _before_suffix(name, number)


def writable(name: str) -> str:
    """The name as valid Unicode: bytes that are none become ``\\udcXX``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
