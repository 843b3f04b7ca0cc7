"""What leaves torch is what was in it; a graph that differs does not leave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sonoscope import pipeline
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import Bundle, open_bundle, sha256_of
from sonoscope.models.runtime import Runtime

torch = pytest.importorskip("torch")
from sonoscope.networks import export  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402

pytestmark = pytest.mark.train

RATE, WINDOW, HOP = 8000, 3200, 80


def music(n: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    return (0.1 * rng.standard_normal(n) * (1 + np.sin(np.arange(n) / 900))).astype(np.float32)


@pytest.mark.parametrize("hop", [4 * HOP, HOP, WINDOW, 777])
def test_a_recording_scores_in_the_bundle_as_in_torch(network, bundle: Bundle, hop: int) -> None:
    samples = music(5 * WINDOW + 100)
    feature = bundle.feature
    assert feature is not None
    table = pipeline.score_samples(
        samples, RATE, bundle, Runtime(bundle), hop_s=hop / RATE, embeddings=True
    ).scores
    padded = torch.from_numpy(np.pad(samples, (feature.left_context, 2 * WINDOW)))
    reach = feature.left_context + WINDOW - HOP + feature.right_context
    with torch.no_grad():
        windows = torch.stack([padded[start : start + reach] for start in table.starts])
        frames = feature.valid(windows)
        logits = network.window_logits(frames)
        vectors = network(frames)[2].mean(dim=1)
    assert logits.std() > 0.3
    # Half a unit of the rounding, and the graph's own difference.
    np.testing.assert_allclose(table.logits, logits.numpy(), atol=5e-4 + export.TOLERANCE)
    assert table.embeddings is not None
    np.testing.assert_allclose(table.embeddings, vectors.numpy(), atol=1e-3)


def test_the_description_fits_the_network(network, bundle: Bundle) -> None:
    assert bundle.labels[0].id == "hum"
    assert (bundle.trunk_stride, bundle.receptive_field) == (
        network.backbone.stride,
        network.backbone.receptive_field,
    )
    assert (bundle.embedding_size, bundle.poolable) == (network.backbone.dim, True)
    assert bundle.spec["export_difference"] <= export.TOLERANCE
    frame = bundle.spec["outputs"]["frame"]
    # The first frame of output is centred in its receptive field, and its last input ends so much later.
    assert frame["first_centre"] == (network.backbone.receptive_field - 1) / 2 * HOP
    assert frame["hop"] == network.backbone.stride * HOP
    assert bundle.spec["look_ahead"] == frame["first_centre"] + 128
    assert bundle.spec["provenance"]["command"] == "a test [of  brackets { and  spaces]"
    assert bundle.spec["checksums"] == {
        name: sha256_of(bundle.path / name) for name in ("model.onnx", "model.safetensors")
    }
    np.testing.assert_allclose(bundle.spec["normalisation"]["mean"], network.mean.numpy(), atol=1e-4)
    assert bundle.card.read_text() == "# Tiny\n"


def test_weights_can_be_loaded_again_in_half_precision(network, bundle: Bundle) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    again = Network(**bundle.spec["network"])
    again.load_state_dict(safetensors.load_file(bundle.path / "model.safetensors"))
    frames = -40 + 15 * torch.randn(3, 40, 24, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected, got = network.window_logits(frames), again.eval().window_logits(frames)
    torch.testing.assert_close(got, expected, atol=0.05, rtol=0.02)


def test_a_graph_that_differs_is_refused_and_the_older_bundle_stays(
    network, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export.largest_difference(network, bundle.graph) <= export.TOLERANCE
    changed = Network(**network.config).eval()
    changed.load_state_dict(network.state_dict())
    with torch.no_grad():
        changed.head.logits.bias[1] += 5e-4
    assert export.largest_difference(changed, bundle.graph) == pytest.approx(5e-4, rel=0.1)
    before = bundle.graph.read_bytes()
    # The graph written is a sound one of the wrong network.
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Foreign(bundle.graph))
    with pytest.raises(BadBundle, match=r"differs from torch by 5\.\d\de-04 \(limit 1e-04\)"):
        export.write_bundle(bundle.path, changed, {}, feature=bundle.feature, card="")  # type: ignore[arg-type]
    assert bundle.graph.read_bytes() == before
    assert [entry.name for entry in bundle.path.parent.iterdir()] == [bundle.path.name]


class Foreign:
    """An exported program that saves another one's graph."""

    def __init__(self, graph: Path) -> None:
        self.graph = graph

    def save(self, path: str, **_: object) -> None:
        Path(path).write_bytes(self.graph.read_bytes())


def test_a_description_that_contradicts_itself_writes_nothing(
    network, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Foreign(bundle.graph))
    description = {
        key: bundle.spec[key] for key in bundle.spec if key not in ("input", "outputs", "checksums")
    }
    description["hop"] = 0
    with pytest.raises(BadBundle, match="hop=0 must lie in"):
        export.write_bundle(tmp_path / "new", network, description, feature=bundle.feature, card="")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    description["hop"] = 800
    for version in ("1", "2"):
        description["version"] = version
        export.write_bundle(tmp_path / "new", network, description, feature=bundle.feature, card=version)  # type: ignore[arg-type]
        assert open_bundle(tmp_path / "new").version == version
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_a_graph_has_time_as_its_last_axis_and_the_network_stays_as_it_was(network, bundle: Bundle) -> None:
    import onnx

    axes = {a.name: list(a.ints) for a in convolutions(onnx.load(str(bundle.graph)))[0].attribute}
    (first, *_) = (m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    assert axes["kernel_shape"] == list(first.kernel_size[::-1])
    assert axes["strides"] == list(first.stride[::-1]) != list(first.stride)
    assert axes["pads"] == 2 * list(first.padding[::-1])
    assert not network.backbone.time_last


def convolutions(model) -> list:
    return [node for node in model.graph.node if node.op_type == "Conv"]


def test_readable_json_is_the_same_json() -> None:
    value = {
        "numbers": list(range(300)),
        "words": ["a  b [ c ]", "{", "\n", "ü"] * 30,
        "nested": {"deep": [{"x": 1.5, "y": None, "z": [True, [], {}]}] * 20, "": ""},
        "short": {"a": [1, 2], "b": {"c": "d"}},
    }
    text = export.readable_json(value)
    assert json.loads(text) == value
    lines = text.split("\n")
    assert ' "short": {"a": [1, 2], "b": {"c": "d"}}' in lines
    assert max(len(line) for line in lines if "numbers" not in line) <= export.JSON_LINE + 10
