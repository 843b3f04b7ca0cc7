"""A GPU must answer as the CPU does; what is not there is named; torch runs graphs as ONNX Runtime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonoscope import models
from sonoscope.errors import BadBundle, UsageError
from sonoscope.models import blocks, devices
from sonoscope.models.devices import Absent, Probe
from sonoscope.models.runtime import Runtime
from sonoscope.models.short import Repeating


@pytest.fixture(scope="module")
def bundle():
    return models.load("instruments")


def cpu(graph: Path):
    """The CPU in place of a GPU."""
    return devices.cpu_session(graph), "another CPU"


class Shifted:
    """A device that adds."""

    def __init__(self, graph: Path, shift: float) -> None:
        self.session, self.shift = devices.cpu_session(graph), shift

    def run(self, names, feeds):
        return [table + np.float32(self.shift) for table in self.session.run(names, feeds)]


def test_a_device_that_agrees_is_taken(bundle) -> None:
    found = devices.probe(bundle, {"cpu": cpu})
    assert found.engine == "another CPU" and found.difference == 0.0 and not found.told
    assert found.text() == "another CPU: agrees with the CPU to 0.0e+00"
    assert found.open(bundle.graph).get_outputs()


def test_one_that_differs_or_fails_is_passed_over_and_named(bundle) -> None:
    def absent(graph: Path):
        raise Absent("it is not here: buy one")

    def broken(graph: Path):
        raise RuntimeError("cudaErrorNoDevice\nand pages of more")

    engines = {
        "first": absent,
        "second": broken,
        "third": lambda graph: (Shifted(graph, 0.5), "a liar"),
        "last": lambda graph: (Shifted(graph, 1e-5), "nearly right"),
    }
    found = devices.probe(bundle, engines)
    assert found.engine == "nearly right" and 0 < found.difference < 1e-3
    assert found.told[0] == "first: it is not here: buy one."
    assert found.told[1] == "second: cudaErrorNoDevice."
    assert found.told[2].startswith("third: a liar differs from the CPU by ")
    assert devices.probe(bundle, dict(list(engines.items())[:3])) == Probe("", found.told[:3])


def a_gpu_is_here() -> bool:
    return bool(devices.probe(models.load("instruments")).engine)


def test_without_a_gpu_it_is_refused_with_what_to_install(bundle) -> None:
    if a_gpu_is_here():
        pytest.skip("this machine has a GPU")
    with pytest.raises(
        UsageError, match=r"--on cuda: no GPU can be used\. onnxruntime: .* torch: .* Leave out --on"
    ):
        Runtime(bundle, on="cuda")


def test_a_gpu_scores_as_the_cpu_does(bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not a_gpu_is_here():
        pytest.skip("no GPU here: " + " ".join(devices.probe(bundle).told))
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path))
    samples = noise(30 * bundle.sample_rate)
    expected, vectors = scored(Runtime(bundle), samples)
    plain = scored(Runtime(bundle, on="cuda"), samples)
    from sonoscope.cli.gpu import fuse

    assert fuse(bundle, bundle.hop_samples) == ""
    fused = scored(Runtime(bundle, on="cuda"), samples)
    for logits, embeddings in (plain, fused):
        np.testing.assert_allclose(logits, expected, atol=1e-3 * np.abs(expected).max())
        np.testing.assert_allclose(embeddings, vectors, atol=1e-3 * np.abs(vectors).max())


# ---- torch as the engine -----------------------------------------------------------------------------------


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def scored(runtime: Runtime, samples: np.ndarray, hop: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    scorer = runtime.scorer(hop or runtime.bundle.hop_samples, embeddings=True)
    return joined([scorer.push(samples), scorer.close()])


def joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    logits, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
    return logits, vectors


@pytest.mark.train
def test_torch_answers_as_onnx_runtime(bundle) -> None:
    pytest.importorskip("torch")
    from sonoscope.models.torchgraph import TorchGraph

    found = devices.probe(bundle, {"torch": lambda graph: (TorchGraph(graph, "cpu"), "torch on the CPU")})
    assert found.engine == "torch on the CPU" and found.difference < 1e-5


F, INT = np.float32, np.int64
X = np.random.default_rng(3).standard_normal((2, 4, 9, 8)).astype(F)
IMAGE_KERNEL = np.random.default_rng(4).standard_normal((6, 2, 3, 3)).astype(F)
#: Operator, attributes, inputs.
CASES = [
    ("Abs", {}, [X]), ("Erf", {}, [X]), ("Exp", {}, [X]), ("Round", {}, [3 * X]), ("Neg", {}, [X]),
    ("Sub", {}, [X, X[:1]]), ("Div", {}, [X, X + 9]), ("Div", {}, [np.array([7, -7], INT), np.array([2, 2], INT)]),
    ("Pow", {}, [abs(X), np.array(1.5, F)]), ("Max", {}, [X, X[:1], X[1:]]), ("Min", {}, [X, -X]),
    ("Where", {}, [X > 0, X, X[:1]]), ("Greater", {}, [X, X[:1]]), ("Not", {}, [X > 0]),
    ("Clip", {}, [X, np.array(-0.5, F), np.array(0.5, F)]), ("Clip", {}, [X, np.array(-0.5, F)]), ("Clip", {}, [X]),
    ("LeakyRelu", {"alpha": 0.2}, [X]), ("HardSigmoid", {"alpha": 1 / 6}, [X]), ("HardSwish", {}, [X]),
    ("Softmax", {"axis": 1}, [X]), ("Softplus", {}, [30 * X]), ("Cast", {"to": 7}, [4 * X]),
    ("Range", {}, [np.array(2, INT), np.array(11, INT), np.array(3, INT)]),
    ("Shape", {}, [X]), ("Shape", {"start": 1, "end": 3}, [X]), ("ConstantOfShape", {}, [np.array([2, 3], INT)]),
    ("Reshape", {}, [X, np.array([0, -1, 4], INT)]), ("Flatten", {"axis": 2}, [X]),
    ("Transpose", {"perm": [2, 0, 3, 1]}, [X]),
    ("Transpose", {}, [X]), ("Squeeze", {}, [X[:1], np.array([0], INT)]),
    ("Unsqueeze", {}, [X, np.array([-1, 1], INT)]),
    ("Expand", {}, [X[:, :1], np.array([4, 1, 1], INT)]), ("Concat", {"axis": 1}, [X, X[:, :2]]),
    ("Split", {"axis": 2}, [X, np.array([4, 5], INT)]), ("Split", {"axis": 2, "num_outputs": 2}, [X]),
    ("Slice", {}, [X, np.array([1, -3], INT), np.array([99, -1], INT), np.array([2, 3], INT), np.array([2, 1], INT)]),
    ("Slice", {}, [X, np.array([-1], INT), np.array([-100], INT), np.array([3], INT), np.array([-2], INT)]),
    ("Gather", {"axis": 2}, [X, np.array([[0, -1], [3, 3]], INT)]),
    ("Gather", {}, [X[0, 0, 0], np.array(-2, INT)]),
    ("GatherND", {}, [X, np.array([[0, 1], [1, 3]], INT)]),
    ("Pad", {}, [X, np.array([0, 1, 2, 0, 0, 0, 1, 3], INT), np.array(7, F)]),
    ("Pad", {}, [X, np.array([0, 0, -2, 0, 0, 0, 1, 0], INT)]),
    ("Pad", {"mode": "reflect"}, [X, np.array([0, 0, 2, 1] * 2, INT)]),
    ("ReduceMean", {"keepdims": 0}, [X, np.array([1, 3], INT)]), ("ReduceMax", {}, [X]),
    ("ReduceSum", {}, [X, np.array([-1], INT)]),
    ("MatMul", {}, [X, X.transpose(0, 1, 3, 2).copy()]),
    ("Gemm", {"transB": 1, "alpha": 0.5, "beta": 2.0}, [X[0, 0], X[0, 1, :5], X[0, 2, :1, :5]]),
    ("Conv", {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]},
     [X, IMAGE_KERNEL, X[0, 0, :6, 0]]),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [X[:, :2], IMAGE_KERNEL]),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, [X[:, :2], IMAGE_KERNEL]),
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, [X]),
    ("AveragePool", {"kernel_shape": [3, 2]}, [X]), ("GlobalAveragePool", {}, [X]), ("GlobalMaxPool", {}, [X]),
    ("BatchNormalization", {"epsilon": 1e-3}, [X, *(abs(X[0, :, k, 0]) for k in range(4))]),
    ("LayerNormalization", {"axis": -2}, [X, X[0, 0], X[0, 1]]),
]  # fmt: skip


@pytest.mark.train
@pytest.mark.parametrize("case", CASES, ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)])
def test_each_operator_is_onnx_runtimes(case, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from onnx import helper

    from sonoscope.models.torchgraph import TorchGraph

    operator, attributes, arrays = case
    names = [f"x{k}" for k in range(len(arrays))]
    outputs = ["y", "z"] if operator == "Split" else ["y"]
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([helper.make_node(operator, names, outputs, **attributes)], "one", inputs, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = tmp_path / "one.onnx"
    path.write_bytes(model.SerializeToString())
    feeds = dict(zip(names, arrays, strict=True))
    expected = devices.cpu_session(path).run(None, feeds)
    for got, wanted in zip(TorchGraph(path, "cpu").run(None, feeds), expected, strict=True):
        assert got.shape == wanted.shape and got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, atol=2e-5, rtol=1e-5)


@pytest.mark.train
def test_an_operator_without_a_line_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from sonoscope.models.torchgraph import TorchGraph
    from sonoscope.networks.writer import Writer

    writer = Writer()
    model = writer.model({"x": [3]}, {"y": (writer.node("Celu", writer.node("Mish", "x")), [3])})
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="torch cannot run its operators Celu, Mish; ONNX Runtime can"):
        TorchGraph(tmp_path / "odd.onnx", "cpu")


# ---- blocks through one graph ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fused(bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fused graph in a cache."""
    pytest.importorskip("onnxscript")
    from sonoscope.cli.gpu import fuse

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONOSCOPE_CACHE", str(folder))
        assert fuse(bundle, bundle.hop_samples) == ""
        assert fuse(bundle, bundle.hop_samples) == ""
        file = blocks.fused_file(bundle, bundle.hop_samples)
    assert [entry for entry in folder.rglob("*") if entry.is_file()] == [file]
    return file


