"""Places that are no disk: object stores, web and SFTP servers, by URL, through fsspec.

    s3://bucket/folder   abfs://container@account.dfs.core.windows.net/folder   https://host/folder/   sftp://host/folder

Everything that fails for a moment (a connection, a limit of requests, an error of the server) is tried again, for half
a minute in all; then it is an ``OSError`` that says the place is away, for which the run waits as for a network share.
Credentials come from the environment (:mod:`~sonoscope.audio.secrets`); fsspec is imported when a URL is met.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote
from zlib import crc32

from sonoscope.audio import secrets
from sonoscope.errors import UsageError

T = TypeVar("T")

#: How often a request is made at most, and the pauses between: each twice as long as the one before.
ATTEMPTS, FIRST_S, LONGEST_S = 7, 0.25, 8.0
#: Bytes of one request when a file is copied as a whole.
CHUNK = 8 << 20

WEB = ("http", "https")
#: Stores in which a file appears when it is whole, and folders are only names.
OBJECTS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl")
#: What package a kind of URL needs beside fsspec.
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs",
    "sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp",
}  # fmt: skip
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Entry:
    """What lies at a URL: ``name`` is the last part of its path; size -1 and time -1 are not known."""

    url: str
    name: str
    is_folder: bool
    size_bytes: int = -1
    modified_ns: int = -1


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL, ``scheme://...``."""
    scheme, found, _ = os.fspath(path).partition("://")
    return bool(found) and scheme.isascii() and scheme.replace("+", "").isalnum()


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def below(url: str, name: str) -> str:
    """The URL of ``name`` in the folder ``url``."""
    return f"{url.rstrip('/')}/{name}"


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it.

    Raises
    ------
    UsageError
        If the URL carries a credential, its kind is not known, or a package is missing.
    OSError
        If the place does not answer, or refuses the credentials.
    """
    secrets.check(url)
    scheme = scheme_of(url)
    place = url.partition("://")[2].partition("/")[0]
    return _connected(os.getpid(), scheme, place), _stripped(scheme, url)


@lru_cache(maxsize=64)
def _connected(process: int, scheme: str, place: str) -> Any:
    """One connection for each place and process: those of a parent are not a forked child's."""
    try:
        import fsspec
    except ModuleNotFoundError:
        raise UsageError(f'{scheme}:// needs fsspec: pip install "sonoscope[storage]"') from None
    options: dict[str, Any] = {}
    if scheme in ("sftp", "ssh"):
        from sonoscope.audio import knownhosts

        try:
            options["host_key_policy"] = knownhosts.policy()
        except ModuleNotFoundError:
            raise UsageError(f'{scheme}:// needs paramiko: pip install "sonoscope[storage]"') from None
    try:
        return again(lambda: fsspec.core.url_to_fs(f"{scheme}://{place}/", **options)[0])
    except ImportError as error:
        package = _PACKAGES.get(scheme, "a package")
        raise UsageError(f'{scheme}:// needs {package}: pip install "sonoscope[storage]" ({error})') from None
    except ValueError as error:
        if scheme in _PACKAGES:
            raise UsageError(f"{scheme}://{place}: {secrets.redacted(str(error))}") from None
        raise UsageError(
            f"{scheme}:// is no place that is known: s3, abfs, https, sftp and others that fsspec has"
        ) from None


def _stripped(scheme: str, url: str) -> str:
    import fsspec

    return str(fsspec.get_filesystem_class(scheme)._strip_protocol(url))


# ---- asking ------------------------------------------------------------------------------------------------


def details(url: str) -> Entry:
    """What lies at ``url``.

    Raises
    ------
    FileNotFoundError, PermissionError
    OSError
        If the place does not answer.
    """
    fs, path = filesystem(url)
    if scheme_of(url) in WEB:
        return _web_details(fs, url)
    info = again(lambda: fs.info(path))
    return _entry(url, info)


def _web_details(fs: Any, url: str) -> Entry:
    """A page of links is a folder: one whose address ends with a slash, or that is HTML."""
    if url.endswith("/"):
        return Entry(url, _last(url), True)
    info = again(lambda: fs.info(url))
    if info.get("mimetype") == "text/html":
        return Entry(url + "/", _last(url), True)
    return _entry(url, info)


