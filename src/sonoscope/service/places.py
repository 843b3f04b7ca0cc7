"""Names that come from outside: of uploads, which never name a file here, and of files under the data root."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from sonoscope.audio import find
from sonoscope.audio.naming import writable
from sonoscope.service.faults import Fault
from sonoscope.values import Recording

#: A name is cut to so many characters.
LONGEST_NAME = 200


def clean_name(given: str, otherwise: str = "upload") -> str:
    """What an upload is called in answers: the last part of its path, without control characters; never a path here.

    >>> clean_name("C:\\\\songs\\\\a\\x00b.wav"), clean_name("../.."), clean_name("")
    ('ab.wav', 'upload', 'upload')
    """
    last = writable(given).replace("\\", "/").rpartition("/")[2]
    plain = "".join(one for one in last if unicodedata.category(one)[0] != "C").strip()
    if len(plain) > LONGEST_NAME:
        stem, suffix = os.path.splitext(plain)  # noqa: PTH122
        plain = stem[: LONGEST_NAME - len(suffix[:20])] + suffix[:20]
    return plain if plain.strip(". ") else otherwise


def attachment(name: str) -> str:
    """The header ``Content-Disposition`` of a download: plain ASCII for old browsers, UTF-8 for the others."""
    from urllib.parse import quote

    plain = "".join(one if one.isascii() and (one.isalnum() or one in "._- ") else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def under_root(root: Path | None, text: str) -> Path:
    """The existing file or folder that ``text`` names under the data root; links may not lead out of it.

    Raises
    ------
    Fault
        If there is no data root, or nothing there of that name that lies under it.
    """
    if root is None:
        raise Fault(
            "forbidden",
            "this service reads no files of its machine",
            "Upload the sound, or let the service be started with --data-root DIR.",
        )
    absent = Fault(
        "not_found",
        f"there is no {text[:200]!r} under the data root",
        "Give a path relative to it, with forward slashes.",
    )
    if not text or "\0" in text or text.startswith(("/", "\\", "~")):
        raise absent
    real_root = root.resolve()
    try:
        path = (real_root / text).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise absent from None
    if not path.is_relative_to(real_root):
        raise absent
    return path


def within(entries: Iterator[Recording | find.Unlisted], root: Path) -> Iterator[Recording | find.Unlisted]:
    """The entries of a listing, those that lie elsewhere (a link leads there) named as unreadable."""
    real_root = root.resolve()
    for entry in entries:
        if isinstance(entry, Recording) and not Path(entry.path).resolve().is_relative_to(real_root):
            yield find.Unlisted(entry.name, "leads out of the data root", "Move the file itself there.")
        else:
            yield entry
