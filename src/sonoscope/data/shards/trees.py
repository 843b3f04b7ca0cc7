"""Trees of ``.npy`` files that mirror the recordings, for other programs: written, kept up to date, read, verified.

    a/song.wav            a/song.wav.npy                 layout npy: one array, (frames, bins) or (samples,)
                          a/song/0-1000Hz_fft1024.npy    layout bands: a folder of three (``bands.py``)

A row that is a part of a file has its seconds in the name (``a/song.wav@1.500-4.500.npy``). ``manifest.csv`` lists the
rows, with the array or folder in ``mel_path`` and its frames in ``n_frames``, so that ``data manifest --form mel``
makes the table that other systems read. ``tree.json`` says how the arrays were made and from which files; by it, a
second run makes only what changed (as in ``making.py``), and removes what is gone. Other files are left alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sonoscope.data import badrows, labelmap
from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import convert
from sonoscope.data.shards import folder as files
from sonoscope.data.shards.content import Content, Converted
from sonoscope.data.shards.folder import Source
from sonoscope.data.shards.making import Built, is_same, source_of, write_manifest
from sonoscope.data.shards.statistics import Moments
from sonoscope.data.survey import Problem
from sonoscope.data.table import put
from sonoscope.errors import RunRefused, UsageError
from sonoscope.values import format_seconds
from sonoscope.writing import beside

RECORD = "tree.json"
#: What was made is noted at least this often: whoever kills the run loses no more.
NOTE_S = 20.0


class Layout(Protocol):
    """What one row becomes on the disk. ``content`` turns samples into what ``write`` takes (``Content``)."""

    @property
    def name(self) -> str: ...
    @property
    def content(self) -> Any: ...

    def base(self, row: Row) -> str:
        """The row's file or folder, relative and portable."""

    def paths(self, base: str) -> tuple[str, ...]:
        """The files that belong to it."""

    def write(self, folder: Path, base: str, data: Any) -> tuple[int, int]:
        """Write them, each whole or not at all; frames (of the first) and samples."""

    def read(self, folder: Path, base: str) -> dict[str, np.ndarray]:
        """Its arrays by name, each (frames, ...). Raises ``OSError`` or ``ValueError`` if they cannot be read."""

    def wrong(self, folder: Path, base: str) -> str:
        """What is wrong with it, or nothing."""


@dataclass(frozen=True)
class Npy:
    """One array for each row: samples (n,) int16, or frames (frames, bins), those past the end left out."""

    content: Content
    name: str = "npy"

    def base(self, row: Row) -> str:
        """``a/song.wav.npy``."""
        return f"{row.path}{part(row)}.npy"

    def paths(self, base: str) -> tuple[str, ...]:
        """The file itself."""
        return (base,)

    def write(self, folder: Path, base: str, data: Converted) -> tuple[int, int]:
        """Write the array. Samples above full scale are clipped: an array has no place for a scale."""
        rows = data.rows[: data.count]
        if data.scale != 1.0:
            rows = np.clip(np.rint(rows * data.scale), -32_768, 32_767).astype(np.int16)
        save(folder / base, rows)
        return data.count, data.n_samples

    def read(self, folder: Path, base: str) -> dict[str, np.ndarray]:
        """The array."""
        return {"": np.load(folder / base, mmap_mode="r")}

    def wrong(self, folder: Path, base: str) -> str:
        """Type, bins and numbers that are none."""
        try:
            found = self.read(folder, base)[""]
        except (OSError, ValueError) as error:
            return f"cannot be read ({error})"
        if found.dtype != np.dtype(self.content.dtype) or found.shape[1:] != self.content.row_shape:
            bins = "".join(f", {n}" for n in self.content.row_shape)
            return f"holds {found.dtype} of shape {found.shape}, not {self.content.dtype} of shape (n{bins})"
        return "" if np.isfinite(found).all() else "holds numbers that are none, or infinite"


def part(row: Row) -> str:
    """What the name of an array says of a row that is a part of its file: ``@1.500-4.500``, or nothing."""
    if not row.start_s and row.duration_s is None:
        return ""
    end_s = row.end_s
    return f"@{format_seconds(row.start_s)}-{format_seconds(end_s)}"


def save(path: Path, array: np.ndarray) -> None:
    """Write an array beside and move it into place; the folder is made."""
    with beside(path, binary=True) as file:
        np.save(file, array)


