"""Unpack archives that came from elsewhere: nothing lands outside the target, and what is there is whole.

Zip and tar archives (plain, gzip, bzip2, xz), and zip archives split into volumes (``x.z01 … x.zip``). Names that
are absolute, lead upwards or name a drive, links that point out of the target, and devices refuse the whole archive
before anything is written. Members are written into a folder beside the target and moved into place when all of
them are there; a file that exists and is of the same size stays, one that differs is an error.
"""

from __future__ import annotations

import bisect
import gzip
import io
import lzma
import os
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sonoscope.errors import Stopped

#: Suffixes of archives that are unpacked.
ZIP, TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

#: What no data set needs and spreadsheets of file systems leave behind.
_LEFT_BEHIND = ("__MACOSX", ".DS_Store")
_DRIVE = re.compile(r"[A-Za-z]:")
_END = struct.Struct("<4s4H2LH")


class BadArchive(Stopped):
    """An archive that is damaged, or that would write outside its target; nothing of it was unpacked."""


def is_archive(name: str) -> bool:
    """Whether a file of that name can be unpacked."""
    return name.lower().endswith(ZIP + TAR)


def unpack(archive: Path, target: Path, *, volumes: Sequence[Path] = ()) -> int:
    """Unpack ``archive`` into the folder ``target`` and return how many files it holds.

    Parameters
    ----------
    archive : Path
        A zip or tar archive; of a split zip, the last volume.
    target : Path
        Made if it does not exist.
    volumes : sequence of Path, optional
        The other volumes of a split zip (``.z01`` first).

    Raises
    ------
    BadArchive
        If it is damaged, unsafe, or holds a file that is already there with another content.
    OSError
        If the disk is full.
    """
    beside = target / f".unpacking-{archive.name}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        if archive.name.lower().endswith(ZIP):
            _unpack_zip(archive, beside, volumes)
        else:
            _unpack_tar(archive, beside)
        return _move(beside, target, archive)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _checked(name: str, archive: Path) -> bool:
    """Whether a member is wanted; raises ``BadArchive`` if its name leads out of the target."""
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if plain.startswith("/") or ".." in parts or _DRIVE.match(plain) or "\0" in plain:
        raise BadArchive(
            f"{archive}: member {name!r} would land outside the target; nothing was unpacked. Do not trust this "
            "archive: get it from its publisher again."
        )
    return bool(parts) and not any(part in _LEFT_BEHIND for part in parts)


# ---- zip ---------------------------------------------------------------------------------------------------


def _unpack_zip(archive: Path, into: Path, volumes: Sequence[Path]) -> None:
    with _opened([*volumes, archive]) as file:
        try:
            with zipfile.ZipFile(file) as content:
                if volumes:
                    _set_offsets(content, file)
                wanted = [member for member in content.infolist() if _checked(member.filename, archive)]
                _check_space(into, sum(member.file_size for member in wanted))
                for member in wanted:
                    content.extract(member, into)
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            if isinstance(error, BadArchive):
                raise
            joined = (
                f" It is in volumes: `zip -s 0 {archive.name} --out whole.zip` joins them, or `7z x {archive.name}`."
                if volumes
                else " Remove it and fetch it again."
            )
            raise BadArchive(f"{archive}: cannot be unpacked ({error}).{joined}") from None


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Stopped(
            f"{folder.parent}: unpacking takes {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free. Make room; "
            "the same call goes on from here."
        )


@contextmanager
def _opened(paths: Sequence[Path]) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in paths]
        yield files[0] if len(files) == 1 else io.BufferedReader(_Volumes(files))


class _Volumes(io.RawIOBase):
    """Several files read as one, one after the other."""

    def __init__(self, files: Sequence[IO[bytes]]) -> None:
        self.files = files
        #: Where each file begins, and where the last one ends.
        self.bases = [0]
        for file in files:
            self.bases.append(self.bases[-1] + file.seek(0, os.SEEK_END))
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.bases[-1]}[whence]
        self.position = start + offset
        return self.position

    def readinto(self, buffer: Any) -> int:
        if self.position >= self.bases[-1]:
            return 0
        number = bisect.bisect_right(self.bases, self.position) - 1
        self.files[number].seek(self.position - self.bases[number])
        wanted = memoryview(buffer).cast("B")
        data = self.files[number].read(min(len(wanted), self.bases[number + 1] - self.position))
        wanted[: len(data)] = data
        self.position += len(data)
        return len(data)


def _set_offsets(content: zipfile.ZipFile, file: IO[bytes]) -> None:
    """Make offsets count from the first volume: the directory gives them from the start of each member's own.

    ``zipfile`` has added, to each, the distance by which the directory lies later than it says.
    """
    volumes: _Volumes = file.raw  # type: ignore[attr-defined]
    tail = max(volumes.bases[-1] - 65_557, 0)
    volumes.seek(tail)
    end = volumes.readall()
    place = end.rfind(b"PK\5\6")
    *_, size, offset, _comment = _END.unpack_from(end, place)
    added = tail + place - size - offset
    for member in content.infolist():
        if member.volume >= len(volumes.files):
            raise zipfile.BadZipFile(
                f"{member.filename!r} is in volume {member.volume + 1}, which is not there"
            )
        member.header_offset += volumes.bases[member.volume] - added
        if hasattr(
            member, "_end_offset"
        ):  # Where zipfile expects the next member, computed from wrong offsets.
            member._end_offset = None


# ---- tar ---------------------------------------------------------------------------------------------------


def _unpack_tar(archive: Path, into: Path) -> None:
    """One pass: a compressed tar has no directory, so members are checked as they come, before each is written."""
    if not hasattr(tarfile, "data_filter"):
        raise BadArchive(f"{archive}: Python 3.11.4 or later is needed to unpack this safely. Update Python.")
    try:
        with tarfile.open(archive, "r|*") as content:
            for member in content:
                if _checked(member.name, archive):
                    content.extract(member, into, filter="data")
    except tarfile.FilterError as error:
        raise BadArchive(
            f"{archive}: {error}; nothing was unpacked. Do not trust this archive: get it from its publisher again."
        ) from None
    except (tarfile.TarError, EOFError, ValueError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BadArchive(f"{archive}: cannot be unpacked ({error}). Remove it and fetch it again.") from None


# ---- into place --------------------------------------------------------------------------------------------


def _move(beside: Path, target: Path, archive: Path) -> int:
    """Move every file to its place; all are looked at before the first one moves."""
    files = sorted(path for path in beside.rglob("*") if not path.is_dir() or path.is_symlink())
    moves = []
    for path in files:
        to = target / path.relative_to(beside)
        if to.exists():
            if to.is_dir() or to.stat().st_size != path.stat().st_size:
                raise BadArchive(
                    f"{archive}: {to} exists and is another file. Move it away, or unpack elsewhere."
                )
        else:
            moves.append((path, to))
    for path, to in moves:
        to.parent.mkdir(parents=True, exist_ok=True)
        path.replace(to)
    return len(files)
