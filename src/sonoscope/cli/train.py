"""``sonoscope train`` and ``sonoscope runs``: models from one's own sounds, and what came of them.

The options of teaching (:mod:`sonoscope.cli.teach`) are listed here, since it is one command.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli import teach
from sonoscope.cli.telling import say
from sonoscope.errors import Stopped, UsageError, count

if TYPE_CHECKING:
    from sonoscope.cluster.slurm import Wish
    from sonoscope.training.config import Config
    from sonoscope.training.plans import Asked, Planned

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PRESET|CONFIG] DATA… [KEY=VALUE…]",
        show_default=False,
        help="Folders of sounds, annotations, manifests or data sets (irmas:FOLDER). To train a network of them, "
        "before them a preset or a YAML file, or settings such as training.epochs=5.",
    ),
]
Out = Annotated[
    str | None,
    typer.Option("-o", "--out", metavar="RUN", show_default=False, help="The folder (default: runs/NAME)."),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Train N times, each with another seed.")]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="KEY=A,B",
        show_default=False,
        help="Train with each value; may be repeated. With --search also ranges: KEY=1e-4..1e-2:log.",
    ),
]
Search = Annotated[
    int | None,
    typer.Option(
        "--search",
        metavar="N",
        show_default=False,
        help="Look for the best values of --sweep in N trainings, each chosen by those before.",
    ),
]
Sbatch = Annotated[
    Path | None,
    typer.Option(
        "--sbatch", metavar="JOB.sh", show_default=False, help="Write a SLURM script that trains, and stop."
    ),
]
Nodes = Annotated[int, typer.Option("--nodes", metavar="N", help="With --sbatch: nodes.")]
Gpus = Annotated[int, typer.Option("--gpus-per-node", metavar="N", help="With --sbatch: GPUs of each node.")]
Cores = Annotated[int, typer.Option("--cpus-per-task", metavar="N", help="With --sbatch: cores a process.")]
Time = Annotated[str, typer.Option("--time", metavar="H:MM:SS", help="With --sbatch: time of a job.")]
Partition = Annotated[
    str, typer.Option("--partition", metavar="NAME", show_default=False, help="With --sbatch: SLURM's.")
]
Account = Annotated[
    str, typer.Option("--account", metavar="NAME", show_default=False, help="With --sbatch: SLURM's.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where trainings in that folder ended.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Five clips of each part, two epochs: does it work at all?")
]
List = Annotated[bool, typer.Option("--list", help="List the presets and stop.")]
Print = Annotated[bool, typer.Option("--print", help="Print the whole configuration and stop.")]


def train(
    words: Words = None,
    out: Out = None,
    seeds: Seeds = 1,
    sweep: Sweep = None,
    search: Search = None,
    resume: Resume = False,
    quick: Quick = False,
    sbatch: Sbatch = None,
    nodes: Nodes = 1,
    gpus_per_node: Gpus = 0,
    cpus_per_task: Cores = 4,
    time: Time = "24:00:00",
    partition: Partition = "",
    account: Account = "",
    list_presets: List = False,
    print_config: Print = False,
    unlabelled: teach.Unlabelled = None,
    hours: teach.Hours = None,
    group_by: teach.GroupBy = None,
    base: teach.Base = None,
    verdicts: teach.Verdicts = None,
    precision: teach.Precision = None,
    only_marked: teach.OnlyMarked = False,
    without: teach.Without = None,
    finetune: teach.Finetune = False,
    overwrite: teach.Overwrite = False,
) -> int:
    """Train a model; ends with a bundle that analyze takes, and figures of recordings it has not heard.

    Sounds alone (sonoscope train SNIPPETS -o NAME) are taught to a model that is there, in minutes; with a preset, a
    configuration or KEY=VALUE a network is trained. Ctrl-C once ends that early and tests what there is.
    """
    wishes = {
        "--unlabelled": unlabelled, "--hours": hours, "--group-by": group_by, "--base": base, "--verdicts": verdicts,
        "--precision": precision, "--only-marked": only_marked, "--without": without, "--finetune": finetune,
        "--overwrite": overwrite,
    }  # fmt: skip
    network = {
        "--seeds": seeds != 1, "--sweep": sweep, "--search": search, "--resume": resume, "--quick": quick,
        "--sbatch": sbatch, "--print": print_config, "--list": list_presets,
    }  # fmt: skip
    if teach.is_teaching(words or [], wishes, network):
        return teach.taught(words or [], out, wishes)
    if list_presets:
        from sonoscope.training import presets

        _show_presets(presets.names())
        return 0
    job = (nodes, gpus_per_node, cpus_per_task, time, partition, account)
    return _network(words or [], out, seeds, sweep, search, resume, quick, sbatch, job, print_config)


def _network(
    words: list[str],
    out: str | None,
    seeds: int,
    sweep: list[str] | None,
    search: int | None,
    resume: bool,
    quick: bool,
    sbatch: Path | None,
    job: tuple[int, int, int, str, str, str],
    print_config: bool,
) -> int:
    """Train a network or a classical model as a configuration says."""
    from sonoscope.training import plans

    found = plans.asked(words)
    for remark in found.remarks:
        say(f"note: {remark}")
    if quick:
        found = plans.hurried(found)
    planned = plans.plans(found, seeds=seeds, sweep=() if search is not None else sweep or ())
    if print_config:
        print(planned[0].config.to_yaml(), end="")
        return 0
    if not planned[0].config.data.train:
        raise UsageError("nothing to train on: name a folder of sounds, a manifest or a data set")
    place = plans.folder_for(planned[0].config.name or "model", out)
    if sbatch is not None:
        from sonoscope.cluster.slurm import Wish

        if search is not None:
            raise UsageError(
                "--search trains one after the other: put the command itself into a job, without --sbatch"
            )
        return _write_job(sbatch, words, planned, place, Wish(*job), quick)
    if search is not None:
        return _search(found, sweep or [], search, seeds, place, resume, quick)
    return _train(planned, place, out is not None, resume, quick)


def _train(planned: list[Planned], place: Path, named: bool, resume: bool, quick: bool) -> int:
    """Train one after the other, and show what came of it."""
    # Processes that train together would each warn, in C++, that no weight was without a part; in phases some are.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from sonoscope.training import rundir, start
    from sonoscope.training import runs as finished
    from sonoscope.training.config import several_devices

    many, ended = len(planned) > 1, 0
    if many:
        _one_process(planned[0].config, "several trainings")
    elif several_devices(planned[0].config.training) and not named:
        raise UsageError(
            "several processes that train together need a folder that all of them know: name it with -o"
        )
    for number, plan in enumerate(planned, start=1):
        folder = place / plan.folder if plan.folder else place
        if many:
            say(f"[{number}/{len(planned)}] {plan.folder}")
        if resume and rundir.finished(folder):
            say("finished earlier")
            continue
        config = plan.config
        if many and config.data.folder is None:
            from dataclasses import replace

            # What is prepared for one serves all of them.
            config = replace(config, data=replace(config.data, folder=str(place / "data")))
        try:
            outcome = start.fit(config, folder, resume=resume, quick=quick, say=say)
        except rundir.Diverged as problem:
            if not many:
                raise
            say(str(problem))  # the others of a sweep may do better
            ended = 1
            continue
        if not outcome.metrics:  # another process leads
            return 0
        if outcome.interrupted:
            say(f"ended early. The same command with --resume goes on: {place}")
            ended = Stopped.exit_code
            break
    found = finished.find([place])
    if not ended and any(rundir.REFUSED in run.metrics for run in found):
        ended = 1  # learned and measured, but not what was asked for
    lines = finished.lines(found)
    print(finished.table(lines))
    for told in filter(None, map(finished.about_clips, lines)):
        say(told)
    if not many and (place / rundir.BUNDLE).is_dir():
        say(_what_to_do(planned[0].config.kind, place, place / rundir.BUNDLE))
    return ended


def _what_to_do(kind: str, run: Path, bundle: Path) -> str:
    """Where a model lies, and the command that it is for."""
    if kind == "pretrain":
        return (
            f"the backbone: {run}; sonoscope train SOUNDS network.init_from={run}, or only a head on it: "
            f"network.backbone=bundle:{bundle}; sonoscope embed RECORDINGS -m {bundle}"
        )
    return (
        f"the model: {bundle}; sonoscope {'notes' if kind == 'notes' else 'analyze'} RECORDINGS -m {bundle}"
    )


def _search(
    found: Asked, sweep: list[str], count: int, seeds: int, place: Path, resume: bool, quick: bool
) -> int:
    """Search, show every trial and name the best."""
    from sonoscope.training import config as configs
    from sonoscope.training import search, space

    if seeds > 1:
        raise UsageError("--search trains with one seed: train what it finds with --seeds")
    _one_process(configs.compose(found.values, found.words), "a search")
    axes = space.axes(sweep, ranges=True)
    outcome = search.search(found, axes, count, place, resume=resume, quick=quick, say=say)
    print(search.table(outcome))
    if outcome.best is not None:
        print(f"best: {' '.join(outcome.best.words)}")
        say(f"its configuration: {place / search.BEST}; sonoscope train {place / search.BEST} --seeds 3")
    if outcome.interrupted:
        say(f"ended early. The same command with --resume goes on: {place}")
        return Stopped.exit_code
    return 0 if outcome.best is not None else 1


def _one_process(config: Config, what: str) -> None:
    """Refuse several processes where they would have to train more than once."""
    from sonoscope.training.config import several_devices

    if several_devices(config.training):
        raise UsageError(
            f"{what} on several devices (training.devices={config.training.devices}, training.nodes="
            f"{config.training.nodes}) would have to be started together again and again: train with "
            "training.devices=1, or let --sbatch write a job for each"
        )


def _write_job(
    path: Path, words: list[str], planned: list[Planned], place: Path, wish: Wish, quick: bool
) -> int:
    """Write the script, and say how it is used."""
    from sonoscope.data.table import put
    from sonoscope.training import sbatch

    if path.exists():
        raise UsageError(f"{path} exists already: name another file, or remove it")
    put(path, sbatch.script(words, planned, place, wish, quick=quick).encode())
    path.chmod(0o755)
    say(f"{count(len(planned), 'training')} into {place}: sbatch {path}")
    return 0


def _show_presets(names: dict[str, str]) -> None:
    width = max(map(len, names), default=0)
    for name, about in names.items():
        print(f"{name:<{width}}  {about}")


runs_app = typer.Typer(help="What came of trainings.", add_completion=False)


@runs_app.callback()
def _group() -> None:
    """What came of trainings."""


Places = Annotated[
    list[Path], typer.Argument(metavar="RUN…", show_default=False, help="Folders of trainings.")
]
Figures = Annotated[
    str | None,
    typer.Option("--figures", metavar="A,B", show_default=False, help="Which (default: map, F1s, top-1)."),
]
Style = Annotated[str, typer.Option("--style", metavar="STYLE", help="text, markdown, latex or csv.")]


@runs_app.command("table")
def table_command(places: Places, figures: Figures = None, style: Style = "text") -> int:
    """A line for each training, mean ± standard deviation over its seeds."""
    from sonoscope.training import runs

    names = tuple(figures.split(",")) if figures else runs.FIGURES
    print(runs.table(runs.lines(runs.find(places)), names, style))
    return 0


First = Annotated[
    Path, typer.Argument(metavar="FIRST", show_default=False, help="A training, or its seeds' folder.")
]
Second = Annotated[Path, typer.Argument(metavar="SECOND", show_default=False, help="The other.")]


@runs_app.command("compare")
def compare_command(first: First, second: Second, figures: Figures = None, style: Style = "text") -> int:
    """The difference of two trainings on the same test clips, with a 95 % interval over groups."""
    from sonoscope.training import runs

    names = tuple(figures.split(",")) if figures else ("map", "macro_f1")
    one, other = runs.of_same_seeds(runs.seeds_of(first), runs.seeds_of(second))
    found, clips, groups = runs.compare(one, other, names)
    seeds = f", {len(one)} seeds of each" if len(one) > 1 else ""
    told = f"{first} against {second}: {clips} test clips of {groups} groups{seeds}"
    if style != "text":
        say(told)
        print(runs.differences(found, (first.name, second.name), style))
        return 0
    print(told)
    for each in found:
        low, high = each.interval
        verdict = "differs" if low > 0 or high < 0 else "no difference shown"
        print(
            f"{each.figure}: {each.first:.3f} - {each.second:.3f} = {each.difference:+.3f} "
            f"(95 % {low:+.3f} to {high:+.3f}; {verdict})"
        )
    return 0
