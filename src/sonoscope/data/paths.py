"""Paths that mean the same file on Windows, macOS and Linux.

In a manifest a path is relative and has ``/`` between its parts. What people and other programs write is turned
into that: back-slashes, drive letters (``C:\\sounds``), shares (``\\\\server\\share``), ``.`` and ``..``. A
back-slash is always a separator, also on Linux, where a file name could hold one: a list written on Windows must
not depend on where it is read.

On the disk a name is looked up as it stands first. Names that differ in Unicode normalisation only (macOS writes
``é`` as two code points, most others as one) are the same name. Names that differ in case only are not: Windows
and macOS would find the file, Linux would not, so the difference is reported, with the name that is there.
"""

from __future__ import annotations

# Looking up is done for every row of large manifests, where paths as strings cost a fifth.
# ruff: noqa: PTH118, PTH208
import os
import re
from collections.abc import Iterable, Sequence
from os import path
from pathlib import Path
from unicodedata import normalize

from sonoscope.errors import UnreadableAudio, UsageError, nearest

#: ``C:\\`` or ``C:/``; a lone ``C:`` before a name is no drive, since ``a:b.wav`` is a name on Linux and macOS.
_DRIVE = re.compile(r"[A-Za-z]:(?=/|$)")
#: Nothing to be done: parts without a dot in front, and no colon.
_PLAIN = re.compile(r"(?:[^./\\:][^/\\:]*(?:/[^./\\:][^/\\:]*)*)?")
#: The prefixes by which Windows turns off its limit of 260 characters.
_LONG_SHARE, _LONG = "//?/UNC/", "//?/"
#: What Windows allows in no name, and the names it keeps for devices.
_REFUSED = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?", re.IGNORECASE)


def portable(text: str) -> str:
    """``text`` with ``/`` as separator, without ``.``, doubled separators, and ``..`` where that can be resolved.

    >>> portable("C:\\\\Sounds\\\\.\\\\bee\\\\..\\\\fly.wav"), portable("..\\\\a//b.wav")
    ('C:/Sounds/fly.wav', '../a/b.wav')
    >>> portable("\\\\\\\\server\\\\share\\\\x.wav")
    '//server/share/x.wav'
    """
    if _PLAIN.fullmatch(text):
        return text
    text = text.replace("\\", "/")
    if text.startswith(_LONG_SHARE):
        text = "//" + text[len(_LONG_SHARE) :]
    elif text.startswith(_LONG):
        text = text[len(_LONG) :]
    anchor = _anchor(text)
    parts: list[str] = []
    for part in text[len(anchor) :].split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".", "..") or (part == ".." and not anchor):
            parts.append(part)
    return anchor + "/".join(parts)


def _anchor(text: str) -> str:
    """What makes a path absolute: ``C:/``, ``//`` (a share) or ``/``; empty for a relative one."""
    if drive := _DRIVE.match(text):
        return text[: drive.end() + 1]
    if text.startswith("//"):
        return "//"
    return "/" if text.startswith("/") else ""


def is_absolute(text: str) -> bool:
    """Whether a portable path is absolute on any system: a drive, a share, or the root of POSIX."""
    return bool(_anchor(text))


def is_windows(text: str) -> bool:
    """Whether a portable path is absolute on Windows, where case does not matter."""
    return _anchor(text) not in ("", "/")


def below(text: str, folder: str) -> str | None:
    """The part of a portable path below the portable ``folder``, or None if it is not below it.

    Paths of Windows are compared without regard to case, all without regard to Unicode normalisation.

    >>> below("C:/Sounds/Bee/x.wav", "c:/sounds"), below("/sounds2/x.wav", "/sounds")
    ('Bee/x.wav', None)
    """
    if folder in ("", "."):
        return None if is_absolute(text) else text
    parts, above = text.split("/"), folder.rstrip("/").split("/")
    key = same_name_anywhere if is_windows(folder) else same_name
    if len(parts) <= len(above) or [key(p) for p in parts[: len(above)]] != [key(p) for p in above]:
        return None
    return "/".join(parts[len(above) :])


