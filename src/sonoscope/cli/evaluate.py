"""``sonoscope evaluate MODEL… DATA``: how right models are, as published protocols count."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.cluster import DaskWorkers
from sonoscope.cli.parameters import pair
from sonoscope.cli.telling import say, told
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.certificate import Certificate
    from sonoscope.data.rows import Manifest
    from sonoscope.data.survey import Problem
    from sonoscope.evaluation.result import Result

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL|PREDICTIONS… DATA",
        show_default=False,
        help="Models (a name, a bundle, a training RUN or RUN@last, A,B for their mean), results of analyze, or files "
        "of predictions; then the labelled recordings: a data set (irmas:FOLDER/test), a manifest or a folder.",
    ),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", show_default=False, help="clip, irmas, openmic, … (default: the data set's own)."
    ),
]
Split = Annotated[
    str,
    typer.Option(
        metavar="NAME", show_default=False, help="Only clips of this split of DATA, or of several (A,B)."
    ),
]
Validation = Annotated[
    str | None,
    typer.Option(
        metavar="DATA|SPLIT",
        show_default=False,
        help="Other clips, to fit thresholds on: data, or splits of DATA.",
    ),
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|WISH|FILE",
        show_default=False,
        help="A number: the fixed threshold (default 0.5). Else a further row: violin=0.4,… , precision=0.95, or a "
        "file of thresholds fit.",
    ),
]
Aggregate = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        show_default=False,
        help="How windows become a clip: mean (S1), sum-max (S2), max, max-s2.",
    ),
]
Window = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", show_default=False, help="Length of windows, where the model can."),
]
Hop = Annotated[
    float | None, typer.Option(metavar="SECONDS", show_default=False, help="Distance of windows.")
]
LabelsOption = Annotated[
    str | None, typer.Option("--labels", metavar="A,B", show_default=False, help="Judge these labels only.")
]
TruthRule = Annotated[
    str,
    typer.Option(
        "--truth",
        metavar="RULE",
        help="Where a folder without manifest says its labels: folder, brackets, text, events, name, auto.",
    ),
]
Seeds = Annotated[
    bool,
    typer.Option(
        "--seeds", help="The models differ in their seed only: mean and standard deviation over them."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default=False, help="Draws of the bootstrap (default 1000; 0: no intervals)."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        show_default=False,
        help="A further option of the protocol; may be repeated.",
    ),
]
Embeddings = Annotated[
    bool,
    typer.Option(
        "--embeddings",
        help="Maps of the clips in the report, and in a folder files for TensorBoard's projector.",
    ),
]
List = Annotated[bool, typer.Option("--list", help="List the protocols and stop.")]
Out = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER|FILE",
        show_default=False,
        help="A folder for everything, or a file: .html, .json, .md, .csv (figures), .txt.",
    ),
]
Paper = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="What a publication needs: LaTeX tables, plots as PDF and SVG, methods in sentences, BibTeX, environment, "
        "command and leak certificate.",
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="CLUSTER",
        show_default=False,
        help="Clips are heard by dask's workers: an address, local, slurm, or a YAML file.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")]


def evaluate(
    words: Words = None,
    protocol: ProtocolName = None,
    split: Split = "",
    validation: Validation = None,
    threshold: ThresholdOption = None,
    aggregate: Aggregate = None,
    window: Window = None,
    hop: Hop = None,
    labels: LabelsOption = None,
    truth: TruthRule = "auto",
    seeds: Seeds = False,
    draws: Draws = None,
    more: Set = None,
    embeddings: Embeddings = False,
    list_protocols: List = False,
    out: Out = None,
    paper: Paper = None,
    dask: Dask = None,
    workers: DaskWorkers = None,
    overwrite: Overwrite = False,
) -> int:
    """How right models or predictions are, as published protocols count.

    Prints figures with intervals, three rows of thresholds with what constant answers come to, and tables by label.
    """
    from sonoscope.data import sources
    from sonoscope.evaluation import paper as papers
    from sonoscope.evaluation import protocols, reports
    from sonoscope.evaluation import truth as truths
    from sonoscope.training import start

    if list_protocols:
        _list(protocols.PROTOCOLS)
        return 0
    if not words or len(words) < 2:
        raise UsageError("name a model or predictions, and then the labelled recordings: evaluate MODEL DATA")
    *models, data = words
    target = None if out is None else reports.check(out, overwrite=overwrite)
    publication = None if paper is None else papers.check(Path(paper), overwrite=overwrite)
    found = protocols.find(protocol or protocols.default_for(sources.parse(data).type))
    manifest, told_by = truths.load(data, rule=truth, split=split)
    fixed = _number(threshold)
    wished = {"aggregate": aggregate, "window_s": window, "hop_s": hop, "draws": draws, "threshold": fixed}
    given: dict[str, Any] = {name: value for name, value in wished.items() if value is not None}
    given |= dict(map(pair, more or ()))
    other, other_name = _validation(validation, data, truth)
    problems: list[Problem] = []
    request = protocols.Request(
        models=tuple(_expanded(models, seeds=seeds)),
        data=manifest,
        data_name=f"{data} ({told_by}{f', split {split}' if split else ''})",
        options=found.filled(given),
        validation=other,
        validation_name=other_name,
        tell=told(lambda _, line: line),
        settings={
            "labels": labels.split(",") if labels else None,
            "threshold": threshold if fixed is None else None,
            "seeds": seeds,
            "export": start.exported,
            "embeddings": embeddings,
        },
        problem=problems.append,
    )
    with _elsewhere(dask, workers, found):
        result = found.judge(request)
    command = shlex.join(["sonoscope", *sys.argv[1:]])
    result = replace(result, provenance={**result.provenance, "command": command})
    print(result.text(), end="")
    if target is not None:
        _written(result, target, manifest, problems, embeddings=embeddings)
    if publication is not None:
        files = papers.write(publication, result, data, manifest, split=_split(data, manifest))
        say(f"written: {publication} ({len(files)} files)")
    for problem in problems[:10]:
        say(f"{problem.path}: {problem.reason}. {problem.remedy}")
    return 1 if problems else 0


@contextlib.contextmanager
def _elsewhere(dask: str | None, workers: int | None, protocol: Any) -> Iterator[None]:
    """While bundles hear clips: on a cluster, if one is named."""
    if dask is None:
        if workers is not None:
            raise UsageError("--workers is about --dask: alone, clips are heard one after the other")
        yield
        return
    if protocol.kind != "clip":
        raise UsageError(
            f"--dask shares out clips, and {protocol.name} judges {protocol.kind}: analyze the recordings with --dask, "
            "and evaluate the folder of results"
        )
    from sonoscope.evaluation.predictions.bundles import SHARE
    from sonoscope.runs import dasked

    with dasked.shared(dask, workers) as share:
        before = SHARE.set(share)
        try:
            yield
        finally:
            SHARE.reset(before)


def _written(
    result: Result, target: Path, manifest: Manifest, problems: list[Problem], *, embeddings: bool
) -> None:
    """The report, and in a folder what belongs beside it."""
    from sonoscope.data import badrows
    from sonoscope.evaluation import projector, reports
    from sonoscope.evaluation.page import mistakes

    if reports.plays(target):
        result = replace(result, excerpts=mistakes.excerpts(result, manifest))
    written = reports.write(result, target)
    if embeddings and target.is_dir():
        written += projector.write(target / projector.FOLDER, result, manifest)
    if problems and target.is_dir():
        badrows.write(problems, target / "bad_rows.csv")
    say(f"written: {target} ({len(written)} files)" if target.is_dir() else f"written: {target}")


def _split(data: str, manifest: Manifest) -> Certificate | None:
    """The certificate beside a manifest, if it is about what was judged."""
    from sonoscope.data import certificate, sources

    place = Path(sources.parse(data).path)
    if not place.is_file() or not certificate.beside(place).is_file():
        return None
    found = certificate.read(certificate.beside(place))
    return found if found.covers(manifest) else None


def _list(known: Any) -> None:
    for name, protocol in known.items():
        sets = f" (for {', '.join(protocol.datasets)})" if protocol.datasets else ""
        print(f"{name:<10}{protocol.title}, version {protocol.version}{sets}")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _validation(text: str | None, data: str, rule: str) -> tuple[Manifest | None, str]:
    """What thresholds are fitted on: a split of the data, or data of their own."""
    from sonoscope.evaluation import truth as truths

    if text is None:
        return None, ""
    if not Path(text).exists() and ":" not in text:
        whole, _ = truths.load(data, rule=rule)
        if {row.split for row in whole.rows} >= set(text.split(",")):
            return truths.load(data, rule=rule, split=text)[0], f"{data}, split {text}"
        there = ", ".join(sorted({row.split for row in whole.rows if row.split})) or "none"
        raise UsageError(f"validation={text!r} is no split of {data} ({there}), and no data")
    return truths.load(text, rule=rule)[0], text


def _expanded(models: list[str], *, seeds: bool) -> list[str]:
    """Models as they are; of seeds, the trainings in a folder of several."""
    if not seeds:
        return models
    found: list[str] = []
    for word in models:
        place = Path(word)
        inside = sorted(entry.parent for entry in place.glob("*/config.yaml")) if place.is_dir() else []
        found += (
            [word] if (place / "config.yaml").is_file() or not inside else [str(entry) for entry in inside]
        )
    return found
