"""What readers of data sets share: finding the root, reading its tables, and saying exactly what is wrong.

All text is UTF-8, with or without a byte order mark. Every error is a ``BadManifest`` that names the file, where
there are lines the line, the value, and what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sonoscope.data import table as tables
from sonoscope.data.rows import BadManifest
from sonoscope.data.table import Line
from sonoscope.errors import nearest

#: Names of a folder among which the nearest to a missing one is looked for.
NEIGHBOURS = 5000


def home(root: Path, *markers: str) -> Path:
    """The folder that holds one of ``markers`` (glob patterns): ``root`` itself or a folder directly in it.

    Raises
    ------
    BadManifest
        If ``root`` is no folder, or there is none.
    """
    if not root.is_dir():
        raise BadManifest(
            f"{root}: there is no such folder. Give the folder that holds {' or '.join(markers)}."
        )
    for folder in (root, *(entry for entry in sorted(root.iterdir()) if entry.is_dir())):
        if any(next(folder.glob(marker), None) for marker in markers):
            return folder
    raise BadManifest(
        f"{root} holds no {' and no '.join(markers)}, nor does a folder in it. Give the folder into which the "
        "data set was unpacked."
    )


def relative(root: Path, path: Path) -> str:
    """``path`` as a manifest has it: relative to ``root``, ``/`` between the parts."""
    return path.relative_to(root).as_posix()


def present(
    path: Path, told_by: str, remedy: str = "Unpack the data set again, or fetch what is missing."
) -> Path:
    """``path``, if it is a file.

    Raises
    ------
    BadManifest
        If not; ``told_by`` says which file and line name it.
    """
    if path.is_file():
        return path
    try:
        near = nearest(path.name, (entry.name for entry in islice(path.parent.iterdir(), NEIGHBOURS)))
    except OSError:
        near = f" There is no folder {path.parent}."
    raise BadManifest(f"{told_by}: {path} does not exist.{near} {remedy}")


def table(path: Path, *needed: str) -> tuple[Line, ...]:
    """The rows of a CSV or tab-separated table that has the columns ``needed``.

    Raises
    ------
    BadManifest
        If it is missing, is no table, or lacks a column.
    """
    present(path, path.parent.name)
    found = tables.read(path)
    for column in needed:
        if column not in found.columns:
            raise BadManifest(
                f"{path}, line 1: no column {column!r}.{nearest(column, found.columns)} Found: "
                f"{', '.join(found.columns)}. Is this the table of another version?"
            )
    return found.lines


def text_lines(path: Path, told_by: str = "") -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and the lines of a text that are not blank, without their ends."""
    present(path, told_by or path.parent.name)
    for number, line in enumerate(tables.decoded(path).splitlines(), start=1):
        if line.strip():
            yield number, line


def vocabulary(path: Path) -> frozenset[str]:
    """The second cells of a table without header, as FSD50K and FSDKaggle list their labels. Raises ``BadManifest``."""
    return frozenset(line.split(",")[1].strip() for _, line in text_lines(path) if "," in line)


def document(path: Path, told_by: str = "") -> Any:
    """A JSON or (``.yaml``) YAML file.

    Raises
    ------
    BadManifest
        If it is missing or cannot be parsed; the line is named.
    """
    present(path, told_by or path.parent.name)
    text = tables.decoded(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise BadManifest(
                f"{path}, line {error.lineno}: not JSON ({error.msg}). Fetch it again."
            ) from None
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise BadManifest(f"{path}{line}: not YAML ({problem}). Fetch it again.") from None


def field(values: Any, key: str, where: str) -> Any:
    """``values[key]``, or the error that says where it is missing."""
    if isinstance(values, dict) and key in values:
        return values[key]
    found = ", ".join(map(str, values)) if isinstance(values, dict) else type(values).__name__
    raise BadManifest(
        f"{where}: no {key!r}; found {found}. Is this a file of another version? Fetch it again."
    )


def one_of(value: str, known: Collection[str], where: str, what: str = "label") -> str:
    """``value`` if it is known, or the error that names the nearest."""
    if value in known:
        return value
    raise BadManifest(
        f"{where}: {value!r} is no {what} of this data set.{nearest(value, known)} Known: "
        f"{', '.join(sorted(known))}. Correct it, or remove it."
    )


def slug(text: str) -> str:
    """Words in snake case.

    >>> slug("Strings (continued)"), slug("fx/processed sound"), slug("Hi-Hat")
    ('strings_continued', 'fx_processed_sound', 'hi_hat')
    """
    return re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")


def filled(**columns: object) -> dict[str, str]:
    """Columns of ``extra``: those with a value, as text."""
    return {name: str(value) for name, value in columns.items() if value not in (None, "")}