def same_name(text: str) -> str:
    """The key under which equal names meet: Unicode normalisation does not count."""
    return normalize("NFC", text)


def same_name_anywhere(text: str) -> str:
    """The key under which names meet that cannot lie side by side on Windows and macOS: nor does case."""
    return normalize("NFC", normalize("NFC", text).casefold())


def parse_remaps(texts: Iterable[str]) -> list[tuple[str, str]]:
    """``OLD=NEW`` as pairs of portable paths.

    Raises
    ------
    UsageError
        If one has no ``=`` or nothing before it.
    """
    pairs = []
    for text in texts:
        old, sign, new = text.partition("=")
        if not sign or not old.strip():
            raise UsageError(f"--remap {text!r} must be OLD=NEW, such as 'D:/sounds=/data/sounds'")
        pairs.append((portable(old.strip()), portable(new.strip())))
    return pairs


def remap(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A portable path with the beginning ``old`` of the first pair that fits replaced by ``new``.

    Only whole parts are replaced: ``/data=/mnt`` leaves ``/data2/x.wav`` alone.

    >>> remap("D:/Sounds/bee/x.wav", [("d:/sounds", "clips")]), remap("a/x.wav", [("a", "")])
    ('clips/bee/x.wav', 'x.wav')
    """
    for old, new in pairs:
        rest = below(text, old)
        if rest is not None:
            return f"{new.rstrip('/')}/{rest}" if new not in ("", ".") else rest
    return text


def unportable(name: str) -> str:
    """Why a relative portable path cannot be a file on Windows, in a few words; empty if it can.

    >>> unportable("a/what?.wav"), unportable("a/b.wav")
    ("'?' is not allowed in names there", '')
    """
    for part in name.split("/"):
        if found := _REFUSED.search(part):
            return f"{found.group()!r} is not allowed in names there"
        if _DEVICES.fullmatch(part):
            return f"{part!r} is a device there"
        if part != part.rstrip(". ") and part not in ("..", "."):
            return "names cannot end in a dot or a space there"
    return ""


class Tree:
    """A folder in which relative portable paths are looked up; what a folder holds is listed at most once.

    Parameters
    ----------
    root : path
    """

    def __init__(self, root: str | Path) -> None:
        self._root = os.fspath(root)
        self._listed: dict[str, dict[str, list[str]]] = {}

    def locate(self, name: str) -> Path:
        """Where ``name`` is. A name that is not there at all is returned as it would be.

        Raises
        ------
        UnreadableAudio
            If only a name that differs in case is there.
        """
        plain = path.join(self._root, *name.split("/"))
        if path.lexists(plain):
            return Path(plain)
        folder, found = self._root, []
        for part in name.split("/"):
            entry = part if path.lexists(path.join(folder, part)) else self._near(folder, part)
            if entry is None:
                return Path(plain)
            found.append(entry)
            folder = path.join(folder, entry)
        actual = "/".join(found)
        if same_name(actual) != same_name(name):
            raise UnreadableAudio(
                name,
                f"is {actual!r} on this disk: only the case differs, and here it counts",
                "Correct the path, or rename the file.",
            )
        return Path(folder)

    def suggestion(self, name: str) -> str:
        """``" Did you mean …?"`` for the nearest name in the folder where ``name`` should be, else empty."""
        parts = name.split("/")
        folder = path.join(self._root, *parts[:-1])
        return nearest(parts[-1], [entry for group in self._entries(folder).values() for entry in group])

    def _near(self, folder: str, part: str) -> str | None:
        """The entry of ``folder`` that is ``part`` but for normalisation, or else but for case."""
        group = self._entries(folder).get(same_name_anywhere(part), [])
        same = [entry for entry in group if same_name(entry) == same_name(part)]
        return next(iter(same or group), None)

    def _entries(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._listed:
            groups: dict[str, list[str]] = {}
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            for entry in names:
                groups.setdefault(same_name_anywhere(entry), []).append(entry)
            self._listed[folder] = groups
        return self._listed[folder]
