"""``sonoscope data mix``: single sounds into mixtures with known labels, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.data.options import Labels, Rate, SoundFormat
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.mix.mixing import Recipe
    from sonoscope.data.rows import Manifest

#: Share of concatenations for each way of mixing.
HOW = {"sum": 0.0, "concat": 1.0, "both": 0.5}

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Manifests, folders of labelled recordings, data sets (irmas:FOLDER/train), or lists of those (.txt).",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER",
        show_default=False,
        help="Folder for the mixtures, their manifest.csv and labels.json; a second call goes on or adds.",
    ),
]
Count = Annotated[
    int | None, typer.Option(metavar="N", show_default=False, help="How many mixtures the folder shall hold.")
]
Files = Annotated[
    str | None,
    typer.Option(
        metavar="N|N-M|N=P,...",
        show_default="3-5",
        help="Sounds in a mixture: a number, a range, or numbers with probabilities (1=0.5,2=0.3,3=0.2).",
    ),
]
MostLabels = Annotated[int, typer.Option(metavar="N", help="Different labels that a mixture may have.")]
Same = Annotated[
    str,
    typer.Option(
        metavar="any|family|COLUMN",
        help="What all sounds have in common: the family of their labels, or a column such as genre or key.",
    ),
]
How = Annotated[
    str, typer.Option(metavar="sum|concat|both", help="Together, one after another, or half of each.")
]
Duration = Annotated[float, typer.Option(metavar="SECONDS", help="Greatest length.")]
Exact = Annotated[bool, typer.Option("--exact", help="Every mixture has the greatest length.")]
LevelText = Annotated[
    str,
    typer.Option(
        "--levels",
        metavar="DB",
        help="Level of further sounds: -6..6, 0, normal:MEAN,DEVIATION, triangular:A,B,C or choice:A,B.",
    ),
]
Against = Annotated[
    str,
    typer.Option(
        metavar="first|recorded",
        help="What levels are relative to: the first sound, or the recording as it is.",
    ),
]
LabelsEach = Annotated[int, typer.Option(metavar="N", help="Leave out rows with more labels.")]
Schedule = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        show_default=False,
        help="Take the number of sounds from a schedule: single, pairs, combinations, progressive, stages, or a "
        ".json or .yaml file.",
    ),
]
Progress = Annotated[
    float | None,
    typer.Option(metavar="SHARE", show_default=False, help="Where in the schedule, 0 to 1 (default: 1)."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE,...", show_default=False, help="Mix these rows only; may be repeated."
    ),
]
Again = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Make the mixtures that a mixtures.jsonl states, from the same DATA.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="The same seed gives the same mixtures.")]
Workers = Annotated[int, typer.Option(metavar="N", help="Processes; they do not change what is made.")]
Memory = Annotated[int, typer.Option(metavar="MIB", help="What decoded sounds may take.")]


def mix_command(
    sources: Sources,
    out: Out,
    count: Count = None,
    files: Files = None,
    most_labels: MostLabels = 4,
    same: Same = "any",
    how: How = "sum",
    duration: Duration = 10.0,
    exact: Exact = False,
    levels: LevelText = "-6..6",
    against: Against = "first",
    labels_each: LabelsEach = 1,
    schedule: Schedule = None,
    progress: Progress = None,
    where: Where = None,
    labels: Labels = None,
    again: Again = None,
    seed: Seed = 0,
    rate: Rate = 24_000,
    format: SoundFormat = "flac",
    workers: Workers = 1,
    memory: Memory = 256,
) -> int:
    """Mix single-label sounds into polyphony, with the labels of all of them.

    Sounds of one mixture are of one split. Rows that are damaged or silent are left out and listed, with the
    reason, in manifest.bad_rows.csv; the exit code is then 1.
    """
    from sonoscope.data import labelmap
    from sonoscope.data import sources as words
    from sonoscope.data.mix import mixtures
    from sonoscope.data.mix.pool import FAMILIES, Pool
    from sonoscope.data.mix.pool import families as families_of
    from sonoscope.errors import count as counted

    if (count is None) == (again is None):
        raise UsageError("say how many mixtures (--count N), or which (--again mixtures.jsonl); not both")
    tell = told(lambda _, done, total: f"{done:,} of {total:,} mixtures")
    wanted = labelmap.find(labels, Path()) if labels is not None else ()
    found = _chosen(words.load(sources, labels=labels), where or ())
    if again is not None:
        done = mixtures.write_again(out, again, found, format=format, workers=workers, progress=tell)
    else:
        assert count is not None
        if not 8_000 <= rate <= 96_000:
            raise UsageError(f"--rate {rate} must lie in 8000..96000 Hz")
        if memory < 1:
            raise UsageError(f"--memory {memory} must be at least 1 MiB")
        recipe = _recipe(files, most_labels, same, how, duration, exact, levels, against, labels_each)
        recipe = _scheduled(recipe, files, schedule, progress)
        families = {**FAMILIES, **families_of(wanted)}
        pool = Pool(found, rate, families=families, memory_bytes=memory << 20)
        done = mixtures.write(
            out, pool, recipe, count, seed=seed, format=format, workers=workers, progress=tell
        )
    print(done.manifest)
    say(f"{counted(done.made, 'mixture')} made, {counted(done.kept, 'mixture')} kept")
    return left_out(done.problems, f"left out, listed in {done.manifest.with_suffix('.bad_rows.csv')}")


def _recipe(
    files: str | None,
    most_labels: int,
    same: str,
    how: str,
    duration: float,
    exact: bool,
    levels: str,
    against: str,
    labels_each: int,
) -> Recipe:
    from sonoscope.data.mix.levels import parse
    from sonoscope.data.mix.mixing import Recipe
    from sonoscope.errors import lookup

    return Recipe(
        files=_files("3-5" if files is None else files),
        most_labels=most_labels,
        alike=same,
        duration_s=duration,
        exact=exact,
        concat_share=lookup(HOW, how, "way of mixing"),
        levels=parse(levels),
        against=against,
        labels_each=labels_each,
    )


def _scheduled(recipe: Recipe, files: str | None, schedule: str | None, progress: float | None) -> Recipe:
    """The recipe at a place of a schedule, if there is one."""
    from dataclasses import replace

    from sonoscope.data.mix import schedules

    if schedule is None:
        if progress is not None:
            raise UsageError("--progress is a place in a schedule: name that too (--schedule progressive)")
        return recipe
    if files is not None:
        raise UsageError("--files and --schedule exclude each other: both say how many sounds a mixture has")
    return replace(recipe, files=schedules.load(schedule).at(1.0 if progress is None else progress))


def _files(text: str) -> tuple[float, ...]:
    """Probabilities of 1, 2, 3, … sounds from ``4``, ``3-5`` or ``1=0.5,2=0.5``."""
    from sonoscope.data.mix.schedules import uniform

    try:
        if "=" not in text:
            fewest, dash, most = text.partition("-")
            return uniform(int(fewest), int(most if dash else fewest))
        stated = {int(n): float(p) for n, _, p in (word.partition("=") for word in text.split(","))}
    except ValueError:
        stated = {}
    if not stated or min(stated) < 1:
        raise UsageError(f"--files {text!r} is no number of sounds, no range (3-5), and no 1=0.5,2=0.3,3=0.2")
    return tuple(stated.get(number, 0.0) for number in range(1, max(stated) + 1))


def _chosen(found: Manifest, where: list[str] | tuple[str, ...]) -> Manifest:
    """The rows whose columns have the values asked for."""
    for text in where:
        column, equals, values = text.partition("=")
        if not equals or not column:
            raise UsageError(f"--where {text!r} must be COLUMN=VALUE, such as split=train")
        found = found.where(**{column: [value.strip() for value in values.split(",")]})
        if not found.rows:
            raise UsageError(f"--where {text}: no row has that")
    return found
