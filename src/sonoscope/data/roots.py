"""One root for all paths of a table: what each is relative to, and what becomes of absolute ones.

A path in a table is relative to the table's own folder, or to the folder in the column ``root`` (itself relative
to the table's folder), which is written where recordings do not lie below the manifest. Whoever reads may name
another root, which takes the place of both. In memory there is one root, and no path leads out of it: where some
do (``../other/x.wav``), the root moves up.

Absolute paths are taken if they lie below the root; if all of them are absolute and no root was named, the
root is the folder that they have in common.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sonoscope.data import paths
from sonoscope.data.table import Line
from sonoscope.errors import UsageError

#: The column that says where the root is, relative to the manifest's folder.
ROOT_COLUMN = "root"


class Reference(NamedTuple):
    """A portable path in a table: where it stands, and what ``root`` says in that row (empty: nothing)."""

    line: Line
    column: str
    path: str
    root: str


def settle(found: Sequence[Reference], folder: Path, given: str | Path | None) -> tuple[Path, list[str]]:
    """The root of a table (absolute), and its paths relative to it.

    Parameters
    ----------
    found : sequence of Reference
    folder : Path
        Where the table lies.
    given : path, optional
        The root that the caller names.

    Raises
    ------
    BadManifest
        If an absolute path does not lie below the root, or roots lie on several disks.
    """
    stated = sorted({reference.root for reference in found})
    common, prefixes = _common(stated, found)
    base = os.path.abspath(given if given is not None else os.path.join(folder, common))  # noqa: PTH100, PTH118
    names: list[str] = []
    outside: list[Reference] = []
    for reference in found:
        path: str | None = reference.path
        if paths.is_absolute(reference.path):
            path = paths.below(reference.path, paths.portable(base))
            if path is None:
                outside.append(reference)
        elif prefix := prefixes[reference.root]:
            path = paths.portable(f"{prefix}/{path}")
        names.append(path or "")
    if outside:
        return _without_root(found, outside, base, given)
    return _upwards(Path(base), names)


def _common(stated: list[str], found: Sequence[Reference]) -> tuple[str, dict[str, str]]:
    """The folder that all stated roots have in common, and the way from there to each."""
    if len(stated) < 2:
        return (stated[0] if stated else ""), dict.fromkeys(stated, "")
    if any(map(paths.is_absolute, stated)):
        line = next(reference.line for reference in found if paths.is_absolute(reference.root))
        line.fail(
            ROOT_COLUMN, "is absolute and other rows have other roots", "Name one root (--root FOLDER)."
        )
    split = [root.split("/") if root else [] for root in stated]
    shared = 0
    while all(len(parts) > shared and parts[shared] == split[0][shared] for parts in split):
        shared += 1
    return "/".join(split[0][:shared]), {
        root: "/".join(parts[shared:]) for root, parts in zip(stated, split, strict=True)
    }


def _without_root(
    found: Sequence[Reference], outside: list[Reference], base: str, given: str | Path | None
) -> tuple[Path, list[str]]:
    """The folder that absolute paths have in common, if that is all there is to go by."""
    first = outside[0]
    folders = [reference.path.rpartition("/")[0] + "/" for reference in outside]
    shared = _shared(folders)
    if len(outside) == len(found) and given is None and os.path.isabs(shared) and shared != "//":  # noqa: PTH117
        return Path(shared), [paths.below(reference.path, shared) or "" for reference in found]
    old = shared if len(shared.strip("/")) > 2 else folders[0].rstrip("/")
    return first.line.fail(
        first.column,
        f"is absolute and not below the root {paths.portable(base)}",
        f"Say what lies where: --remap {old}=FOLDER (relative to the root, or absolute).",
    )


def _shared(folders: list[str]) -> str:
    """The portable folder that holds all of these, which end in ``/``."""
    first, last = min(folders), max(folders)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rpartition("/")[0] or "/"


def _upwards(base: Path, names: list[str]) -> tuple[Path, list[str]]:
    """The root moved up as far as the path that leads furthest out of it."""
    levels = max((name.split("/").count("..") for name in names if name.startswith("..")), default=0)
    if not levels:
        return base, names
    if levels > len(base.parts) - 1:
        raise UsageError(f"the root {base} has fewer than {levels} folders above it, to which '..' leads")
    tail = "/".join(base.parts[-levels:])
    return base.parents[levels - 1], [paths.portable(f"{tail}/{name}") for name in names]


def place(root: Path, folder: Path) -> tuple[str, str]:
    """How a table in ``folder`` states its root: what stands before each path, and the column ``root``.

    One of the two is empty: paths below the table's folder are relative to it, others to ``root``.
    """
    root, folder = Path(os.path.abspath(root)), Path(os.path.abspath(folder))  # noqa: PTH100
    if root.is_relative_to(folder):
        prefix = root.relative_to(folder).as_posix()
        return ("" if prefix == "." else f"{prefix}/"), ""
    try:
        return "", Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:  # Two drives of Windows: there is no way from one to the other.
        return "", root.as_posix()
