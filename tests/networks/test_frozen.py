"""Finished models as frozen backbones: they say what they said, and only what is on top of them learns."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from sonoscope.errors import BadBundle, UsageError

torch = pytest.importorskip("torch")
from sonoscope.networks.backbones import build  # noqa: E402
from sonoscope.networks.heads import build as head  # noqa: E402

pytestmark = pytest.mark.train


def test_a_bundles_embeddings_are_those_of_the_network_that_it_was(bundle, network) -> None:
    backbone = build(f"bundle:{bundle.path}", bundle.feature.n_bins)
    frames = -40.0 + 15.0 * torch.randn(3, 60, bundle.feature.n_bins)
    with torch.no_grad():
        expected = network(frames)[2]
    torch.testing.assert_close(backbone(frames[:, None]), expected, atol=1e-4, rtol=1e-4)
    assert backbone.poolable
    assert backbone.stride_frames == network.backbone.stride
    assert backbone.receptive_frames == network.backbone.receptive_field
    assert backbone.wants.feature == bundle.spec["input"]["feature"]
    # A copy opens a session of its own.
    torch.testing.assert_close(copy.deepcopy(backbone)(frames[:, None]), expected, atol=1e-4, rtol=1e-4)


def test_a_head_learns_on_a_frozen_bundle(bundle) -> None:
    backbone = build(f"bundle:{bundle.path}", bundle.feature.n_bins).train()
    torch.manual_seed(0)
    top = head("linear", backbone.dim, 2)
    maps = -40.0 + 15.0 * torch.randn(8, 1, 50, bundle.feature.n_bins)
    targets = torch.eye(2)[torch.arange(8) % 2]
    maps[::2, :, :, :8] += 30.0
    optimiser = torch.optim.Adam(top.parameters(), lr=0.05)
    losses = []
    for _ in range(300):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(top.clip_logits(backbone(maps)), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert not list(backbone.parameters())


def test_other_bins_and_other_files_are_refused(bundle, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=f"n_bins=7, channels=1: .* takes one map of {bundle.feature.n_bins} bins"
    ):
        build(f"bundle:{bundle.path}", 7)
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(BadBundle, match=r"no\.onnx: cannot be run by ONNX Runtime"):
        build({"name": "onnx", "path": str(tmp_path / "no.onnx")}, 24)


def test_a_module_that_is_not_of_the_hear_api_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("def load_model(path=''):\n    return None\n")
    with pytest.raises(UsageError, match="it lacks get_timestamp_embeddings, get_scene_embeddings"):
        build({"name": f"hear:{tmp_path / 'half.py'}"})


def test_hear_frames_are_where_their_timestamps_say(tmp_path: Path) -> None:
    (tmp_path / "levels.py").write_text(
        "import numpy, torch\n"
        "class Model:\n"
        "    sample_rate, scene_embedding_size, timestamp_embedding_size = 1000, 1, 1\n"
        "def load_model(path=''):\n"
        "    return Model()\n"
        "def get_timestamp_embeddings(audio, model):\n"
        "    levels = audio.abs()[:, ::50, None]\n"
        "    return levels, torch.arange(levels.shape[1]).expand(len(audio), -1) * 50.0\n"
        "def get_scene_embeddings(audio, model):\n"
        "    return audio.abs().mean(dim=1, keepdim=True)\n"
    )
    backbone = build(f"hear:{tmp_path / 'levels.py'}")
    samples = torch.from_numpy(np.linspace(0, 1, 1000, dtype=np.float32))[None]
    assert backbone.stride_frames == 50
    assert backbone.wants.sample_rate == 1000
    torch.testing.assert_close(backbone(samples)[0, :, 0], samples[0, ::50])
    assert backbone.output_lengths(torch.tensor([1000, 501])).tolist() == [20, 11]


def averages(path: Path, frames: int | str) -> None:
    """A graph that averages every four of ``frames`` frames of three bins."""
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Transpose", ["frames"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("AveragePool", ["rows"], ["pooled"], kernel_shape=[4], strides=[4]),
        helper.make_node("Transpose", ["pooled"], ["embedding"], perm=[0, 2, 1]),
    ]
    given = helper.make_tensor_value_info("frames", number, ["batch", frames, 3])
    gives = helper.make_tensor_value_info("embedding", number, ["batch", None, 3])
    graph = helper.make_graph(nodes, "averages", [given], [gives])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


@pytest.mark.parametrize("frames", [40, "frames"])
def test_a_graph_of_one_length_takes_no_other(tmp_path: Path, frames: int | str) -> None:
    averages(tmp_path / "graph.onnx", frames)
    backbone = build({"name": "onnx", "path": str(tmp_path / "graph.onnx")}, 3)
    assert backbone.stride_frames == 4
    maps = torch.randn(2, 1, 40, 3)
    torch.testing.assert_close(backbone(maps), maps[:, 0].unflatten(1, (10, 4)).mean(dim=2))
    if frames == 40:
        assert backbone.wants.longest == backbone.shortest == 40
        with pytest.raises(ValueError, match=r"takes at most 40 input steps, got 44: use a shorter window"):
            backbone(torch.randn(1, 1, 44, 3))
        with pytest.raises(ValueError, match=r"needs at least 40 input steps, got length=36"):
            backbone(torch.randn(1, 1, 36, 3))
    else:
        assert backbone(torch.randn(1, 1, 47, 3)).shape == (1, 11, 3)
        assert backbone.output_lengths(47) == 11
