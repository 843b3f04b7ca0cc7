"""Which part of a job array this process is, as schedulers say it in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from sonoscope.errors import UsageError


class _Names(NamedTuple):
    """Where a scheduler tells the number of a task, and the first, the last and the step of all of them."""

    task: str
    first: str
    last: str
    step: str


SCHEDULERS = {
    "SLURM": _Names(
        "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"
    ),
    "Grid Engine": _Names("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"),
    "LSF": _Names("LSB_JOBINDEX", "", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP"),
    "PBS": _Names("PBS_ARRAY_INDEX", "", "", ""),
}


def auto(parts: int | None = None, *, environ: Mapping[str, str] | None = None) -> tuple[int, int]:
    """``(i, n)``: this is part ``i`` of ``n``, from 1.

    Parameters
    ----------
    parts : int, optional
        How many there are, where a plan says so: then the index of the task is the number of the part, whichever
        others of the array are running (``sbatch --array=3,7`` does two parts again).
    environ : mapping, optional
        Default: the environment of the process.

    Raises
    ------
    UsageError
        If this is no task of an array, or the array cannot be counted from here.
    """
    environ = os.environ if environ is None else environ
    for scheduler, names in SCHEDULERS.items():
        index = _number(environ, names.task)
        # Grid Engine says "undefined" and LSF 0 outside an array.
        if index is None or (scheduler == "LSF" and index == 0):
            continue
        if parts is None:
            return _counted(environ, scheduler, names, index)
        if not 1 <= index <= parts:
            raise UsageError(
                f"--shard auto: {names.task}={index}, and there are parts 1 to {parts}: submit with --array=1-{parts}"
            )
        return index, parts
    known = ", ".join(names.task for names in SCHEDULERS.values())
    raise UsageError(
        f"--shard auto: this is no task of a job array (none of {known} is set): give --shard I/N"
    )


def _counted(environ: Mapping[str, str], scheduler: str, names: _Names, index: int) -> tuple[int, int]:
    last, step = _number(environ, names.last), _number(environ, names.step) or 1
    first = _number(environ, names.first) if names.first else 1
    if last is None or first is None:
        raise UsageError(
            f"--shard auto: {scheduler} does not say how many tasks the array has: give --shard ${names.task}/N"
        )
    count = (last - first) // step + 1
    said = _number(environ, "SLURM_ARRAY_TASK_COUNT") if scheduler == "SLURM" else count
    if said is not None and said != count:
        raise UsageError(
            f"--shard auto: the array has gaps ({said} tasks between {first} and {last}), so the number of parts "
            f"cannot be told: give --shard ${names.task}/N"
        )
    return (index - first) // step + 1, count


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "") if name else ""
    return int(text) if text.isdigit() else None
