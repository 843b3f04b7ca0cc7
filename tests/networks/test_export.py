"""What leaves torch is what was in it; a graph that differs does not leave."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from sonoscope import pipeline
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import Bundle, open_bundle, sha256_of
from sonoscope.models.runtime import Runtime

torch = pytest.importorskip("torch")
from sonoscope.networks import export, graphs  # noqa: E402
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


def test_a_network_of_no_numbers_does_not_leave(network, tmp_path: Path) -> None:
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken.head.logits.bias[0] = torch.nan
    with pytest.raises(BadBundle, match=r"no number \(NaN or infinity\)"):
        export.write_graph(broken, tmp_path / "model.onnx")


@pytest.mark.parametrize("steps", [pytest.param(None, marks=pytest.mark.slow), 40])
def test_where_wide_noise_is_too_much_for_single_precision_narrower_noise_is_compared(
    network, tmp_path: Path, steps: int | None
) -> None:
    wild = copy.deepcopy(network)
    wild.head = Steep(wild.head)
    assert graphs.own_rounding(network, steps=steps) < 1e-5
    assert graphs.own_rounding(wild, steps=steps) > export.TOLERANCE
    assert graphs.write_graph(wild, tmp_path / "model.onnx", steps=steps) <= export.TOLERANCE
    # A graph that is another one is refused all the same.
    graphs.write_graph(network, tmp_path / "other.onnx", steps=steps)
    with pytest.raises(BadBundle, match="differs from torch"):
        graphs._compared(wild, tmp_path / "other.onnx", steps)


def test_a_network_that_single_precision_cannot_compute_is_told_from_a_wrong_graph(
    network, tmp_path: Path
) -> None:
    wild = copy.deepcopy(network)
    with torch.no_grad():
        wild.head.logits.weight.mul_(1e6)
    with pytest.raises(BadBundle, match=r"single and in double precision differ.*Train it longer"):
        graphs.write_graph(wild, tmp_path / "model.onnx")


class Steep(torch.nn.Module):
    """A head whose answers explode beyond the embeddings that noise of half a standard deviation gives."""

    framewise = True

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, embedding, mask=None, **more):
        logits, attention = self.head(embedding, mask, **more)
        return logits + (embedding.abs().sum(dim=2, keepdim=True) / 0.66) ** 64, attention


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