# ---- writing -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """An array, or a folder of them, that is there: of which part of which file, its frames and samples."""

    source: Source
    start_s: float
    duration_s: float | None
    n_frames: int
    n_samples: int


def build(
    manifest: Manifest,
    folder: str | Path,
    layout: Layout,
    *,
    by_split: bool = False,
    digest: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    share: convert.Share | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Bring a tree up to date with a manifest; other options and errors are those of ``making.build``.

    Parameters
    ----------
    by_split : bool
        Begin with a folder for each split: ``train/a/song.wav.npy``.

    Raises
    ------
    UsageError
        Further, if two rows would have the same array, or with ``by_split`` one has no split.
    """
    folder = Path(folder)
    bases = _bases(manifest, layout, by_split)
    folder.mkdir(parents=True, exist_ok=True)
    with files.lock(folder):
        _check_free(folder, layout, bases)
        there = {} if overwrite else _there(folder, layout)
        entries, sources = _plan(manifest, folder, layout, bases, there, digest)
        n_kept = len(entries)
        _note(folder, layout, {**there, **entries})
        problems: list[Problem] = []
        noted = time.monotonic()
        report = progress or (lambda done, total: None)
        report(n_kept, len(manifest))
        try:
            for found in convert.each(manifest, sorted(sources), layout.content, workers, share):
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    index, data = found
                    row, base = manifest.rows[index], bases[index]
                    written = layout.write(folder, base, data)
                    entries[base] = Entry(sources[index], row.start_s, row.duration_s, *written)
                report(len(entries) + len(problems), len(manifest))
                if time.monotonic() - noted > NOTE_S:
                    _note(folder, layout, {**there, **entries})
                    noted = time.monotonic()
        finally:
            _note(folder, layout, {**there, **entries})
        gone = [base for base in there if base not in entries]
        _remove(folder, layout, gone)
        _note(folder, layout, entries)
        _finish(manifest, folder, layout, bases, entries, problems)
        seconds = sum(entry.n_samples for entry in entries.values()) / layout.content.sample_rate
        n_bytes = sum((folder / path).stat().st_size for base in entries for path in layout.paths(base))
        return Built(len(entries) - n_kept, n_kept, len(gone), tuple(problems), seconds, n_bytes)


def _bases(manifest: Manifest, layout: Layout, by_split: bool) -> list[str]:
    """The array of each row, no two the same, also where case does not count."""
    bases = [layout.base(row) for row in manifest.rows]
    if by_split:
        for row in manifest.rows:
            if not row.split:
                raise UsageError(
                    f"{row.path} has no split, and a folder for each is wanted. Split first: sonoscope data split"
                )
        bases = [f"{row.split}/{base}" for row, base in zip(manifest.rows, bases, strict=True)]
    first: dict[str, Row] = {}
    for row, base in zip(manifest.rows, bases, strict=True):
        other = first.setdefault(base.casefold(), row)
        if other is not row:
            raise UsageError(
                f"{other.path} and {row.path} would both become {base}. Rename one, or write them to two folders."
            )
    return bases


def _check_free(folder: Path, layout: Layout, bases: Sequence[str]) -> None:
    """See that nothing of others would be written over: without a record nothing in the folder is ours.

    Raises ``RunRefused``.
    """
    if (folder / RECORD).exists():
        return
    names = [files.MANIFEST, files.STATISTICS, files.BAD_ROWS, files.DESCRIPTION, labelmap.JSON_NAME]
    names += [path for base in bases for path in layout.paths(base)]
    if taken := next((name for name in names if (folder / name).exists()), None):
        raise RunRefused(f"{folder} has a file {taken} that was not made here. Choose a folder of its own.")


def _made_of(layout: Layout) -> dict[str, Any]:
    """What the arrays follow from besides the sound, as JSON has it."""
    told = {"layout": layout.name, "processing": files.PROCESSING, **layout.content.to_dict()}
    return json.loads(json.dumps(told))


def _there(folder: Path, layout: Layout) -> dict[str, Entry]:
    """What an earlier run noted. Raises ``RunRefused`` if it made something else."""
    if not (folder / RECORD).exists():
        return {}
    told = files.read_json(folder / RECORD)
    files.check_made(folder, told["made"], _made_of(layout))
    return {base: Entry(Source(*line[:4]), *line[4:]) for base, line in told["items"].items()}


def _plan(
    manifest: Manifest,
    folder: Path,
    layout: Layout,
    bases: Sequence[str],
    there: Mapping[str, Entry],
    digest: bool,
) -> tuple[dict[str, Entry], dict[int, Source]]:
    """Arrays that stay, and the files of the rows whose arrays are to be made."""
    kept: dict[str, Entry] = {}
    sources: dict[int, Source] = {}
    seen: dict[str, Source] = {}
    for index, (row, base) in enumerate(zip(manifest.rows, bases, strict=True)):
        if row.path not in seen:
            seen[row.path] = source_of(manifest, row, folder, digest)
        entry = there.get(base)
        if (
            entry is not None
            and (entry.source.file, entry.start_s, entry.duration_s)
            == (seen[row.path].file, row.start_s, row.duration_s)
            and is_same(entry.source, seen[row.path])
            and all((folder / path).is_file() for path in layout.paths(base))
        ):
            kept[base] = entry
        else:
            sources[index] = seen[row.path]
    return kept, sources


def _note(folder: Path, layout: Layout, entries: Mapping[str, Entry]) -> None:
    items = {
        base: [
            entry.source.file, entry.source.size, entry.source.modified_ns, entry.source.sha256,
            entry.start_s, entry.duration_s, entry.n_frames, entry.n_samples,
        ]
        for base, entry in entries.items()
    }  # fmt: skip
    put(
        folder / RECORD,
        json.dumps({"schema": files.SCHEMA, "made": _made_of(layout), "items": items}).encode(),
    )


def _remove(folder: Path, layout: Layout, bases: Iterable[str]) -> None:
    """Remove arrays, and folders that are empty without them."""
    for base in bases:
        for path in layout.paths(base):
            (folder / path).unlink(missing_ok=True)
        above = (folder / layout.paths(base)[0]).parent
        while above != folder and above.is_dir() and not any(above.iterdir()):
            above.rmdir()
            above = above.parent


def _finish(
    manifest: Manifest,
    folder: Path,
    layout: Layout,
    bases: Sequence[str],
    entries: Mapping[str, Entry],
    problems: Sequence[Problem],
) -> None:
    """Write the manifest, the statistics and the bad rows."""
    root = Path(os.path.commonpath([manifest.root.absolute(), folder.absolute()]))
    way = folder.absolute().relative_to(root).as_posix()
    placed = manifests.moved(manifest, root)
    rows, moments = [], _Statistics()
    for row, base in zip(placed.rows, bases, strict=True):
        if (entry := entries.get(base)) is None:
            continue
        duration_s = row.duration_s
        if duration_s is None:
            duration_s = entry.n_samples / layout.content.sample_rate
        told = {"mel_path": f"{way}/{base}" if way != "." else base, "n_frames": str(entry.n_frames)}
        rows.append(replace(row, duration_s=duration_s, extra={**row.extra, **told}))
        moments.add(layout.read(folder, base), row.split)
    write_manifest(replace(placed, rows=tuple(rows)), folder)
    files.write_json(folder / files.STATISTICS, moments.to_dict())
    badrows.keep(problems, folder / files.BAD_ROWS)


class _Statistics:
    """Moments of arrays by name, of each split and of all rows."""

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], Moments] = {}

    def add(self, arrays: Mapping[str, np.ndarray], split: str) -> None:
        """Count the arrays of a row in."""
        for name, array in arrays.items():
            moments = self._moments.setdefault((split, name), Moments(array.shape[1:]))
            moments.add(array, 2.0**-15 if array.dtype == np.int16 else 1.0)

    def to_dict(self) -> dict[str, Any]:
        """``all`` and ``splits``: count, mean and standard deviation, for each array of several."""
        whole: dict[str, Moments] = {}
        for (_, name), moments in self._moments.items():
            whole.setdefault(name, Moments(moments.row_shape)).merge(moments)
        splits: dict[str, dict[str, Moments]] = {}
        for (split, name), moments in sorted(self._moments.items()):
            if split:
                splits.setdefault(split, {})[name] = moments
        return {"all": _told(whole), "splits": {split: _told(found) for split, found in splits.items()}}


def _told(moments: Mapping[str, Moments]) -> dict[str, Any]:
    """One array has no name."""
    if set(moments) == {""}:
        return moments[""].to_dict()
    return {name: each.to_dict() for name, each in moments.items()}
