"""What the user names, as recordings: files, folders, globs and archives, on disks and in stores, listed lazily.

In a folder (and the folders in it) only files with a known suffix are recordings; whatever else lies there is
passed over, and so is what is hidden (``.name``, the ``._name`` and ``__MACOSX`` of macOS). A file that is
named is a recording whatever its suffix, unless it is an archive, which is a folder of its members. An input
that another one holds is listed once. Names are given by :mod:`~sonoscope.audio.naming`.
"""

from __future__ import annotations

# Paths stay strings: there may be a million, and some are no valid Unicode.
# ruff: noqa: PTH100, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH122, PTH207
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath

from sonoscope.audio import archives, stores
from sonoscope.audio.away import Patience
from sonoscope.audio.naming import Input, Unique, names, writable
from sonoscope.audio.reader import NotDecodable
from sonoscope.errors import NEAR, UsageError
from sonoscope.values import Recording

_SUFFIXES = """
    wav wave bwf rf64 w64 aif aiff aifc au snd caf sph flac alac ogg oga opus spx mp1 mp2 mp3 mpga m4a m4b m4r
    aac adts wma ac3 eac3 amr awb ape wv tta mpc tak mka weba mp4 m4v mov qt mkv webm avi wmv asf flv f4v ogv
    mpg mpeg vob m2ts mxf 3gp 3g2
"""
#: Suffixes of sound and video that count inside a folder, lower case.
SUFFIXES: frozenset[str] = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())

#: What the sound of notes ends with that a run writes (``runs/extras.py``): inside a folder it is no recording.
PLAYED = ".notes.wav"

#: Names of a folder among which the nearest to a wrong one is looked for.
NEIGHBOURS = 5000
SAY_PERMISSION = "Ask its owner, or change its permissions."

#: What a folder is, however one gets there: its device and number.
_Identity = tuple[int, int]


@dataclass(frozen=True)
class Unlisted:
    """A folder or archive whose content could not be listed: a row for ``errors.csv``."""

    name: str
    reason: str
    remedy: str


def find(inputs: Sequence[str | os.PathLike[str]]) -> Iterator[Recording | Unlisted]:
    """List the recordings in ``inputs``, folders sorted by name, archives in their own order.

    The inputs themselves are checked at once; what they hold is listed while it is asked for, one folder at a
    time.

    Parameters
    ----------
    inputs : sequence of path
        Files, folders, zip and tar archives (by suffix), and patterns with ``*``, ``?``, ``[...]`` or ``**``
        that name no file as they stand; the same as URLs (:mod:`~sonoscope.audio.stores`).

    Returns
    -------
    iterator of Recording or Unlisted
        An :class:`Unlisted` stands where a folder or archive cannot be listed (any further); the others
        follow.

    Raises
    ------
    UsageError
        If there is no input, or one does not exist or matches nothing.
    """
    if isinstance(inputs, str | os.PathLike):
        raise TypeError("inputs must be a list of paths, not one path")
    if not inputs:
        raise UsageError("no input given: name a file, a folder, a pattern or an archive")
    given = _without_repeats([entry for text in inputs for entry in _expanded(os.fspath(text))])
    return _listed(given, names(given, _is_listed))


def _listed(given: list[Input], names: list[str]) -> Iterator[Recording | Unlisted]:
    patience = Patience()
    for entry, name in zip(given, names, strict=True):
        if entry.kind == "folder" and stores.is_url(entry.path):
            yield from _in_store(entry.path, name, patience)
        elif entry.kind == "folder":
            yield from _in_folder(entry.path, name, patience)
        elif entry.kind == "archive":
            yield from _in_archive(entry.path, name)
        else:
            yield _recording(entry.path, name)


# ---- inputs ------------------------------------------------------------------------------------------------


def _expanded(text: str) -> Iterator[Input]:
    """The input that ``text`` names, or those that match it as a pattern."""
    if stores.is_url(text):
        yield from _in_place(text)
        return
    if os.path.lexists(text):
        yield Input(text, _kind(text))
        return
    if not glob.has_magic(text):
        raise UsageError(_missing(text))
    fixed, found = _n_parts(_fixed_part(text)), False
    for path in sorted(glob.glob(text, recursive=True)):
        kind = _kind(path)
        # "*.dat" asks for that kind of file; "site*" asks for what is sound.
        if kind != "file" or _is_sound(path) or _suffix(text).strip("*?"):
            found = True
            yield Input(path, kind, max(_n_parts(path) - fixed, 0))
    if not found:
        folder = _fixed_part(text) or os.curdir
        if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
            raise UsageError(f"no permission to look for {text!r} in {folder!r}. {SAY_PERMISSION}")
        raise UsageError(f"no file matches {text!r}. In a shell, quote patterns that sonoscope is to expand.")


