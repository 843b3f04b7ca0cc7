"""Options for more than one machine, and ``--sbatch``, which writes a job array instead of a result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import number, option, whole
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.runs.spec import RunSpec


Dask = Annotated[
    str | None,
    option("--dask", metavar="CLUSTER", help="Workers are dask's: an address, local, slurm, or a YAML file."),
]
DaskWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        show_default=False,
        min=1,
        help="With --dask local or slurm: how many workers.",
    ),
]
Stage = Annotated[
    str | None,
    option(
        "--stage", metavar="FOLDER", help="Copy recordings there, on a disk of this machine, to read them."
    ),
]
StageLimit = Annotated[
    str | None,
    option(
        "--stage-limit",
        metavar="SIZE",
        help="What --stage may hold, such as 20G (default: half of the free).",
    ),
]
Sbatch = Annotated[
    Path | None,
    option(
        "--sbatch", metavar="JOB.sh", help="Write a SLURM job array that does it, list the inputs, and stop."
    ),
]
Hours = Annotated[
    float | None,
    option(
        "--hours-per-task", metavar="H", parser=number, help="With --sbatch: recorded hours a task (100)."
    ),
]
Cores = Annotated[
    int | None,
    option("--cpus-per-task", metavar="N", parser=whole, help="With --sbatch: workers a task (1)."),
]
Time = Annotated[
    str | None,
    option("--time", metavar="H:MM:SS", help="With --sbatch: limit of a task (default: from its hours)."),
]
Partition = Annotated[str | None, option("--partition", metavar="NAME", help="With --sbatch: SLURM's.")]
Account = Annotated[str | None, option("--account", metavar="NAME", help="With --sbatch: SLURM's.")]


@dataclass(frozen=True)
class Array:
    """What ``--sbatch`` and its options say."""

    script: Path | None
    hours_per_task: float | None
    cpus_per_task: int | None
    time: str | None
    partition: str | None
    account: str | None

    def write(self, spec: RunSpec) -> int:
        """Write the job, and say how it is submitted."""
        from sonoscope.cli.telling import say
        from sonoscope.cluster import job
        from sonoscope.cluster.slurm import Wish

        assert self.script is not None
        if not spec.out or spec.out == "-":
            raise UsageError("--sbatch needs a folder for the results that all nodes see: add -o OUT")
        wish = Wish(
            cpus_per_task=1 if self.cpus_per_task is None else self.cpus_per_task,
            partition=self.partition or "",
            account=self.account or "",
            # Here too, so that a time which SLURM would refuse is refused before the inputs are listed.
            time=self.time or Wish.time,
        )
        hours = job.HOURS_PER_TASK if self.hours_per_task is None else self.hours_per_task
        made = job.write(spec, self.script, wish, hours_per_task=hours, time=self.time or "")
        if made.parts.count > job.MOST:
            say(
                f"note: {made.parts.count} tasks are more than most clusters take in an array ({job.MOST}): "
                f"--hours-per-task {hours * made.parts.count / job.MOST:.0f} makes fewer"
            )
        say(str(made))
        return 0

    def check(self) -> None:
        """Refuse what only means something with ``--sbatch``."""
        if self.script is not None:
            return
        for name in ("hours_per_task", "cpus_per_task", "time", "partition", "account"):
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} describes a job: add --sbatch JOB.sh")
