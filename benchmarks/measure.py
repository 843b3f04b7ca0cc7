"""How things are measured here: user CPU, variants in turn, medians; child processes with their peak memory.

Absolute times say something about the machine and its other users; the ratio of two variants that took turns in one
process says something about the code. User CPU does not count waiting, so a busy machine spoils it least.
"""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: One thread in every library, on both sides of every comparison.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: Of every process that is measured. Bytecode is kept, as an installation keeps it: without it each start would compile
#: all sources again, which no user pays for.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    **ONE_THREAD,
}
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """What a benchmark is told.

    ``folder`` is where it may write; ``repeats`` how often each variant runs; ``quick`` asks for seconds of sound
    instead of minutes, to see that figures come out at all.
    """

    folder: Path
    repeats: int = 5
    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured number: ``value`` in ``unit``, the ``goal`` it is held against, and what it was made of."""

    what: str
    value: float
    unit: str = ""
    goal: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def user_s() -> float:
    """User CPU of this process so far, in seconds."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def interleaved(variants: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """User CPU seconds of each variant, ``repeats`` times, the variants taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, variant in variants.items():
            before = user_s()
            variant()
            seconds[name].append(user_s() - before)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, dict[str, Any]]:
    """Median of the ratios of runs that followed each other, and its parts for the record."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    details = {
        "ratios": [round(r, 2) for r in ratios],
        "slow_s": round(statistics.median(slow), 3),
        "fast_s": round(statistics.median(fast), 3),
    }
    return statistics.median(ratios), details


@dataclass(frozen=True)
class Child:
    """What a finished process used, its own children included; ``peak_mib`` is of the largest of them."""

    user_s: float
    system_s: float
    wall_s: float
    peak_mib: float
    stdout: str

    @property
    def cpu_s(self) -> float:
        """User and system."""
        return self.user_s + self.system_s


def child(arguments: Sequence[str | Path]) -> Child:
    """Run a process to its end, one thread per library.

    Linux counts the memory of the process that starts another as the other's first; so whoever calls this must be
    small itself, and import nothing large.

    Raises
    ------
    RuntimeError
        If it fails; with what it said.
    """
    words = [str(word) for word in arguments]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(words, stdout=stdout, stderr=stderr, env=ENVIRONMENT)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        uses = [used, *_orphans()]
        stdout.seek(0)
        stderr.seek(0)
        said, complaints = stdout.read(), stderr.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {complaints[-2000:]}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Child(
        user_s=sum(used.ru_utime for used in uses),
        system_s=sum(used.ru_stime for used in uses),
        wall_s=wall_s,
        peak_mib=max(used.ru_maxrss for used in uses) / unit,
        stdout=said,
    )


def _orphans() -> list[resource.struct_rusage]:
    """What was used by the processes that the child left behind, each waited for (:func:`adopt_orphans`)."""
    uses = []
    with suppress(ChildProcessError):
        while True:
            uses.append(os.wait4(-1, 0)[2])
    return uses


def adopt_orphans() -> None:
    """Let processes whose parent ends become this one's children, so that what they use is counted (Linux).

    The server that forks a run's workers ends after the run that started it.
    """
    set_child_subreaper = 36
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def sonoscope(*arguments: str | Path) -> list[str | Path]:
    """The command as its users call it, in this interpreter."""
    return [sys.executable, "-c", "import sys; from sonoscope.cli import main; sys.exit(main())", *arguments]


def sound(settings: Settings, minutes: float, suffix: str = ".flac") -> Path:
    """A synthetic recording of so many minutes (sound.py), made once, in a process of its own."""
    path = settings.folder / f"sound-{minutes:g}min{suffix}"
    if not path.exists():
        child([sys.executable, HERE / "sound.py", path, str(minutes)])
    return path


class Clock:
    """Adds up the CPU time spent inside functions and iterators that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def function(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """``inner``, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*arguments, **options)
            finally:
                self.seconds += time.process_time() - began

        return timed

    def iterator(self, inner: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """A function that returns an iterator, every step of which is timed."""

        def timed(*arguments: Any, **options: Any) -> Iterator[Any]:
            steps = inner(*arguments, **options)
            while True:
                began = time.process_time()
                try:
                    item = next(steps)
                except StopIteration:
                    return
                finally:
                    self.seconds += time.process_time() - began
                yield item

        return timed


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """``owner.name`` is ``value`` for a while: how a clock gets between two stages."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
