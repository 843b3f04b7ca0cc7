"""``sonoscope models export``: a model as one graph from samples to scores, in 8 bits, or as a page for browsers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.telling import say
from sonoscope.cli.words import number
from sonoscope.errors import UsageError, optional

if TYPE_CHECKING:
    from sonoscope.models.bundle import Bundle

#: What a file with a graph is called.
SUFFIX = ".onnx"

Model = Annotated[
    str, typer.Argument(metavar="BUNDLE", show_default=False, help="A model by name, or its folder.")
]
Data = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATA…]",
        show_default=False,
        help="For --int8: labelled recordings to measure ranges and the loss on (default: generated sound).",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE.onnx|FOLDER",
        show_default=False,
        help="The graph; with --int8 also a folder: the bundle in 8 bits, which analyze takes.",
    ),
]
Web = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="A new folder: a page that needs no service, with the model (several by comma) and what runs it.",
    ),
]
Runtime = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="For --web: where `npm install onnxruntime-web` was run (default: fetched from npm's registry, once).",
    ),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", parser=number, show_default=False, help="Between windows (default: the model's)."
    ),
]
Int8 = Annotated[bool, typer.Option("--int8", help="Compute in 8 bits, if that loses little enough.")]
MaxLoss = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        parser=number,
        show_default=False,
        help="Largest loss of mAP, or of agreement where nothing is labelled (default: 0.01).",
    ),
]


def export_command(
    model: Model,
    out: Out = None,
    data: Data = None,
    hop: Hop = None,
    int8: Int8 = False,
    max_loss: MaxLoss = None,
    web: Web = None,
    runtime: Runtime = None,
) -> int:
    """Write a model as one ONNX graph: samples in, scores out.

    Framing, spectra, the network, pooling and calibration are all in it, for sound of any length; it is compared with
    the pipeline before it is kept. With --int8 it computes in 8 bits, and is refused if that loses too much.
    """
    from sonoscope import models

    optional("torch", "train", "models export")
    optional("onnxscript", "train", "models export")
    if web is not None:
        if out is not None or data or hop is not None or int8 or max_loss is not None:
            raise UsageError(
                "--web writes a folder of its own, of the model as it is: leave -o, --hop and --int8 out"
            )
        _page(model, web, runtime)
        print(web)
        return 0
    if runtime is not None:
        raise UsageError("--runtime is about a page: add --web FOLDER")
    if out is None:
        raise UsageError("where to? -o FILE.onnx for a graph, --web FOLDER for a page")
    if not int8 and (data or max_loss is not None):
        raise UsageError(f"{'DATA' if data else '--max-loss'} is about 8 bits: add --int8")
    if max_loss is not None and not 0 <= max_loss <= 1:
        raise UsageError(f"--max-loss {max_loss:g} must lie in 0..1")
    as_graph = out.suffix.lower() == SUFFIX
    if not as_graph and not int8:
        raise UsageError(
            f"-o {out}: a graph's name ends in {SUFFIX}; a folder is for a bundle in 8 bits (--int8)"
        )
    if not as_graph and hop is not None:
        raise UsageError("--hop is part of a graph; a bundle takes any (analyze --hop)")
    if not out.parent.is_dir():
        raise UsageError(f"-o {out}: there is no folder {out.parent}. Make it first")
    bundle = models.load(model)
    if not int8:
        _fused(bundle, out, hop)
    elif as_graph:
        with tempfile.TemporaryDirectory(prefix="sonoscope-") as scratch:
            _fused(_quantised(bundle, Path(scratch) / "int8", data, max_loss), out, hop)
    else:
        _quantised(bundle, out, data, max_loss)
    print(out)
    return 0


def _page(names: str, folder: Path, runtime: Path | None) -> None:
    """A page with models in it; says how their graphs compare, and how to look at it."""
    from sonoscope import models
    from sonoscope.cli.data.fetch import download_progress
    from sonoscope.networks import web

    bundles = [models.load(name) for name in names.split(",")]
    files = web.runtime_folder(runtime, say=say, progress=download_progress())
    for name, difference in web.write_web(bundles, folder, files).items():
        say(f"{name}: within {difference:.1e} of the pipeline's")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say(f"{size / 2**20:.0f} MiB; any file server serves it: python -m http.server -d {folder}")


def _fused(bundle: Bundle, out: Path, hop_s: float | None) -> None:
    """One graph; says how it compares and what goes in and out."""
    from sonoscope.models.bundle import NOTES
    from sonoscope.networks.fused import write_fused
    from sonoscope.windows import in_samples

    if bundle.task == NOTES:
        if hop_s is not None:
            raise UsageError(
                f"--hop is about windows, and {bundle.name} answers every {bundle.note_hop_s:g} s"
            )
        hop, gives = None, "onset, sustain, velocity (frames, pitches)"
    else:
        hop = bundle.hop_samples
        if hop_s is not None:
            hop = in_samples(hop_s, bundle.sample_rate, bundle.window_samples)
        gives = (
            f"scores, logits (windows, {len(bundle.labels)}), a window every {hop / bundle.sample_rate:g} s"
        )
    difference = write_fused(bundle, out, hop_samples=hop)
    say(f"samples (n) at {bundle.sample_rate} Hz to {gives}")
    say(f"within {difference:.1e} of the pipeline's; {out.stat().st_size / 2**20:.1f} MiB")


def _quantised(bundle: Bundle, folder: Path, data: list[str] | None, max_loss: float | None) -> Bundle:
    """The bundle in 8 bits; says what it was measured on and what came of it."""
    from sonoscope.networks import int8

    if data:
        from sonoscope.data import sources

        sound = int8.sound_of(sources.load(data), bundle)
        if sound.truth is None:
            say("the data have no labels of the model's: decisions are compared, not mAP")
    else:
        sound = int8.generated(bundle)
        say("measured on generated sound; DATA like what you will hear tells more")
    limit = {} if max_loss is None else {"max_loss": max_loss}
    return int8.quantise(bundle, folder, sound, say=say, **limit)[0]
