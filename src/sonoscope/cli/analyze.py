"""``sonoscope analyze``: recordings in, what sounds and when out, to the screen, to one file, or to a folder.

Parses, then calls one of four: :func:`sonoscope.runs.decide` (``--from-scores``), :func:`sonoscope.runs.run`
(``-o`` a folder), or :mod:`sonoscope.cli.single` (no ``-o``, or ``-o`` one file), which analyse recording by
recording.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonoscope.cli import cluster, options
from sonoscope.cli.starting import importing
from sonoscope.cli.words import listed
from sonoscope.errors import UsageError, one_of

if TYPE_CHECKING:
    from sonoscope.runs.spec import RunSpec

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


def analyze(
    inputs: options.Inputs = None,
    model: options.Models = None,
    out: options.Out = None,
    format: options.Formats = None,
    threshold: options.Threshold = None,
    hop: options.Hop = None,
    min_duration: options.MinDuration = None,
    max_gap: options.MaxGap = None,
    tail: options.Tail = None,
    channel: options.Channel = None,
    start_time: options.StartTime = None,
    recorded_in: options.RecordedIn = None,
    site_from: options.SiteFrom = None,
    scores: options.WindowScores = None,
    raw: options.Raw = False,
    no_scores: options.NoScores = False,
    from_scores: options.FromScores = None,
    aggregate: options.Aggregate = None,
    top_k: options.TopK = None,
    workers: options.Workers = None,
    max_memory: options.MaxMemory = None,
    on: options.On = None,
    watch: options.Watch = False,
    then: options.Then = None,
    shard: options.Shard = None,
    dask: cluster.Dask = None,
    stage: cluster.Stage = None,
    stage_limit: cluster.StageLimit = None,
    sbatch: cluster.Sbatch = None,
    hours_per_task: cluster.Hours = None,
    cpus_per_task: cluster.Cores = None,
    time: cluster.Time = None,
    partition: cluster.Partition = None,
    account: cluster.Account = None,
    overwrite: options.Overwrite = False,
    strict: options.Strict = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log: options.Log = None,
) -> int:
    """Say what sounds in recordings, and when.

    Without -o: a table and a bar for each label. With -o song.csv: one file. With -o FOLDER: a file for each
    recording, and events.csv, files.csv, errors.csv and run.json; the same command again goes on where it
    stopped.
    """
    from sonoscope.cli import display

    verbosity = display.start_logging(verbose, quiet, log)
    given = given_of(
        inputs=tuple(inputs or ()) or None, out=out, models=several(model), formats=several(format),
        threshold=threshold, hop_s=hop, min_duration_s=min_duration, max_gap_s=max_gap, tail=tail,
        scores=scores, raw=raw or None, keep_scores=False if no_scores else None, channel=channel,
        workers=workers, on=on, shard=shard_of(shard, config), overwrite=overwrite or None, strict=strict or None,
        start_time=start_time, recorded_in=recorded_in, site_from=site_from, max_memory=size_of(max_memory),
        watch=watch or None, then=then, dask=dask, stage=stage, stage_limit=size_of(stage_limit),
    )  # fmt: skip
    array = cluster.Array(sbatch, hours_per_task, cpus_per_task, time, partition, account)
    array.check()
    show = _checked_show(aggregate, top_k, to_files=bool(out or config or from_scores))
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


def several(text: str | None) -> tuple[str, ...] | None:
    """``"a, b"`` as ``("a", "b")``; None as it is."""
    return None if text is None else tuple(listed(text))


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

    inputs = RunSpec.from_run_json(config).listed if config is not None else None
    return arrays.auto(None if inputs is None else parts.count(inputs))


def _checked_show(aggregate: str | None, top_k: int | None, *, to_files: bool) -> dict[str, Any]:
    """How the screen sums up a recording; refused where nothing is shown."""
    from sonoscope.scores import AGGREGATES

    if to_files and (aggregate is not None or top_k is not None):
        option = "--aggregate" if aggregate is not None else "--top-k"
        raise UsageError(f"{option} changes what is shown on the screen only: leave out -o")
    if top_k is not None and top_k < 1:
        raise UsageError(f"--top-k {top_k} must be 1 or more")
    return {
        "aggregate": one_of(AGGREGATES, aggregate or "mean", "aggregate"),
        "top_k": top_k,
    }
