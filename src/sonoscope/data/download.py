"""One file from a server: resumed where it was left, and given its name only when it is whole and as published.

A download grows as ``NAME.part``. What is interrupted goes on by HTTP range from where it was, if the server still has
the same file: ``NAME.part.etag`` remembers which, and the server is asked for the rest of that one only.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sonoscope.data.datasets.description import Remote
from sonoscope.data.table import put
from sonoscope.errors import SonoscopeError, Stopped, UsageError
from sonoscope.writing import told_of

#: How often a connection that breaks without bringing anything is tried, and how long is waited first (then doubled).
ATTEMPTS, PAUSE_S = 5, 1.0
TIMEOUT_S = 30.0
_BLOCK = 1 << 20

#: ``progress(name, done_bytes, total_bytes or None)``.
Progress = Callable[[str, int, int | None], None]
Say = Callable[[str], None]

_BROKEN = (http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)


class Unavailable(SonoscopeError):
    """A file that its publisher does not have (any more), or that differs from what was published."""

    exit_code = 3


def part(path: Path) -> Path:
    """Where a download grows."""
    return path.with_name(f"{path.name}.part")


def have(path: Path) -> int:
    """How many bytes of a download are there."""
    return part(path).stat().st_size if part(path).is_file() else 0


def read_record(path: Path, afterwards: str) -> dict[str, Any]:
    """What :func:`write_record` noted about earlier downloads; nothing where there is no such file.

    Raises
    ------
    UsageError
        If the file is damaged; ``afterwards`` says what happens once it is removed.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged. Remove it: {afterwards}.")
    return found


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Note what was downloaded, for :func:`read_record`."""
    put(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def size(url: str, *, timeout_s: float = 10.0) -> int | None:
    """What the server says the size is; None if it does not say.

    Raises
    ------
    OSError, http.client.HTTPException
        If it cannot be reached.
    """
    try:
        with urllib.request.urlopen(_request(url, "HEAD"), timeout=timeout_s) as answer:
            length = answer.headers.get("Content-Length", "")
    except urllib.error.HTTPError:
        return None
    return int(length) if length.isdigit() else None


def download(
    file: Remote,
    path: Path,
    *,
    advice: str,
    say: Say,
    progress: Progress,
    attempts: int = ATTEMPTS,
    pause_s: float = PAUSE_S,
) -> None:
    """Get ``file`` as ``path``, in several goes if need be.

    Parameters
    ----------
    file : Remote
    path : Path
    advice : str
        What to do with a file that was got in another way.
    say, progress : functions
    attempts, pause_s
        Of a connection that brings nothing; one that brought something is tried again from there.

    Raises
    ------
    Stopped
        If the server cannot be reached or keeps breaking the connection; what there is is kept.
    Unavailable
        If it has no such file, or one that is not as published; the latter is removed.
    OSError
        If the disk cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = have(path)
        try:
            _get(file, path, progress)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 425, 429):
                raise Unavailable(
                    f"{file.url}: {error.code} {error.reason}. It may have moved: {advice}."
                ) from None
            problem = f"{error.code} {error.reason}"
        except _BROKEN as error:
            problem = str(getattr(error, "reason", None) or error or type(error).__name__)
            if isinstance(error, urllib.error.URLError) and not have(path):
                host = urllib.parse.urlsplit(file.url).netloc
                raise Stopped(
                    f"{host} cannot be reached ({problem}): is this machine offline? On one that is not, get "
                    f"{file.url}; {advice}."
                ) from None
        else:
            break
        failures = 1 if have(path) > before else failures + 1
        if failures >= attempts:
            raise Stopped(
                f"{file.url}: {problem}, {attempts} times. {have(path):,} bytes are kept; the same call goes on from "
                "there."
            )
        say(f"{file.name}: {problem}; going on from {have(path):,} bytes")
        time.sleep(pause_s * 2 ** (failures - 1))
    if problem := mismatch(file, part(path), say):
        part(path).unlink()
        _tag(path).unlink(missing_ok=True)
        raise Unavailable(
            f"{file.url} {problem}: it was damaged on the way, or its publisher replaced it. It was removed; call this "
            "again to fetch it anew."
        )
    part(path).replace(path)
    _tag(path).unlink(missing_ok=True)


def mismatch(file: Remote, path: Path, say: Say) -> str:
    """In what ``path`` differs from what is published, in words; empty if in nothing that is known."""
    found_bytes = path.stat().st_size
    if file.bytes is not None and found_bytes != file.bytes:
        return f"has {found_bytes:,} bytes and not {file.bytes:,} as published"
    if not file.checksum:
        return ""
    kind, _, published = file.checksum.partition(":")
    say(f"{file.name}: checking {kind} of {found_bytes:,} bytes")
    with open(path, "rb") as content:
        found = hashlib.file_digest(content, kind).hexdigest()
    return "" if found == published else f"has the {kind} {found} and not {published} as published"


def _get(file: Remote, path: Path, progress: Progress) -> None:
    """One request: from the start, or from where ``NAME.part`` ends if the server has the same file still."""
    done, tag = have(path), _tag(path)
    request = _request(file.url)
    if done:
        request.add_header("Range", f"bytes={done}-")
        if tag.is_file():
            request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            if error.headers.get("Content-Range", "").endswith(f"/{done}"):
                return  # All of it is there already.
            part(path).unlink()
        raise
    with answer:
        if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            part(path).unlink()
            raise http.client.HTTPException("the server sent another part than the one asked for")
        if answer.status != 206:
            done = 0
        stated = answer.headers.get("Content-Length", "")
        total = done + int(stated) if stated.isdigit() else None
        _note_tag(tag, answer.headers.get("ETag", ""))
        with told_of(path, part(path)), open(part(path), "ab" if done else "wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
                done += len(block)
                progress(file.name, done, total)
    if total is not None and done < total:
        raise http.client.HTTPException(f"the connection ended {total - done:,} bytes too early")


def _note_tag(tag: Path, etag: str) -> None:
    """Remember which version of a file is being fetched, if the server says so in a way that can be relied on."""
    if etag and not etag.startswith("W/"):
        tag.write_text(etag, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _tag(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.etag")


def _request(url: str, method: str = "GET") -> urllib.request.Request:
    headers = {"User-Agent": "sonoscope", "Accept-Encoding": "identity"}
    return urllib.request.Request(url, headers=headers, method=method)
