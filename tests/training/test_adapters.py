"""Adapters begin as nothing, leave the backbone alone, and merge into it; their numbers are the theory's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from sonoscope.errors import UnknownName, UsageError  # noqa: E402
from sonoscope.networks import contract  # noqa: E402
from sonoscope.networks.backbones import Backbone  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.training import adapters, phases  # noqa: E402
from sonoscope.training.config import Phase  # noqa: E402

pytestmark = pytest.mark.train

BINS, FRAMES, DIM, DEPTH = 32, 40, 24, 3
VIT = {"name": "vit", "patch": [8, 8], "dim": DIM, "depth": DEPTH, "heads": 2, "widening": 2.0}
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
#: Backbones whose linear maps lie where others put them: all of their adapters must be heard.
OTHERS: dict[str, tuple[int, dict[str, Any]]] = {
    "ast": (32, {"name": "ast", "longest": 64, **SMALL}),
    "beats": (32, {"name": "beats", "embed_dim": 16, "encoder_layers": 2, "encoder_embed_dim": 24,
                   "encoder_ffn_embed_dim": 32, "encoder_attention_heads": 2, "conv_pos": 16, "conv_pos_groups": 2}),
    "crnn": (32, {"name": "crnn", "stages": [4], "pools": [[1, 4]], "hidden": 8, "attention": "bahdanau"}),
    "wav2vec2": (1, {"name": "wav2vec2", "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16,
                     "num_conv_pos_embedding_groups": 2, **SMALL}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def peft() -> None:
    pytest.importorskip("peft")


def network() -> Network:
    torch.manual_seed(1)
    return Network(BINS, 3, backbone=VIT, head="linear", normalise="level")


def rows() -> torch.Tensor:
    return torch.randn(4, FRAMES, BINS, generator=torch.Generator().manual_seed(2))


def stepped(net: Network, count: int = 5) -> None:
    """Some steps of an optimiser over whatever learns, decay of weights included."""
    phases.apply(net, Phase())
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(count):
        loss = net.window_logits(rows()).square().mean() + net.window_logits(rows())[:, 0].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def base_weights(net: nn.Module) -> dict[str, torch.Tensor]:
    """The backbone's own weights under the names that they had."""
    return {
        name.replace(".base_layer", "").replace(".base.", "."): value.detach().clone()
        for name, value in net.named_parameters()
        if not adapters.is_new(name) and name.startswith("backbone.")
    }


