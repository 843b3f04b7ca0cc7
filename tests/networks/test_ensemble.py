"""Networks joined into one: its frames are the mean of theirs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.networks.backbones import build  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.networks.ensemble import joined  # noqa: E402

pytestmark = pytest.mark.train


def network(seed: int, head: dict | str = "framewise_attention", width: float = 0.25) -> Network:
    torch.manual_seed(seed)
    made = Network(24, 5, backbone={"name": "valid_cnn", "width": width, "dim": 12}, head=head)
    if hasattr(made.head, "logits"):
        torch.nn.init.normal_(made.head.logits.weight)
    if hasattr(made.head, "attention"):
        torch.nn.init.normal_(made.head.attention.weight, std=0.05)
    made.set_normalisation(np.linspace(-1, 1, 24), np.full(24, 2.0))
    return made.eval()


@pytest.mark.parametrize("head", ["framewise_attention", "linear"])
def test_frames_are_the_mean_of_the_members_frames(head: str) -> None:
    members = [network(seed, head) for seed in range(3)]
    whole, rows = joined(members), torch.randn(2, 60, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, attention, embedding = whole(rows)
        each = [member(rows) for member in members]
    assert torch.allclose(logits, torch.stack([one[0] for one in each]).mean(dim=0), atol=1e-5)
    # The scores' bound bends little where they are small.
    assert torch.allclose(attention, torch.stack([one[1] for one in each]).mean(dim=0), atol=0.02)
    assert torch.equal(embedding, torch.cat([one[2] for one in each], dim=2))
    assert whole.poolable and whole.backbone.receptive_field == members[0].backbone.receptive_field


def test_of_one_alone_nothing_changes() -> None:
    alone, rows = network(0), torch.randn(2, 60, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(joined([alone]).window_logits(rows), alone.window_logits(rows))


def test_a_background_lowers_by_the_mean_of_its_logits() -> None:
    head = {"name": "framewise_attention", "background": 1, "background_weight": 0.5}
    members, plain = [network(seed, head) for seed in (0, 1)], [network(seed) for seed in (0, 1)]
    rows = torch.randn(1, 60, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        unmoved = torch.stack([one(rows)[0] for one in plain]).mean(dim=0)
        lowered = unmoved - 0.5 * torch.nn.functional.softplus(unmoved[..., 1:2])
        lowered[..., 1] = unmoved[..., 1]
        assert torch.allclose(joined(members)(rows)[0], lowered, atol=1e-5)


def test_what_differs_or_bends_is_refused() -> None:
    with pytest.raises(UsageError, match="differ in make"):
        joined([network(0), network(1, width=0.5)])
    other = network(1)
    other.set_normalisation(np.zeros(24), np.ones(24))
    with pytest.raises(UsageError, match="differ in make or normalisation"):
        joined([network(0), other])
    with pytest.raises(UsageError, match="heads of kind MLP cannot be joined"):
        joined([network(0, {"name": "mlp", "layers": [8], "over": "frames"})] * 2)


def test_an_ensemble_needs_members_that_take_maps() -> None:
    with pytest.raises(UsageError, match="members=0 must be a whole number of at least 1"):
        build({"name": "ensemble", "of": "small_cnn", "members": 0}, 24)
    with pytest.raises(ValueError, match="takes bands"):
        build({"name": "ensemble", "of": {"name": "cnn14_bands", "width": 1 / 32}}, 198)
    with pytest.raises(UsageError, match="needs the parameter 'of'"):
        build("ensemble", 24)
