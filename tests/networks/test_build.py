"""The network sees loudness and shape, keeps its statistics, and pools as the runtime does."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.errors import UnknownName
from sonoscope.models.scorers import pool as numpy_pool

torch = pytest.importorskip("torch")
from sonoscope.networks.build import SHAPE_DB, Network  # noqa: E402
from sonoscope.networks.heads.framewise import ATTENTION_LIMIT, FramewiseAttention, pool  # noqa: E402

pytestmark = pytest.mark.train

BACKBONE = {"name": "valid_cnn", "width": 0.25, "dim": 8}
HEAD = {"name": "framewise_attention"}


def noise(*shape: int) -> torch.Tensor:
    return -40.0 + 15.0 * torch.randn(*shape, generator=torch.Generator().manual_seed(5))


def test_outputs_have_their_shapes(network) -> None:
    field, stride = network.backbone.receptive_field, network.backbone.stride
    for time in (field, field + stride - 1, field + stride, field + 50):
        logits, attention, embedding = network(noise(2, time, 24))
        frames = 1 + (time - field) // stride
        assert logits.shape == attention.shape == (2, frames, 3)
        assert embedding.shape == (2, frames, 8)


def test_a_frame_of_output_sees_its_receptive_field_only(network) -> None:
    field, stride, k = network.backbone.receptive_field, network.backbone.stride, 3
    frames = noise(1, field + 10 * stride, 24)
    whole = network(frames)
    piece = frames[:, k * stride : k * stride + field]
    for a, b in zip(whole, network(piece), strict=True):
        torch.testing.assert_close(a[:, k : k + 1], b, atol=1e-4, rtol=1e-4)


def test_the_backbone_is_given_level_and_shape(network) -> None:
    seen = []
    handle = network.backbone.convolutions[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        frames = noise(2, 50, 24)
        network(frames)
        network(frames + 10.0)
    finally:
        handle.remove()
    (level, shape), (louder, same_shape) = (maps.unbind(dim=1) for maps in seen)
    torch.testing.assert_close(level, (frames - network.mean) / network.std)
    torch.testing.assert_close(shape * SHAPE_DB + frames.mean(dim=2, keepdim=True), frames)
    torch.testing.assert_close(louder - level, (10.0 / network.std).expand_as(level), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(same_shape, shape, atol=1e-4, rtol=1e-4)


def test_statistics_travel_with_the_weights() -> None:
    one = Network(24, 3, backbone=BACKBONE, head=HEAD)
    one.set_normalisation(np.linspace(-50, -30, 24), np.linspace(5, 20, 24))
    other = Network(**one.config)
    other.load_state_dict(one.state_dict())
    frames = noise(1, 40, 24)
    for a, b in zip(one.eval()(frames), other.eval()(frames), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match=r"std must be positive in every bin, got a minimum of 0\.0"):
        one.set_normalisation(np.zeros(24), np.r_[0.0, np.ones(23)])


def test_pooling_in_torch_and_in_numpy_is_one_formula() -> None:
    logits, attention = noise(4, 13, 3) / 10, noise(4, 13, 3) / 10
    np.testing.assert_allclose(
        pool(logits, attention).numpy(), numpy_pool(logits.numpy(), attention.numpy()), rtol=1e-5, atol=1e-5
    )


def test_attention_begins_even_and_stays_limited() -> None:
    head = FramewiseAttention(8, 3).eval()
    assert (head(noise(1, 9, 8))[1] == 0).all()
    with torch.no_grad():
        head.attention.weight.fill_(100.0)
    assert head(noise(1, 9, 8))[1].abs().max() <= ATTENTION_LIMIT


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"backbone": {"name": "valid_cn"}, "head": HEAD},
            r"unknown backbone 'valid_cn'\. Did you mean 'valid_cnn'\?",
        ),
        (
            {"backbone": BACKBONE, "head": {"name": "framewise_atention"}},
            r"unknown head 'framewise_atention'\.",
        ),
    ],
)
def test_unknown_parts_name_the_nearest(parts: dict, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        Network(24, 3, **parts)
