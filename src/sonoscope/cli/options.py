"""The options of ``analyze``, most of which ``notes`` has too: each with one meaning and one text."""

from __future__ import annotations

from typing import Annotated

import typer

from sonoscope.cli.words import number, option, whole

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="Files, folders (searched through), globs, zip and tar archives; sound or video; also as URLs (s3://...).",
    ),
]
Models = Annotated[
    str | None,
    option(
        "-m", "--model", metavar="MODEL,...", help="Models: instruments (default), notes, field, or a folder."
    ),
]
Out = Annotated[
    str | None,
    option(
        "-o",
        "--out",
        metavar="OUT",
        help="A folder for the results ({time} in its name becomes the time), or its URL; for one input also a file "
        "(song.csv), or - for stdout. Without it: a table on the screen.",
    ),
]
Formats = Annotated[
    str | None,
    option(
        "--format",
        metavar="NAME,...",
        help="csv (default), parquet, jsonl, raven, audacity, birdnet, kaleidoscope, dcase, buzzdetect, "
        "buzzr, jams, midi, notes.",
    ),
]
Threshold = Annotated[
    str | None,
    option(
        "--threshold",
        metavar="WISH",
        help="0.5, or violin=0.4,cello=0.6, or precision=0.95, or fpr=0.005, or a file, or model (default: the "
        "model's own, one for each label).",
    ),
]
Hop = Annotated[
    float | None,
    option(
        "--hop",
        metavar="SECONDS",
        parser=number,
        help="Time between windows, at most the window (default: the model's).",
    ),
]
MinDuration = Annotated[
    float | None, option("--min-duration", metavar="SECONDS", parser=number, help="Drop shorter events.")
]
MaxGap = Annotated[
    float | None,
    option(
        "--max-gap",
        metavar="SECONDS",
        parser=number,
        help="Join events of a label that are no further apart.",
    ),
]
Tail = Annotated[
    str | None,
    option(
        "--tail",
        metavar="keep|drop",
        help="The window in which a recording ends: cut and flag it (keep, default) or leave it out.",
    ),
]
Channel = Annotated[
    int | None,
    option(
        "--channel", metavar="N", parser=whole, help="Hear only channel N, from 1 (default: the mean of all)."
    ),
]
WindowScores = Annotated[
    str | None,
    option(
        "--scores", metavar="[csv|parquet|tsv]", help="Also write the scores of every window; alone: csv."
    ),
]
Raw = Annotated[
    bool,
    option(
        "--raw",
        help="Logits: a column more in tables of events; in tables of --scores instead of probabilities.",
    ),
]
NoScores = Annotated[
    bool,
    option(
        "--no-scores",
        help="Do not keep compact scores in the folder; thresholds cannot be changed later then.",
    ),
]
FromScores = Annotated[
    str | None,
    option(
        "--from-scores",
        metavar="FOLDER",
        help="Decide again from the scores kept in a folder of results; the recordings are not needed.",
    ),
]
Aggregate = Annotated[
    str | None,
    option(
        "--aggregate",
        metavar="mean|max|s1|s2",
        help="How the bars on the screen sum up a recording (default: mean).",
    ),
]
TopK = Annotated[
    int | None, option("--top-k", metavar="K", parser=whole, help="Bars for the K highest labels only.")
]
Workers = Annotated[
    int | None,
    option(
        "--workers", metavar="N", parser=whole, help="Processes (default: this job's share of the machine)."
    ),
]
On = Annotated[
    str | None,
    option(
        "--on", metavar="cpu|cuda", help="Where the model runs (default: cpu); a GPU proves itself first."
    ),
]
Shard = Annotated[
    str | None,
    option(
        "--shard",
        metavar="I/N|auto",
        help="Only part I of N of the inputs; parts share a folder; auto: the task of this job array.",
    ),
]
StartTime = Annotated[
    str | None,
    option(
        "--start-time",
        metavar="TIME|PATTERN",
        help="When a recording began (2025-06-01T06:00:00+02:00), or how names say it (%Y-%m-%d_%H-%M-%S). Default: "
        "what recorders write into files and names.",
    ),
]
RecordedIn = Annotated[
    str | None,
    option(
        "--recorded-in",
        metavar="ZONE",
        help="The recorders' clock, where neither file nor name says: UTC, Europe/Berlin, +02:00.",
    ),
]
SiteFrom = Annotated[
    str | None,
    option(
        "--site-from",
        metavar="LEVEL|REGEX",
        help="The site: a folder of the recording's name (1: the first, -1: the last), or a regular expression with "
        "a group.",
    ),
]
MaxMemory = Annotated[
    str | None,
    option("--max-memory", metavar="SIZE", help="What all processes may hold together, such as 2G."),
]
Watch = Annotated[
    bool, option("--watch", help="Go on with recordings that are added, until Ctrl-C; only complete ones.")
]
Then = Annotated[
    str | None,
    option("--then", metavar="COMMAND", help="Run this when all is written; {out} becomes the folder."),
]
Overwrite = Annotated[bool, option("--overwrite", help="Replace what an earlier run wrote.")]
Strict = Annotated[bool, option("--strict", help="Stop at the first input that fails.")]
Config = Annotated[
    str | None,
    option(
        "--config", metavar="RUN.JSON", help="The options of an earlier run; those given here go before them."
    ),
]
DryRun = Annotated[bool, option("--dry-run", help="Say what would be done, and do nothing.")]
Verbose = Annotated[bool, option("-v", "--verbose", help="A line for each input, and the details of errors.")]
Quiet = Annotated[bool, option("-q", "--quiet", help="No progress and no hints.")]
Log = Annotated[
    str | None, option("--log", metavar="FILE", help="Append messages and details of errors to FILE.")
]