@pytest.mark.parametrize("kind", adapters.ADAPTERS)
def test_an_adapter_begins_as_if_it_were_not_there(kind: str) -> None:
    net = network().eval()
    expected = net.window_logits(rows())
    adapters.attach(net.backbone, kind)
    torch.testing.assert_close(net.window_logits(rows()), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", adapters.ADAPTERS)
def test_only_adapters_and_head_learn_and_the_rest_stays_bit_for_bit(kind: str) -> None:
    net = network().train()
    adapters.attach(net.backbone, kind)
    before = base_weights(net)
    new = {name: p.detach().clone() for name, p in net.named_parameters() if adapters.is_new(name)}
    stepped(net)
    after = base_weights(net)
    assert before.keys() == after.keys() == base_weights(network()).keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    now = dict(net.named_parameters())
    assert new and all(not torch.equal(now[name], value) for name, value in new.items())


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_merged_is_unmerged(kind: str) -> None:
    net = network().train()
    adapters.attach(net.backbone, kind)
    stepped(net)
    net.eval()
    found = adapters.merged(net)
    difference = (found.window_logits(rows()) - net.window_logits(rows())).abs().max()
    assert difference <= 1e-5
    # The same names and shapes as a network that never had any, and the network itself is as it was.
    assert {n: v.shape for n, v in found.state_dict().items()} == {
        n: v.shape for n, v in network().state_dict().items()
    }
    assert any(adapters.is_new(name) for name, _ in net.named_parameters())
    assert (found.window_logits(rows()) - network().eval().window_logits(rows())).abs().max() > 1e-2


def test_a_merged_map_is_the_formula() -> None:
    net = network()
    adapters.attach(net.backbone, {"name": "lora", "rank": 2, "alpha": 6.0})
    stepped(net)
    layer = net.backbone.blocks[1].out
    a, b = layer.lora_A["fitted"].weight, layer.lora_B["fitted"].weight
    expected = layer.base_layer.weight + 6.0 / 2 * b @ a
    torch.testing.assert_close(
        adapters.merged(net).backbone.blocks[1].out.weight, expected, atol=1e-6, rtol=0
    )


def test_what_goes_into_a_low_rank_map_is_dropped_in_training() -> None:
    net = network()
    adapters.attach(net.backbone, {"name": "lora", "dropout": 0.9})
    layer = net.backbone.blocks[1].out
    with torch.no_grad():
        layer.lora_B["fitted"].weight.fill_(1.0)
    given = torch.randn(5, DIM)
    assert not torch.equal(layer.train()(given), layer(given))
    assert torch.equal(layer.eval()(given), layer(given))


def test_without_adapters_nothing_is_copied() -> None:
    net = network()
    assert adapters.merged(net) is net


def test_numbers_are_those_of_the_theory() -> None:
    maps = [(DIM, 3 * DIM), (DIM, DIM), (DIM, 2 * DIM), (2 * DIM, DIM)] * DEPTH
    own = sum(p.numel() for p in network().backbone.parameters())
    expected = {
        "lora": sum(4 * (i + o) for i, o in maps),
        "ia3": sum(o for _, o in maps),
        "bottleneck": sum(o * 5 + 5 + 5 * o + o for _, o in maps),
    }
    for kind, more in (("lora", {"rank": 4}), ("ia3", {}), ("bottleneck", {"width": 5})):
        net = network()
        found = adapters.attach(net.backbone, {"name": kind, **more})
        assert (found.trainable, found.total) == (expected[kind], own + expected[kind])
        assert sum(p.numel() for p in net.backbone.parameters() if p.requires_grad) == expected[kind]
        assert f"{expected[kind]:,} of {own + expected[kind]:,} weights" in found.text()
        assert len(found.targets) == 4 * DEPTH


def test_layers_and_patterns_choose() -> None:
    backbone = network().backbone
    assert adapters.linear_maps(backbone, ["block2"]) == (
        "blocks.1.queries_keys_values", "blocks.1.out", "blocks.1.widen", "blocks.1.narrow",
    )  # fmt: skip
    assert adapters.linear_maps(backbone, None, ["*.out"]) == tuple(f"blocks.{k}.out" for k in range(DEPTH))
    found = adapters.attach(backbone, {"name": "lora", "layers": ["block3"], "only": "*.out"})
    assert found.targets == ("blocks.2.out",)


def test_maps_that_are_read_past_them_are_no_targets() -> None:
    class Past(Backbone):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = nn.MultiheadAttention(8, 2), nn.Linear(8, 8)

        def groups(self) -> dict[str, list[nn.Parameter]]:
            return {"all": list(self.parameters())}

        def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            return self.out(self.attention(x, x, x)[0])

    assert adapters.linear_maps(Past()) == ("out",)


@pytest.mark.parametrize("phase", [Phase(train="head"), Phase(train="from block3")])
def test_phases_choose_among_adapters(phase: Phase) -> None:
    net = network()
    adapters.attach(net.backbone, "lora")
    phases.apply(net, phase)
    learns = {name for name, p in net.backbone.named_parameters() if p.requires_grad}
    if phase.train == "head":
        assert not learns
    else:
        assert learns and all(name.startswith("blocks.2.") and adapters.is_new(name) for name in learns)


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("kind", ["lora", "bottleneck"])
def test_every_adapter_of_other_backbones_is_heard(case: str, kind: str) -> None:
    if case in ("ast", "wav2vec2"):
        pytest.importorskip("transformers")
    from sonoscope.networks.backbones import build

    bins, spec = OTHERS[case]
    torch.manual_seed(0)
    backbone = build(spec, bins).eval()
    targets = adapters.attach(backbone, kind).targets
    with torch.no_grad():  # what begins at 0 holds its neighbours' gradients at 0
        for name, parameter in backbone.named_parameters():
            if adapters.is_new(name):
                parameter.add_(0.1 * torch.randn_like(parameter))
    out = backbone.forward_features(contract.example(backbone, 3, contract.steps_of(backbone), bins=bins))
    (out * torch.randn_like(out)).sum().backward()
    assert targets
    for name, parameter in backbone.named_parameters():
        if adapters.is_new(name):
            assert parameter.grad is not None and parameter.grad.abs().any(), name


def test_a_deep_copy_learns_for_itself() -> None:
    net = network()
    adapters.attach(net.backbone, "lora")
    other = copy.deepcopy(net)
    other.backbone.train_from(None)
    assert any(p.requires_grad for p in net.backbone.parameters())
    assert not any(p.requires_grad for p in other.backbone.parameters())


def test_refusals_say_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"unknown adapter 'lra'\. Did you mean 'lora'"):
        adapters.attach(network().backbone, "lra")
    with pytest.raises(UnknownName, match=r"unknown layer 'block4'.*From the input on: patches, block1"):
        adapters.attach(network().backbone, {"name": "lora", "layers": ["block4"]})
    with pytest.raises(
        UsageError, match=r"no linear map in the layers patches.*linear maps: block1, block2, block3"
    ):
        adapters.attach(network().backbone, {"name": "lora", "layers": "patches"})
    with pytest.raises(
        UsageError, match="adapter: rank=0 must be a whole number of at least 1, such as rank=8"
    ):
        adapters.attach(network().backbone, {"name": "lora", "rank": 0})
    with pytest.raises(UnknownName, match="'ranks'"):
        adapters.attach(network().backbone, {"name": "lora", "ranks": 4})


