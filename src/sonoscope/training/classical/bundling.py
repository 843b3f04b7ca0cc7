"""A fitted classical model as a bundle that is run without scikit-learn: one graph from the feature to the logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import BadBundle
from sonoscope.models.apart import apart
from sonoscope.models.bundle import SCHEMA, open_bundle, sha256_of
from sonoscope.networks.writer import Writer
from sonoscope.training.classical import vectors
from sonoscope.training.classical.protocol import Answerer
from sonoscope.training.classical.sources import Listening
from sonoscope.writing import place_beside

#: Largest |ONNX Runtime - NumPy| of a logit.
TOLERANCE = 1e-4
#: Vectors that are compared.
COMPARED = 200


def write_bundle(
    folder: Path,
    listening: Listening,
    answerer: Answerer,
    description: Mapping[str, Any],
    *,
    shown: np.ndarray,
    card: str,
) -> float:
    """Write a whole bundle beside ``folder`` and move it into place, replacing an older one.

    Parameters
    ----------
    folder : Path
    listening : Listening
    answerer : Answerer
    description : mapping
        The keys of ``bundle.json`` that the training knows.
    shown : np.ndarray, shape (n, d)
        Vectors that the graph is compared with NumPy on.
    card : str
        Markdown for ``README.md``.

    Returns
    -------
    float
        The largest difference.

    Raises
    ------
    BadBundle
        If it exceeds ``TOLERANCE``, or the description contradicts itself; an older bundle stays.
    """
    difference = largest_difference(answerer, shown[:COMPARED])
    if not difference <= TOLERANCE:
        raise BadBundle(
            f"{folder}: the graph differs from the model by {difference:.2e} (limit {TOLERANCE:.0e})"
        )
    graph = listening.writer()
    found = listening.write(graph)
    logits = graph.cast(answerer.write(graph, graph.cast(found, np.float64)), np.float32)
    count = len(description["labels"])
    model = graph.model(
        {listening.interface()["name"]: listening.shape()},
        {vectors.LOGITS: (logits, ["batch", count]),
         vectors.EMBEDDING: (found, ["batch", len(listening.columns)])},
    )  # fmt: skip
    with place_beside(folder) as made:
        made.mkdir()
        (made / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (made / "README.md").write_text(card, encoding="utf-8")
        spec = {
            "schema": SCHEMA, **description, "input": listening.interface(), "outputs": vectors.outputs(listening),
            "states": [], "poolable": False, "look_ahead": listening.window,
            "opset": graph.opset, "export_difference": difference,
            "checksums": {"model.onnx": sha256_of(made / "model.onnx")},
        }  # fmt: skip
        (made / "bundle.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        open_bundle(made)
    return difference


def largest_difference(answerer: Answerer, shown: np.ndarray) -> float:
    """Largest |ONNX Runtime - NumPy| of the logits of vectors, shape (n, d), in batches of different sizes."""
    import onnxruntime

    graph = Writer()
    logits = graph.cast(answerer.write(graph, graph.cast("vectors", np.float64)), np.float32)
    expected = answerer.logits(shown)
    model = graph.model(
        {"vectors": ["batch", shown.shape[1]]}, {"logits": (logits, ["batch", expected.shape[1]])}
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    worst = 0.0
    for rows in (slice(0, 1), slice(0, 8), slice(0, None)):
        (got,) = session.run(["logits"], {"vectors": np.ascontiguousarray(shown[rows], dtype=np.float32)})
        worst = max(worst, apart(got, expected[rows]))
    return worst
