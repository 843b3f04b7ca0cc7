"""Files and folders that are there once they are complete, and by their own name in what a disk refuses.

What is written lies beside its place under a hidden name until then. Nothing of it is left after a failure.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

#: A disk, what one may use of it, or a file of the size that a process may write, is full.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def beside(path: Path, *, binary: bool) -> Iterator[IO[Any]]:
    """A file to write that takes the place of ``path`` once it is complete; its folder is made.

    Raises
    ------
    OSError
        If the disk refuses it; of ``path``.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    text = {} if binary else {"encoding": "utf-8", "newline": ""}
    with told_of(path, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb" if binary else "w", **text) as file:  # type: ignore[call-overload]
                yield file
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def put(path: Path, content: bytes | str) -> None:
    """Write all of a file, as :func:`beside`; text in UTF-8 with the ends of lines that it has."""
    with beside(path, binary=isinstance(content, bytes)) as file:
        file.write(content)


def check_place(path: Path) -> None:
    """Find out whether something can be written at ``path``, before hours of work; nothing is left there.

    Raises
    ------
    OSError
        Of ``path``, if not: its folder is read-only, of others, or a file.
    """
    there = next(each for each in (path, *path.parents) if each.exists())
    folder = path.parent if there == path and not path.is_dir() else there
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def place_beside(path: Path) -> Iterator[Path]:
    """A name in a folder of its own beside ``path``; what is put there takes the place of ``path`` at the end.

    It may be a file or a folder, and takes the place of a folder too. What else is put beside it is removed.
    """
    with told_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            made = Path(scratch) / path.name
            yield made
            if path.is_dir():
                path.replace(Path(scratch) / "replaced")
            made.replace(path)


def copy_folder(source: Path, target: Path) -> None:
    """Copy the files of a folder and its folders. Raises the first ``OSError``, not all of them in words."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


@contextmanager
def told_of(path: Path, part: Path | None = None) -> Iterator[None]:
    """What the disk refuses inside is an error of ``path``, not of its hidden ``part`` or of what was copied there."""
    try:
        yield
    except OSError as error:
        if error.errno is None and "requested and" in str(error):
            # NumPy writes arrays past the file, and knows how much was taken but not why no more.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if _is_of(error, path, part):
            error.filename, error.filename2 = str(path), None
        raise


def _is_of(error: OSError, path: Path, part: Path | None) -> bool:
    hidden = str(part or path.with_name(f".{path.name}-"))
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return any(name.startswith(hidden) for name in named) if named else error.errno in FULL
