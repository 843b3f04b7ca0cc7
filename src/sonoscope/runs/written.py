"""Files of one input while they are made: all in ``tmp``, each to be moved to its place when every one is whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass
class Written:
    """Files of one job so far: where they are in ``tmp``, where they belong, and their sizes."""

    tmp: Path
    stem: str
    moves: list[tuple[str, str]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    _scraps: list[Path] = field(default_factory=list)
    _count: int = 0

    @contextlib.contextmanager
    def open(self, place: str, *, binary: bool) -> Iterator[IO[Any]]:
        """A file to write that belongs at ``place``."""
        path = self._next()
        self.moves.append((path.name, place))
        with path.open("wb") if binary else path.open("w", encoding="utf-8", newline="") as file:
            yield file
        self.sizes[place] = path.stat().st_size

    def scrap(self) -> Path:
        """The name of a file that belongs nowhere yet, and is removed unless it is adopted."""
        self._scraps.append(self._next())
        return self._scraps[-1]

    def adopt(self, scrap: Path, place: str) -> None:
        """Let a scrap belong at ``place``."""
        self._scraps.remove(scrap)
        self.moves.append((scrap.name, place))
        self.sizes[place] = scrap.stat().st_size

    def tidy(self) -> None:
        """Remove what was not adopted."""
        while self._scraps:
            with contextlib.suppress(OSError):
                self._scraps.pop().unlink()

    def send(self, tmp: Path) -> None:
        """Copy what was made on another disk into ``tmp``, each file in one go; nothing if it was made there."""
        if tmp == self.tmp:
            return
        here, self.tmp = self.tmp, tmp
        for name, _ in self.moves:
            shutil.copyfile(here / name, tmp / name)
            (here / name).unlink()

    def discard(self) -> None:
        """Remove everything."""
        self.tidy()
        for name, _ in self.moves:
            with contextlib.suppress(OSError):
                (self.tmp / name).unlink()

    def _next(self) -> Path:
        self._count += 1
        return self.tmp / f"{self.stem}-{self._count - 1}"
