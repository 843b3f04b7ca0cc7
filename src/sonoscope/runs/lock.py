"""One writer at a time for each part of a run: a lock file that outlives its process, and is taken over then.

``run.lock-<part>`` is a JSON object that says who writes: process id, host, boot id, the process's start time
and its pid namespace. The first three tell a dead process from a live one on the same host, the start time
tells a reused process id. A lock of another host is never taken over, because nothing here can know whether
that process lives.

A run of the whole folder and a run of one part of it exclude each other, and so do parts of different
divisions; parts of one division write side by side.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sonoscope.errors import Locked

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = "run.lock-"

#: A lock younger than this that says nothing may be one that its owner is just writing.
BEING_WRITTEN_S = 10.0


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. ``started`` counts clock ticks since boot; it and the ids are empty where unknown.

    ``job`` and ``restarts`` are those of Slurm: a job that was put back into the queue may go on on another host.
    """

    pid: int
    host: str
    boot: str = ""
    started: str = ""
    namespace: str = ""
    job: str = ""
    restarts: str = ""

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        job, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT", "0")
        return cls(os.getpid(), socket.gethostname(), _boot(), _started("self"), _namespace(), job, restarts)

    def alive(self) -> bool | None:
        """Whether this process still runs; None if it cannot be known from here."""
        me = Owner.me()
        if self.job and self.job == me.job and self.restarts != me.restarts:
            # Slurm starts a job again only when its last start is over.
            return False
        if self.host != socket.gethostname():
            return None
        if self.boot != _boot():
            return False
        if self.namespace != _namespace():
            return None
        if self.started:
            return _started(str(self.pid)) == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class Lock:
    """The right to write part ``part`` of the run whose state lies in ``folder``.

    Parameters
    ----------
    folder : Path
        Exists.
    part : str
        ``all``, or ``3of16``.

    Raises
    ------
    Locked
        If another process writes the same inputs, or one of another host may.
    """

    def __init__(self, folder: Path, part: str) -> None:
        self._file = folder / (PREFIX + part)
        self._me = Owner.me()
        with _alone(folder):
            for file in self._excluded(part):
                _remove_if_dead(file)
            for file in folder.glob(f"new-{PREFIX}*.{self._me.host}.*"):
                file.unlink(missing_ok=True)
            self._take()
        try:
            # Somebody on another host may have taken a part of the same inputs since the look around above.
            for file in self._excluded(part):
                if file != self._file:
                    _refuse(file, read(file))
        except Locked:
            self.release()
            raise

    def _excluded(self, part: str) -> list[Path]:
        files = sorted(self._file.parent.glob(PREFIX + "*"))
        return [file for file in files if excludes(part, file.name.removeprefix(PREFIX))]

    def _take(self) -> None:
        """Write the lock beside and link it into place, which fails if another one is there by now."""
        beside = self._file.with_name(f"new-{self._file.name}.{self._me.host}.{self._me.pid}")
        beside.write_text(json.dumps(asdict(self._me)), encoding="utf-8")
        try:
            os.link(beside, self._file)
        except FileExistsError:
            _refuse(self._file, read(self._file))
        except OSError:
            # No hard links here (exFAT, some network folders): an exclusive creation says the same, only that
            # somebody who looks in between sees a lock without content.
            try:
                with open(self._file, "x", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(self._me)))
            except FileExistsError:
                _refuse(self._file, read(self._file))
        finally:
            beside.unlink(missing_ok=True)

    def release(self) -> None:
        """Give the lock back, unless somebody has taken it away meanwhile."""
        if read(self._file) == self._me:
            self._file.unlink(missing_ok=True)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def excludes(part: str, other: str) -> bool:
    """Whether two parts may not be written at once: ``3of16`` goes with ``4of16`` only.

    >>> excludes("3of16", "4of16"), excludes("3of16", "3of16")
    (False, True)
    >>> excludes("3of16", "3of8"), excludes("1of2", "all")
    (True, True)
    """
    return part == other or part.partition("of")[2] != other.partition("of")[2]


def read(file: Path) -> Owner | None:
    """The owner that a lock file names; None if the file is gone or says nothing that can be understood."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Owner(**{name: values[name] for name in Owner.__dataclass_fields__ if name in values})
    except (OSError, ValueError, TypeError):
        return None


def live(folder: Path) -> Iterator[str]:
    """The parts of the run in ``folder`` that a process writes now, as far as can be known."""
    for file in sorted(folder.glob(PREFIX + "*")):
        owner = read(file)
        if owner is not None and owner.alive() is not False:
            yield file.name.removeprefix(PREFIX)


def _remove_if_dead(file: Path) -> None:
    owner = read(file)
    try:
        age_s = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return
    if owner is None and age_s < BEING_WRITTEN_S:
        raise Locked(
            f"{file.parent.parent} is just being locked, or a run was stopped in that moment: try again in "
            f"{BEING_WRITTEN_S:g} s, or name another folder with -o"
        )
    # An old lock without content is what a crash of the machine leaves: its writer is gone.
    if owner is None or owner.alive() is False:
        file.unlink(missing_ok=True)
    else:
        _refuse(file, owner)


def _refuse(file: Path, owner: Owner | None) -> None:
    who = f"process {owner.pid} on {owner.host}" if owner else "another process"
    if owner and owner.alive():
        raise Locked(
            f"{file.parent.parent} is being written by {who}: wait for it, or name another folder with -o"
        )
    raise Locked(
        f"{file.parent.parent} is locked by {who}, and whether that still runs cannot be seen from here: "
        f"if it does not, delete {file} and run again"
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of this host at a time looks for dead locks, so none removes a lock just taken."""
    if fcntl is None:
        yield
        return
    with open(folder / "guard", "a") as guard:
        # Some network folders know no such locks; taking a lock stays exclusive there, taking over nearly so.
        with contextlib.suppress(OSError):
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: str) -> str:
    """Start time of a process in ticks since boot (field 22 of its stat), empty if it is gone or a zombie."""
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
