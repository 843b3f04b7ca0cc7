"""``sonoscope models``: which models there are, what one knows, and whether a bundle is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.errors import BadBundle, SonoscopeError

#: The task whose models have no windows.
NOTES = "notes"

if TYPE_CHECKING:
    from sonoscope.models.bundle import Bundle

models_app = typer.Typer(help="List, show and check models.", add_completion=False)

#: Largest difference allowed between the logits of a window on its own and within a recording
#: (docs/architecture.md).
_TOLERANCE = 1e-3


@models_app.command("list")
def list_models() -> int:
    """List the models that can be named.

    Those come with the package, or lie in a folder that $SONOSCOPE_MODELS names.
    """
    from sonoscope import models
    from sonoscope.cli import display

    rows = [("name", "task", "classes", "window", "size", "licence")]
    damaged = []
    for name, folder in models.names().items():
        try:
            bundle = models.load(folder)
        except BadBundle as error:
            damaged.append(f"{name}: {error}")
            continue
        window = "" if bundle.task == NOTES else f"{bundle.window_samples / bundle.sample_rate:g} s"
        rows.append((name, bundle.task, str(len(bundle.labels)), window, _size(folder), bundle.licence))
    if len(rows) == 1 and not damaged:
        print("No model is installed; $SONOSCOPE_MODELS may name folders that hold bundles.")
    else:
        print("\n".join(display.columns(rows, right=(2, 3, 4), indent="")))
    for line in damaged:
        display.complain(line)
    return 2 if damaged else 0


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model by name, or the folder of a bundle.")],
) -> int:
    """Show the card and the thresholds of a model."""
    from sonoscope import models
    from sonoscope.cli import display

    bundle = models.load(name)
    if bundle.card.is_file():
        print(bundle.card.read_text(encoding="utf-8").rstrip() + "\n")
    print(f"{bundle.name} {bundle.version}, {bundle.task}, licence {bundle.licence}; in {bundle.path}")
    if bundle.task == NOTES:
        print(_about_notes(bundle))
        return 0
    window, hop = bundle.window_samples / bundle.sample_rate, bundle.hop_samples / bundle.sample_rate
    print(f"{bundle.sample_rate} Hz, windows of {window:g} s every {hop:g} s; events of at least")
    print(f"{bundle.min_duration_s:g} s, joined over gaps of up to {bundle.max_gap_s:g} s.\n")
    rows = [("label", "name", "group", "kind", "threshold", "down to", "precision", "recall")]
    for label in bundle.labels:
        on, low = bundle.thresholds[label.id], bundle.low_thresholds[label.id]
        rows.append(
            (
                label.id,
                label.name,
                label.group,
                label.kind,
                f"{on:.2f}",
                f"{low:.2f}",
                *_measured(bundle, label.id),
            )
        )
    print("\n".join(display.columns(rows, right=(4, 5, 6, 7), indent="")))
    return 0


def _about_notes(bundle: Bundle) -> str:
    """Pitches, frames and rules of a model of notes."""
    from dataclasses import asdict

    from sonoscope.cli import display

    delay_s = bundle.spec["look_ahead"] / bundle.sample_rate
    low, high = bundle.label_ids[0], bundle.label_ids[-1]
    rows = [(name, "none" if value is None else str(value)) for name, value in asdict(bundle.rules).items()]
    return "\n".join(
        (
            f"{bundle.sample_rate} Hz, {len(bundle.labels)} pitches from {low} to {high}, a frame every "
            f"{bundle.note_hop_s:g} s,",
            f"each heard up to {delay_s:.3f} s after it.\n",
            *display.columns([("rule", "value"), *rows], right=(1,), indent=""),
        )
    )


@models_app.command("check")
def check_model(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The folder of a bundle, or a model by name.")],
) -> int:
    """Check that a bundle is whole.

    Its description, the checksums of its files, the inputs and outputs of its graph, and a run on noise.
    """
    from sonoscope import models
    from sonoscope.cli import display

    try:
        bundle = models.load(path)
    except SonoscopeError as error:
        display.complain(str(error))
        return 2
    print(f"ok    description: schema {bundle.spec['schema']}, {len(bundle.labels)} labels")
    failures = 0
    for name, check in CHECKS.items():
        try:
            print(f"ok    {name}: {check(bundle)}")
        except SonoscopeError as error:
            failures += 1
            print(f"BAD   {name}: {error}")
    print(f"{bundle.name}: " + ("whole" if not failures else f"{display.count(failures, 'check')} failed"))
    return 2 if failures else 0


def _checksums(bundle: Bundle) -> str:
    from sonoscope.models.bundle import sha256_of

    stated = bundle.spec["checksums"]
    for name, digest in stated.items():
        file = bundle.path / name
        if not file.is_file():
            raise BadBundle(f"{file} is missing: fetch the bundle again")
        if sha256_of(file) != digest:
            raise BadBundle(f"{file} is not the file that bundle.json describes: fetch the bundle again")
    return ", ".join(stated)


def _graph(bundle: Bundle) -> str:
    from sonoscope.models.runtime import Runtime

    Runtime(bundle)
    outputs = ", ".join(entry["name"] for entry in bundle.spec["outputs"].values())
    return f"{bundle.spec['input']['name']} to {outputs}"


def _noise(bundle: Bundle) -> str:
    """Score noise and silence: finite, as wide as declared, and the same twice."""
    if bundle.task == NOTES:
        return _note_noise(bundle)
    import numpy as np

    from sonoscope import pipeline
    from sonoscope.models.runtime import Runtime

    runtime = Runtime(bundle)
    window = bundle.window_samples
    samples = 0.1 * np.random.default_rng(0).standard_normal(2 * window + window // 2).astype(np.float32)

    def score(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        analysis = pipeline.score_samples(
            signal, bundle.sample_rate, bundle, runtime, hop_s=window / bundle.sample_rate, embeddings=True
        )
        vectors = analysis.scores.embeddings
        return analysis.scores.logits, np.empty((0, 0)) if vectors is None else vectors

    logits, vectors = score(samples)
    if logits.shape != (3, len(bundle.labels)) or vectors.shape[1] != bundle.embedding_size:
        raise BadBundle(
            f"scores of shape {logits.shape} and embeddings of shape {vectors.shape} for 3 windows"
        )
    for name, values in (("noise", logits), ("silence", score(np.zeros_like(samples))[0])):
        if not np.isfinite(values).all():
            raise BadBundle(f"scores of {name} are not finite")
    if not np.array_equal(score(samples)[0], logits):
        raise BadBundle("the same noise scored twice gives other numbers")
    return f"3 windows, {logits.shape[1]} labels, embeddings of {vectors.shape[1]}"


def _note_noise(bundle: Bundle) -> str:
    """The same for a model of notes."""
    import numpy as np

    from sonoscope.models.notes import NoteScorer
    from sonoscope.models.runtime import Runtime
    from sonoscope.notes.scores import concatenate

    runtime = Runtime(bundle)
    samples = 0.1 * np.random.default_rng(0).standard_normal(bundle.sample_rate).astype(np.float32)

    def score(signal: np.ndarray) -> np.ndarray:
        scorer = NoteScorer(runtime)
        blocks = [*scorer.push(signal), *scorer.close()]
        return np.stack(list(concatenate(blocks).tables().values()))

    wanted = (3, round(1 / bundle.note_hop_s), len(bundle.labels))
    for name, values in (("noise", score(samples)), ("silence", score(np.zeros_like(samples)))):
        if values.shape != wanted:
            raise BadBundle(f"scores of shape {values.shape} for a second of {name}, not {wanted}")
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise BadBundle(f"scores of {name} are no probabilities")
    if not np.array_equal(score(samples), score(samples)):
        raise BadBundle("the same noise scored twice gives other numbers")
    return f"{wanted[1]} frames, {wanted[2]} pitches"


CHECKS: dict[str, Callable[[Bundle], str]] = {
    "checksums": _checksums,
    "graph": _graph,
    "noise": _noise,
}


def _measured(bundle: Bundle, label: str) -> tuple[str, str]:
    """Precision and recall measured at the label's threshold, or at the nearest one below; else empty."""
    points = [
        p for p in bundle.operating_points.get(label, []) if p["threshold"] <= bundle.thresholds[label] + 1e-9
    ]
    if not points:
        return "", ""
    nearest = max(points, key=lambda point: point["threshold"])
    return f"{nearest['precision']:.2f}", f"{nearest['recall']:.2f}"


def _size(folder: Path) -> str:
    total = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return f"{total / 2**20:.1f} MiB"
