"""Where labelled recordings come from, in the words that every command understands.

=======================  ========================================================================================
``clips/manifest.csv``   a manifest in any form (CSV, Parquet)
``clips``                a folder: its ``manifest.csv``, or those of all its folders, or else a folder for each label
``irmas:FOLDER``         a data set by name, unpacked in FOLDER
``irmas:FOLDER/train``   one split of it (a folder that is called like a split ends in ``/``)
``mine.py:NAME:FOLDER``  a data set that a reader of one's own reads, ``NAME`` in the file ``mine.py``
``sets.txt``             a list: one of these a line, relative to the list's folder; ``#`` begins a remark
=======================  ========================================================================================

The types of Lumen are understood as well: ``csv:FILE``, ``inference:PATH`` (recordings without labels),
``irmastrain:FOLDER``, ``irmastest:FOLDER`` and ``openmic:FOLDER``. A drive of Windows (``C:\\sounds``) is no type: a
type has at least two letters. ``mirdata:NAME:FOLDER`` and ``soundata:NAME:FOLDER`` are data sets that those libraries
read.

A data set's name alone (``irmas``, ``irmas/train``) means its folder in the one that the environment variable
``SONOSCOPE_DATASETS`` names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from types import ModuleType

from sonoscope import plugins
from sonoscope.data import manifest
from sonoscope.data.rows import BadManifest, Manifest
from sonoscope.data.survey import from_folder
from sonoscope.data.table import decoded
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.values import Label

#: Lumen's names for one split of a data set.
ALIASES: Mapping[str, tuple[str, str]] = {"irmastrain": ("irmas", "train"), "irmastest": ("irmas", "test")}
#: Types that are no data set.
TABLE, UNLABELLED = "csv", "inference"
#: What a folder's own manifest is called.
OWN_MANIFEST = "manifest.csv"
LIST_SUFFIXES = (".txt", ".lst")

#: The environment variable that names the folder of data sets.
HOME = "SONOSCOPE_DATASETS"

_OWN = re.compile(r"(.+\.py:\w+)(?::(.*))?", re.DOTALL)
_TYPED = re.compile(r"([A-Za-z][\w.+-]+):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """A type (empty: what the path shows), a path, and the one split that is wanted (empty: all)."""

    type: str
    path: str
    split: str = ""

    def __str__(self) -> str:
        text = f"{self.type}:{self.path}" if self.type else self.path
        return f"{text}/{self.split}" if self.split else text


def _datasets() -> ModuleType:
    """The data sets; their readers are imported when the first is asked for."""
    from sonoscope.data import datasets

    return datasets


def parse(text: str) -> Source:
    """What a text names; nothing is read.

    Raises
    ------
    UnknownName
        If it begins with a type that does not exist.
    UsageError
        If a data set comes without a folder, or a library that reads it is not installed.
    """
    mine = _OWN.fullmatch(text)
    if mine is not None:
        return _split_of(mine[1], mine[2] or "", text)
    typed = _TYPED.fullmatch(text)
    if typed is None or os.path.lexists(text):
        return _untyped(text)
    kind, path = typed.groups()
    if kind in (TABLE, UNLABELLED):
        return Source(kind, path)
    datasets = _datasets()
    name, split = ALIASES.get(kind, (kind, ""))
    if kind in datasets.adapters.LIBRARIES:
        inner, _, path = path.partition(":")
        name = f"{kind}:{inner}"
    elif name not in datasets.DATASETS and plugins.own(name, "dataset") is None:
        known = (*datasets.DATASETS, *datasets.adapters.LIBRARIES, *ALIASES, TABLE, UNLABELLED)
        raise UnknownName(
            f"{text!r}: unknown data set {kind!r}.{nearest(kind, known)} Known: {', '.join(sorted(known))}."
        )
    return _split_of(name, path, text, split)


def _split_of(name: str, path: str, text: str, split: str = "") -> Source:
    """The source, with a split that the path ends in."""
    above, _, last = path.replace("\\", "/").rpartition("/")
    if not split and last in _datasets().find(name).splits:
        path, split = path[: len(above)], last
    return Source(name, path or str(home_of(name, text)), split)


def home_of(name: str, text: str = "") -> Path:
    """Where a data set lies that nobody said the folder of. Raises ``UsageError`` if nothing says."""
    folder = os.environ.get(HOME, "")
    if not folder:
        raise UsageError(
            f"{text or name!r} does not say where the data set is: {name}:FOLDER, or set {HOME} to the folder that "
            f"holds {name}/"
        )
    return Path(folder) / name


def _untyped(text: str) -> Source:
    name, _, split = text.partition("/")
    if not os.path.lexists(text) and (name in ALIASES or name in _datasets().DATASETS):
        return parse(f"{name}:{'/' + split if split else ''}")
    return Source("", text)


def read_list(path: str | Path) -> list[Source]:
    """The sources that a list names, with paths relative to the list's folder made whole.

    Raises
    ------
    BadManifest
        If a line names none; it is named.
    """
    path, sources = Path(path), []
    for number, line in enumerate(decoded(path).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            source = parse(text)
        except UsageError as error:
            raise BadManifest(f"{path}, line {number}: {error}") from None
        sources.append(replace(source, path=os.path.join(path.parent, source.path.replace("\\", os.sep))))  # noqa: PTH118
    if not sources:
        raise BadManifest(f"{path}: an empty list. Write a manifest, a folder, or TYPE:FOLDER a line.")
    return sources


def load(
    sources: str | Source | Sequence[str | Source],
    *,
    labels: str | Path | Sequence[str | Label] | None = None,
    root: str | Path | None = None,
    remap: Sequence[tuple[str, str]] = (),
) -> Manifest:
    """The labelled recordings of one or several sources, in one manifest.

    ``labels``, ``root`` and ``remap`` are for tables; see :func:`sonoscope.data.manifest.read`.

    Raises
    ------
    UsageError
        If a source does not exist or cannot be read; says which and why.
    """
    if isinstance(sources, str | Source):
        sources = [sources]
    found = [
        _load(one, labels, root, remap)
        for source in sources
        for one in _expanded(parse(source) if isinstance(source, str) else source)
    ]
    if not found:
        raise UsageError("no source given: name a manifest, a folder, or TYPE:FOLDER")
    return reduce(manifest.merge, found)


def _expanded(source: Source) -> list[Source]:
    is_list = not source.type and Path(source.path).suffix.lower() in LIST_SUFFIXES
    listed = read_list(source.path) if is_list and Path(source.path).is_file() else [source]
    return [
        one
        for each in listed
        for one in ([] if each.type else [Source("", str(inner)) for inner in sets_in(Path(each.path))])
        or [each]
    ]


def sets_in(path: Path) -> list[Path]:
    """The folders of a folder without a manifest, where each of them has one: such as one for each soundfont."""
    if not path.is_dir() or (path / OWN_MANIFEST).is_file():
        return []
    inside = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    return inside if all((each / OWN_MANIFEST).is_file() for each in inside) else []


def _load(
    source: Source,
    labels: str | Path | Sequence[str | Label] | None,
    root: str | Path | None,
    remap: Sequence[tuple[str, str]],
) -> Manifest:
    path = Path(source.path)
    if not path.exists():
        raise UsageError(f"{source}: no such file or folder: {source.path!r}")
    if path.is_file() and source.type in ("", TABLE, UNLABELLED):
        return manifest.read(path, labels=labels, root=root, remap=remap)
    if source.type == UNLABELLED:
        return from_folder(path, durations=False)
    if not source.type and (path / OWN_MANIFEST).is_file():
        return manifest.read(path / OWN_MANIFEST, labels=labels, root=root, remap=remap)
    if not path.is_dir():
        raise UsageError(f"{source}: {source.path!r} is no folder")
    found: Manifest = _datasets().read(source.type or "folder", path)
    if not source.split:
        return found
    rows = tuple(row for row in found.rows if row.split == source.split)
    if not rows:
        raise UsageError(f"{source}: no recordings of the split {source.split!r} in {source.path!r}")
    return replace(found, rows=rows)
