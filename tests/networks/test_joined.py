"""A head on a finished graph leaves torch as one graph that holds both, and runs like any other bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoscope import pipeline
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
from sonoscope.models.bundle import open_bundle  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.networks.export import write_bundle  # noqa: E402
from sonoscope.networks.graphs import TOLERANCE, write_graph  # noqa: E402

from .conftest import FEATURE, IDS, WINDOW, describe  # noqa: E402

pytestmark = pytest.mark.train

BINS = FEATURE.n_bins
FLOAT = onnx.TensorProto.FLOAT


def on(
    backbone: dict[str, Any], head: str | dict[str, Any] = "linear", bins: int = BINS, **more: Any
) -> Network:
    torch.manual_seed(0)
    return Network(
        bins, len(IDS), backbone=backbone, head=head, normalise=more.pop("normalise", "none"), **more
    ).eval()


def model(
    path: Path,
    nodes: list[Any],
    takes: list[Any],
    gives: list[Any],
    *,
    opset: int = 18,
    domains: tuple[Any, ...] = (),
) -> dict[str, Any]:
    """A graph of somebody's as a file, and the backbone that it is."""
    graph = onnx.helper.make_graph(
        nodes, "theirs", [onnx.helper.make_tensor_value_info("given", FLOAT, takes)],
        [onnx.helper.make_tensor_value_info("made", FLOAT, gives)],
    )  # fmt: skip
    imports = [onnx.helper.make_opsetid("", opset), *(onnx.helper.make_opsetid(*each) for each in domains)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=imports, ir_version=9), path)
    return {"name": "onnx", "path": str(path)}


def node(*words: Any, **attributes: Any) -> Any:
    return onnx.helper.make_node(*words, **attributes)


@pytest.mark.parametrize("head", ["linear", "framewise_attention", {"name": "fluffy", "layers": [4]}])
def test_a_poolable_bundle_stays_a_graph_of_frames(bundle: Bundle, tmp_path: Path, head: Any) -> None:
    network = on({"name": "bundle", "model": str(bundle.path)}, head)
    assert network.poolable and network.backbone.exportable
    assert write_graph(network, tmp_path / "model.onnx") <= TOLERANCE


@pytest.mark.parametrize("head", ["attention", {"name": "mlp", "layers": [6], "over": "mean+max"}])
def test_a_head_that_pools_makes_it_a_graph_of_windows(bundle: Bundle, tmp_path: Path, head: Any) -> None:
    network = on({"name": "bundle", "model": str(bundle.path)}, head)
    assert write_graph(network, tmp_path / "model.onnx", steps=47) <= TOLERANCE
    with pytest.raises(BadBundle, match="valid in time"):
        write_graph(network, tmp_path / "frames.onnx")


def test_the_bundle_scores_a_recording_as_torch_does_and_needs_nothing_beside_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    network = on({"name": "bundle", "model": str(bundle.path)})
    with torch.no_grad():
        network.head.logits.weight.mul_(10.0)
    made = open_bundle(
        write_bundle(tmp_path / "head", network, describe("head"), feature=FEATURE, card="# Head\n")
    )
    assert sorted(path.name for path in made.path.iterdir()) == ["README.md", "bundle.json", "model.onnx"]
    assert made.poolable and made.spec["export_difference"] <= TOLERANCE
    assert (made.trunk_stride, made.receptive_field, made.embedding_size) == (
        bundle.trunk_stride, bundle.receptive_field, bundle.embedding_size,
    )  # fmt: skip
    assert made.spec["provenance"]["backbone"] == {
        "name": "tiny", "version": "1.0.0", "licence": "MIT", "sha256": bundle.sha256,
    }  # fmt: skip
    samples = 0.1 * np.random.default_rng(2).standard_normal(5 * WINDOW).astype(np.float32)
    table = pipeline.score_samples(samples, 8000, made, Runtime(made), hop_s=0.4, embeddings=True).scores
    context = FEATURE.left_context
    padded = torch.from_numpy(np.pad(samples, (context, 2 * WINDOW)))
    reach = context + WINDOW - FEATURE.hop_samples + FEATURE.right_context
    rows = FEATURE.valid(torch.stack([padded[start : start + reach] for start in table.starts]))
    with torch.no_grad():
        logits, vectors = network.answers(rows)
    assert logits.std() > 0.1
    np.testing.assert_allclose(table.logits, logits.numpy(), atol=5e-4 + TOLERANCE)
    np.testing.assert_allclose(table.embeddings, vectors.numpy(), atol=1e-3)
    theirs = pipeline.score_samples(samples, 8000, bundle, Runtime(bundle), hop_s=0.4, embeddings=True).scores
    np.testing.assert_allclose(table.embeddings, theirs.embeddings, atol=1e-5)


