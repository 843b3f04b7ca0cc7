"""The vectors of recordings, computed as the finished bundle will: a bundle without an answer, run over each row.

Vectors are kept beside the prepared sound where a configuration names a folder for it (``data.folder``): an SVM of each
kernel, a logistic head and k-NN then listen once.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import pipeline
from sonoscope.data.shards import Shards
from sonoscope.data.table import put
from sonoscope.models.bundle import SCHEMA, Bundle, open_bundle, sha256_of
from sonoscope.models.runtime import Runtime
from sonoscope.training.classical.protocol import Examples, Say
from sonoscope.training.classical.sources import Listening

#: Names of the outputs of every graph that is written here.
LOGITS, EMBEDDING = "clip_logits", "clip_embedding"
#: Progress is said this often.
SAID_EVERY_S = 20.0


def outputs(listening: Listening) -> dict[str, Any]:
    """What ``bundle.json`` says of the outputs."""
    return {
        "clip": {"name": LOGITS, "axes": ["batch", "label"]},
        "embedding": {
            "name": EMBEDDING,
            "axes": ["batch", "dimension"],
            "size": len(listening.columns),
        },
    }


def asking(listening: Listening, hop: int, folder: Path) -> Bundle:
    """A bundle that gives vectors, and a label that means nothing, in ``folder``."""
    graph = listening.writer()
    vectors = listening.write(graph)
    nothing = graph.node("MatMul", vectors, graph.constant(np.zeros((len(listening.columns), 1), np.float32)))
    model = graph.model(
        {listening.interface()["name"]: listening.shape()},
        {LOGITS: (nothing, ["batch", 1]), EMBEDDING: (vectors, ["batch", len(listening.columns)])},
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    spec = {
        "schema": SCHEMA, "name": "vectors", "version": "0", "task": "tagging",
        "labels": [{"id": "none", "name": "None"}],
        "sample_rate": listening.sample_rate, "window": listening.window, "hop": hop,
        "input": listening.interface(), "outputs": outputs(listening),
        "calibration": {"none": {"slope": 1.0, "offset": 0.0}},
        "decision": {"labels": {"none": {"threshold": 0.5, "low_threshold": 0.5}}},
        "licence": "", "checksums": {"model.onnx": sha256_of(folder / "model.onnx")},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(spec), encoding="utf-8")
    return open_bundle(folder)


def of_rows(
    shards: Shards, listening: Listening, hop: int, *, kept_in: Path | None, first_only: bool, say: Say
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of all rows.

    Parameters
    ----------
    shards : Shards
        Of samples at the listening's rate.
    listening : Listening
    hop : int
        Samples between windows.
    kept_in : Path, optional
        A folder where they are kept, and found again.
    first_only : bool
        Only the first window of each row.
    say : callable

    Returns
    -------
    vectors : np.ndarray, shape (n, d), float32
    owner : np.ndarray, shape (n,), int64
        Numbers of rows, ascending; a row without a sample has no window.
    """
    with tempfile.TemporaryDirectory(prefix="sonoscope-") as scratch:
        bundle = asking(listening, hop, Path(scratch))
        key = hashlib.sha256(
            f"{bundle.sha256}:{json.dumps(bundle.spec['input'], sort_keys=True)}:{shards.fingerprint}:{hop}:"
            f"{listening.window}:{first_only}".encode()
        ).hexdigest()[:20]
        place = None if kept_in is None else kept_in / f"{key}.npz"
        held = None if place is None else read(place)
        if held is not None:
            return held
        found = listen(shards, bundle, first_only, say)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, *found)
    return found


def listen(shards: Shards, bundle: Bundle, first_only: bool, say: Say) -> tuple[np.ndarray, np.ndarray]:
    """Run the bundle over every row."""
    runtime = Runtime(bundle)
    vectors, owner, began = [], [], time.monotonic()
    for row in range(len(shards)):
        samples = shards.samples(row)
        if first_only:
            samples = samples[: bundle.window_samples]
        if not samples.size:
            continue
        scores = pipeline.score_samples(samples, bundle.sample_rate, bundle, runtime, embeddings=True).scores
        assert scores.embeddings is not None
        vectors.append(scores.embeddings.copy())
        owner.append(np.full(len(scores.embeddings), row, dtype=np.int64))
        if time.monotonic() - began > SAID_EVERY_S:
            say(f"listened to {row + 1} of {len(shards)} clips")
            began = time.monotonic()
    return np.concatenate(vectors), np.concatenate(owner)


def write(path: Path, vectors: np.ndarray, owner: np.ndarray) -> None:
    """Keep vectors, whole or not at all."""
    file = io.BytesIO()
    np.savez(file, vectors=vectors, owner=owner)
    put(path, file.getvalue())


def read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """What :func:`write` kept; None if there is nothing that can be read."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as held:
            return held["vectors"], held["owner"]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None


def examples(
    shards: Shards,
    labels: tuple[str, ...],
    part: str,
    vectors: np.ndarray,
    owner: np.ndarray,
    columns: tuple[str, ...],
) -> tuple[Examples, np.ndarray]:
    """The windows of a part with what is known of their clips, and the numbers of those clips' rows."""
    rows = np.array([row.split == part for row in shards.rows], dtype=bool)
    kept = np.flatnonzero(rows[owner]) if len(owner) else np.zeros(0, dtype=np.int64)
    used, clip = np.unique(owner[kept], return_inverse=True)
    truth, known = shards.manifest.targets(labels)
    windows = Examples(vectors[kept], truth[owner[kept]], known[owner[kept]], clip, columns, labels)
    return windows, used
