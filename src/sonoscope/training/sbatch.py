"""A SLURM script that runs a training: readable, and able to go on where the scheduler stopped it.

A script asks for nodes and devices, starts a process for each device with ``srun``, and sends the job back to the queue
when its time is nearly up; the command in it says ``--resume``, so that it goes on after its last whole epoch. Several
trainings (seeds, a sweep) become a job array, one of them each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonoscope.errors import UsageError
from sonoscope.training.plans import Planned

#: Before the time is up, for the epoch under way to be left and the job to be queued again.
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
        Cores for each process: itself, its threads and its loaders.
    time : str
        As SLURM writes it: minutes, ``H:MM:SS`` or ``D-HH:MM:SS``.
    partition, account : str
        Empty: the cluster's own choice.
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

    @property
    def words(self) -> list[str]:
        """What the training is told of it."""
        if self.nodes == 1 and self.tasks_per_node == 1:
            return []
        return [f"training.devices={self.tasks_per_node}", f"training.nodes={self.nodes}"]


def script(
    words: Sequence[str], planned: Sequence[Planned], place: Path, wish: Wish, *, quick: bool = False
) -> str:
    """The script's text.

    Parameters
    ----------
    words : sequence of str
        Of the command: preset or file, data, settings.
    planned : sequence of Planned
        The trainings that they stand for.
    place : Path
        The folder of the run.
    """
    many = len(planned) > 1
    log = place.name + ("-%A_%a.log" if many else "-%j.log")
    lines = ["#!/bin/bash", f"#SBATCH --job-name={_job_name(place)}"]
    if many:
        lines.append(f"#SBATCH --array=0-{len(planned) - 1}")
    lines += [f"#SBATCH --nodes={wish.nodes}", f"#SBATCH --ntasks-per-node={wish.tasks_per_node}"]
    if wish.gpus_per_node:
        lines.append(f"#SBATCH --gpus-per-node={wish.gpus_per_node}")
    lines += [
        f"#SBATCH --cpus-per-task={wish.cpus_per_task}",
        f"#SBATCH --time={wish.time}",
        f"#SBATCH --signal=B:USR1@{GRACE_S}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={log}",
    ]
    lines += [
        f"#SBATCH --{name}={value}" for name in ("partition", "account") if (value := getattr(wish, name))
    ]
    lines += ["", *_about(place, many), ""]
    command = ["srun", "--kill-on-bad-exit=1", "sonoscope", "train", *map(shlex.quote, [*words, *wish.words])]
    if many:
        lines += ["trainings=("]
        lines += [f"  {shlex.quote(_one(plan, place))}" for plan in planned]
        lines += [")", 'eval "set -- ${trainings[$SLURM_ARRAY_TASK_ID]}"']
        command.append('"$@"')
    else:
        command += ["-o", shlex.quote(str(place))]
    command += ["--resume", *(["--quick"] if quick else [])]
    lines += [
        "",
        "again() {",
        '  echo "the time is nearly up: back to the queue"',
        '  scontrol requeue "$SLURM_JOB_ID"',
        "}",
        "trap again USR1",
        "",
        f"{' '.join(command)} &",
        "wait $!",
    ]
    return "\n".join(lines) + "\n"


def _about(place: Path, many: bool) -> list[str]:
    return [
        f"# Trains into {place}{', one training for each member of the array' if many else ''}. Submit it in the folder"
        " that the paths below begin in, with",
        "# the environment active in which sonoscope is installed. A job that ends early (its time, a lost node) goes",
        "# back to the queue and on after its last whole epoch; submitting it again does the same.",
    ]


def _one(plan: Planned, place: Path) -> str:
    """What tells one training of an array from the others."""
    return shlex.join([*plan.words, "-o", str(place / plan.folder)])


def _job_name(place: Path) -> str:
    return re.sub(r"[^\w.-]", "_", place.name) or "sonoscope"
