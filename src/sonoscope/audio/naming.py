"""Names of recordings: the keys of all that is written about them.

Names are unique and follow from the inputs alone:

- in a folder: the path relative to the folder; if several folders are given, after the folder's own name;
- a file: its name, or as much of the end of its path as tells it from the others;
- in an archive: the archive's name (as a file's), then the member's path.

Equal names that remain get ``-2``, ``-3`` and so on before the suffix.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath


@dataclass(frozen=True)
class Input:
    """An input that exists: ``kind`` is ``folder``, ``archive`` or ``file``."""

    path: str
    kind: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the absolute path below the root; links keep their names."""
        absolute = PurePath(os.path.abspath(self.path))  # noqa: PTH100
        return absolute.parts[1:] or ("root",)


def names(given: list[Input]) -> list[str]:
    """The name of each input; that of an only folder is empty, since what it holds is named without it."""
    folders = [entry for entry in given if entry.kind == "folder"]
    if len(folders) == 1:
        folder_names = [""]
    else:
        folder_names = list(map(Unique(suffix=False), (entry.parts[-1] for entry in folders)))
    only = folders[0].path if len(folders) == 1 else None

    def is_taken(name: str) -> bool:
        """Whether something in a folder has, or may have, the name."""
        if only is not None:
            return os.path.lexists(os.path.join(only, name))  # noqa: PTH118
        return name.split("/", 1)[0] in folder_names

    others = _distinct([entry.parts for entry in given if entry.kind != "folder"], is_taken)
    of_folders, of_others = iter(folder_names), iter(others)
    return [next(of_folders if entry.kind == "folder" else of_others) for entry in given]


def _distinct(paths: list[tuple[str, ...]], is_taken: Callable[[str], bool]) -> list[str]:
    """The shortest ends of the paths that differ from one another and are not taken."""
    depths = [1] * len(paths)
    while True:
        found = ["/".join(parts[-depth:]) for parts, depth in zip(paths, depths, strict=True)]
        uses = Counter(found)
        unclear = [
            i
            for i, name in enumerate(found)
            if depths[i] < len(paths[i]) and (uses[name] > 1 or is_taken(name))
        ]
        if not unclear:
            return list(map(Unique(is_taken), found))
        for i in unclear:
            depths[i] += 1


class Unique:
    """Gives each name once: ``a.wav``, then ``a-2.wav``, ``a-3.wav``. Folders have no suffix to keep."""

    def __init__(self, is_taken: Callable[[str], bool] = lambda name: False, *, suffix: bool = True) -> None:
        self._is_taken, self._keep_suffix = is_taken, suffix
        self._used: set[str] = set()

    def __call__(self, name: str) -> str:
        stem, suffix = os.path.splitext(name) if self._keep_suffix else (name, "")  # noqa: PTH122
        tries = (name if number == 1 else f"{stem}-{number}{suffix}" for number in count(1))
        chosen = next(text for text in tries if text not in self._used and not self._is_taken(text))
        self._used.add(chosen)
        return chosen


def writable(name: str) -> str:
    """The name as valid Unicode: bytes that are none become ``\\udcXX``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
