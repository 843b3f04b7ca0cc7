"""Any backbone with any head is a network; what is poolable leaves torch as a graph of frames."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.networks.graphs import TOLERANCE, write_graph  # noqa: E402

pytestmark = pytest.mark.train

BINS, CLASSES = 64, 3
BACKBONES: dict[str, dict[str, Any]] = {
    "valid_cnn": {"name": "valid_cnn", "width": 0.25, "dim": 12},
    "small_cnn": {"name": "small_cnn", "width": 0.25, "dim": 12},
    "mobile": {"name": "mobile", "width": 0.25, "dim": 12},
    "crnn": {"name": "crnn", "stages": [4], "hidden": 6, "cell": "lstm", "attention": "bahdanau"},
    "cnn14": {"name": "cnn14", "width": 1 / 16},
}
HEADS: dict[str, dict[str, Any]] = {
    "framewise_attention": {"name": "framewise_attention"},
    "linear": {"name": "linear"},
    "mlp": {"name": "mlp", "layers": [10, 5], "over": "mean+max"},
    "attention": {"name": "attention", "n_heads": 2},
    "fluffy": {"name": "fluffy", "layers": [5]},
    "cosine": {"name": "cosine"},
}


def network(backbone: str, head: str) -> Network:
    torch.manual_seed(0)
    made = Network(BINS, CLASSES, backbone=BACKBONES[backbone], head=HEADS[head])
    made.set_normalisation(np.full(BINS, -30.0), np.full(BINS, 12.0))
    return made.eval()


@pytest.mark.parametrize(("backbone", "head"), list(product(BACKBONES, HEADS)))
def test_any_head_goes_on_any_backbone(backbone: str, head: str) -> None:
    made = network(backbone, head)
    rows = -30.0 + 12.0 * torch.randn(2, 150, BINS)
    with torch.no_grad():
        clip = made.window_logits(rows, torch.tensor([150, 101]))
        alone = made.window_logits(rows[1:, :101])
    assert clip.shape == (2, CLASSES)
    # What a row was padded with does not reach its logits, through backbone and head.
    torch.testing.assert_close(clip[1:], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("valid_cnn", "framewise_attention"),
        pytest.param("mobile", "fluffy", marks=pytest.mark.slow),
        pytest.param("mobile", "linear", marks=pytest.mark.slow),
        pytest.param("valid_cnn", "cosine", marks=pytest.mark.slow),
    ],
)
def test_the_graph_equals_torch(tmp_path: Path, backbone: str, head: str) -> None:
    pytest.importorskip("onnxscript")
    made = network(backbone, head)
    assert made.poolable
    assert write_graph(made, tmp_path / "model.onnx") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "head", "parts"),
    [
        ({"name": "cnn14_bands", "width": 1 / 32, "fusion": [24, 16]}, "linear", (47, 69, 82)),
        (BACKBONES["crnn"], "attention", (64,)),
        (BACKBONES["cnn14"], "mlp", (64,)),
    ],
)
def test_what_is_not_poolable_leaves_as_a_graph_of_windows(
    tmp_path: Path, backbone, head: str, parts
) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    made = Network(sum(parts), CLASSES, backbone=backbone, head=HEADS[head], normalise="level", parts=parts)
    assert not made.poolable
    assert write_graph(made, tmp_path / "model.onnx", steps=64) <= TOLERANCE


def test_a_frozen_group_stays_as_it_was() -> None:
    made = network("valid_cnn", "linear").train()
    made.backbone.train_from("conv4")
    groups = made.backbone.groups()
    before = {name: [p.detach().clone() for p in parameters] for name, parameters in groups.items()}
    optimiser = torch.optim.SGD(made.parameters(), lr=0.1)
    made.window_logits(-30.0 + 12.0 * torch.randn(4, 80, BINS)).square().mean().backward()
    optimiser.step()
    for name, parameters in groups.items():
        same = [torch.equal(p, old) for p, old in zip(parameters, before[name], strict=True)]
        if name in ("conv1", "conv2", "conv3"):
            assert all(same), name
        else:
            assert not all(same), name
