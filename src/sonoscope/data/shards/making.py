"""Building a prepared folder: what it holds already is kept, what changed is made again, what is gone is forgotten.

A row is kept if its part of the same file is there, made with the same content and processing (``folder.made_of``), and
the file's size and time of modification are as they were; with ``digest`` the file's SHA-256 counts instead of the
time. Labels and all other columns come from the manifest of this call, whatever is kept. Data of rows that are gone
stay in their shard until they are more than half of it; then what is left of it moves to a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import sonoscope
from sonoscope.data import badrows, labelmap
from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import convert
from sonoscope.data.shards import folder as files
from sonoscope.data.shards.content import Content, Converted
from sonoscope.data.shards.folder import Item, Shard, Source
from sonoscope.data.shards.summary import fingerprint, statistics
from sonoscope.data.shards.write import SHARD_BYTES, Writer
from sonoscope.data.survey import Problem
from sonoscope.errors import RunRefused, UnreadableAudio
from sonoscope.writing import beside

#: A shard of which less than this is used is written anew.
LEAST_USED = 0.5


@dataclass(frozen=True)
class Built:
    """Rows that were made, kept and forgotten, what could not be used, and what lies in the folder now."""

    made: int
    kept: int
    forgotten: int
    problems: tuple[Problem, ...]
    seconds: float
    n_bytes: int


def build(
    manifest: Manifest,
    folder: str | Path,
    content: Content,
    *,
    shard_bytes: int = SHARD_BYTES,
    digest: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    share: convert.Share | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Bring a prepared folder up to date with a manifest.

    Interrupted or killed, it leaves complete shards, and the same call goes on from there.

    Parameters
    ----------
    manifest : Manifest
    folder : path
        Made if it is not there.
    content : Content
    shard_bytes : int
        Largest size of a shard, unless one row alone is larger.
    digest : bool
        Note the SHA-256 of every file, and compare it instead of the time of modification.
    overwrite : bool
        If the folder holds something else prepared, remove that; if the same, make all of it again.
    workers : int
        Processes that decode; what is stored does not depend on it.
    share : function, optional
        Shares decoding out to other machines (``convert.each``).
    progress : function (rows done, rows in all), optional

    Raises
    ------
    RunRefused
        If the folder holds other content and ``overwrite`` is not set, or files that are not ours.
    Locked
        If another process builds there.
    UsageError
        If a feature's values cannot be held (``Content.convert``).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with files.lock(folder):
        shards = _there(folder, content, overwrite)
        found = _plan(manifest, folder, shards, digest)
        report = progress or (lambda done, total: None)
        problems: list[Problem] = []
        next_number = 1 + max((files.number(path) for path in files.shard_paths(folder)), default=-1)
        with Writer(folder, content, next_number, shard_bytes) as writer:
            _move(found.moving, content, writer)
            made = _make(manifest, found, content, writer, problems, report, workers=workers, share=share)
        where = {
            **found.kept,
            **_places(writer.shards, [*(index for index, _, _ in found.moving), *made]),
        }
        used = _finish(manifest, folder, content, where, problems)
        forgotten = sum(len(shard.items) for shard in shards) - len(found.kept) - len(found.moving)
        return Built(len(made), len(found.kept) + len(found.moving), forgotten, tuple(problems), *used)


# ---- what is there -----------------------------------------------------------------------------------------


def _there(folder: Path, content: Content, overwrite: bool) -> list[Shard]:
    """The complete shards of a folder, all of this content; what was not finished is removed.

    Raises ``RunRefused`` if the folder is about something else.
    """
    ours = [path for path in folder.iterdir() if _is_ours(path.name)]
    strange = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
    if strange and not (folder / files.DESCRIPTION).exists() and not files.shard_paths(folder):
        raise RunRefused(
            f"{folder} holds other files ({strange[0]}), and nothing prepared. Choose a folder of its own."
        )
    if overwrite:
        for path in ours:
            if path.name != files.LOCK:
                path.unlink()
        return []
    shards, wanted = [], files.made_of(content)
    for path in files.shard_paths(folder):
        shard, made = files.read_shard(path)
        files.check_made(folder, made, wanted)
        shards.append(shard)
    complete = {shard.path for shard in shards}
    for path in ours:
        is_left_over = path.name.endswith(".part") or (path.match("shard-*.npy") and path not in complete)
        if is_left_over:
            path.unlink()
    return shards


def _is_ours(name: str) -> bool:
    """Whether a build writes a file of this name."""
    known = (
        files.DESCRIPTION, files.MANIFEST, files.INDEX, files.STATISTICS, files.BAD_ROWS, files.LOCK,
        labelmap.JSON_NAME, labelmap.TEXT_NAME,
    )  # fmt: skip
    return name in known or name.startswith(("shard-", ".shard-")) or name.endswith(".part")


# ---- what is to be done ------------------------------------------------------------------------------------

Place = tuple[Path, Item]


@dataclass(frozen=True)
class _Plan:
    """By index of the row: where data are that stay, that move, and the files of rows that are to be made."""

    kept: dict[int, Place]
    moving: list[tuple[int, Shard, Item]]
    sources: dict[int, Source]


def _plan(manifest: Manifest, folder: Path, shards: Sequence[Shard], digest: bool) -> _Plan:
    held = {item.part: (shard, item) for shard in shards for item in shard.items}
    usable: dict[int, tuple[Shard, Item]] = {}
    sources: dict[int, Source] = {}
    seen: dict[str, Source] = {}
    for index, row in enumerate(manifest.rows):
        if row.path not in seen:
            seen[row.path] = source_of(manifest, row, folder, digest)
        source = seen[row.path]
        shard, item = held.get((source.file, row.start_s, row.duration_s), (None, None))
        if shard is not None and item is not None and is_same(item.source, source):
            usable[index] = shard, item
        else:
            sources[index] = source
    used: dict[Path, int] = {}
    for shard, item in usable.values():
        used[shard.path] = used.get(shard.path, 0) + item.stored
    stays = {shard.path for shard in shards if used.get(shard.path, 0) >= LEAST_USED * shard.n_rows}
    kept = {index: (shard.path, item) for index, (shard, item) in usable.items() if shard.path in stays}
    moving = [(index, *place) for index, place in usable.items() if index not in kept]
    return _Plan(kept, moving, sources)


def source_of(manifest: Manifest, row: Row, folder: Path, digest: bool) -> Source:
    """The file of a row as it is now; one that cannot be asked has size -1, and decoding says why."""
    name = row.path
    with suppress(OSError, UnreadableAudio):
        path = manifest.path_of(row).absolute()
        name = Path(os.path.relpath(path, folder.absolute())).as_posix()
        status = path.stat()
        return Source(name, status.st_size, status.st_mtime_ns, files.sha256_of(path) if digest else "")
    return Source(name, -1, -1)


def is_same(before: Source, now: Source) -> bool:
    """Whether a file is what it was; digests count if both are known, or one is asked for."""
    if now.size < 0 or before.size != now.size:
        return False
    return before.sha256 == now.sha256 if now.sha256 else before.modified_ns == now.modified_ns


# ---- doing it ----------------------------------------------------------------------------------------------


def _move(moving: Sequence[tuple[int, Shard, Item]], content: Content, writer: Writer) -> None:
    """Write what is left of shards that are mostly unused into new ones."""
    maps: dict[Path, np.ndarray] = {}
    for _, shard, item in moving:
        if shard.path not in maps:
            maps[shard.path] = files.map_npy(shard.path, content)
        rows = maps[shard.path][item.first : item.first + item.stored]
        writer.add(
            item.source,
            item.start_s,
            item.duration_s,
            Converted(rows, item.count, item.n_samples, item.scale),
        )


def _make(
    manifest: Manifest,
    plan: _Plan,
    content: Content,
    writer: Writer,
    problems: list[Problem],
    report: Callable[[int, int], None],
    **manner: Any,
) -> list[int]:
    """Decode and store the rows that are to be made; their indices in the order in which they were written."""
    made: list[int] = []
    before = len(manifest) - len(plan.sources)
    report(before, len(manifest))
    for found in convert.each(manifest, sorted(plan.sources), content, **manner):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            index, data = found
            row = manifest.rows[index]
            writer.add(plan.sources[index], row.start_s, row.duration_s, data)
            made.append(index)
        report(before + len(made) + len(problems), len(manifest))
    return made


def _places(shards: Sequence[Shard], indices: Sequence[int]) -> dict[int, Place]:
    """Where each row went, given the order in which rows were written."""
    items = ((shard.path, item) for shard in shards for item in shard.items)
    return dict(zip(indices, items, strict=True))


def _finish(
    manifest: Manifest, folder: Path, content: Content, where: dict[int, Place], problems: Sequence[Problem]
) -> tuple[float, int]:
    """Write the tables and the description, and remove what they do not name; seconds and bytes that are used."""
    order = sorted(where)
    paths = sorted({path for path, _ in where.values()}, key=files.number)
    place = {path: position for position, path in enumerate(paths)}
    index = np.zeros(len(order), dtype=files.INDEX_TYPE)
    for position, row_index in enumerate(order):
        path, item = where[row_index]
        index[position] = place[path], item.first, item.stored, item.count, item.n_samples, item.scale
    rows = replace(manifest, rows=tuple(manifest.rows[i] for i in order))
    write_manifest(rows, folder)
    with beside(folder / files.INDEX, binary=True) as file:
        np.save(file, index)
    digests = {name: files.sha256_of(folder / name) for name in (files.MANIFEST, files.INDEX)}
    shards = [files.read_shard(path)[0] for path in paths]
    print_of_all = fingerprint(content, shards, digests)
    if not _has_statistics(folder, print_of_all):
        told = statistics(shards, index, rows.rows, content)
        files.write_json(folder / files.STATISTICS, {"fingerprint": print_of_all, **told})
    seconds = float(index["n_samples"].sum() / content.sample_rate)
    described = {
        "content": content.to_dict(),
        "processing": files.PROCESSING,
        "made_with": f"sonoscope {sonoscope.__version__}",
        "rows": len(order),
        "seconds": round(seconds, 3),
        "fingerprint": print_of_all,
        "digests": digests,
        "shards": [shard.path.name for shard in shards],
    }
    files.write_json(folder / files.DESCRIPTION, described)
    badrows.keep(problems, folder / files.BAD_ROWS)
    for path in files.shard_paths(folder):
        if path not in place:
            path.with_suffix(".json").unlink()
            path.unlink()
    return seconds, int(index["stored"].sum()) * content.bytes_per_row


def _has_statistics(folder: Path, print_of_all: str) -> bool:
    """Whether the folder has the statistics of just this data."""
    path = folder / files.STATISTICS
    return path.exists() and files.read_json(path).get("fingerprint") == print_of_all


def write_manifest(rows: Manifest, folder: Path) -> None:
    """Write the rows into a folder, and beside them their label map if they have one."""
    for name in (labelmap.JSON_NAME, labelmap.TEXT_NAME):
        (folder / name).unlink(missing_ok=True)
    if rows.label_map:
        labelmap.keep(rows.label_map, folder)
    manifests.write(rows, folder / files.MANIFEST)