def _in_place(url: str) -> Iterator[Input]:
    """The same for a URL."""
    try:
        if glob.has_magic(url) and stores.scheme_of(url) not in stores.WEB:
            fixed, found = _fixed_part(url), False
            for entry in stores.matching(url):
                if entry.is_folder or _is_sound(entry.name) or _suffix(url).strip("*?"):
                    found = True
                    depth = len(Input(entry.url, "").parts) - len(Input(fixed, "").parts)
                    yield Input(entry.url, _kind_of(entry), max(depth, 0))
            if not found:
                raise UsageError(f"nothing matches {url!r}")
            return
        entry = stores.details(url)
        yield Input(entry.url, _kind_of(entry))
    except FileNotFoundError:
        raise UsageError(f"no such file or folder: {url!r}") from None
    except PermissionError as error:
        raise UsageError(
            f"{url}: no permission ({error.strerror}). Credentials are taken from the environment: docs/cluster.md"
        ) from None
    except OSError as error:
        raise UsageError(f"{url}: {error.strerror}") from None


def _kind_of(entry: stores.Entry) -> str:
    if entry.is_folder:
        return "folder"
    return "archive" if archives.is_archive(entry.url) else "file"


def _fixed_part(pattern: str) -> str:
    """The folders that a pattern begins with, up to the first that has a wildcard."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern


def _n_parts(path: str) -> int:
    return len(Path(os.path.abspath(path)).parts)


def _kind(path: str) -> str:
    if os.path.isdir(path):
        return "folder"
    return "archive" if archives.is_archive(path) else "file"


def _missing(text: str) -> str:
    """That there is no such input, with the nearest name there is."""
    path = Path(text)
    if "\\" in text and Path(forward := text.replace("\\", "/")).exists():
        return f"no such file or folder: {text!r}. Did you mean {forward!r}?"
    above = next((folder for folder in path.parents if folder.is_dir()), Path())
    wanted = path.relative_to(above).parts[0] if text else text
    try:
        with os.scandir(above) as entries:
            there = [entry.name for entry in islice(entries, NEIGHBOURS)]
    except PermissionError:
        return f"no permission to look for {text!r} in {str(above)!r}. {SAY_PERMISSION}"
    except OSError:
        there = []
    # Of names that differ in their ending alone the last stands: that with the ending as typed, else a recording.
    ending = _suffix(wanted)
    there.sort(key=lambda name: (_suffix(name) == ending, _is_sound(name), name))
    stems = {Path(name).stem.lower(): name for name in there}
    # Without their endings: two short names would be half alike by those alone.
    near = get_close_matches(Path(wanted).stem.lower(), stems, n=1, cutoff=NEAR)
    hint = f" Did you mean {stems[near[0]]!r}?" if near else ""
    where = "" if above == Path() else f" ({str(above)!r} has no {wanted!r})"
    return f"no such file or folder: {text!r}{where}.{hint}"


def _without_repeats(given: list[Input]) -> list[Input]:
    """Leave out what is given twice, and what a folder that is given brings anyway."""
    real_folder = lru_cache(1000)(os.path.realpath)

    def real(path: str) -> str:
        if stores.is_url(path):
            return path.rstrip("/")
        above, name = os.path.split(path)
        if os.path.islink(path) or name in ("", ".", ".."):
            return os.path.realpath(path)
        return os.path.join(real_folder(above), name)

    paths = [real(entry.path) for entry in given]
    folders = {path for path, entry in zip(paths, given, strict=True) if entry.kind == "folder"}
    seen: set[str] = set()
    kept = []
    for path, entry in zip(paths, given, strict=True):
        if path not in seen and not (folders and _is_within(path, entry.kind, folders)):
            kept.append(entry)
        seen.add(path)
    return kept


def _is_within(path: str, kind: str, folders: set[str]) -> bool:
    """Whether listing one of ``folders`` comes across this input."""
    if kind == "archive" or (kind == "file" and not _is_sound(path)):
        return False
    while not _is_hidden(os.path.basename(path)):
        above = os.path.dirname(path)
        if above in folders:
            return True
        if above == path:
            break
        path = above
    return False


def _is_listed(folder: str, name: str) -> bool:
    """Whether listing ``folder`` gives a recording ``name``, or may give some below it."""
    if any(map(_is_hidden, name.split("/"))):
        return False
    if stores.is_url(folder):
        try:
            return stores.details(stores.below(folder, name)).is_folder or _is_sound(name)
        except OSError:
            return False
    path = os.path.join(folder, name)
    return os.path.isdir(path) or (_is_sound(name) and os.path.lexists(path))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_sound(name: str) -> bool:
    return _suffix(name) in SUFFIXES and not name.lower().endswith(PLAYED)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


# ---- what they hold ----------------------------------------------------------------------------------------


def _in_folder(
    path: str, name: str, patience: Patience, above: tuple[_Identity, ...] = ()
) -> Iterator[Recording | Unlisted]:
    """Recordings in a folder and the folders in it. Links are followed, unless to one that is ``above``."""
    try:
        identity = patience.keep(path, lambda: _identity(path))
        entries = [] if identity in above else patience.keep(path, lambda: _sorted_entries(path))
    except OSError as error:
        yield _unlisted(name or os.path.basename(os.path.abspath(path)), error)
        return
    for found, is_folder in entries:
        inner_path, inner_name = os.path.join(path, found), f"{name}/{found}" if name else found
        if is_folder:
            yield from _in_folder(inner_path, inner_name, patience, (*above, identity))
        else:
            yield _recording(inner_path, inner_name)


def _in_store(url: str, name: str, patience: Patience) -> Iterator[Recording | Unlisted]:
    """Recordings in a folder of a store and the folders in it, one folder at a time."""
    try:
        entries = patience.keep(url, lambda: stores.entries(url))
    except OSError as error:
        yield _unlisted(name or url, error)
        return
    for entry in entries:
        inner = f"{name}/{entry.name}" if name else entry.name
        if _is_hidden(entry.name):
            continue
        if entry.is_folder:
            yield from _in_store(entry.url, inner, patience)
        elif _is_sound(entry.name):
            yield _stored(stores.sized(entry), inner)


def _stored(entry: stores.Entry, name: str) -> Recording:
    return Recording(entry.url, writable(name), None, entry.size_bytes, entry.modified_ns)


def _identity(folder: str) -> _Identity:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _sorted_entries(folder: str) -> list[tuple[str, bool]]:
    """Name and "is a folder" of what counts in one folder. A link that leads nowhere is a recording too."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_hidden(entry.name):
                continue
            # A link to itself is an error of the system's, and so is one to a place that may not be entered.
            with suppress(OSError):
                if entry.is_dir():
                    found.append((entry.name, True))
                    continue
            if _is_sound(entry.name) and (entry.is_symlink() or entry.is_file()):
                found.append((entry.name, False))
    found.sort()
    return found


