"""Window logits: equal to a naive recomputation, however the recording is cut and whichever way is taken.

The graphs are one random valid convolution over time, written here operator by operator; the reference convolves and
pools in float64. What is said about any bundle is also said about the shipped one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from sonoscope import features, models
from sonoscope.errors import BadBundle, UnknownName
from sonoscope.features import LogMel
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import pool
from sonoscope.values import Label
from sonoscope.windows import Grid

CLASSES, DIMENSIONS = 3, 5
FEATURE = LogMel(sample_rate=8000, n_fft=256, hop_samples=80, n_mels=12, f_min_hz=60.0, f_max_hz=4000.0)
#: Its frames end before the next one's centre: the last window's features are complete before its sound is.
SHORT_FRAMES = LogMel(sample_rate=8000, n_fft=100, hop_samples=80, n_mels=4, f_min_hz=300.0, f_max_hz=4000.0)
FRAMES = 20
WINDOW = FRAMES * 80


@dataclass(frozen=True)
class Case:
    """A random model: its feature, and the receptive field and stride of its trunk in frames."""

    feature: LogMel
    field: int
    stride: int


CASES = {
    "plain": Case(FEATURE, 5, 3),
    "gaps": Case(FEATURE, 2, 4),
    "whole": Case(FEATURE, FRAMES, 1),
    "short": Case(SHORT_FRAMES, 7, 2),
}


def weights(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (outputs, field, bins) and bias (outputs,) of the convolution, float32.

    Kernels add up to zero, so that the level in dB (silence is -100) cancels and logits spread over some ±5.
    """
    rng = np.random.default_rng(case.field * 100 + case.stride)
    shape = 2 * CLASSES + DIMENSIONS, case.field, case.feature.n_bins
    kernel = rng.standard_normal(shape)
    kernel -= kernel.mean(axis=(1, 2), keepdims=True)
    kernel *= 0.3 / np.sqrt(shape[1] * shape[2])
    return kernel.astype(np.float32), rng.standard_normal(shape[0]).astype(np.float32)


