"""A SLURM script that runs a training: readable, and able to go on where the scheduler stopped it.

A script asks for nodes and devices, starts a process for each device with ``srun``, and sends the job back to the queue
when its time is nearly up; the command in it says ``--resume``, so that it goes on after its last whole epoch. Several
trainings (seeds, a sweep) become a job array, one of them each.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from sonoscope.cluster import slurm
from sonoscope.cluster.slurm import Wish
from sonoscope.training.plans import Planned


def devices(wish: Wish) -> list[str]:
    """The settings that tell a training what its job was given."""
    if wish.nodes == 1 and wish.tasks_per_node == 1:
        return []
    return [f"training.devices={wish.tasks_per_node}", f"training.nodes={wish.nodes}"]


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
    lines = slurm.head(place.name, wish, array=f"0-{len(planned) - 1}" if many else "")
    lines += ["", *_about(place, many), ""]
    command = [
        "srun",
        "--kill-on-bad-exit=1",
        "sonoscope",
        "train",
        *map(shlex.quote, [*words, *devices(wish)]),
    ]
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
