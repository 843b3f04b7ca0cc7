"""``sonoscope models list`` and ``show``: which models there are, and what one knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.errors import BadBundle
from sonoscope.values import columns

if TYPE_CHECKING:
    from sonoscope.models.bundle import Bundle


def list_command() -> int:
    """List the models that can be named.

    Those come with the package, were fetched, or lie in a folder that $SONOSCOPE_MODELS names.
    """
    from sonoscope import models
    from sonoscope.cli import display
    from sonoscope.models.bundle import NOTES

    rows = [("name", "task", "classes", "window", "size", "licence")]
    damaged = []
    for name, folder in models.names().items():
        try:
            bundle = models.load(folder, labels=False)
        except BadBundle as error:
            damaged.append(f"{name}: {error}")
            continue
        window = "" if bundle.task == NOTES else f"{bundle.window_samples / bundle.sample_rate:g} s"
        rows.append((name, bundle.task, str(len(bundle.labels)), window, _size(folder), bundle.licence))
    if len(rows) == 1 and not damaged:
        print("No model is installed; $SONOSCOPE_MODELS may name folders that hold bundles.")
    else:
        print("\n".join(columns(rows, right=(2, 3, 4))))
    for line in damaged:
        display.complain(line)
    return 2 if damaged else 0


def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model by name, or the folder of a bundle.")],
) -> int:
    """Show the card and the thresholds of a model."""
    from sonoscope import models
    from sonoscope.models.bundle import EMBEDDING, NOTES

    bundle = models.load(name, labels=False)
    if bundle.card.is_file():
        print(bundle.card.read_text(encoding="utf-8").rstrip() + "\n")
    print(f"{bundle.name} {bundle.version}, {bundle.task}, licence {bundle.licence}; in {bundle.path}")
    if bundle.task == NOTES:
        print(_about_notes(bundle))
        return 0
    window, hop = bundle.window_samples / bundle.sample_rate, bundle.hop_samples / bundle.sample_rate
    if bundle.task == EMBEDDING:
        print(
            f"{bundle.sample_rate} Hz, windows of {window:g} s every {hop:g} s: embeddings of {bundle.embedding_size}"
        )
        return 0
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
    print("\n".join(columns(rows, right=(4, 5, 6, 7))))
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
