"""``sonoscope clips OUT -o FOLDER``: sounds to judge, drawn from a season at known odds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import listed
from sonoscope.errors import UsageError
from sonoscope.errors import count as counted

if TYPE_CHECKING:
    from sonoscope.field.making import Made

Out = Annotated[
    Path, typer.Argument(metavar="OUT", show_default=False, help="A folder that analyze -o wrote.")
]
Folder = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="FOLDER", show_default=False, help="The folder of clips."),
]
Count = Annotated[int, typer.Option(metavar="N", help="How many clips.")]
Per = Annotated[
    str | None,
    typer.Option(
        metavar="all|class|site",
        show_default=False,
        help="What --count is of: all clips (default), each class, each class at each site.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL,...", show_default=False, help="Only these classes. Default: all that were found."
    ),
]
Pad = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", show_default=False, help="Sound before and after what is judged. Default: 2."
    ),
]
Seed = Annotated[
    int | None, typer.Option(show_default=False, help="What is drawn follows from it. Default: 0.")
]
Next = Annotated[
    list[Path] | None,
    typer.Option(
        "--next",
        metavar="VERDICTS.CSV",
        show_default=False,
        help="Add a batch to FOLDER, where these verdicts leave most in doubt. Can be given several times.",
    ),
]
Audio = Annotated[
    str | None,
    typer.Option(metavar="flac|wav", show_default=False, help="Format of the sounds. Default: flac."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m", "--model", metavar="MODEL", show_default=False, help="Which model, if OUT holds several."
    ),
]
Recordings = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", show_default=False, help="Where the recordings are now, if they were moved."
    ),
]


def clips_command(
    source: Out,
    out: Folder,
    count: Count = 200,
    per: Per = None,
    labels: Labels = None,
    pad: Pad = None,
    seed: Seed = None,
    following: Next = None,
    audio: Audio = None,
    model: Model = None,
    recordings: Recordings = None,
) -> int:
    """Cut clips to judge out of the recordings of a season.

    sonoscope clips OUT -o clips --count 200
    """
    from sonoscope.cli.telling import say
    from sonoscope.field import making, verdicts
    from sonoscope.field.season import Season

    fixed = {"--per": per, "--labels": labels, "--pad": pad, "--seed": seed, "--audio": audio}
    if following:
        given = [name for name, value in fixed.items() if value is not None]
        if given:
            raise UsageError(f"{given[0]} was settled when {out} was begun: leave it out with --next")
        answers = verdicts.together(verdicts.read_all(out, following).values())
        season = Season(source, model)
        made = making.add(season, out, answers, count=count, recordings=recordings, report=_told())
    else:
        names = listed(labels) if labels else None
        made = making.make(
            Season(source, model),
            out,
            count=count,
            per=per or "all",
            labels=names,
            pad_s=2.0 if pad is None else pad,
            seed=seed or 0,
            form=audio or "flac",
            recordings=recordings,
            report=_told(),
        )
    for remark in made.remarks:
        say(remark)
    for error in made.failed:
        say(f"not cut: {error}")
    say(_summary(made, out))
    return 1 if made.failed else 0


def _told() -> Callable[..., None]:
    from sonoscope.cli.telling import told

    return told(lambda elapsed, done, of: f"{done:,} of {of:,} recordings")


def _summary(made: Made, out: Path) -> str:
    """How many clips of what, and what to do next."""
    counts = ", ".join(f"{len(made.folder.of(label))} {label}" for label in made.folder.labels)
    if made.new == len(made.folder.clips):
        new = f"{counted(made.new, 'clip')} in {out}: {counts}"
    else:
        new = f"{counted(made.new, 'more clip')} in {out}, which now holds {counts}"
    return f"{new}\njudge them: sonoscope review {out} --reviewer NAME"