def test_a_graph_of_frames_with_rows_that_are_normalised_before_it(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["given"], ["rows"], perm=[0, 2, 1]),
        node("AveragePool", ["rows"], ["pooled"], kernel_shape=[4], strides=[4]),
        node("Transpose", ["pooled"], ["made"], perm=[0, 2, 1]),
    ]
    spec = model(tmp_path / "theirs.onnx", nodes, ["batch", "time", BINS], ["batch", None, BINS])
    network = on(spec, normalise="level")
    network.set_normalisation(np.linspace(-50, -20, BINS), np.linspace(5, 15, BINS))
    assert network.backbone.stride_frames == 4
    assert write_graph(network, tmp_path / "model.onnx", steps=40) <= TOLERANCE
    with pytest.raises(
        ValueError, match=r"channels=2: the graph .* takes one map \(network.normalise=none\)"
    ):
        on(spec, normalise="level+shape")


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_samples_to_one_vector_of_any_version_alone_or_in_batches(
    tmp_path: Path, opset: int, batch: Any
) -> None:
    nodes = [
        node("Abs", ["given"], ["level"]),
        node("Unsqueeze", ["level", "one"], ["wide"]),
        node("AveragePool", ["wide"], ["pooled"], kernel_shape=[200], strides=[200]),
        node("Squeeze", ["pooled", "one"], ["made"]),
    ]
    one = node(
        "Constant", [], ["one"], value=onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])
    )
    spec = model(tmp_path / "theirs.onnx", [one, *nodes], [batch, 2000], [batch, 10], opset=opset)
    network = on({**spec, "sample_rate": 8000}, {"name": "mlp", "layers": [5]}, 1)
    assert network.takes_samples and network.backbone.fixed == 2000
    made = open_bundle(
        write_bundle(
            tmp_path / "head", network, {**describe(), "sample_rate": 8000, "window": 2000, "hop": 1000},
            feature=None, card="# Head\n",
        )
    )  # fmt: skip
    assert made.spec["opset"] == max(opset, 18) and made.spec["export_difference"] <= TOLERANCE
    assert made.spec["provenance"]["backbone"]["graph"] == "theirs.onnx"
    samples = 0.1 * np.random.default_rng(2).standard_normal(9000).astype(np.float32)
    logits = pipeline.score_samples(samples, 8000, made, Runtime(made)).scores.logits
    with torch.no_grad():
        windows = torch.from_numpy(
            np.stack([np.pad(samples, (0, 1000))[k : k + 2000] for k in range(0, 8000, 1000)])
        )
        np.testing.assert_allclose(logits, network.window_logits(windows).numpy(), atol=5e-4 + TOLERANCE)


def test_a_head_on_an_imported_model_that_hears_one_window_at_a_time(bundle: Bundle, tmp_path: Path) -> None:
    """A whole model of samples, of which any length is one input: it is run window by window, inside the graph too."""
    from sonoscope.models.foreign import Wish, import_graph
    from sonoscope.networks.fused import write_fused

    write_fused(bundle, tmp_path / "whole.onnx")
    wish = Wish(bundle.labels, 8000, WINDOW / 8000, scores="scores", embedding="embedding")
    import_graph(tmp_path / "whole.onnx", tmp_path / "imported", wish)
    network = on({"name": "bundle", "model": str(tmp_path / "imported")}, {"name": "mlp", "layers": [5]}, 1)
    assert write_graph(network, tmp_path / "model.onnx", steps=WINDOW) <= TOLERANCE


def test_a_graph_with_functions_and_operators_of_its_own_domain(tmp_path: Path) -> None:
    """What torch exports may hold functions; ONNX Runtime has operators that ONNX has not."""
    function = onnx.helper.make_function(
        "mine", "Halved", ["x"], ["y"],
        [node("Constant", [], ["half"], value_float=0.5), node("Mul", ["x", "half"], ["y"])],
        [onnx.helper.make_opsetid("", 18)],
    )  # fmt: skip
    nodes = [
        node("Halved", ["given"], ["half"], domain="mine"),
        node("Gelu", ["half"], ["made"], domain="com.microsoft"),
    ]
    path = tmp_path / "theirs.onnx"
    model(
        path,
        nodes,
        ["batch", "time", BINS],
        ["batch", "time", BINS],
        domains=(("mine", 1), ("com.microsoft", 1)),
    )
    held = onnx.load(path)
    held.functions.append(function)
    onnx.save(held, path)
    network = on({"name": "onnx", "path": str(path)})
    assert write_graph(network, tmp_path / "model.onnx", steps=20) <= TOLERANCE


def test_graphs_that_cannot_be_asked_say_why(tmp_path: Path) -> None:
    spec = model(tmp_path / "four.onnx", [node("Abs", ["given"], ["made"])], [4, 100], [4, 100])
    with pytest.raises(BadBundle, match="takes 4 rows at a time; export it for one, or for any number"):
        on(spec, bins=1)
    spec = model(
        tmp_path / "bins.onnx", [node("Abs", ["given"], ["made"])], ["batch", 10, 7], ["batch", 10, 7]
    )
    with pytest.raises(BadBundle, match=r"bins\.onnx: fails on an input of shape \(1, 10, 24\)"):
        on(spec)
