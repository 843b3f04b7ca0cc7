"""What every backbone, head and loss of the tables keeps, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from sonoscope.networks.backbones import BACKBONES  # noqa: E402
from sonoscope.networks.build import CHANNELS, Network  # noqa: E402
from sonoscope.networks.export import TOLERANCE, write_graph  # noqa: E402
from sonoscope.networks.heads import HEADS  # noqa: E402
from sonoscope.networks.heads.framewise import pool  # noqa: E402
from sonoscope.training.losses import LOSSES  # noqa: E402

pytestmark = pytest.mark.train

BINS = 32
#: Parameters that make a leaf small enough to loop over.
SMALL: dict[str, dict] = {"valid_cnn": {"width": 0.25, "dim": 12}}


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest):
    torch.manual_seed(0)
    return BACKBONES[request.param](BINS, channels=CHANNELS, **SMALL.get(request.param, {}))


def maps(batch: int, time: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, CHANNELS, time, BINS, generator=torch.Generator().manual_seed(seed))


def test_two_lengths_give_finite_frames_of_the_declared_size(backbone) -> None:
    backbone.eval()
    field, stride = backbone.receptive_field, backbone.stride
    for time in (field, field + 5 * stride):
        frames = backbone.forward_features(maps(2, time))
        assert frames.shape == (2, 1 + (time - field) // stride, backbone.dim)
        assert torch.isfinite(frames).all()
    for extreme in (torch.zeros(1, CHANNELS, field, BINS), torch.full((1, CHANNELS, field, BINS), 1e3)):
        assert torch.isfinite(backbone.forward_features(extreme)).all()


def test_the_receptive_field_is_the_declared_one(backbone) -> None:
    backbone.eval()
    field, stride, k = backbone.receptive_field, backbone.stride, 2
    frames = maps(1, field + 6 * stride).requires_grad_()
    backbone.forward_features(frames)[0, k].sum().backward()
    touched = torch.nonzero(frames.grad.abs().sum(dim=(0, 1, 3))).flatten().tolist()
    assert k * stride <= touched[0]
    assert touched[-1] < k * stride + field
    # As good as all of it: a unit that a ReLU has closed may hide an end.
    assert touched[-1] - touched[0] >= field - 3


def test_a_batch_is_the_stack_of_its_members_in_evaluation(backbone) -> None:
    backbone.eval()
    batch = maps(3, backbone.receptive_field + 9)
    expected = torch.cat([backbone.forward_features(one[None]) for one in batch])
    torch.testing.assert_close(backbone.forward_features(batch), expected, atol=1e-5, rtol=1e-5)


def test_the_gradient_reaches_every_parameter_and_every_group_is_named(backbone) -> None:
    backbone.train()
    backbone.forward_features(maps(8, backbone.receptive_field + 20)).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    grouped = [id(p) for group in backbone.groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in backbone.parameters())


def test_a_frozen_group_stays_as_it_was(backbone) -> None:
    groups = backbone.groups()
    frozen = next(iter(groups))
    for parameter in groups[frozen]:
        parameter.requires_grad_(False)
    before = [p.detach().clone() for p in backbone.parameters()]
    optimiser = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    backbone.train().forward_features(maps(8, backbone.receptive_field)).square().mean().backward()
    optimiser.step()
    ids = {id(p) for p in groups[frozen]}
    for parameter, old in zip(backbone.parameters(), before, strict=True):
        if id(parameter) in ids:
            assert torch.equal(parameter, old)
    assert any(not torch.equal(p, old) for p, old in zip(backbone.parameters(), before, strict=True))


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("classes", [1, 11, 88])
def test_a_head_gives_logits_and_attention_for_any_number_of_classes(name: str, classes: int) -> None:
    head = HEADS[name](16, classes).eval()
    for time in (1, 9):
        logits, attention = head(torch.randn(2, time, 16))
        assert logits.shape == attention.shape == (2, time, classes)
        assert torch.isfinite(logits).all()
        assert torch.isfinite(attention).all()


@pytest.mark.parametrize("name", HEADS)
def test_a_head_learns_eight_examples_by_heart(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name](16, 3, dropout=0.0)
    embeddings, targets = torch.randn(8, 5, 16), torch.randint(0, 2, (8, 3)).float()
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        loss = LOSSES["bce"](pool(*head(embeddings)), targets, torch.ones(8, 3))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((pool(*head(embeddings)) > 0) == (targets > 0)).all()
    assert loss < 0.1


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("head", HEADS)
def test_the_graph_equals_torch(tmp_path: Path, name: str, head: str) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    network = Network(BINS, 2, backbone={"name": name, **SMALL.get(name, {})}, head={"name": head})
    network.set_normalisation(np.full(BINS, -30.0), np.full(BINS, 12.0))
    assert write_graph(network, tmp_path / "model.onnx") <= TOLERANCE


@pytest.mark.parametrize("name", LOSSES)
class TestLoss:
    """Logits, targets and judged, each (batch, classes), to one number."""

    def test_far_logits_give_finite_losses_and_gradients(self, name: str) -> None:
        for value in (-50.0, 50.0):
            logits = torch.full((4, 3), value, requires_grad=True)
            targets = torch.tensor([[0.0, 1.0, 0.0]] * 4)
            loss = LOSSES[name](logits, targets, torch.ones(4, 3))
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(logits.grad).all()

    def test_the_gradient_is_that_of_differences(self, name: str) -> None:
        generator = torch.Generator().manual_seed(2)
        logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        targets = torch.randint(0, 2, (3, 4), generator=generator).double()
        judged = torch.randint(0, 2, (3, 4), generator=generator).double()
        judged[0, 0] = 1.0
        assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, targets, judged), (logits,))

    def test_what_is_not_judged_does_not_count(self, name: str) -> None:
        logits, targets = torch.randn(5, 3, generator=torch.Generator().manual_seed(3)), torch.zeros(5, 3)
        judged = torch.ones(5, 3)
        judged[2, 1] = 0.0
        expected = LOSSES[name](logits, targets, judged)
        logits[2, 1], targets[2, 1] = 40.0, 1.0
        assert LOSSES[name](logits, targets, judged) == expected
        nothing = torch.zeros(5, 3)
        assert LOSSES[name](logits, targets, nothing) == 0.0

    def test_being_right_costs_nothing_and_being_wrong_costs_more(self, name: str) -> None:
        targets, judged = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)
        losses = [
            float(LOSSES[name](torch.tensor([[x, -x]]), targets, judged)) for x in (20.0, 2.0, 0.0, -2.0)
        ]
        assert losses[0] == pytest.approx(0.0, abs=1e-6)
        assert losses == sorted(losses)


def test_binary_cross_entropy_by_hand() -> None:
    logits, targets = torch.tensor([[0.0, 2.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    judged = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    expected = (np.log(2) + np.log1p(np.exp(2.0)) + np.log1p(np.exp(-1.0))) / 3
    assert float(LOSSES["bce"](logits, targets, judged)) == pytest.approx(expected, rel=1e-6)
    # Smoothing by 0.1 makes the targets 0.95 and 0.05.
    softened = LOSSES["bce"](torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1), smoothing=0.1)
    assert float(softened) == pytest.approx(np.log(2), rel=1e-6)
    sure = float(LOSSES["bce"](torch.full((1, 1), 30.0), torch.ones(1, 1), torch.ones(1, 1), smoothing=0.1))
    assert sure == pytest.approx(0.05 * 30.0, rel=1e-5)
