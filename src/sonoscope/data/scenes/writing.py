"""Scenes and single synthesised sounds as files with a manifest: FLAC, truth beside it, the same for the same seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from sonoscope import outputs
from sonoscope.data import manifest, table
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.scenes import SOUNDS, make
from sonoscope.data.scenes.compose import Scene, SceneSpec, compose
from sonoscope.errors import UsageError, lookup
from sonoscope.values import FileResult, Label

SOURCE = "synthetic"
Progress = Callable[[int, int], None]


def write_scenes(
    folder: str | Path,
    spec: SceneSpec,
    count: int,
    *,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write ``count`` scenes, the events of each beside it, and a manifest of them; return the manifest's path.

    A scene that is there already is kept: a second call with a larger ``count`` adds. ``scene-0000.flac`` has its
    truth in ``scene-0000.flac.events.csv``; ``snr.csv`` says at what ratio each event was placed.

    Raises
    ------
    UsageError
        If ``count`` is not positive.
    UnknownName
        If a kind of event is not known.
    """
    if count < 1:
        raise UsageError(f"{count} scenes: ask for at least 1")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, ratios = [], [("scene", "kind", "label", "start", "end", "snr_db")]
    for number in range(count):
        name = f"scene-{number:04d}.flac"
        scene = compose(spec, seed * 1_000_003 + number)
        _put_sound(folder / name, scene.samples, spec.sample_rate)
        _put_truth(folder / f"{name}.events.csv", name, scene, spec)
        ratios += [
            (name, e.kind, e.label, f"{e.start_s:.3f}", f"{e.end_s:.3f}", f"{e.snr_db:.2f}") for e in scene.events
        ]  # fmt: skip
        rows.append(
            Row(
                path=name,
                duration_s=spec.duration_s,
                labels=tuple(dict.fromkeys(e.event.label for e in scene.events)),
                group=name,
                source=SOURCE,
                licence="CC0-1.0",
                annotation=f"{name}.events.csv",
                extra={"background": ";".join(scene.background)},
            )
        )
        progress(number + 1, count)
    table.put(folder / "snr.csv", table.csv_text(ratios).encode())
    path = folder / "manifest.csv"
    manifest.write(Manifest(tuple(rows), folder), path)
    return path


def write_sounds(
    folder: str | Path,
    kinds: Sequence[str],
    count: int,
    *,
    duration_s: float = 4.0,
    sample_rate: int = 24_000,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write ``count`` sounds of each kind, each kind in its folder, and a manifest; return the manifest's path.

    Raises
    ------
    UnknownName
        If a kind is not known.
    UsageError
        If ``count`` is not positive, or a duration or rate is out of range.
    """
    if count < 1:
        raise UsageError(f"{count} sounds of each kind: ask for at least 1")
    folder, rows = Path(folder), []
    for position, kind in enumerate(kinds):
        sound = lookup(SOUNDS, kind, "synthesised sound")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            name = f"{kind}/{kind}-{number:04d}.flac"
            if not (folder / name).is_file():
                made = make(kind, seed * 1_000_003 + number, duration_s, sample_rate)
                _put_sound(folder / name, made, sample_rate)
            rows.append(
                Row(
                    path=name,
                    duration_s=duration_s,
                    labels=(sound.label or kind,),
                    group=name,
                    source=SOURCE,
                    licence="CC0-1.0",
                    extra={"class": kind},
                )
            )
            progress(position * count + number + 1, len(kinds) * count)
    path = folder / "manifest.csv"
    manifest.write(Manifest(tuple(rows), folder), path)
    return path


def _put_sound(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """16 bit FLAC, whole or not at all."""
    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, format="FLAC")
    table.put(path, content.getvalue())


def _put_truth(path: Path, name: str, scene: Scene, spec: SceneSpec) -> None:
    """The events as a table of this package."""
    events = [placed.event for placed in scene.events]
    labels = tuple(Label(label, label) for label in dict.fromkeys(event.label for event in events))
    result = FileResult(name, name, SOURCE, labels, spec.duration_s, spec.sample_rate, 1, events)
    text = io.StringIO()
    outputs.WRITERS["csv"].write(result, text)
    table.put(path, text.getvalue().encode())
