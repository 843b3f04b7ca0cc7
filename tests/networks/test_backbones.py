"""Our own backbones, layer by layer: what their parameters make, against plain torch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from sonoscope.networks.backbones import Backbone, build  # noqa: E402

pytestmark = pytest.mark.train


def shaken(backbone: Backbone) -> Backbone:
    """Running statistics that are not those of a new network, ready to be asked."""
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return backbone.eval()


@pytest.mark.parametrize("elongated", [False, True])
def test_a_small_network_pads_and_halves_and_its_fourth_stage_may_be_elongated(elongated: bool) -> None:
    torch.manual_seed(0)
    network = shaken(build({"name": "small_cnn", "elongated": elongated}, 64))
    shapes = [tuple(layer.weight.shape) for layer in network.convolutions]
    # (out, in, frames, bins): the last stage goes from 64 to 128 channels, seven frames long and three bins high.
    last = (128, 64, 7, 3) if elongated else (128, 64, 3, 3)
    assert shapes == [(16, 1, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3), last]
    maps = given = torch.randn(2, 1, 50, 64)
    for layer, norm in zip(network.convolutions, network.norms, strict=True):
        same = functional.conv2d(maps, layer.weight, padding="same")
        maps = functional.max_pool2d(functional.relu(norm(same)), (2, 2))
    assert maps.shape == (2, 128, 3, 4)
    pooled = torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1).transpose(1, 2)
    expected = functional.relu(functional.linear(pooled, network.embed[1].weight, network.embed[1].bias))
    torch.testing.assert_close(network(given), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "width", "channels"),
    [
        ("small_cnn", 0.5, [8, 16, 32, 64]),
        ("small_cnn", 2, [32, 64, 128, 256]),
        ("valid_cnn", 2, [32, 64, 128, 192, 256, 320]),
        ("mobile", 2, [32, 48, 48, 80, 80, 160, 160, 224]),
    ],
)
def test_the_width_multiplies_every_stages_channels(name: str, width: float, channels: list[int]) -> None:
    network = build({"name": name, "width": width}, 64)
    if name == "mobile":
        assert [block.narrow.out_channels for block in network.blocks] == channels
    else:
        layers = [layer for layer in network.convolutions if isinstance(layer, nn.Conv2d)]
        assert [layer.out_channels for layer in layers] == channels


@pytest.mark.parametrize(("cell", "kind"), [("gru", nn.GRU), ("lstm", nn.LSTM)])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("deep", [1, 2])
def test_a_crnn_is_its_convolutions_and_torchs_recurrent_layers(
    cell: str, kind: type, bidirectional: bool, deep: int
) -> None:
    torch.manual_seed(0)
    spec = {"name": "crnn", "stages": [4, 6, 5], "hidden": 7, "cell": cell, "layers_deep": deep,
            "bidirectional": bidirectional}  # fmt: skip
    network = shaken(build(spec, 32))
    directions = 2 if bidirectional else 1
    # Bins are halved by each stage, time by all but the first.
    theirs = kind(5 * 4, 7, num_layers=deep, batch_first=True, bidirectional=bidirectional).eval()
    theirs.load_state_dict(network.rnn.state_dict())
    maps = given = torch.randn(2, 1, 40, 32)
    for layer, norm, pool in zip(network.convolutions, network.norms, [(1, 2), (2, 2), (2, 2)], strict=True):
        maps = functional.max_pool2d(functional.relu(norm(layer(maps))), pool)
    states, _ = theirs(maps.transpose(1, 2).flatten(2))
    assert states.shape == (2, 10, 7 * directions) and network.dim == 7 * directions
    torch.testing.assert_close(network(given), states, atol=1e-5, rtol=1e-4)