@pytest.mark.train
@pytest.mark.parametrize("n", [0, 1, 24_000, 24_001, 24_000 * 61, 24_000 * 130 + 77])
def test_blocks_through_one_graph_score_as_the_pipeline(bundle, fused: Path, n: int) -> None:
    samples = noise(n)
    scorer = Repeating(
        blocks.Blocks(bundle, devices.cpu_session(fused), fused, bundle.hop_samples, True), bundle
    )
    parts = [scorer.push(samples[first : first + 65_536]) for first in range(0, n, 65_536)]
    logits, vectors = joined([*parts, scorer.close()])
    expected = scored(Runtime(bundle), samples)
    assert logits.shape == expected[0].shape and vectors.shape == expected[1].shape
    np.testing.assert_allclose(logits, expected[0], atol=1e-3)
    np.testing.assert_allclose(vectors, expected[1], atol=1e-3)


@pytest.mark.train
def test_torch_runs_the_fused_graph(bundle, fused: Path) -> None:
    from sonoscope.models.torchgraph import TorchGraph

    samples = noise(24_000 * 5)
    scorer = blocks.Blocks(bundle, TorchGraph(fused, "cpu"), fused, bundle.hop_samples, False)
    logits, vectors = joined([scorer.push(samples), scorer.close()])
    assert vectors.shape == (len(logits), 0)
    np.testing.assert_allclose(logits, scored(Runtime(bundle), samples)[0], atol=1e-3)


@pytest.mark.train
def test_a_fused_graph_for_something_else_is_refused(bundle, fused: Path) -> None:
    with pytest.raises(BadBundle, match="is not the graph of instruments"):
        blocks.Blocks(bundle, devices.cpu_session(fused), fused, 600, False)
    with pytest.raises(BadBundle, match="is no fused graph"):
        blocks.Blocks(bundle, devices.cpu_session(fused), bundle.graph, 600, False)
    assert blocks.fused_file(bundle, 600) != blocks.fused_file(bundle, 1200)
