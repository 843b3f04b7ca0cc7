"""A run of ``analyze`` as a job array for SLURM: a script, what it is told, and a list of the inputs with their parts.

Three files lie side by side: ``NAME.sh`` (the script), ``NAME.json`` (the options, which every task reads with
``--config``) and ``NAME.inputs.jsonl`` (:mod:`sonoscope.runs.parts`). The inputs are listed once, here; parts are
shares of the recorded time. Tasks need no network and nothing of this machine but the shared folders.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sonoscope.cluster import slurm
from sonoscope.cluster.lengths import Lengths
from sonoscope.cluster.slurm import Wish
from sonoscope.errors import UsageError, count
from sonoscope.models.devices import CUDA
from sonoscope.runs import folder, parts, staging
from sonoscope.runs.listing import entries
from sonoscope.runs.parts import Parts
from sonoscope.runs.setup import prepare
from sonoscope.runs.spec import RunSpec

#: Recorded hours that a task gets where nothing is said.
HOURS_PER_TASK = 100.0
#: How fast a core is taken to be at least, for the time that a job asks for: recorded seconds a second.
SLOW = 50.0
#: What a job asks for at least, in seconds: the start of Python on a busy file system included.
LEAST_S = 1800
#: Tasks of an array that a cluster usually takes at most (SLURM's MaxArraySize is 1001 unless it was changed).
MOST = 1000


@dataclass(frozen=True)
class Job:
    """What was written."""

    script: Path
    options: Path
    inputs: Path
    parts: Parts
    wish: Wish

    def __str__(self) -> str:
        found = self.parts
        return (
            f"{found.entries:,} inputs, about {_length(found.seconds)}, in {count(found.count, 'task')} of at most "
            f"{_length(found.longest_s)}: bash {self.script} submits them"
        )


def write(
    spec: RunSpec, script: Path, wish: Wish, *, hours_per_task: float = HOURS_PER_TASK, time: str = ""
) -> Job:
    """List the inputs and write the three files.

    Parameters
    ----------
    spec : RunSpec
        ``out`` is a folder that all tasks see.
    script : Path
        ``NAME.sh``.
    wish : Wish
        Its ``cpus_per_task`` are the workers of a task.
    hours_per_task : float
        Recorded hours.
    time : str
        Limit of a task, as SLURM writes it; empty: from the hours, for a slow core.

    Raises
    ------
    UsageError
        If a file exists, there is nothing to analyse, or an option makes no sense in a job.
    """
    options, listed = script.with_suffix(".json"), script.with_suffix(".inputs.jsonl")
    there = [file for file in (script, options, listed) if file.exists()]
    if there:
        names = shlex.join(map(str, there))
        raise UsageError(f"{names} exist already: name another script, or remove them: rm {names}")
    if not (math.isfinite(hours_per_task) and hours_per_task > 0):
        raise UsageError(
            f"--hours-per-task {hours_per_task:g} must be more than 0: recorded hours for each task"
        )
    for option, given in (("--shard", spec.shard), ("--dask", spec.dask), ("--watch", spec.watch or None)):
        if given is not None:
            raise UsageError(f"{option} and --sbatch both say who does what: leave one out")
    if spec.stage is None:
        staging.check(spec)
    # Disks of nodes are not here.
    setup = prepare(replace(spec, out=folder.dated(spec.out), stage=None, stage_limit=None))
    spec = replace(setup.spec, workers=wish.cpus_per_task, stage=spec.stage, stage_limit=spec.stage_limit)
    folder.Folder(spec.out).check(setup.settings, overwrite=False)
    found = parts.write(listed, entries(spec.inputs, None), Lengths().of, hours_per_task * 3600)
    if not found.entries:
        listed.unlink()
        raise UsageError(f"nothing to analyse in {', '.join(spec.inputs)}: no recordings were found there")
    wish = replace(wish, time=time or _enough(found.longest_s / (SLOW * wish.cpus_per_task)))
    place = Path.cwd() / script
    told = replace(spec, listed=str(place.with_suffix(".inputs.jsonl")), overwrite=False)
    options.write_text(json.dumps({"settings": told.to_json()}, indent=1) + "\n", encoding="utf-8")
    script.write_text("\n".join(_lines(told, place, wish, found)) + "\n", encoding="utf-8")
    script.chmod(0o755)
    return Job(script, options, listed, found, wish)


def _length(seconds: float) -> str:
    """Recorded time as it is said: hours, or minutes of less than one."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{math.ceil(seconds / 60)} min"


def _enough(seconds: float) -> str:
    """A limit of time with room, in whole half hours."""
    halves = math.ceil(max(seconds * 1.5, LEAST_S) / 1800)
    return f"{halves // 2}:{halves % 2 * 30:02d}:00"


def _lines(spec: RunSpec, script: Path, wish: Wish, found: Parts) -> Iterable[str]:
    here, options, out = (shlex.quote(str(path)) for path in (script, script.with_suffix(".json"), spec.out))
    array = f"1-{found.count}"
    yield from slurm.head(script.stem, wish, array=array)
    if spec.on == CUDA:
        # A task uses all that it is given: another number may be written here.
        yield "#SBATCH --gpus-per-node=1"
    yield from (
        "",
        f"# Analyses {found.entries} inputs, about {_length(found.seconds)} of sound, into",
        f"# {spec.out}, in {count(found.count, 'task')} of at most {_length(found.longest_s)}.",
        "#",
        f"#   bash {script.name}                      submits the tasks, and after them one that collects their tables",
        f"#   sbatch {script.name}                    submits the tasks only; the last to end writes the tables",
        f"#   sbatch --array=3,7 {script.name}        does two tasks again; what is complete is not done twice",
        "#",
        "# Submit with the environment active in which sonoscope is installed. A task whose time is nearly up, or that",
        "# is preempted, goes back to the queue and on with the next input; killing it loses what was not complete.",
        "",
        'if [[ -z "$SLURM_JOB_ID" ]]; then',
        f"  job=$(sbatch --parsable {here}) || {{ echo 'nothing was submitted' >&2; exit 2; }}",
        '  job="${job%%;*}"',
        '  sbatch --parsable --dependency="afterany:$job" --job-name=collect --ntasks=1 --time=1:00:00 \\',
        *(f"    --{name}={value} \\" for name in ("partition", "account") if (value := getattr(wish, name))),
        f"    --output={shlex.quote(script.stem)}-collect-%j.log \\",
        f"    --wrap {shlex.quote(f'sonoscope collect {out}')} >/dev/null",
        '  echo "tasks: $job (squeue -j $job); their tables are collected when they have ended"',
        "  exit",
        "fi",
        "",
        "# SIGTERM ends a run at the next whole input, with exit code 3.",
        "again() {",
        '  kill -TERM "$run" 2>/dev/null; wait "$run"',
        '  echo "the time is nearly up: back to the queue"',
        '  scontrol requeue "$SLURM_JOB_ID"',
        "  exit 3",
        "}",
        "trap again USR1",
        "",
        f"sonoscope analyze --config {options} --shard auto &",
        "run=$!",
        'wait "$run"',
        "code=$?",
        "if (( code == 1 )); then",
        f'  echo "some inputs could not be analysed; the others are complete: see {spec.out}/errors.csv"',
        "  exit 0",
        "fi",
        "exit $code",
    )
