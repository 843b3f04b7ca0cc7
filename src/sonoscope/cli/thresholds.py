"""``sonoscope thresholds fit``: thresholds from what is wished, on clips that are not reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.evaluate import Hop, LabelsOption, Split, TruthRule, Window
from sonoscope.cli.telling import say, told
from sonoscope.cli.verdicts import verdicts_command
from sonoscope.errors import UsageError, one_of

if TYPE_CHECKING:
    from sonoscope.evaluation.clipfigures import ClipOptions

thresholds_app = typer.Typer(help="Thresholds from what is wished.", add_completion=False)
thresholds_app.command("verdicts")(verdicts_command)


@thresholds_app.callback()
def _group() -> None:
    """Thresholds from what is wished."""


Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|SCORES",
        show_default=False,
        help="A model, a training, results of analyze, or predictions.",
    ),
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", show_default=False, help="Labelled recordings; never those that will be reported."
    ),
]
By = Annotated[str, typer.Option(metavar="WISH", help="f1, precision=0.95, fpr=0.005 or fixed=0.4.")]
Global = Annotated[
    bool, typer.Option("--global/--per-class", help="One threshold for all labels, or one for each.")
]
Prior = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE|A=SHARE,…",
        show_default=False,
        help="The share of the field's clips in which labels sound: all (0.01), or some (buzz=0.01,bird=0.2).",
    ),
]
Aggregate = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="What of a clip's windows the threshold meets: max is what analyze does; mean, sum-max, max-s2.",
    ),
]
Nearest = Annotated[
    bool, typer.Option("--nearest", help="Take the nearest that can be had where a wish cannot be met.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="FILE.json", show_default=False, help="The file for analyze --threshold."
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="Also write a copy of the model with these thresholds there.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


@thresholds_app.command("fit")
def fit(
    source: Source,
    data: Data,
    by: By = "f1",
    one: Global = False,
    prior: Prior = None,
    aggregate: Aggregate = "max",
    split: Split = "",
    labels: LabelsOption = None,
    truth: TruthRule = "auto",
    window: Window = None,
    hop: Hop = None,
    nearest: Nearest = False,
    out: Out = None,
    store: Store = None,
    overwrite: Overwrite = False,
) -> int:
    """Fit thresholds on labelled recordings, and say what they come to there.

    A wish that cannot be met ends the command, with the nearest that can be had; --nearest takes that.
    """
    from sonoscope.evaluation import fitting, judging, thresholdfile
    from sonoscope.evaluation import truth as truths

    wish = fitting.wish(by)
    if out is not None and out.exists() and not overwrite:
        raise UsageError(f"{out} exists already: name another file with -o, or replace it with --overwrite")
    if out is not None and out.suffix.lower() != ".json":
        raise UsageError(f"-o {out} must end with .json")
    manifest, told_by = truths.load(data, rule=truth, split=split)
    options = _options(aggregate, window, hop)
    held = judging.answered(
        source,
        manifest,
        options,
        labels=labels.split(",") if labels else None,
        tell=told(lambda _, line: line),
    )
    shares = _shares(prior, held.answers.labels)
    found = fitting.fit(held.answers, wish, scope="global" if one else "per-class", shares=shares)
    print(thresholdfile.table(found).text())
    for problem in held.problems[:10]:
        say(f"{problem.path}: {problem.reason}. {problem.remedy}")
    if found.unmet and not nearest:
        said = "; ".join(f"{label}: {why}" for label, why in found.unmet.items())
        raise UsageError(f"not for every label: {said}. --nearest takes these, --by another wish")
    name = f"{data} ({told_by}{f', split {split}' if split else ''})"
    where = thresholdfile.origin(found, held.manifest, name, held.source.about, aggregate)
    content = thresholdfile.to_dict(found, where)
    if out is not None:
        thresholdfile.write(out, content)
        say(f"written: {out}; sonoscope analyze … --threshold {out}")
    if store is not None:
        bundle = getattr(held.source, "bundle", None)
        if bundle is None:
            raise UsageError(f"{source} is no model: --store needs one; write a file with -o")
        thresholdfile.store(bundle, content, store)
        say(f"written: {store}, a copy of {bundle.name} with these thresholds")
    return 1 if held.problems else 0


def _options(aggregate: str, window: float | None, hop: float | None) -> ClipOptions:
    from sonoscope.evaluation.clipfigures import ClipOptions

    try:
        return ClipOptions(aggregate=aggregate, window_s=window, hop_s=hop, draws=0)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _shares(text: str | None, labels: tuple[str, ...]) -> dict[str, float]:
    """Shares of the field by label."""

    if text is None:
        return {}
    found = {}
    for part in text.split(","):
        label, sign, number = part.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            raise UsageError(f"prior={text!r}: {number!r} is no number") from None
        if not 0 < share < 1:
            raise UsageError(f"prior={text!r}: {share:g} must lie between 0 and 1")
        if not sign:
            return dict.fromkeys(labels, share)
        found[one_of(labels, label.strip(), "label")] = share
    return found
