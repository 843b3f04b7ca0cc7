"""Presets: trainings that come with the package, one YAML file each, named by what they hold.

A file may build on another by ``base: NAME``: its own keys replace those of the base, section by section; lists and
parts (what has a ``name``) are replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sonoscope.errors import one_of
from sonoscope.training import sections

#: Deeper chains of bases than this are circles.
DEEPEST = 8


def names() -> dict[str, str]:
    """Every preset, sorted, with the line that says what it is."""
    return {name: str(_text_of(name).get("about", "")) for name in sorted(_files())}


def load(name: str) -> dict[str, Any]:
    """The plain values of a preset, those of its bases included. Raises ``UnknownName``, naming the nearest."""
    one_of(_files(), name, "preset")
    return based({"name": name, **_text_of(name)}, None)


def based(values: Mapping[str, Any], folder: Path | None, depth: int = 0) -> dict[str, Any]:
    """Plain values on top of those of their ``base``: a preset, or a file relative to ``folder``.

    Raises
    ------
    BadConfig
        If bases go round in a circle, or one cannot be read.
    """
    values = dict(values)
    base = values.pop("base", None)
    if base is None:
        return values
    if depth == DEEPEST:
        raise sections.BadConfig(
            f"base={base!r}: more than {DEEPEST} bases on top of each other; do they go in a circle?"
        )
    file = folder / str(base) if folder is not None else None
    if file is not None and file.suffix in (".yaml", ".yml"):
        below = based(sections.plain(file), file.parent, depth + 1)
    else:
        one_of(_files(), str(base), "preset")
        below = based(_text_of(str(base)), None, depth + 1)
    return merged(below, values)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Sections joined key by key; anything else of ``above`` replaces what is below."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        joined = isinstance(old, Mapping) and isinstance(value, Mapping) and "name" not in {*old, *value}
        found[key] = merged(old, value) if joined else value  # type: ignore[arg-type]
    return found


def _files() -> dict[str, Any]:
    here = resources.files(__name__)
    return {
        entry.name.removesuffix(".yaml"): entry for entry in here.iterdir() if entry.name.endswith(".yaml")
    }


def _text_of(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(_files()[name].read_text(encoding="utf-8")))
