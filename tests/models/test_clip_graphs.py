"""Graphs that answer once for a window, on samples or on features, against each window computed alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sonoscope import features
from sonoscope.features import LogMel
from sonoscope.models.bundle import open_bundle
from sonoscope.models.runtime import Runtime
from sonoscope.pipeline import score_samples
from sonoscope.values import Label
from sonoscope.windows import Grid

RATE, WINDOW, CLASSES, DIMENSIONS = 8000, 2400, 3, 4
#: 301-frames-for-3-seconds-like: the window is no multiple of the hop, and the frames are 1 + window // hop.
FEATURE = LogMel(sample_rate=RATE, n_fft=256, hop_samples=110, n_mels=12, f_min_hz=60.0, f_max_hz=4000.0)
FRAMES = 1 + WINDOW // 110


def weights(width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(width)
    to_embedding = rng.standard_normal((width, DIMENSIONS)).astype(np.float32) / width**0.5
    return to_embedding, rng.standard_normal((DIMENSIONS, CLASSES)).astype(np.float32)


def answer(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the graph computes for one window, in float64: |mean over time| @ weights, then logits."""
    flat = inputs.astype(np.float64)
    flat = flat.mean(axis=0) if flat.ndim == 2 else np.abs(flat)
    one, two = weights(flat.size)
    embedding = flat @ one.astype(np.float64)
    return embedding @ two.astype(np.float64), embedding


def write(folder: Path, kind: str) -> Runtime:
    onnx = pytest.importorskip("onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    width = FEATURE.n_bins if kind == "feature" else WINDOW
    one, two = weights(width)
    reduce = (
        helper.make_node("ReduceMean", ["in", "axis"], ["flat"], keepdims=0)
        if kind == "feature"
        else helper.make_node("Abs", ["in"], ["flat"])
    )
    nodes = [
        reduce,
        helper.make_node("MatMul", ["flat", "one"], ["vector"]),
        helper.make_node("MatMul", ["vector", "two"], ["answer"]),
    ]
    shape = ["batch", "time", width] if kind == "feature" else ["batch", WINDOW]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims)
        for name, dims in (("in", shape), ("answer", ["batch", CLASSES]), ("vector", ["batch", DIMENSIONS]))
    ]
    given = [constant(one, "one"), constant(two, "two")]
    given += [constant(np.array([1]), "axis")] if kind == "feature" else []
    graph = helper.make_graph(nodes, "clip", ports[:1], ports[1:], given)
    folder.mkdir()
    file = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    ids = [f"label{k}" for k in range(CLASSES)]
    entry = {"name": "in", "kind": kind}
    spec = {
        "schema": "1.0", "name": kind, "version": "1.0.0", "task": "tagging", "licence": "MIT",
        "labels": [asdict(Label(i)) for i in ids], "sample_rate": RATE, "window": WINDOW, "hop": WINDOW // 2,
        "poolable": False, "states": [],
        "input": entry | (
            {"feature": features.to_dict(FEATURE), "frames": FRAMES} if kind == "feature" else {}
        ),
        "outputs": {"clip": {"name": "answer"}, "embedding": {"name": "vector", "size": DIMENSIONS}},
        "calibration": {i: {"slope": 1.0, "offset": 0.0} for i in ids},
        "decision": {"labels": {i: {"threshold": 0.5, "low_threshold": 0.4} for i in ids}},
        "checksums": {"model.onnx": hashlib.sha256(file.read_bytes()).hexdigest()},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(spec))
    return Runtime(open_bundle(folder))


@pytest.fixture(scope="module", params=["feature", "samples"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return write(tmp_path_factory.mktemp("clip") / request.param, request.param)


def scored(runtime: Runtime, samples: np.ndarray, hop: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    scorer = runtime.scorer(hop, embeddings=True)
    parts = []
    for first in range(0, samples.size, block):
        part = samples[first : first + block].copy()
        parts.append(scorer.push(part))
        part[:] = np.nan  # its memory is used again
    parts.append(scorer.close())
    logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
    return logits, vectors


@pytest.mark.parametrize("n", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 30_011])
@pytest.mark.parametrize("hop", [WINDOW, 1100, 777])
def test_every_window_is_answered_as_if_it_were_alone(runtime: Runtime, n: int, hop: int, rng):
    samples = rng.standard_normal(n).astype(np.float32)
    # Frames see the sound around their window, as far as there is any.
    feature = runtime.bundle.feature
    left = 0 if feature is None else feature.left_context
    reach = WINDOW if feature is None else (FRAMES - 1) * 110 + left + feature.right_context
    padded = np.concatenate([np.zeros(left, np.float32), samples, np.zeros(2 * WINDOW, np.float32)])
    starts = Grid(WINDOW, hop).starts(n)
    windows = [padded[start : start + reach] for start in starts]
    expected = [answer(window if feature is None else feature.valid(window)) for window in windows]
    logits, vectors = scored(runtime, samples, hop, 4096)
    assert logits.shape == (len(starts), CLASSES) and vectors.shape == (len(starts), DIMENSIONS)
    for row, (logit, vector) in enumerate(expected):
        np.testing.assert_allclose(logits[row], logit, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(vectors[row], vector, rtol=1e-4, atol=1e-3)


def test_blocks_of_any_size_give_the_same_bits(runtime: Runtime, rng):
    samples = rng.standard_normal(41_234).astype(np.float32)
    whole = scored(runtime, samples, 900, samples.size)
    for block in (313, 8192):
        for one, other in zip(whole, scored(runtime, samples, 900, block), strict=True):
            assert one.tobytes() == other.tobytes()


def test_the_pipeline_takes_such_a_model(runtime: Runtime, rng):
    analysis = score_samples(rng.standard_normal(20_000), RATE, runtime.bundle, runtime, hop_s=0.1)
    assert len(analysis.scores) == 1 + -(-(20_000 - WINDOW) // 800)
    assert analysis.scores.probabilities.shape[1] == CLASSES
