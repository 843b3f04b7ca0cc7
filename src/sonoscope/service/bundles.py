"""The models of a service: those of ``--models``, and those that have a name anyway."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

from sonoscope import api, models
from sonoscope.errors import BadBundle, lookup
from sonoscope.models.bundle import EMBEDDING, Bundle, open_bundle

#: What is asked if nobody names a model.
DEFAULT = "instruments"


def known(folder: Path | None) -> dict[str, Path]:
    """Every model that a request may name, and where it lies; those of ``folder`` go before others."""
    own = sorted(folder.iterdir()) if folder is not None else []
    return models.names() | {path.name: path for path in own if (path / "bundle.json").is_file()}


def place(name: str, folder: Path | None) -> Path:
    """Where the model of that name lies; a request names no folders. Raises ``UnknownName``."""
    return lookup(known(folder), name, "model")


def names(text: str) -> tuple[str, ...]:
    """The names in a list by comma."""
    return tuple(name for name in map(str.strip, text.split(",")) if name)


def opened(folder: Path | None) -> dict[str, Bundle]:
    """Every usable model by its name; those that are damaged, or name nothing, are left out."""
    found = {}
    for name, path in sorted(known(folder).items()):
        try:
            bundle = _opened(path, (path / "bundle.json").stat().st_mtime_ns)
        except (BadBundle, OSError):
            continue
        if bundle.task != EMBEDDING:
            found[name] = bundle
    return found


@lru_cache(maxsize=64)
def _opened(path: Path, _changed: int) -> Bundle:
    return open_bundle(path)


class Loaded:
    """Models ready to run, the ones used last: at most ``most`` of them."""

    def __init__(self, folder: Path | None, most: int) -> None:
        self._folder, self._most = folder, most
        self._held: OrderedDict[tuple[Path, int], Any] = OrderedDict()

    def get(self, name: str) -> Any:
        """The model of that name, an ``api.Model`` or ``NoteModel``. Raises ``UnknownName``, ``BadBundle``."""
        path = place(name, self._folder)
        key = (path, (path / "bundle.json").stat().st_mtime_ns)
        if key not in self._held:
            self._held[key] = api.load(path)
        self._held.move_to_end(key)
        while len(self._held) > self._most:
            self._held.popitem(last=False)
        return self._held[key]
