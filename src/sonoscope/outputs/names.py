"""Names of recordings from the paths that other programs write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from sonoscope.outputs.format import recording_name


def posix(path: str) -> str:
    r"""``path`` with forward slashes, if its backslashes are those of Windows.

    >>> posix(r"D:\night1\a.wav"), posix(r"odd\name.wav")
    ('D:/night1/a.wav', 'odd\\name.wav')
    """
    windows = path[1:3] == ":\\" or path.startswith("\\\\")
    return path.replace("\\", "/") if windows else path


def relative_names(paths: Iterable[str], source: str, suffixes: Iterable[str]) -> dict[str, str]:
    """A name for every path: relative to the deepest folder that holds all absolute ones; others as they are.

    An empty path means that the table does not name its recording, which is then called after the table
    ``source`` without its ending.

    >>> relative_names(["/data/n1/a.wav", "/data/n2/b.wav"], "x", ())
    {'/data/n1/a.wav': 'n1/a.wav', '/data/n2/b.wav': 'n2/b.wav'}
    """
    unique = list(dict.fromkeys(paths))
    absolute = [PurePosixPath(posix(p)) for p in unique if _is_absolute(posix(p))]
    shared = _shared_folder(absolute)
    names: dict[str, str] = {}
    for path in unique:
        if not path:
            names[path] = recording_name(source, suffixes)
        elif _is_absolute(posix(path)):
            names[path] = str(PurePosixPath(*PurePosixPath(posix(path)).parts[shared:]))
        else:
            names[path] = posix(path)
    return names


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or path[1:3] == ":/"


def _shared_folder(paths: list[PurePosixPath]) -> int:
    """How many leading parts all folders of ``paths`` share."""
    folders = [path.parts[:-1] for path in paths]
    shared = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    return shared
