"""``sonoscope data features``: recordings as prepared arrays, which training reads without decoding."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.cluster import Dask
from sonoscope.cli.data.options import Labels, Root
from sonoscope.cli.parameters import Set, of_feature
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError, one_of

if TYPE_CHECKING:
    from sonoscope.data.rows import Manifest
    from sonoscope.data.shards.content import Content
    from sonoscope.data.shards.making import Built

LAYOUTS = ("shards", "npy", "bands")
#: The model whose rate and features are taken if nothing else is said.
MODEL = "instruments"
MIB = 1 << 20

Data = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Manifests, folders with a folder for each label, data sets (irmas:FOLDER/train), lists of those (.txt), "
        "or inference:FOLDER for recordings without labels. With --verify it may be left out.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER",
        show_default=False,
        help="Where the arrays go; a second run makes only what changed.",
    ),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="audio|FEATURE",
        show_default=False,
        help="audio (default): samples. Or frames of a feature: logmel, stft, multiband, mfcc, ...",
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(
        metavar="HZ",
        show_default=False,
        help=f"Sample rate (default: the feature's, and for audio that of the model {MODEL}).",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FOLDER",
        show_default=False,
        help="Take the rate, and with --as the feature's parameters, from this model.",
    ),
]
LayoutName = Annotated[
    str,
    typer.Option("--layout", metavar="shards|npy|bands", help="Shards, or trees that mirror the recordings."),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="float16|float32",
        show_default=False,
        help="How frames are stored (default: float16 in shards, float32 in trees).",
    ),
]
Reference = Annotated[
    str, typer.Option(metavar="full|file", help="bands: what 0 dB is, full scale or each file's loudest.")
]
BySplit = Annotated[
    bool, typer.Option("--by-split", help="Trees: a folder for each split (train/, val/, ...).")
]
ShardSize = Annotated[int, typer.Option(metavar="MIB", min=1, help="Largest size of a shard.")]
Digest = Annotated[
    bool, typer.Option("--digest", help="Tell by their content, not by their time, whether files changed.")
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Processes that decode.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Make everything again, also where other content was prepared.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Change nothing: read every byte and tell what is wrong.")
]


def features_command(
    out: Out,
    data: Data = None,
    kind: As = None,
    sets: Set = None,
    sample_rate: Rate = None,
    model: ModelName = None,
    layout: LayoutName = "shards",
    dtype: Dtype = None,
    reference: Reference = "full",
    by_split: BySplit = False,
    shard_size: ShardSize = 256,
    digest: Digest = False,
    workers: Workers = 1,
    dask: Dask = None,
    labels: Labels = None,
    root: Root = None,
    overwrite: Overwrite = False,
    verify: Verify = False,
) -> int:
    """Decode recordings once, and keep samples or features where training reads them, a hundred times faster.

    The folder holds the manifest, mean and standard deviation of every bin, and the arrays. Rows that cannot be used
    are left out and listed, with the reason, in FOLDER's bad_rows.csv; the exit code is then 1.
    """
    from sonoscope.data import sources

    one_of(LAYOUTS, layout, "layout")
    if layout == "shards" and by_split:
        raise UsageError("--by-split is for trees (--layout npy or bands); shards know the split of each row")
    manifest = sources.load(data, labels=labels, root=root) if data else None
    if verify:
        return _verify(out, layout, manifest)
    if manifest is None:
        raise UsageError("no DATA given: name a manifest, a folder, or TYPE:FOLDER")
    options: dict[str, Any] = {
        "digest": digest, "overwrite": overwrite, "workers": workers, "progress": told(_prepared),
    }  # fmt: skip
    parameters = of_feature(sets)
    chosen: Any
    if layout == "bands":
        chosen = _bands(kind, parameters, sample_rate, reference)
    else:
        kept = dtype or ("float16" if layout == "shards" else "float32")
        chosen = _content(kind, parameters, sample_rate, model, kept)
    with contextlib.ExitStack() as stack:
        if dask is not None:
            from sonoscope.runs import dasked

            options["share"] = stack.enter_context(dasked.shared(dask, workers))
        if layout == "shards":
            from sonoscope.data import shards

            built = shards.build(manifest, out, chosen, shard_bytes=shard_size * MIB, **options)
        else:
            from sonoscope.data.shards import trees

            chosen = chosen if layout == "bands" else trees.Npy(chosen)
            built = trees.build(manifest, out, chosen, by_split=by_split, **options)
    return _tell(built, out)


# ---- what is wanted ----------------------------------------------------------------------------------------


def _content(
    kind: str | None, parameters: dict[str, Any], sample_rate: int | None, model: str | None, dtype: str
) -> Content:
    """What is stored of each row."""
    from sonoscope import features, models
    from sonoscope.data import shards

    if kind in (None, "audio"):
        _no_parameters(parameters)
        rate = models.load(model or MODEL).sample_rate if sample_rate is None else sample_rate
        return shards.audio(rate)
    assert kind is not None
    spec: dict[str, Any] = {"name": kind}
    if model is not None:
        of_model = models.load(model).feature
        if of_model is None or of_model.name != kind:
            told = "samples" if of_model is None else f"the feature {of_model.name}"
            raise UsageError(f"the model {model} takes {told}, not {kind}")
        spec = features.to_dict(of_model)
    if sample_rate is not None:
        parameters = {"sample_rate": sample_rate, **parameters}
    return shards.frames(_made(spec | parameters), dtype)


def _made(spec: dict[str, Any]) -> Any:
    """The feature of a description. Raises ``UsageError`` where a parameter is out of range."""
    from sonoscope import features

    try:
        return features.from_dict(spec, files=True)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{spec['name']}: {error}") from None


def _bands(kind: str | None, parameters: dict[str, Any], sample_rate: int | None, reference: str) -> Any:
    """The layout of a file for each band."""
    from sonoscope.data.shards.bands import BandContent, Bands

    if kind not in (None, "multiband"):
        raise UsageError(f"--layout bands holds the bands of multiband, not {kind}")
    if sample_rate is not None:
        parameters = {"sample_rate": sample_rate, **parameters}
    return Bands(BandContent(_made({"name": "multiband", **parameters}), reference))


def _no_parameters(parameters: dict[str, Any]) -> None:
    if parameters:
        raise UsageError(
            f"--set {next(iter(parameters))}=...: samples have no parameters; name a feature (--as)"
        )


# ---- telling -----------------------------------------------------------------------------------------------


def _tell(built: Built, out: Path) -> int:
    from sonoscope.errors import count

    print(out)
    done = f"{count(built.made, 'row')} made, {built.kept:,} kept, {built.forgotten:,} forgotten"
    say(f"{done}: {_duration(built.seconds)} of sound, {built.n_bytes / 1e6:,.1f} MB")
    return left_out(built.problems, f"left out, listed in {out / 'bad_rows.csv'}")


def _verify(out: Path, layout: str, manifest: Manifest | None) -> int:
    from sonoscope.data.shards import bands, trees, verify

    if (out / trees.RECORD).is_file():
        found = verify.tree(out)
    elif layout == "shards":
        found = verify.shards(out)
        if manifest is not None and not found:
            found = verify.against(manifest, out)
    elif layout == "bands":
        found = bands.verify(out)
        if not any(True for _ in bands.samples_in(out)):
            raise UsageError(f"{out} holds no arrays such as 0-1000Hz_fft1024.npy")
    else:
        raise UsageError(f"{out} holds no {trees.RECORD}: it is no tree that data features made")
    print(out)
    if not found:
        say("nothing is wrong")
    for problem in found:
        say(f"{problem.path}: {problem.reason}. {problem.remedy}")
    return 1 if found else 0


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def _prepared(_: float, done: int, total: int) -> str:
    return f"{done:,} of {total:,} rows"
