"""Embeddings of clips for TensorBoard's projector: ``tensorboard --logdir FOLDER``, or its page with the files loaded.

==========================  ========================================================================================
``projector_config.pbtxt``  names the others, relative to the folder
``tensors.tsv``             a line of numbers for each clip; of several models ``tensors-MODEL.tsv`` each
``metadata.tsv``            clip, what sounds, what was said of it (by the first model), group; a header
``sprite.png``              a spectrogram of each clip, small, row by row in a square
==========================  ========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sonoscope.data import clips, spectrogram
from sonoscope.data.rows import Manifest
from sonoscope.data.table import put
from sonoscope.evaluation.page.clipcharts import models_of
from sonoscope.evaluation.page.maps import EMBEDDINGS
from sonoscope.evaluation.plots import filename
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.truth import names_of

#: Where a report has it.
FOLDER = "projector"
#: Side of a thumbnail, the least one that shows anything, and the largest side of a sprite that browsers take.
SIDE, SMALLEST, LARGEST = 48, 12, 8192
#: Rate at which thumbnails are drawn, in Hz.
SAMPLE_RATE = 16_000


def write(folder: Path, result: Result, manifest: Manifest) -> list[Path]:
    """Write the embeddings that a result holds; nothing where it holds none. Returns the files."""
    held = {
        model: (arrays, np.asarray(vectors))
        for model, arrays in models_of(result)
        if (vectors := result.arrays.get(f"{model}/{EMBEDDINGS}" if model else EMBEDDINGS)) is not None
    }
    if not held:
        return []
    first, (arrays, _) = next(iter(held.items()))
    before = f"{first}/" if first else ""
    names = [str(name) for name in result.arrays[f"{before}names"]]
    files: dict[str, bytes] = {}
    tensors = {}
    for model, (_, vectors) in held.items():
        tensors[model or "embeddings"] = name = (
            f"tensors-{filename(model)}.tsv" if len(held) > 1 else "tensors.tsv"
        )
        files[name] = _tsv("\t".join(f"{value:.6g}" for value in row) for row in vectors.tolist())
    files["metadata.tsv"] = _tsv(_metadata(result, names, arrays))
    side = min(SIDE, LARGEST // math.ceil(math.sqrt(len(names))))
    if side >= SMALLEST:
        files["sprite.png"] = spectrogram.png(sprite(_thumbnails(manifest, names, side), len(names), side))
    files["projector_config.pbtxt"] = _config(tensors, side if "sprite.png" in files else 0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        put(folder / name, content)
    return [folder / name for name in files]


def _tsv(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _metadata(result: Result, names: list[str], arrays: Mapping[str, np.ndarray]) -> Iterable[str]:
    labels = [str(label) for label in arrays["labels"]]
    groups_key = next((key for key in result.arrays if key.rpartition("/")[2] == "groups"), None)
    groups = [str(group) for group in result.arrays[groups_key]] if groups_key else names
    best = np.asarray(arrays["scores"]).argmax(axis=1)
    yield "clip\tsounds\tbest score\tgroup"
    for name, sounds, place, group in zip(names, arrays["truth"] > 0, best.tolist(), groups, strict=True):
        said = ", ".join(label for label, there in zip(labels, sounds, strict=True) if there)
        yield "\t".join(_cell(cell) for cell in (name, said or "(none)", labels[place], group))


def _cell(text: str) -> str:
    return " ".join(text.split()) or "(none)"


def _thumbnails(manifest: Manifest, names: list[str], side: int) -> Iterable[tuple[int, np.ndarray]]:
    """Place among the names and grey picture of each clip that can be read."""
    rows = dict(zip(names_of(manifest.rows), manifest.rows, strict=True))
    wanted = [(place, rows[name]) for place, name in enumerate(names) if name in rows]
    for clip in clips.each(manifest, SAMPLE_RATE, rows=[row for _, row in wanted], report=lambda _: None):
        if clip.samples.size:
            yield wanted[clip.index][0], shrunk(spectrogram.picture(clip.samples, SAMPLE_RATE), side)


def shrunk(grey: np.ndarray, side: int) -> np.ndarray:
    """A grey picture as a square: means of its points, or points repeated where it has fewer; uint8."""
    for axis in (0, 1):
        summed = np.cumsum(grey, axis=axis, dtype=np.float64)
        summed = np.insert(summed, 0, 0.0, axis=axis)
        edges = np.linspace(0, grey.shape[axis], side + 1)
        below = np.minimum(edges.astype(int), grey.shape[axis] - 1)
        part = (edges - below).reshape([-1 if k == axis else 1 for k in (0, 1)])
        at = np.take(summed, below, axis=axis) + part * np.take(grey, below, axis=axis)
        grey = np.diff(at, axis=axis) / np.diff(edges).reshape(part[1:].shape if axis == 0 else (1, -1))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def sprite(thumbnails: Iterable[tuple[int, np.ndarray]], count: int, side: int) -> np.ndarray:
    """Thumbnails by their place, row by row in a square; black where there is none."""
    across = math.ceil(math.sqrt(count))
    grey = np.zeros((across * side, across * side), dtype=np.uint8)
    for place, picture in thumbnails:
        row, column = divmod(place, across)
        grey[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    return grey


def _config(tensors: Mapping[str, str], side: int) -> bytes:
    parts = []
    for model, path in tensors.items():
        image = (
            '  sprite {\n    image_path: "sprite.png"\n'
            f"    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n"
            if side
            else ""
        )
        name = model.replace("\\", "/").replace('"', "'")
        paths = f'  tensor_path: "{path}"\n  metadata_path: "metadata.tsv"\n'
        parts.append(f'embeddings {{\n  tensor_name: "{name}"\n{paths}{image}}}\n')
    return "".join(parts).encode()
