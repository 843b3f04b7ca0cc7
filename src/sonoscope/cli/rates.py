"""``sonoscope rates OUT``: events per hour by bin, site and class, with intervals; corrected by verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.clips import Model
from sonoscope.cli.verdicts import Labels, Overwrite, Unsure, judged
from sonoscope.cli.words import check_new, listed
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sonoscope.field.correction import Corrector
    from sonoscope.field.counting import Counts

Source = Annotated[
    Path | None, typer.Argument(metavar="OUT", show_default=False, help="A folder that analyze -o wrote.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE.CSV",
        show_default=False,
        help="Where the table goes. Default: the screen.",
    ),
]
Bin = Annotated[
    str | None,
    typer.Option(
        metavar="minute|5min|15min|hour|day|season",
        show_default=False,
        help="How long a bin of time is. Default: an hour; the season with --by hour-of-day.",
    ),
]
By = Annotated[
    str,
    typer.Option(metavar="WHAT,...", help="Rows for each of: site, recorder, class, hour-of-day."),
]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        show_default=False,
        help="On whose clock bins are (Europe/Berlin). Default: that of each recording's start.",
    ),
]
Interval = Annotated[str, typer.Option(metavar="overdispersed|poisson", help="Of events per hour.")]
Correct = Annotated[
    Path | None,
    typer.Option(
        metavar="CLIPS",
        show_default=False,
        help="A folder of judged clips: also estimate the time with the sound, by what they say about errors.",
    ),
]
Verdicts = Annotated[
    list[Path] | None,
    typer.Option(metavar="VERDICTS.CSV", show_default=False, help="Only these verdicts of the folder CLIPS."),
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE.SVG", show_default=False, help="Also draw the rates.")
]
RFile = Annotated[
    bool, typer.Option("--r-file", help="Print where sonoscope.R is, to source in R, and stop.")
]


def rates_command(
    source: Source = None,
    out: Out = None,
    bin: Bin = None,
    by: By = "site,class",
    zone: Zone = None,
    labels: Labels = None,
    model: Model = None,
    interval: Interval = "overdispersed",
    correct: Correct = None,
    verdicts: Verdicts = None,
    unsure: Unsure = "out",
    plot: Plot = None,
    r_file: RFile = False,
    overwrite: Overwrite = False,
) -> int:
    """Count events per hour of analysed time, by bin, site and class.

    sonoscope rates OUT --by site,class,hour-of-day -o rates.csv --plot rates.svg
    """
    from sonoscope.field import charts, clock, counting, intervals, rates
    from sonoscope.runs.zones import zone_named

    if r_file:
        print(Path(rates.__file__).with_name("sonoscope.R"))
        return 0
    if source is None:
        raise UsageError("of what? Name the folder that analyze -o wrote: sonoscope rates OUT")
    words = rates.by_what(by)
    intervals.check_kind(interval)
    _check(out, plot, bin, correct, verdicts, words, overwrite)
    files = counting.of_folder(source)
    length = bin or _default_bin(files, words)
    names, chosen, several = _classes(source, model, labels)
    counts = counting.count(
        files,
        counting.events_of(source, several, chosen),
        names,
        clock.Clock(length, zone_named(zone) if zone else None),
    )
    if not counts.units:
        raise UsageError(f"{source} holds no recording that was analysed: there is nothing to rate")
    unexplained: dict[str, str] = {}
    corrector = _corrector(source, chosen, correct, verdicts or [], unsure) if correct else None
    if corrector is not None:
        _say_unasked(correct, [name for name in names if name not in corrector.evidence])
    table = rates.table(counts, words, kind=interval, corrector=corrector, unexplained=unexplained)
    picture = charts.draw(table) if plot is not None else ""
    _write(out, rates.text(table))
    if plot is not None:
        _write(plot, picture)
    _remarks(counts, length, words, unexplained)
    return 0


def _check(
    out: Path | None,
    plot: Path | None,
    bin: str | None,
    correct: Path | None,
    verdicts: list[Path] | None,
    words: tuple[str, ...],
    overwrite: bool,
) -> None:
    from sonoscope.errors import lookup
    from sonoscope.field.clock import BINS

    if bin is not None:
        lookup(BINS, bin, "bin")
    for file, suffix in ((out, ".csv"), (plot, ".svg")):
        check_new(file, suffix, overwrite=overwrite)
    if verdicts and correct is None:
        raise UsageError("--verdicts says nothing without --correct CLIPS")
    if correct is not None and "class" not in words:
        raise UsageError("--correct is for each class: add class to --by")


def _default_bin(files: list[Any], words: tuple[str, ...]) -> str:
    dated = any(row.start_datetime for row in files)
    return "hour" if dated and "hour-of-day" not in words else "season"


def _classes(source: Path, model: str | None, labels: str | None) -> tuple[list[str], str, dict[str, Any]]:
    """The classes to count, the model that found them, and all models of the run."""
    from sonoscope import models
    from sonoscope.errors import SonoscopeError, lookup

    try:
        told = json.loads((source / "run.json").read_text(encoding="utf-8"))["models"]
    except (OSError, ValueError, KeyError):
        raise UsageError(
            f"{source} holds no run.json that can be read: run analyze again, or name another folder"
        ) from None
    found = {each["name"]: each for each in told}
    if model is None and len(found) > 1:
        raise UsageError(f"{source} holds several models: choose one, -m {' or -m '.join(found)}")
    chosen = model or next(iter(found))
    of = lookup(found, chosen, "model of this run")
    known = list(of.get("thresholds", {}))
    try:
        bundle = models.load(of["path"])
        known = [label.id for label in bundle.labels if label.kind == "event" and label.id in known] or known
    except SonoscopeError:
        pass  # The model is not needed: its thresholds name its classes, those that are never reported too.
    if labels is None:
        return known, chosen, found
    table = dict.fromkeys(known, True)
    names = listed(labels)
    for name in names:
        lookup(table, name, "class")
    return names, chosen, found


def _corrector(source: Path, model: str, clips: Path, files: list[Path], unsure: str) -> Corrector:
    from sonoscope.cli.telling import told
    from sonoscope.field import clipfolder, correction
    from sonoscope.field.season import Season

    folder = clipfolder.open_folder(clips)
    answers = judged(folder, files, unsure)
    report = told(lambda elapsed, done, of: f"{done:,} of {of:,} recordings")
    return correction.corrector(Season(source, model), folder, answers, report)


def _say_unasked(clips: Path | None, names: list[str]) -> None:
    from sonoscope.cli.telling import say

    if names:
        say(f"not corrected, as {clips} has no clips of them: {', '.join(names)}")


def _write(file: Path | None, content: str) -> None:
    from sonoscope.cli.telling import say
    from sonoscope.data.table import put

    if file is None:
        print(content, end="")
        return
    put(file, content.encode())
    say(f"written: {file}")


def _remarks(counts: Counts, length: str, words: Sequence[str], unexplained: dict[str, str]) -> None:
    from sonoscope.cli.telling import say
    from sonoscope.errors import count

    by_hour = "hour-of-day" in words
    if counts.undated and (length != "season" or by_hour):
        rows = "an hour" if by_hour else "a bin"
        say(
            f"the start of {count(counts.undated, 'recording')} is not known: counted in rows without {rows} "
            "(analyze can read starts from names: --start-time, --recorded-in)"
        )
    if counts.overlapping:
        say(
            f"{count(counts.overlapping, 'recording')} of one site and recorder overlap in time: two recorders without "
            "a name, or a clock that was reset? Their time is counted twice"
        )
    for label, why in unexplained.items():
        say(f"{label} is not corrected everywhere: {why}")
