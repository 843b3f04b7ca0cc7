"""Get the files of a data set: resumed where they were left, checked, and unpacked into the target and nowhere else.

A file that was put into the target by hand is taken as if it had been fetched. An archive is unpacked and then
removed; ``.sonoscope-fetch.json`` in the target remembers what is done, so that the same call again does nothing.
"""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sonoscope.data import download, unpacking
from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.download import Progress, Say, Unavailable
from sonoscope.errors import SonoscopeError, Stopped, UsageError, nearest
from sonoscope.writing import FULL

RECORD = ".sonoscope-fetch.json"
_AFTERWARDS = "what is there is then checked and unpacked again"


@dataclass(frozen=True)
class Item:
    """One file and how far it is.

    ``state`` is ``missing``, ``partial`` (``have_bytes`` of it are there), ``here`` (not unpacked yet) or ``done``;
    ``size`` is None where it is neither published nor known from the server.
    """

    file: Remote
    path: Path
    state: str
    have_bytes: int
    size: int | None

    @property
    def left_bytes(self) -> int:
        """What remains to be downloaded, as far as known."""
        return 0 if self.state in ("here", "done") else max((self.size or 0) - self.have_bytes, 0)


@dataclass(frozen=True)
class Fetched:
    """What a call did: names of the files downloaded, how many files came out of archives."""

    root: Path
    downloaded: tuple[str, ...]
    unpacked: int


def plan(
    dataset: Dataset, root: Path | None, parts: Iterable[str] = (), *, again: bool = False
) -> tuple[Item, ...]:
    """What there is to fetch into ``root``, and how far it is. Asks no server and changes nothing.

    Parameters
    ----------
    dataset : Dataset
    root : Path or None
        None: nowhere yet, so nothing of it is there.
    parts : iterable of str
        Only these; default: all.
    again : bool
        Take what was fetched and unpacked before as missing.

    Raises
    ------
    UsageError
        If the data set cannot be fetched, or has no such part.
    """
    if not dataset.files:
        raise UsageError(f"{dataset.name} cannot be fetched. {dataset.obtain}")
    wanted = set(parts)
    for part in sorted(wanted - {*dataset.parts}):
        known = ", ".join(dataset.parts)
        raise UsageError(
            f"{dataset.name} has no part {part!r}.{nearest(part, dataset.parts)} Known: {known}."
        )
    files = [file for file in dataset.files if not wanted or file.part in wanted]
    if root is None:
        return tuple(Item(file, Path(file.name), "missing", 0, file.bytes) for file in files)
    record = {} if again else download.read_record(root / RECORD, _AFTERWARDS)
    return tuple(_item(file, root, record) for file in files)


def _item(file: Remote, root: Path, record: dict[str, Any]) -> Item:
    path = root / file.name
    if record.get(file.name, {}).get("url") == file.url:
        return Item(file, path, "done", 0, file.bytes or record[file.name].get("bytes"))
    if path.is_file():
        return Item(file, path, "here", path.stat().st_size, path.stat().st_size)
    have = download.have(path)
    return Item(file, path, "partial" if have else "missing", have, file.bytes)


