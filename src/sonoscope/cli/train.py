"""``sonoscope train`` and ``sonoscope runs``: models from one's own sounds, and what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.telling import say
from sonoscope.errors import UsageError

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PRESET|CONFIG] DATA… [KEY=VALUE…]",
        show_default=False,
        help="A preset or a YAML file; folders of sounds, manifests or data sets (irmas:FOLDER); settings such as "
        "training.epochs=5.",
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
        "--sweep", metavar="KEY=A,B", show_default=False, help="Train with each value; may be repeated."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where trainings in that folder ended.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Five clips of each part, one epoch: does it work at all?")
]
List = Annotated[bool, typer.Option("--list", help="List the presets and stop.")]
Print = Annotated[bool, typer.Option("--print", help="Print the whole configuration and stop.")]


def train(
    words: Words = None,
    out: Out = None,
    seeds: Seeds = 1,
    sweep: Sweep = None,
    resume: Resume = False,
    quick: Quick = False,
    list_presets: List = False,
    print_config: Print = False,
) -> int:
    """Train a model; ends with a bundle that analyze takes, and figures of recordings it has not heard.

    Ctrl-C once ends the training early and tests what there is; twice stops at once.
    """
    from sonoscope.training import plans, presets, rundir, start
    from sonoscope.training import runs as finished

    if list_presets:
        _show_presets(presets.names())
        return 0
    found = plans.asked(words or [])
    for remark in found.remarks:
        say(f"note: {remark}")
    planned = plans.plans(found, seeds=seeds, sweep=sweep or ())
    if print_config:
        print(planned[0].config.to_yaml(), end="")
        return 0
    if not planned[0].config.data.train:
        raise UsageError("nothing to train on: name a folder of sounds, a manifest or a data set")
    place = plans.folder_for(planned[0].config.name or "model", out)
    many = len(planned) > 1
    for number, plan in enumerate(planned, start=1):
        folder = place / plan.folder if plan.folder else place
        if many:
            say(f"[{number}/{len(planned)}] {plan.folder}")
        if resume and (folder / rundir.METRICS).is_file():
            say("finished earlier")
            continue
        config = plan.config
        if many and config.data.folder is None:
            from dataclasses import replace

            # What is prepared for one serves all of them.
            config = replace(config, data=replace(config.data, folder=str(place / "data")))
        outcome = start.fit(config, folder, resume=resume, quick=quick, say=say)
        if outcome.interrupted:
            say(f"ended early. The same command with --resume goes on: {place}")
            if many:
                break
    print(finished.table(finished.lines(finished.find([place]))))
    if not many and (place / rundir.BUNDLE).is_dir():
        say(f"the model: {place / rundir.BUNDLE}; sonoscope analyze RECORDINGS -m {place / rundir.BUNDLE}")
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
def compare_command(first: First, second: Second, figures: Figures = None) -> int:
    """The difference of two trainings on the same test clips, with a 95 % interval over groups."""
    from sonoscope.training import runs

    names = tuple(figures.split(",")) if figures else ("map", "macro_f1")
    found, clips, groups = runs.compare(runs.find([first]), runs.find([second]), names)
    print(f"{first} against {second}: {clips} test clips of {groups} groups")
    for each in found:
        low, high = each.interval
        verdict = "differs" if low > 0 or high < 0 else "no difference shown"
        print(
            f"{each.figure}: {each.first:.3f} - {each.second:.3f} = {each.difference:+.3f} "
            f"(95 % {low:+.3f} to {high:+.3f}; {verdict})"
        )
    return 0