def entries(url: str) -> list[Entry]:
    """What the folder ``url`` holds, sorted by name; nothing of it stays in memory elsewhere.

    Raises
    ------
    OSError
        If it cannot be listed.
    """
    fs, path = filesystem(url)
    fs.invalidate_cache()
    listed = again(lambda: fs.ls(path, detail=True))
    fs.invalidate_cache()
    web, found = scheme_of(url) in WEB, []
    own = path.rstrip("/")
    for info in listed:
        name = str(info["name"])
        last = name.rstrip("/").rpartition("/")[2]
        # The folder itself, as a key of no bytes; links that sort a page or lead out of it.
        if not last or name.rstrip("/") == own or (web and ("?" in last or "#" in last or ".." in name)):
            continue
        entry = _entry(below(url, last), info)
        found.append(entry)
    return sorted(found, key=lambda entry: entry.name)


def matching(pattern: str) -> list[Entry]:
    """What matches a URL with wildcards, sorted. Raises ``OSError``."""
    fs, path = filesystem(pattern)
    # Paths begin with a bucket in some file systems, with the root in others, never with the host.
    lead, _, rest = pattern.partition("://")[2].partition("/")
    before = len(path) - len(rest)
    fs.invalidate_cache()
    listed = again(lambda: fs.glob(path, detail=True))
    return [
        _entry(f"{scheme_of(pattern)}://{lead}/{name[before:]}", info)
        for name, info in sorted(listed.items())
    ]


def sized(entry: Entry) -> Entry:
    """The entry with its size and time, where a list does not tell them (web servers)."""
    if entry.is_folder or entry.size_bytes >= 0:
        return entry
    with suppress(OSError):
        return details(entry.url)
    return entry


def changed(url: str, size_bytes: int, modified_ns: int) -> bool:
    """Whether what lies at ``url`` is not what it was; -1 is not known, and what is gone has not been changed.

    Raises ``OSError`` if the place does not answer.
    """
    try:
        now = details(url)
    except FileNotFoundError:
        return False
    pairs = ((size_bytes, now.size_bytes), (modified_ns, now.modified_ns))
    return any(before >= 0 and before != after for before, after in pairs)


def _entry(url: str, info: dict[str, Any]) -> Entry:
    size = info.get("size")
    return Entry(
        url,
        _last(url),
        info.get("type") == "directory",
        -1 if size is None else int(size),
        # Of two web servers that share an address each may have its own ETags: where there is a time, it counts.
        _modified_ns(info, tagged=scheme_of(url) in OBJECTS),
    )


def _last(url: str) -> str:
    name = url.partition("://")[2].rstrip("/").rpartition("/")[2]
    return unquote(name) if scheme_of(url) in WEB else name


def _modified_ns(info: dict[str, Any], *, tagged: bool) -> int:
    """When it was changed, as whoever keeps it says; its nanoseconds are those of its ETag, if it is ``tagged``.

    Stores know when in seconds only, and web servers often not at all; what they call an ETag is another one for other
    bytes. So the number is another one too: it is only ever compared.
    """
    moment = _moment_ns(info)
    tag = str(info.get("ETag") or info.get("etag") or "").removeprefix("W/").strip('"')
    if not tag or not (tagged or moment < 0):
        return moment
    return max(moment, 0) // 10**9 * 10**9 + crc32(tag.encode()) % 10**9


def _moment_ns(info: dict[str, Any]) -> int:
    """When it was changed; the names differ."""
    for key in ("LastModified", "last_modified", "mtime", "modified", "Last-Modified", "created"):
        value = info.get(key)
        if isinstance(value, str):
            from email.utils import parsedate_to_datetime

            with suppress(ValueError, TypeError):
                value = parsedate_to_datetime(value)
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return round(moment.timestamp() * 1e6) * 1000
        if isinstance(value, int | float):
            return round(value * 1e6) * 1000
    return -1


# ---- copying -----------------------------------------------------------------------------------------------