def measured(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items with the sizes that servers state; the first server out of reach ends the asking."""
    known, reachable = [], True
    for item in items:
        if item.size is None and item.state != "done" and reachable:
            try:
                item = replace(item, size=download.size(item.file.url))
            except (OSError, http.client.HTTPException):
                reachable = False
        known.append(item)
    return tuple(known)


def free_bytes(root: Path) -> int:
    """Free space on the disk on which ``root`` is, or will be."""
    folder = root.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def fetch(
    dataset: Dataset,
    root: Path,
    items: Sequence[Item],
    *,
    keep_archives: bool = False,
    say: Say = lambda message: None,
    progress: Progress = lambda name, done, total: None,
    attempts: int = download.ATTEMPTS,
    pause_s: float = download.PAUSE_S,
) -> Fetched:
    """Download, check and unpack what is not done yet.

    Parameters
    ----------
    dataset : Dataset
    root : Path
        Made if it does not exist.
    items : sequence of Item
        From :func:`plan`, or :func:`measured`.
    keep_archives : bool
        Do not remove archives once they are unpacked.
    say, progress : functions
        Told in words what happens, and how far a download is.
    attempts, pause_s
        Of a connection that breaks.

    Raises
    ------
    UsageError
        If what remains does not fit on the disk.
    Stopped
        If no server can be reached, a connection keeps breaking, or the disk is full; the same call goes on.
    Unavailable
        If a server does not have a file, or its checksum is not the published one.
    BadArchive
        If an archive is damaged or would write outside ``root``.
    """
    left, free = sum(item.left_bytes for item in items), free_bytes(root)
    if left > free:
        raise UsageError(
            f"{root}: {gigabytes(left)} remain to be fetched and {gigabytes(free)} are free. Name another disk with "
            f"-o, or take some parts only: --part {','.join(dataset.parts)}."
        )
    downloaded, unpacked = [], 0
    try:
        root.mkdir(parents=True, exist_ok=True)
        for item in items:
            if item.state in ("missing", "partial"):
                advice = f"put it into {root} as {item.file.name}, and call this again (see {dataset.url})"
                download.download(
                    item.file,
                    item.path,
                    advice=advice,
                    say=say,
                    progress=progress,
                    attempts=attempts,
                    pause_s=pause_s,
                )
                downloaded.append(item.file.name)
            elif item.state == "here" and (problem := download.mismatch(item.file, item.path, say)):
                raise Unavailable(f"{item.path} {problem}. Remove it, or replace it by {item.file.url}.")
            unpacked += _use(root, item, items, keep_archives, say)
    except OSError as error:
        raise _disk(error, root) from error
    return Fetched(root, tuple(downloaded), unpacked)


def _use(root: Path, item: Item, items: Sequence[Item], keep_archives: bool, say: Say) -> int:
    """Unpack what ``item`` completes, and remember what is done; how many files came of it."""
    if item.state == "done":
        return 0
    volumes = _volumes(item, items)
    if item is not max(volumes, key=items.index):
        return 0
    *others, last = volumes
    count = 0
    if last.file.into is not None:
        target = root / last.file.into
        say(f"{last.file.name}: unpacking into {target}")
        count = unpacking.unpack(last.path, target, volumes=[volume.path for volume in others])
    _remember(root, volumes)
    if last.file.into is not None and not keep_archives:
        for volume in volumes:
            volume.path.unlink()
    return count


def _volumes(item: Item, items: Sequence[Item]) -> list[Item]:
    """The pieces of the archive that ``item`` belongs to, the one with the directory last."""
    whole = item.file.volume_of
    if not whole:
        return [item]
    return sorted(
        (i for i in items if i.file.volume_of == whole), key=lambda i: (i.file.name == whole, i.file.name)
    )


def _disk(error: OSError, root: Path) -> SonoscopeError:
    if error.errno in FULL:
        free = gigabytes(free_bytes(root))
        return Stopped(
            f"{root}: the disk is full ({free} are free). Make room; the same call goes on from here."
        )
    return Stopped(
        f"{error.filename or root}: {error.strerror or error}. Choose a folder that can be written to."
    )


def _remember(root: Path, items: Iterable[Item]) -> None:
    record = download.read_record(root / RECORD, _AFTERWARDS)
    for item in items:
        record[item.file.name] = {
            "url": item.file.url,
            "bytes": item.path.stat().st_size,
            "checksum": item.file.checksum,
        }
    download.write_record(root / RECORD, record)


def gigabytes(count: int) -> str:
    """A size in words.

    >>> gigabytes(3_200_000_000), gigabytes(120_000)
    ('3.20 GB', '0.12 MB')
    """
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.2f} MB"
