"""How many processes a run may start: the share of this machine that the process was given.

The smallest of what the batch system granted (Slurm, PBS, LSF, Grid Engine), the CPU quota of the control
group (v1 and v2, the process's own group and every group above it) and the set of processors it may run on. A
process on a shared node therefore never takes all of it merely because it can see it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

#: What batch systems call the number of processors granted to this task, the most specific first.
GRANTED = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NP", "NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS")


def default_workers(*, environ: Mapping[str, str] | None = None, root: str | Path = "/") -> int:
    """The number of worker processes for this process's share of the machine, at least 1.

    Parameters
    ----------
    environ : mapping, optional
        Environment variables; default: those of the process.
    root : path
        Where ``proc`` and ``sys`` are looked for.
    """
    limits = [_usable()]
    granted = _granted(os.environ if environ is None else environ)
    if granted:
        limits.append(granted)
    # A quota of 2.5 processors keeps two processes busy and would make a third one wait.
    limits += [int(quota) for quota in quotas(Path(root))]
    return max(1, min(limits))


def quotas(root: Path) -> Iterator[float]:
    """Every CPU quota that holds for this process, in processors; nothing where there is no limit."""
    try:
        groups = (root / "proc/self/cgroup").read_text()
    except OSError:
        return
    for line in groups.splitlines():
        number, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        if number == "0" and not controllers:
            for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                yield from _walk(root / mount, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for mount in ("sys/fs/cgroup/cpu", "sys/fs/cgroup/" + controllers):
                yield from _walk(root / mount, path, _quota_v1)


def _walk(mount: Path, path: str, quota: Callable[[Path], float | None]) -> Iterator[float]:
    """``quota`` of the group ``path`` below ``mount`` and of all groups above it, the mount itself included.

    Inside a container the path is often that of the host and does not exist; what does exist above it counts.
    """
    parts = [p for p in path.split("/") if p and p != ".."]
    for depth in range(len(parts), -1, -1):
        found = quota(mount.joinpath(*parts[:depth]))
        if found is not None:
            yield found


def _quota_v2(group: Path) -> float | None:
    words = _words(group / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _quota_v1(group: Path) -> float | None:
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    if not quota or not period or not quota[0].isdigit() or not int(period[0]):
        return None
    return int(quota[0]) / int(period[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _granted(environ: Mapping[str, str]) -> int | None:
    for name in GRANTED:
        if environ.get(name, "").isdigit() and int(environ[name]) > 0:
            return int(environ[name])
    return None


def _usable() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
