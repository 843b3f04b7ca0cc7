"""What the scripts for SLURM have in common: what is asked of the cluster, and going back to the queue in time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sonoscope.errors import UsageError

#: Before the time is up, for the work under way to be left whole and the job to be queued again.
GRACE_S = 180
_TIME = re.compile(r"\d+(-\d+(:\d+(:\d+)?)?|(:\d+){0,2})")


@dataclass(frozen=True)
class Wish:
    """What a job asks the cluster for.

    Attributes
    ----------
    nodes : int
    gpus_per_node : int
        0: one process on the processor of each node.
    cpus_per_task : int
        Cores for each process: itself, its threads and its workers.
    time : str
        As SLURM writes it: minutes, ``H:MM:SS`` or ``D-HH:MM:SS``.
    partition, account : str
        Empty: the cluster's own choice.

    Raises
    ------
    UsageError
        For a value that SLURM would refuse.
    """

    nodes: int = 1
    gpus_per_node: int = 0
    cpus_per_task: int = 4
    time: str = "24:00:00"
    partition: str = ""
    account: str = ""

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("gpus_per_node", 0), ("cpus_per_task", 1)):
            if getattr(self, name) < least:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} {getattr(self, name)} must be at least {least}")
        if not _TIME.fullmatch(self.time):
            raise UsageError(f"--time {self.time!r} must be minutes, H:MM:SS or D-HH:MM:SS")

    @property
    def tasks_per_node(self) -> int:
        return max(self.gpus_per_node, 1)


def head(name: str, wish: Wish, *, array: str = "") -> list[str]:
    """The first lines of a script: the shell, and what is asked for.

    Parameters
    ----------
    name : str
        Of the work; that of the job and of its logs is made from it.
    array : str
        ``0-15``, ``1-200%20``; empty: one job.
    """
    safe = re.sub(r"[^\w.-]", "_", name) or "sonoscope"
    lines = ["#!/bin/bash", f"#SBATCH --job-name={safe}"]
    if array:
        lines.append(f"#SBATCH --array={array}")
    lines += [f"#SBATCH --nodes={wish.nodes}", f"#SBATCH --ntasks-per-node={wish.tasks_per_node}"]
    if wish.gpus_per_node:
        lines.append(f"#SBATCH --gpus-per-node={wish.gpus_per_node}")
    lines += [
        f"#SBATCH --cpus-per-task={wish.cpus_per_task}",
        f"#SBATCH --time={wish.time}",
        f"#SBATCH --signal=B:USR1@{GRACE_S}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={safe}-{'%A_%a' if array else '%j'}.log",
    ]
    return lines + [
        f"#SBATCH --{name}={value}" for name in ("partition", "account") if (value := getattr(wish, name))
    ]
