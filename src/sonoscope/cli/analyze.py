"""``sonoscope analyze``: recordings in, what sounds and when out, to the screen, to one file, or to a folder.

Parses, then calls one of four: :func:`sonoscope.runs.decide` (``--from-scores``), :func:`sonoscope.runs.run`
(``-o`` a folder), or :mod:`sonoscope.cli.single` (no ``-o``, or ``-o`` one file), which analyse recording by
recording.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli import cluster
from sonoscope.cli.commands import number, whole
from sonoscope.cli.starting import importing
from sonoscope.errors import UsageError, lookup

if TYPE_CHECKING:
    from sonoscope.runs.spec import RunSpec

AGGREGATES = ("mean", "max", "s1", "s2")

#: What only means something where a folder is written, or any file: option to RunSpec field.
NEEDS_FOLDER = {
    "--scores": "scores",
    "--no-scores": "keep_scores",
    "--shard": "shard",
    "--dask": "dask",
    "--stage": "stage",
    "--workers": "workers",
    "--max-memory": "max_memory",
    "--watch": "watch",
    "--then": "then",
}
NEEDS_OUT = {"--format": "formats", "--raw": "raw", "--overwrite": "overwrite", **NEEDS_FOLDER}


def _option(*names: str, help: str, metavar: str | None = None, parser: Any = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, parser=parser, show_default=False)


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
    _option("-m", "--model", metavar="MODEL,...", help="Models, by name or folder (default: instruments)."),
]
Out = Annotated[
    str | None,
    _option(
        "-o",
        "--out",
        metavar="OUT",
        help="A folder for the results ({time} in its name becomes the time), or its URL; for one input also a file "
        "(song.csv), or - for stdout. Without it: a table on the screen.",
    ),
]
Formats = Annotated[
    str | None,
    _option(
        "--format",
        metavar="NAME,...",
        help="csv (default), parquet, jsonl, raven, audacity, birdnet, kaleidoscope, dcase, buzzdetect, "
        "buzzr, jams, midi, notes.",
    ),
]
Threshold = Annotated[
    str | None,
    _option(
        "--threshold",
        metavar="WISH",
        help="0.5, or violin=0.4,cello=0.6, or precision=0.95, or fpr=0.005, or a file, or model (default: the "
        "model's own, one for each label).",
    ),
]
Hop = Annotated[
    float | None,
    _option(
        "--hop",
        metavar="SECONDS",
        parser=number,
        help="Time between windows, at most the window (default: the model's).",
    ),
]
MinDuration = Annotated[
    float | None, _option("--min-duration", metavar="SECONDS", parser=number, help="Drop shorter events.")
]
MaxGap = Annotated[
    float | None,
    _option(
        "--max-gap",
        metavar="SECONDS",
        parser=number,
        help="Join events of a label that are no further apart.",
    ),
]
Tail = Annotated[
    str | None,
    _option(
        "--tail",
        metavar="keep|drop",
        help="The window in which a recording ends: cut and flag it (keep, default) or leave it out.",
    ),
]
Channel = Annotated[
    int | None,
    _option(
        "--channel", metavar="N", parser=whole, help="Hear only channel N, from 1 (default: the mean of all)."
    ),
]
WindowScores = Annotated[
    str | None,
    _option(
        "--scores", metavar="[csv|parquet|tsv]", help="Also write the scores of every window; alone: csv."
    ),
]
Raw = Annotated[
    bool,
    _option(
        "--raw",
        help="Logits: a column more in tables of events; in tables of --scores instead of probabilities.",
    ),
]
NoScores = Annotated[
    bool,
    _option(
        "--no-scores",
        help="Do not keep compact scores in the folder; thresholds cannot be changed later then.",
    ),
]
FromScores = Annotated[
    str | None,
    _option(
        "--from-scores",
        metavar="FOLDER",
        help="Decide again from the scores kept in a folder of results; the recordings are not needed.",
    ),
]
Aggregate = Annotated[
    str | None,
    _option(
        "--aggregate",
        metavar="mean|max|s1|s2",
        help="How the bars on the screen sum up a recording (default: mean).",
    ),
]
TopK = Annotated[
    int | None, _option("--top-k", metavar="K", parser=whole, help="Bars for the K highest labels only.")
]
Workers = Annotated[
    int | None,
    _option(
        "--workers", metavar="N", parser=whole, help="Processes (default: this job's share of the machine)."
    ),
]
On = Annotated[
    str | None,
    _option(
        "--on", metavar="cpu|cuda", help="Where the model runs (default: cpu); a GPU proves itself first."
    ),
]
Shard = Annotated[
    str | None,
    _option(
        "--shard",
        metavar="I/N|auto",
        help="Only part I of N of the inputs; parts share a folder; auto: the task of this job array.",
    ),
]
StartTime = Annotated[
    str | None,
    _option(
        "--start-time",
        metavar="TIME|PATTERN",
        help="When a recording began (2025-06-01T06:00:00+02:00), or how names say it (%Y-%m-%d_%H-%M-%S). Default: "
        "what recorders write into files and names.",
    ),
]
RecordedIn = Annotated[
    str | None,
    _option(
        "--recorded-in",
        metavar="ZONE",
        help="The recorders' clock, where neither file nor name says: UTC, Europe/Berlin, +02:00.",
    ),
]
SiteFrom = Annotated[
    str | None,
    _option(
        "--site-from",
        metavar="LEVEL|REGEX",
        help="The site: a folder of the recording's name (1: the first, -1: the last), or a regular expression with "
        "a group.",
    ),
]
MaxMemory = Annotated[
    str | None,
    _option("--max-memory", metavar="SIZE", help="What all processes may hold together, such as 2G."),
]
Watch = Annotated[
    bool, _option("--watch", help="Go on with recordings that are added, until Ctrl-C; only complete ones.")
]
Then = Annotated[
    str | None,
    _option("--then", metavar="COMMAND", help="Run this when all is written; {out} becomes the folder."),
]
Overwrite = Annotated[bool, _option("--overwrite", help="Replace what an earlier run wrote.")]
Strict = Annotated[bool, _option("--strict", help="Stop at the first input that fails.")]
Config = Annotated[
    str | None,
    _option(
        "--config", metavar="RUN.JSON", help="The options of an earlier run; those given here go before them."
    ),
]
DryRun = Annotated[bool, _option("--dry-run", help="Say what would be done, and do nothing.")]
Verbose = Annotated[
    bool, _option("-v", "--verbose", help="A line for each input, and the details of errors.")
]
Quiet = Annotated[bool, _option("-q", "--quiet", help="No progress and no hints.")]
Log = Annotated[
    str | None, _option("--log", metavar="FILE", help="Append messages and details of errors to FILE.")
]


def analyze(
    inputs: Inputs = None,
    model: Models = None,
    out: Out = None,
    format: Formats = None,
    threshold: Threshold = None,
    hop: Hop = None,
    min_duration: MinDuration = None,
    max_gap: MaxGap = None,
    tail: Tail = None,
    channel: Channel = None,
    start_time: StartTime = None,
    recorded_in: RecordedIn = None,
    site_from: SiteFrom = None,
    scores: WindowScores = None,
    raw: Raw = False,
    no_scores: NoScores = False,
    from_scores: FromScores = None,
    aggregate: Aggregate = None,
    top_k: TopK = None,
    workers: Workers = None,
    max_memory: MaxMemory = None,
    on: On = None,
    watch: Watch = False,
    then: Then = None,
    shard: Shard = None,
    dask: cluster.Dask = None,
    stage: cluster.Stage = None,
    stage_limit: cluster.StageLimit = None,
    sbatch: cluster.Sbatch = None,
    hours_per_task: cluster.Hours = None,
    cpus_per_task: cluster.Cores = None,
    time: cluster.Time = None,
    partition: cluster.Partition = None,
    account: cluster.Account = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    config: Config = None,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    log: Log = None,
) -> int:
    """Say what sounds in recordings, and when.

    Without -o: a table and a bar for each label. With -o song.csv: one file. With -o FOLDER: a file for each
    recording, and events.csv, files.csv, errors.csv and run.json; the same command again goes on where it
    stopped.
    """
    from sonoscope.cli import display

    if verbose and quiet:
        raise UsageError("-v and -q contradict each other: give one")
    display.start_logging(verbose, quiet, log)
    given = given_of(
        inputs=tuple(inputs or ()) or None, out=out, models=listed(model), formats=listed(format),
        threshold=threshold, hop_s=hop, min_duration_s=min_duration, max_gap_s=max_gap, tail=tail,
        scores=scores, raw=raw or None, keep_scores=False if no_scores else None, channel=channel,
        workers=workers, on=on, shard=shard_of(shard, config), overwrite=overwrite or None, strict=strict or None,
        start_time=start_time, recorded_in=recorded_in, site_from=site_from, max_memory=size_of(max_memory),
        watch=watch or None, then=then, dask=dask, stage=stage, stage_limit=size_of(stage_limit),
    )  # fmt: skip
    array = cluster.Array(sbatch, hours_per_task, cpus_per_task, time, partition, account)
    array.check()
    show = _checked_show(aggregate, top_k, to_files=bool(out or config or from_scores))
    verbosity = 0 if quiet else 2 if verbose else 1
    if from_scores is not None:
        return decide_again(from_scores, given, config, dry_run, verbosity)
    spec = the_spec(given, config)
    if sbatch is not None:
        return array.write(spec)
    return (
        to_files(spec, given, dry_run, verbosity)
        if spec.out
        else to_screen(spec, given, show, dry_run, verbosity)
    )


def to_files(
    spec: RunSpec,
    given: dict[str, Any],
    dry_run: bool,
    verbosity: int,
    *,
    default: tuple[str, ...] = ("csv",),
) -> int:
    """``-o``: one file, stdout, or a folder.

    ``default`` are the formats of a folder where none is named; the last of them is that of stdout.
    """
    from sonoscope import runs
    from sonoscope.cli import gpu, single
    from sonoscope.cli.progress import Progress

    wanted = given.get("formats", ())
    form = None
    if "://" not in spec.out:
        alone = len(spec.inputs) == 1 and Path(spec.inputs[0]).is_file()
        form = single.file_format(spec.out, wanted or (default[-1:] if spec.out == "-" else ()), alone=alone)
    if form is None:
        if dry_run:
            print(runs.plan(spec))
            return 0
        gpu.ready(spec, quiet=verbosity == 0)
        return runs.run(spec, report=Progress(verbosity=verbosity)).exit_code
    for option, field in NEEDS_FOLDER.items():
        if field in given:
            raise UsageError(f"{option} needs a folder for its files, and -o {spec.out} is one file")
    gpu.ready(spec, quiet=verbosity == 0)
    return single.to_file(spec.checked(), form, dry_run=dry_run, quiet=verbosity == 0)


def to_screen(
    spec: RunSpec, given: dict[str, Any], show: dict[str, Any], dry_run: bool, verbosity: int
) -> int:
    """No ``-o``: refuse what only makes sense with one, then show."""
    from sonoscope.cli import gpu, single

    for option, field in NEEDS_OUT.items():
        if field in given:
            raise UsageError(f"{option} needs a place for files: add -o OUT")
    if dry_run:
        raise UsageError("--dry-run says what would be written: add -o OUT")
    gpu.ready(spec, quiet=verbosity == 0)
    return single.to_screen(replace(spec, out="-").checked(), quiet=verbosity == 0, **show)


def decide_again(
    folder: str, given: dict[str, Any], config: str | None, dry_run: bool, verbosity: int
) -> int:
    """``--from-scores``: decide again with the options given here, without the recordings."""
    from sonoscope import runs
    from sonoscope.cli.progress import Progress

    if config is not None:
        raise UsageError("--config and --from-scores both name an earlier run: give one")
    if "inputs" in given:
        raise UsageError(f"--from-scores {folder} needs no inputs: leave out {given['inputs'][0]}")
    if dry_run:
        raise UsageError(
            "--dry-run cannot be used with --from-scores, which takes seconds and reads no recording"
        )
    return runs.decide(folder, given, report=Progress(verbosity=verbosity)).exit_code


def the_spec(given: dict[str, Any], config: str | None, verb: str = "analyze") -> RunSpec:
    """The options given here over those of ``config`` over the defaults."""
    with importing():
        from sonoscope.runs.notewishes import NoteWishes
        from sonoscope.runs.spec import RunSpec

    given = dict(given)
    notes = given.pop("notes", {})
    if config is not None:
        earlier = RunSpec.from_run_json(config)
        return replace(earlier, **given, notes=replace(earlier.notes, **notes))
    if "inputs" not in given:
        raise UsageError(
            f"nothing to analyse: name files or folders (sonoscope {verb} recordings/ -o results)"
        )
    return RunSpec(**({"out": ""} | given), notes=NoteWishes(**notes))


def given_of(**options: Any) -> dict[str, Any]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def listed(text: str | None) -> tuple[str, ...] | None:
    """``"a, b"`` as ``("a", "b")``."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def size_of(text: str | None) -> int | None:
    """``"2G"`` as bytes."""
    from sonoscope.runs.memory import parse_size

    return None if text is None else parse_size(text)


def shard_of(text: str | None, config: str | None = None) -> tuple[int, int] | None:
    """``"3/16"`` as ``(3, 16)``; ``auto``: the part that the task of a job array does."""
    from sonoscope.runs.spec import parse_shard

    if text != "auto":
        return None if text is None else parse_shard(text)
    from sonoscope.cluster import arrays
    from sonoscope.runs import parts
    from sonoscope.runs.spec import RunSpec

    listed = RunSpec.from_run_json(config).listed if config is not None else None
    return arrays.auto(None if listed is None else parts.count(listed))


def _checked_show(aggregate: str | None, top_k: int | None, *, to_files: bool) -> dict[str, Any]:
    """How the screen sums up a recording; refused where nothing is shown."""
    if to_files and (aggregate is not None or top_k is not None):
        option = "--aggregate" if aggregate is not None else "--top-k"
        raise UsageError(f"{option} changes what is shown on the screen only: leave out -o")
    if top_k is not None and top_k < 1:
        raise UsageError(f"--top-k {top_k} must be 1 or more")
    return {
        "aggregate": lookup({name: name for name in AGGREGATES}, aggregate or "mean", "aggregate"),
        "top_k": top_k,
    }