# ---- what was adapted once is adapted again --------------------------------------------------------------------


def test_a_bottleneck_is_a_part_of_the_network() -> None:
    """Made again from its configuration, and loaded, it says the same."""
    net = network().train()
    adapters.adapt(net, {"name": "bottleneck", "width": 5, "layers": "block2"})
    stepped(net)
    again = Network(**net.config)
    again.load_state_dict(net.state_dict())
    torch.testing.assert_close(again.eval().window_logits(rows()), net.eval().window_logits(rows()))
    assert net.config["bottlenecks"] == [
        {"width": 5, "targets": [f"blocks.1.{n}" for n in ("queries_keys_values", "out", "widen", "narrow")]}
    ]
    with pytest.raises(ValueError, match=r"'blocks\.9\.out' is no linear map"):
        Network(**{**net.config, "bottlenecks": [{"width": 5, "targets": ["blocks.9.out"]}]})


@pytest.mark.parametrize("kind", adapters.ADAPTERS)
def test_earlier_bottlenecks_are_left_alone_by_later_adapters(kind: str) -> None:
    net = network().train()
    adapters.adapt(net, {"name": "bottleneck", "width": 5})
    stepped(net)
    once = Network(**net.config)
    once.load_state_dict(net.state_dict())
    expected = once.eval().window_logits(rows())
    adapters.adapt(once, kind)
    torch.testing.assert_close(once.window_logits(rows()), expected, atol=1e-6, rtol=0)
    before = {name: p.detach().clone() for name, p in once.named_parameters() if not p.requires_grad}
    assert sum("fitted_down" in name for name in before) == 2 * 4 * DEPTH
    once.train()
    stepped(once)
    after = dict(once.named_parameters())
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert (once.eval().window_logits(rows()) - expected).abs().max() > 1e-2
    merged = adapters.merged(once)
    again = Network(**merged.config)
    again.load_state_dict(merged.state_dict())
    torch.testing.assert_close(
        again.eval().window_logits(rows()), once.window_logits(rows()), atol=1e-5, rtol=1e-5
    )


@pytest.mark.slow
def test_a_bundle_with_bottlenecks_is_trained_on(tones: Callable[..., Any], tmp_path: Path) -> None:
    """Adapted, bundled, adapted once more from the bundle, and that analyses: the way a user goes."""
    pytest.importorskip("lightning")
    import sonoscope
    from sonoscope.training.engine import fit

    words = ("network.backbone={name: vit, patch: [8, 8], dim: 24, depth: 1, heads: 2}", "network.head=linear",
             "network.normalise=level", "training.epochs=1", "training.epoch_batches=2",
             "network.adapters={name: bottleneck, width: 4}")  # fmt: skip
    first = fit(tones(*words), tmp_path / "first", say=lambda _: None)
    said: list[str] = []
    second = fit(
        tones(*words, f"network.init_from={first.folder}"), tmp_path / "second", say=said.append
    )  # fmt: skip
    told = "\n".join(said)
    assert "so has this network" in told and "missing" not in told
    networks = [sonoscope.load(run.folder / "bundle").bundle.spec["network"] for run in (first, second)]
    assert [len(net["bottlenecks"]) for net in networks] == [1, 2]
    # Going on with it knows what it began with, too.
    fit(tones(*words, f"network.init_from={first.folder}"), tmp_path / "second", resume=True, learn=False,
        say=lambda _: None)  # fmt: skip
