"""Reading recordings from a disk of this machine instead of where they are: copied there first, one for each worker.

What lies in a store is read by ranges if it is not staged.

A shared file system serves one long read well and many short ones badly, and a decoder makes short ones. What is too
large for a worker's share of the limit is read where it is.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sonoscope.audio import stores
from sonoscope.errors import UsageError
from sonoscope.runs.cores import default_workers
from sonoscope.runs.spec import RunSpec
from sonoscope.values import Recording


@contextlib.contextmanager
def local(recording: Recording, spec: RunSpec) -> Iterator[Recording]:
    """The recording as a copy that goes away afterwards; itself if nothing is staged, or there is no room.

    Raises
    ------
    OSError
        If the recording cannot be read.
    """
    if spec.stage is None or recording.size_bytes > share(spec):
        yield recording
        return
    suffix = "".join(Path(recording.path).suffixes[-2:])
    with _folder(spec.stage) as folder:
        copy = folder / f"recording{suffix}"
        if not _copied(recording.path, copy):
            yield recording
            return
        yield replace(recording, path=str(copy))


def share(spec: RunSpec) -> int:
    """Bytes that one worker may hold there: of the limit, or of half of what is free."""
    assert spec.stage is not None
    limit = spec.stage_limit
    if limit is None:
        limit = shutil.disk_usage(Path(spec.stage)).free // 2
    return limit // (spec.workers or default_workers())


def check(spec: RunSpec) -> None:
    """Refuse a place that cannot be written, before any work.

    Raises
    ------
    UsageError
        If ``stage`` is no folder that can be written, or there is a limit without one.
    """
    if spec.stage is None:
        if spec.stage_limit is not None:
            raise UsageError("--stage-limit says how much --stage may hold: give --stage FOLDER too")
        return
    try:
        with _folder(spec.stage):
            pass
    except OSError as error:
        raise UsageError(f"--stage {spec.stage} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _folder(stage: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sonoscope-", dir=stage) as name:
        yield Path(name)


def _copied(source: str, copy: Path) -> bool:
    """Copy; False if the disk is full, which others of the machine may have done."""
    if stores.is_url(source):
        try:
            stores.download(source, copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise
        return True
    with open(source, "rb") as file:
        try:
            with open(copy, "wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
        except OSError:
            with contextlib.suppress(OSError):
                copy.unlink()
            return False
    return True