def _in_archive(path: str, name: str) -> Iterator[Recording | Unlisted]:
    """The members of an archive that are recordings."""
    unique = Unique()
    try:
        modified_ns = archives.identity(path)[1]
        for member in archives.members(path):
            parts = _safe_parts(member.name)
            if parts and _is_sound(parts[-1]) and not any(map(_is_hidden, parts)):
                inner = unique("/".join([name, *parts]))
                yield Recording(path, writable(inner), member.name, member.size_bytes, modified_ns)
    except NotDecodable as error:
        yield Unlisted(writable(name), error.reason, error.remedy)
    except OSError as error:
        yield _unlisted(name, error)


def _safe_parts(member: str) -> list[str]:
    """The parts of a member's path that lead down: no root, no drive, no ``..``."""
    parts = PurePosixPath(member.replace("\\", "/")).parts
    return [part for part in parts if part.strip("/") not in ("", "..") and not part.endswith(":")]


def _recording(path: str, name: str) -> Recording:
    """With size and time; those of a file that cannot be asked stay unknown, and decoding it says why."""
    if stores.is_url(path):
        try:
            return _stored(stores.details(path), name)
        except OSError:
            return Recording(path, writable(name))
    try:
        status = os.stat(path)
    except OSError:
        return Recording(path, writable(name))
    if not stat.S_ISREG(status.st_mode):
        return Recording(path, writable(name))
    return Recording(path, writable(name), None, status.st_size, status.st_mtime_ns)


def _unlisted(name: str, error: OSError) -> Unlisted:
    if isinstance(error, PermissionError):
        return Unlisted(writable(name), "no permission to list what it holds", SAY_PERMISSION)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if stores.is_url(name):
            # A folder of the web that was given: nobody asked for it before it is listed.
            return Unlisted(writable(name), "is not there", "Check the address.")
        return Unlisted(
            writable(name), "vanished while the inputs were listed", "Run again when nothing moves."
        )
    return Unlisted(writable(name), f"cannot be listed ({error.strerror})", "Check the disk or the network.")
