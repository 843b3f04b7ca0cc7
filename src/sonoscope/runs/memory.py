"""How much memory the processes of a run hold together, and a limit that holds (``--max-memory``).

Counted is what this process and all that it started hold in memory, pages that several share once (Linux: the
proportional set size). Workers are started one after another as long as there is room for one more of the size that
they were seen to have; if they grow beyond the limit all the same, the youngest is ended and its recording begins
anew when there is room. One that needs more than the limit by itself has failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from sonoscope.errors import UsageError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_UNITS = {
    "": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
#: The least that can be asked: the run and one worker with a small model.
LEAST_BYTES = 300 << 20
#: What a worker is taken to need before one was seen.
GUESS_BYTES = 120 << 20
#: How often it is looked, in seconds.
LOOK_S = 0.2


def parse_size(text: str) -> int:
    """``2G``, ``1.5GiB`` or ``800M`` in bytes.

    Raises
    ------
    UsageError
        If it is no size, or less than a run needs.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UsageError(f"--max-memory {text!r} must be a size with its unit, such as 2G or 800M")
    size = int(float(match[1]) * unit)
    if size < LEAST_BYTES:
        raise UsageError(
            f"--max-memory {text} must be {LEAST_BYTES >> 20}M or more: the run and one worker need that"
        )
    return size


class Budget:
    """What may be held, and what is.

    Parameters
    ----------
    limit : int, optional
        Bytes; None: nothing is measured, and there is always room.

    Attributes
    ----------
    peak : int
        The most that was seen, in bytes.
    """

    def __init__(self, limit: int | None) -> None:
        if limit is not None and sys.platform == "win32":
            raise UsageError(
                "--max-memory cannot be kept on Windows: leave it out, and give --workers instead"
            )
        self.limit, self.peak = limit, 0
        self._worker = GUESS_BYTES
        self._known = False
        self._next = 0.0

    def exceeded(self) -> bool:
        """Whether too much is held; looks again only after a while."""
        if self.limit is None or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_S
        held = sum(held_bytes(family(os.getpid())).values())
        self.peak = max(self.peak, held)
        return held > self.limit

    def learn(self, worker_bytes: int) -> None:
        """Take note of what a worker needed that has finished a recording."""
        self._worker = max(self._worker, worker_bytes)
        self._known = True

    def room_for(self, workers: int) -> bool:
        """Whether another worker may be started beside so many."""
        if self.limit is None or workers == 0:
            return True
        if not self._known:
            return False
        own = held_bytes([os.getpid()]).get(os.getpid(), 0)
        return own + (workers + 1) * self._worker <= self.limit


def family(pid: int) -> list[int]:
    """A process and all that it started, as far as that can be seen."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                left += map(int, file.read_text().split())
    return found


def held_bytes(pids: list[int]) -> dict[int, int]:
    """What each process holds in memory; those that are gone are left out."""
    if not Path("/proc/self/statm").exists():
        return _by_ps(pids)
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            found[pid] = _proportional(pid)
    return found


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.split("Pss:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _by_ps(pids: list[int]) -> dict[int, int]:
    """The resident sizes of processes and their children, where there is no ``/proc`` (macOS, BSD)."""
    lines = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=False
    ).stdout
    rows = [tuple(map(int, line.split())) for line in lines.splitlines() if line.strip()]
    wanted = set(pids)
    for _ in range(3):  # the run, the server that forks, workers
        wanted |= {pid for pid, parent, _ in rows if parent in wanted}
    return {pid: rss * 1024 for pid, _, rss in rows if pid in wanted}


def peak_rss_bytes() -> int:
    """The largest amount of memory that this process has held so far; 0 where that is not known."""
    with contextlib.suppress(OSError, StopIteration):
        # Not ru_maxrss: Linux counts what the process held before this program was started in it.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