def write_graph(case: Case, path: Path, names: Sequence[str] = ("logits", "attention", "embedding")) -> None:
    """frames (batch, time, bin) -> three outputs (batch, time', …)."""
    onnx = pytest.importorskip("onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    kernel, bias = weights(case)
    sizes = np.array([CLASSES, CLASSES, DIMENSIONS], dtype=np.int64)
    nodes = [
        helper.make_node("Unsqueeze", ["frames", "one"], ["maps"]),
        helper.make_node("Conv", ["maps", "kernel", "bias"], ["tall"], strides=[case.stride, 1]),
        helper.make_node("Squeeze", ["tall", "three"], ["channels"]),
        helper.make_node("Transpose", ["channels"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Split", ["rows", "sizes"], list(names), axis=2),
    ]
    kinds = [("frames", case.feature.n_bins), *zip(names, sizes.tolist(), strict=True)]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", f"t_{name}", size])
        for name, size in kinds
    ]
    graph = helper.make_graph(
        nodes, "tiny", ports[:1], ports[1:],
        [
            constant(np.array([1]), "one"), constant(np.array([3]), "three"), constant(sizes, "sizes"),
            constant(kernel[:, None], "kernel"), constant(bias, "bias"),
        ],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def make_bundle(folder: Path, case: Case, change: Callable[[dict], object] = lambda spec: None) -> Bundle:
    """A bundle around :func:`write_graph`; ``change`` edits its description."""
    folder.mkdir(parents=True)
    write_graph(case, folder / "model.onnx")
    ids = [f"label{k}" for k in range(CLASSES)]
    spec = {
        "schema": "1.0", "name": folder.name, "version": "1.0.0", "task": "tagging", "licence": "MIT",
        "labels": [asdict(Label(i)) for i in ids], "sample_rate": case.feature.sample_rate, "window": WINDOW,
        "hop": WINDOW // 2, "poolable": True, "pool": "attention", "states": [],
        "input": {"name": "frames", "kind": "feature", "feature": features.to_dict(case.feature)},
        "outputs": {
            "frame": {"name": "logits", "stride": case.stride, "receptive_field": case.field},
            "attention": {"name": "attention"},
            "embedding": {"name": "embedding", "size": DIMENSIONS},
        },
        "calibration": {i: {"slope": 0.9, "offset": -0.2} for i in ids},
        "decision": {"labels": {i: {"threshold": 0.5, "low_threshold": 0.4} for i in ids}},
        "checksums": {"model.onnx": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()},
    }  # fmt: skip
    change(spec)
    (folder / "bundle.json").write_text(json.dumps(spec))
    return open_bundle(folder)


@pytest.fixture(scope="module")
def runtimes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runtime]:
    root = tmp_path_factory.mktemp("models")
    return {name: Runtime(make_bundle(root / name, case)) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def shipped() -> Runtime:
    return Runtime(models.load("instruments"))


def reference(case: Case, samples: np.ndarray, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and embeddings window by window: own features in the sound around, one convolution, one pool."""
    kernel, bias = (array.astype(np.float64) for array in weights(case))
    feature = case.feature
    reach = feature.left_context + (FRAMES - 1) * feature.hop_samples + feature.right_context
    around = np.concatenate([np.zeros(feature.left_context), samples, np.zeros(WINDOW + reach)]).astype(
        np.float32
    )
    logits, vectors = [], []
    for start in Grid(WINDOW, hop).starts(samples.size):
        frames = feature.valid(around[start : start + reach]).astype(np.float64)
        rows = np.array(
            [
                np.einsum("ofb,fb->o", kernel, frames[k : k + case.field]) + bias
                for k in range(0, FRAMES - case.field + 1, case.stride)
            ]
        )
        value, attention, vector = np.split(rows, [CLASSES, 2 * CLASSES], axis=1)
        weight = np.exp(attention)
        logits.append((weight * value).sum(axis=0) / weight.sum(axis=0))
        vectors.append(vector.mean(axis=0))
    return np.array(logits).reshape(-1, CLASSES), np.array(vectors).reshape(-1, DIMENSIONS)


def score(
    runtime: Runtime, samples: np.ndarray, hop: int, block: int = 10**9, *, embeddings: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and embeddings of all windows of ``samples`` pushed in blocks, whose memory is used again."""
    scorer = runtime.scorer(hop, embeddings=embeddings)
    parts = []
    for first in range(0, samples.size, block):
        part = samples[first : first + block].copy()
        parts.append(scorer.push(part))
        part[:] = np.nan
    parts.append(scorer.close())
    logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
    return logits, vectors


def music(n: int, seed: int = 5) -> np.ndarray:
    """Noise whose loudness and colour change, so that windows differ; float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / 8000.0
    noise = rng.standard_normal(n + 1)
    return (np.exp(2 * np.sin(7 * time)) * 0.05 * (noise[1:] - np.sin(3 * time) * noise[:-1])).astype(
        np.float32
    )


LENGTHS = (0, 1, 79, 80, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 777)
#: The window, on the stride, on the features' hop, and on nothing.
HOPS = (WINDOW, 960, 480, 240, 320, 80, WINDOW - 80, WINDOW - 1, 997, 113)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("n", LENGTHS)
def test_logits_and_embeddings_equal_the_naive_recomputation(runtimes, name: str, hop: int, n: int) -> None:
    samples = music(n)
    expected, vectors = reference(CASES[name], samples, hop)
    logits, embeddings = score(runtimes[name], samples, hop, embeddings=True)
    assert logits.shape == expected.shape == (Grid(WINDOW, hop).count(n), CLASSES)
    assert embeddings.shape == vectors.shape
    assert logits.dtype == embeddings.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(embeddings, vectors, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("hop", [WINDOW, 960, 80 * 7, 997])
def test_long_recordings_too_and_in_blocks(runtimes, name: str, hop: int) -> None:
    # 1,400 feature frames: more than the graph takes at a time.
    samples = music(70 * WINDOW + 41)
    expected, vectors = reference(CASES[name], samples, hop)
    for block in (10**9, 7001):
        logits, embeddings = score(runtimes[name], samples, hop, block, embeddings=True)
        np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-5)
        np.testing.assert_allclose(embeddings, vectors, rtol=1e-6, atol=1e-5)


def test_the_logits_of_these_tests_are_not_all_the_same(runtimes) -> None:
    for name, runtime in runtimes.items():
        assert score(runtime, music(5 * WINDOW), 480)[0].std(axis=0).min() > 0.03, name


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("hop", [WINDOW, 240, 400, 113])
@pytest.mark.parametrize("n", [0, 1, WINDOW, 4 * WINDOW + 333])
def test_blocks_of_any_size_give_the_same_bits(runtimes, name: str, hop: int, n: int) -> None:
    samples = music(n)
    whole = score(runtimes[name], samples, hop, embeddings=True)
    for block in (1, 37, 80, 1000, WINDOW, 5000):
        if block == 1 and n > WINDOW:
            continue
        blocks = score(runtimes[name], samples, hop, block, embeddings=True)
        np.testing.assert_array_equal(blocks[0], whole[0])
        np.testing.assert_array_equal(blocks[1], whole[1])


def test_dense_windows_are_as_many_as_they_should_be(runtimes) -> None:
    for n in (WINDOW, WINDOW + 1, WINDOW + 29, WINDOW + 30, WINDOW + 31, WINDOW + 100):
        for block in (10**9, 1):
            assert len(score(runtimes["short"], music(n), 1, block)[0]) == n - WINDOW + 1


@pytest.mark.parametrize("name", CASES)
def test_a_window_has_one_score_whatever_the_hop(runtimes, name: str) -> None:
    samples = music(6 * WINDOW)
    stride = 80 * CASES[name].stride
    ways = {hop: score(runtimes[name], samples, hop)[0] for hop in (stride, 80, 40)}
    for hop, logits in ways.items():
        shared = logits[:: stride // hop][: 5 * WINDOW // stride]
        np.testing.assert_allclose(shared, ways[stride][: len(shared)], rtol=0, atol=1e-5)


def test_a_trunk_that_is_not_poolable_is_run_for_each_window(tmp_path: Path, runtimes) -> None:
    alone = Runtime(make_bundle(tmp_path / "alone", CASES["plain"], lambda spec: spec.update(poolable=False)))
    samples = music(5 * WINDOW)
    assert type(alone.way(240)) is not type(runtimes["plain"].way(240))
    np.testing.assert_allclose(
        score(alone, samples, 240)[0], score(runtimes["plain"], samples, 240)[0], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("name", ["plain", "gaps", "short"])
@pytest.mark.parametrize("hop", [240, 400, 113])
def test_a_score_depends_on_its_window_and_the_features_context(runtimes, name: str, hop: int) -> None:
    feature, samples, i = CASES[name].feature, music(5 * WINDOW), 7
    first = i * hop - feature.left_context
    stop = i * hop + (FRAMES - 1) * feature.hop_samples + feature.right_context
    assert first > 0
    before = score(runtimes[name], samples, hop)[0][i]
    elsewhere = music(5 * WINDOW, seed=6)
    elsewhere[first:stop] = samples[first:stop]
    np.testing.assert_array_equal(score(runtimes[name], elsewhere, hop)[0][i], before)
    for inside in (i * hop + 40, (i * hop + stop) // 2):
        changed = samples.copy()
        changed[inside] += 1.0
        assert np.abs(score(runtimes[name], changed, hop)[0][i] - before).max() > 1e-6


def test_embeddings_are_given_when_asked_for_and_change_nothing(runtimes) -> None:
    samples = music(3 * WINDOW)
    for hop in (240, 400, 113):
        without, none = score(runtimes["plain"], samples, hop)
        logits, vectors = score(runtimes["plain"], samples, hop, embeddings=True)
        assert none.shape == (len(logits), 0)
        assert vectors.shape == (len(logits), DIMENSIONS)
        np.testing.assert_array_equal(without, logits)


def test_a_second_session_and_a_second_recording_give_the_same_bits(runtimes) -> None:
    samples, again = music(4 * WINDOW), Runtime(runtimes["plain"].bundle)
    expected = score(runtimes["plain"], samples, 240)[0]
    np.testing.assert_array_equal(score(again, samples, 240)[0], expected)
    score(again, music(999, seed=8), 240)
    np.testing.assert_array_equal(score(again, samples, 240)[0], expected)


def test_pooling_is_the_weighted_mean_and_cannot_overflow(rng: np.random.Generator) -> None:
    logits, attention = rng.standard_normal((2, 4, 9, 3))
    weight = np.exp(attention) / np.exp(attention).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pool(logits, attention), (weight * logits).sum(axis=1))
    np.testing.assert_allclose(pool(logits, attention + 5000.0), pool(logits, attention))
    np.testing.assert_allclose(pool(logits, np.zeros_like(attention)), logits.mean(axis=1))
    assert np.isfinite(pool(logits, attention * 1e6)).all()


class TestShipped:
    """The same of the bundle that comes with the package, without torch or onnx."""

    @pytest.mark.parametrize("n_windows", [0.0, 0.01, 0.999, 1.0, 1.001, 4.37])
    def test_three_ways_give_one_score(self, shipped: Runtime, n_windows: float) -> None:
        bundle = shipped.bundle
        assert bundle.feature is not None
        samples = 3 * music(round(n_windows * bundle.window_samples))
        stride = bundle.feature.hop_samples * bundle.trunk_stride
        ways = {}
        for hop in (stride, bundle.feature.hop_samples, stride // 3):
            assert stride % hop == 0
            logits, vectors = score(shipped, samples, hop, 4096, embeddings=True)
            assert len(logits) == Grid(bundle.window_samples, hop).count(samples.size)
            ways[hop] = logits[:: stride // hop], vectors[:: stride // hop]
        whole = Grid(bundle.window_samples, stride).count(samples.size - stride)
        for logits, vectors in ways.values():
            np.testing.assert_allclose(logits[:whole], ways[stride][0][:whole], rtol=0, atol=1e-5)
            np.testing.assert_allclose(vectors[:whole], ways[stride][1][:whole], rtol=0, atol=1e-5)

    @pytest.mark.parametrize("block", [997, 65_536])
    def test_blocks_give_the_same_bits(self, shipped: Runtime, block: int) -> None:
        samples = 3 * music(3 * shipped.bundle.window_samples + 500)
        for hop in (shipped.bundle.hop_samples, shipped.bundle.window_samples - 7):
            np.testing.assert_array_equal(
                score(shipped, samples, hop, block)[0], score(shipped, samples, hop)[0]
            )


def unusable() -> dict[str, tuple[Callable[[dict], object], str]]:
    """Changes of a description that opens but cannot be run, each with the reason that must be given."""
    return {
        "samples in": (lambda s: s["input"].update(kind="samples"), "its graph takes samples"),
        "no attention": (
            lambda s: s["outputs"].pop("attention"), r"not pooled by attention \(outputs embedding, frame\)"
        ),
        "no frames": (lambda s: s["outputs"].pop("frame"), "not pooled by attention"),
        "another pool": (lambda s: s.update(pool="mean"), "not pooled by attention"),
        "states": (lambda s: s.update(states=[{"name": "h"}]), "its graph carries states"),
        "long field": (
            lambda s: s["outputs"]["frame"].update(receptive_field=21), "receptive_field=21 frames does not fit"
        ),
        "no field": (lambda s: s["outputs"]["frame"].pop("receptive_field"), "receptive_field=0 frames does not"),
        "no stride": (lambda s: s["outputs"]["frame"].update(stride=0), "its stride=0 is no number of frames"),
        "undeclared input": (
            lambda s: s["input"].update(name="x"), r"model\.onnx lacks 'x' that bundle\.json declares"
        ),
        "undeclared output": (
            lambda s: s["outputs"]["attention"].update(name="y"), r"model\.onnx lacks \['y'\] that bundle\.json"
        ),
        "another graph": (
            lambda s: s["checksums"].update({"model.onnx": "0" * 64}), r"is not the file that bundle\.json describes"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", unusable())
def test_what_cannot_be_run_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    change, message = unusable()[name]
    bundle = make_bundle(tmp_path / "odd", CASES["plain"], change)
    with pytest.raises(BadBundle, match=message):
        Runtime(bundle)


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "hurt", CASES["plain"])
    graph = bytearray(bundle.graph.read_bytes())
    graph[len(graph) // 2] ^= 1
    bundle.graph.write_bytes(graph)
    with pytest.raises(BadBundle, match="is not the file"):
        Runtime(bundle)
    text = b"not a graph"
    bundle.graph.write_bytes(text)
    bundle.spec["checksums"]["model.onnx"] = hashlib.sha256(text).hexdigest()
    with pytest.raises(BadBundle, match=r"cannot be loaded .* fetch or export the bundle again"):
        Runtime(bundle)


def test_an_unknown_device_is_refused_with_the_nearest(runtimes) -> None:
    with pytest.raises(UnknownName, match=r"unknown device 'cud'\. Did you mean 'cuda'\?"):
        Runtime(runtimes["plain"].bundle, on="cud")
