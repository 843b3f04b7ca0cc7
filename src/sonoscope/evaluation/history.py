"""What a training left beside its bundle, for the report: how its figures went, and pictures of its decisions."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.table import decoded
from sonoscope.evaluation.result import Curve, Result

#: In the folder of a training.
HISTORY, PLOTS = "history.csv", "plots"
#: Columns that count how far a training is, the first that is there across; and those that are no figures.
STEPS = ("epoch", "step")
_COUNTS = ("val_classes", "val_clips", "cpu_s", *STEPS)
#: Beginnings of the names of curves that this module makes.
TRAINING = "training"


def added(result: Result, source: Any) -> Result:
    """The result with the curves and pictures of the training that made what was judged, where there are any."""
    run = folder_of(source)
    return replace(
        result, curves=(*result.curves, *curves(run)), pictures={**result.pictures, **pictures(run)}
    )


def folder_of(source: Any) -> Path | None:
    """The training that a source of predictions came from: its own, or the folder around its bundle."""
    run: Path | None = getattr(source, "run", None)
    if run is not None:
        return run
    place: Path | None = getattr(getattr(source, "bundle", None), "path", None)
    if place is None or not any((place.absolute().parent / name).exists() for name in (HISTORY, PLOTS)):
        return None
    return place.absolute().parent


def curves(run: Path | None) -> tuple[Curve, ...]:
    """Losses, figures and the learning rate over a training, from its ``history.csv``; none where it has none."""
    if run is None or not (run / HISTORY).is_file():
        return ()
    rows = list(csv.DictReader(decoded(run / HISTORY).splitlines()))
    across = next((name for name in STEPS if rows and name in rows[0]), None)
    if across is None:
        return ()
    return tuple(_curves(rows, across))


def _curves(rows: list[dict[str, str]], across: str) -> Iterator[Curve]:
    steps = np.array([_number(row[across]) for row in rows])
    columns = {
        name: np.array([_number(row.get(name)) for row in rows]) for name in rows[0] if name not in _COUNTS
    }
    kinds = {"losses": "Loss", "figures": "Figures", "learning_rate": "Learning rate"}
    for kind, what in kinds.items():
        lines = {
            name: (steps, values)
            for name, values in columns.items()
            if _kind(name) == kind and np.isfinite(values).any()
        }
        if lines:
            yield Curve(f"{TRAINING}_{kind}", f"Training: {what.lower()}", across, what.lower(), lines)


def _kind(name: str) -> str:
    if "loss" in name:
        return "losses"
    return "learning_rate" if name == "learning_rate" else "figures"


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def pictures(run: Path | None) -> dict[str, bytes]:
    """The PNGs that a training drew of its decisions (an SVM's, a label each), by their names."""
    if run is None or not (run / PLOTS).is_dir():
        return {}
    return {
        file.stem.partition("_")[2] or file.stem: file.read_bytes()
        for file in sorted((run / PLOTS).glob("*.png"))
    }
