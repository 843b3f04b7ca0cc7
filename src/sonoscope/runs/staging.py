"""A disk of this machine between a shared one and the work: recordings are copied there first, one for each worker, and
results are made there and copied when they are whole.

What lies in a store is read by ranges if it is not staged.

A shared file system serves one long read or write well and many short ones badly, and decoders and tables make short
ones. What is too large for a worker's share of the limit is read where it is.
"""

from __future__ import annotations

import contextlib
import os
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
from sonoscope.writing import FULL


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
    with _folder(spec) as folder:
        copy = folder / f"recording{suffix}"
        if not _copied(recording.path, copy):
            yield recording
            return
        yield replace(recording, path=str(copy))


@contextlib.contextmanager
def desk(spec: RunSpec, tmp: Path) -> Iterator[Path]:
    """Where the results of a recording are made: a folder there that goes away afterwards; ``tmp`` if nothing is
    staged, or nothing can be written there any more.
    """
    with contextlib.ExitStack() as stack:
        place = tmp
        if spec.stage is not None:
            with contextlib.suppress(OSError):
                place = stack.enter_context(_folder(spec))
        yield place


def disk(spec: RunSpec) -> str:
    """The folder on that disk; variables in its name are those of this process, as ``$TMPDIR`` of a task."""
    assert spec.stage is not None
    return os.path.expandvars(spec.stage)


def share(spec: RunSpec) -> int:
    """Bytes that one worker may hold there: of the limit, or of half of what is free."""
    limit = spec.stage_limit
    if limit is None:
        limit = shutil.disk_usage(disk(spec)).free // 2
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
        with _folder(spec):
            pass
    except OSError as error:
        raise UsageError(f"--stage {disk(spec)} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _folder(spec: RunSpec) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sonoscope-", dir=disk(spec)) as name:
        yield Path(name)


def _copied(source: str, copy: Path) -> bool:
    """Copy; False if the disk is full, which others of the machine may have done."""
    if stores.is_url(source):
        try:
            stores.download(source, copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            if error.errno in FULL:
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