def fetch(fs: Any, path: str, start: int, end: int) -> bytes:
    """Bytes ``[start, end)``, in one request (one attempt)."""
    ftp = getattr(fs, "ftp", None)
    if ftp is not None:
        # Asked for at once; fsspec would wait for each 32 KiB.
        with ftp.open(path, "rb") as file:
            return b"".join(file.readv([(start, end - start)]))
    return bytes(fs.cat_file(path, start=start, end=end))


def download(url: str, file: Path) -> None:
    """Copy what lies at ``url`` into ``file``, a piece at a time. Raises ``OSError``."""
    fs, path = filesystem(url)
    with open(file, "wb") as out:
        size = details(url).size_bytes
        try:
            for start in range(0, size, CHUNK):
                end = min(start + CHUNK, size)
                piece = again(lambda start=start, end=end: fetch(fs, path, start, end))  # type: ignore[misc]
                if len(piece) != end - start:
                    raise NotInParts
                out.write(piece)
        except NotInParts:
            size = -1
        if size < 0:
            again(lambda: _stream(fs, path, out))


class NotInParts(Exception):
    """A server that gives files as a whole only."""


def _stream(fs: Any, path: str, out: Any) -> None:
    """The whole file in one request, from its beginning."""
    out.seek(0)
    out.truncate()
    options = {"block_size": 0} if hasattr(fs, "set_session") else {}
    with fs.open(path, "rb", **options) as source:
        while piece := source.read(1 << 20):
            out.write(piece)


def upload(file: Path, url: str) -> None:
    """Put a file at ``url``, replacing what is there; it appears when it is whole. Raises ``OSError``."""
    fs, path = filesystem(url)
    if scheme_of(url) in OBJECTS:
        again(
            lambda: (
                fs.pipe_file(path, file.read_bytes())
                if file.stat().st_size < CHUNK
                else fs.put_file(str(file), path)
            )
        )
        return

    def put() -> None:
        beside = f"{path}.part"
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.put_file(str(file), beside)
        fs.mv(beside, path)

    again(put)


def remove(url: str) -> None:
    """Remove a file; nothing if there is none."""
    fs, path = filesystem(url)
    with suppress(FileNotFoundError):
        again(lambda: fs.rm_file(path))


def files(url: str) -> Iterator[tuple[str, int]]:
    """Every file below the folder ``url``: its path relative to it, and its size; none if there is no such folder."""
    waiting = [("", url)]
    while waiting:
        above, folder = waiting.pop()
        try:
            found = entries(folder)
        except FileNotFoundError:
            continue
        for entry in found:
            name = f"{above}{entry.name}"
            if entry.is_folder:
                waiting.append((f"{name}/", entry.url))
            else:
                yield name, entry.size_bytes


# ---- when it does not go well ------------------------------------------------------------------------------


def again(ask: Callable[[], T]) -> T:
    """``ask()``, several times if the place fails for a moment.

    Raises
    ------
    FileNotFoundError, PermissionError
        As they are, without secrets in them.
    OSError
        ``EIO`` for a place that is away.
    """
    pause = FIRST_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except (UsageError, ImportError, ValueError, NotInParts):
            raise
        except Exception as error:
            final = _final(error)
            if final is not None:
                raise final from None
            if attempt == ATTEMPTS:
                said = secrets.redacted(" ".join(str(error).split())) or type(error).__name__
                raise OSError(
                    errno.EIO, f"the place does not answer ({said[:300]}): check the address and the network"
                ) from None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_S)
    raise AssertionError("every way out is above")


def _final(error: BaseException) -> OSError | None:
    """The error to raise at once, if asking again is of no use."""
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        # Of a web server that does not answer fsspec says that the file is not there.
        return _final(error.__cause__)
    said = secrets.redacted(" ".join(str(error).split()))[:300]
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status in (404, 410):
        return FileNotFoundError(errno.ENOENT, said or "is not there")
    refused = isinstance(error, PermissionError) or status in (401, 403)
    if refused or any(word in kind for word in ("Credential", "Authentication", "BadHostKey", "UnknownHost")):
        return PermissionError(errno.EACCES, said or kind)
    if isinstance(status, int) and 400 <= status < 500 and status not in _AGAIN:
        return OSError(errno.EINVAL, said or kind)
    return None
