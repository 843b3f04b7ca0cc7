"""Members of zip and tar archives as files that can be read and sought in, without unpacking the archive.

What lies in the archive as it is (stored in a zip, any member of a plain tar) is read in place. A compressed
member cannot be sought in, and decoders must (they ask for the size, and read headers twice), so it is
unpacked into a temporary file that stays in memory up to 32 MiB and is gone when it is closed.

A compressed tar can only be read forward. One archive at a time is therefore kept open in a process, at the
member read last: going through its members in order reads it once, not once for each.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, Protocol, cast

from sonoscope.audio import ranges, stores
from sonoscope.audio.reader import NotDecodable

ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")

#: A compressed member up to this size is unpacked in memory, a larger one on disk.
IN_MEMORY_BYTES = 32 << 20

#: What the libraries raise for an archive, or a member, that is damaged or of an unknown kind.
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    """A file in an archive: ``name`` as the archive spells it, and its unpacked size."""

    name: str
    size_bytes: int


def is_archive(path: str) -> bool:
    """Whether the name is that of a zip or tar archive."""
    return path.lower().endswith(ZIP_SUFFIXES + TAR_SUFFIXES)


def members(path: str) -> Iterator[Member]:
    """The files in an archive, in its order; of several with one name the first.

    Raises
    ------
    NotDecodable
        If the archive is damaged; what comes before the damage is yielded first.
    OSError
        If it cannot be read.
    """
    seen: set[str] = set()
    try:
        for member in _listed(path):
            if member.name not in seen:
                seen.add(member.name)
                yield member
    except (OSError, *DAMAGE) as error:
        raise _damaged(error) from None


def open_member(path: str, name: str) -> BinaryIO:
    """A member as a seekable binary file, to be closed by the caller.

    Raises
    ------
    NotDecodable
        If the archive or the member is damaged or encrypted, or there is no such member.
    OSError
        If the archive cannot be read.
    """
    try:
        with _lock:
            return _current(path).open(name)
    except KeyError:
        raise NotDecodable(
            "is no longer in the archive", "List the inputs again: the archive was changed."
        ) from None
    except (OSError, *DAMAGE) as error:
        with _lock:
            _forget()
        raise _damaged(error) from None


class Slice(ranges.Sized):
    """Bytes ``[start, start + size)`` of a file, as a file of its own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        super().__init__(size)
        self._file, self._start = _raw(path), start

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self._size - self._position), 0)
        self._file.seek(self._start + self._position)
        n = self._file.readinto(view[:wanted]) or 0
        self._position += n
        return n

    def close(self) -> None:
        self._file.close()
        super().close()


def _raw(path: str) -> io.RawIOBase:
    """The archive, unbuffered."""
    return cast(io.RawIOBase, ranges.open_url(path)) if stores.is_url(path) else io.FileIO(path)


def _source(path: str) -> Any:
    """What the libraries open: a path, or a file at a URL that is read by ranges."""
    return io.BufferedReader(_raw(path), 1 << 16) if stores.is_url(path) else path


def _opened_tar(path: str) -> tarfile.TarFile:
    return tarfile.open(fileobj=_source(path)) if stores.is_url(path) else tarfile.open(path)


def identity(path: str) -> tuple[int, int]:
    """Size and time of change."""
    if stores.is_url(path):
        entry = stores.details(path)
        return entry.size_bytes, entry.modified_ns
    status = Path(path).stat()
    return status.st_size, status.st_mtime_ns


def _listed(path: str) -> Iterator[Member]:
    if path.lower().endswith(ZIP_SUFFIXES):
        with zipfile.ZipFile(_source(path)) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield Member(info.filename, info.file_size)
        return
    with _opened_tar(path) as archive:
        for file in _forward(archive):
            yield Member(file.name, file.size)


def _forward(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files of a tar as they come, without keeping a list of them. Links and devices are left out."""
    while (info := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]
        if info.isreg():
            yield info


# ---- one archive kept open ---------------------------------------------------------------------------------


class _Archive(Protocol):
    def open(self, name: str) -> BinaryIO: ...
    def close(self) -> None: ...


class _Zip:
    def __init__(self, path: str) -> None:
        self._path = path
        self._archive = zipfile.ZipFile(_source(path))
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            self._infos.setdefault(info.filename, info)

    def open(self, name: str) -> BinaryIO:
        info = self._infos[name]
        if info.flag_bits & 1:
            raise NotDecodable("is encrypted in the archive", "Unpack the archive and give the folder.")
        if info.compress_type != zipfile.ZIP_STORED:
            with self._archive.open(info) as packed:
                return _spooled(packed)
        with _raw(self._path) as file:
            file.seek(info.header_offset)
            head = file.read(30) or b""
        if head[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile("the member's header is damaged")
        # The local header repeats the name, and has extra fields of its own.
        start = info.header_offset + 30 + sum(int.from_bytes(head[i : i + 2], "little") for i in (26, 28))
        return Slice(self._path, start, info.file_size)  # type: ignore[return-value]

    def close(self) -> None:
        self._archive.close()


class _Tar:
    def __init__(self, path: str) -> None:
        self._path = path
        self._rewind()

    def _rewind(self) -> None:
        self._archive = _opened_tar(self._path)
        self._files = _forward(self._archive)
        self._passed: set[str] = set()

    def open(self, name: str) -> BinaryIO:
        if name in self._passed:
            self.close()
            self._rewind()
        for info in self._files:
            self._passed.add(info.name)
            if info.name == name:
                if isinstance(self._archive.fileobj, io.BufferedReader) and not info.issparse():
                    return Slice(self._path, info.offset_data, info.size)  # type: ignore[return-value]
                packed = self._archive.extractfile(info)
                assert packed is not None, "a regular file has content"
                with packed:
                    return _spooled(packed)
        raise KeyError(name)

    def close(self) -> None:
        self._archive.close()


_lock = threading.Lock()
#: What is open: (process, path, size, time of change), archive. A forked process must not share its parent's
#: place.
_kept: list[tuple[tuple, _Archive]] = []


def _current(path: str) -> _Archive:
    """The archive kept open, after changing it for ``path`` if it is another one."""
    key = (os.getpid(), path, *identity(path))
    if _kept and _kept[0][0] == key:
        return _kept[0][1]
    _forget()
    archive: _Archive = _Zip(path) if path.lower().endswith(ZIP_SUFFIXES) else _Tar(path)
    _kept.append((key, archive))
    return archive


def _forget() -> None:
    while _kept:
        _kept.pop()[1].close()


def _spooled(packed: IO[bytes]) -> BinaryIO:
    file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 (the caller's)
    try:
        shutil.copyfileobj(packed, file, 1 << 18)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file  # type: ignore[return-value]


def _damaged(error: BaseException) -> NotDecodable:
    """Raises the error itself if it is the system's; gzip and bz2 report damage as one without a number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return NotDecodable(
        f"the archive is damaged or of an unknown kind ({str(error) or type(error).__name__})",
        "Copy it again, or unpack what can be unpacked and give the folder.",
    )
