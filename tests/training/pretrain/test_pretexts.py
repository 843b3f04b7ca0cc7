"""Pretexts do what they say: exact shares, right labels, closed forms in the limits, and no way to peep."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from torch.nn import functional  # noqa: E402

from sonoscope.errors import UnknownName, UsageError  # noqa: E402
from sonoscope.networks import patches  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.training import pretrain  # noqa: E402
from sonoscope.training.pretrain import contrastive, masked, masked_convolution, shuffled  # noqa: E402
from sonoscope.training.pretrain.protocol import rebuilt  # noqa: E402

pytestmark = pytest.mark.train

FRAMES, BINS = 48, 32
VIT = {"name": "vit", "patch": [8, 8], "dim": 24, "depth": 2, "heads": 2}
CNN = {"name": "small_cnn", "stages": [4, 8, 8], "dim": 16}
#: Every pretext with a backbone that it is for.
PAIRS = {
    "masked": (VIT, {"name": "masked", "dim": 24, "depth": 1, "heads": 2}),
    "masked_convolution": (CNN, {"name": "masked_convolution", "patch": [8, 8], "width": 8}),
    "masked_convolution valid": (
        {"name": "valid_cnn", "width": 0.25, "dim": 16},
        {"name": "masked_convolution", "patch": [8, 8], "width": 8},
    ),
    "shuffled": (CNN, {"name": "shuffled"}),
    "shuffled vit": (VIT, {"name": "shuffled", "grid": [4, 4]}),
    "contrastive": (CNN, {"name": "contrastive", "dim": 8}),
    "contrastive bilinear": (CNN, {"name": "contrastive", "compare": "bilinear", "dim": 8}),
}


def network(backbone: dict) -> Network:
    torch.manual_seed(2)
    return Network(BINS, 1, backbone=backbone, head="framewise_attention")


def rows(count: int = 8, seed: int = 3) -> torch.Tensor:
    return torch.randn(count, FRAMES, BINS, generator=torch.Generator().manual_seed(seed))


def chance(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_entry_has_a_case() -> None:
    assert {spec["name"] for _, spec in PAIRS.values()} == set(pretrain.PRETEXTS)


@pytest.mark.parametrize("case", PAIRS)
def test_a_pretext_is_finite_teaches_every_weight_and_is_the_same_for_the_same_chance(case: str) -> None:
    backbone, spec = PAIRS[case]
    net = network(backbone).train()
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    made = pretrain.build(spec, net, FRAMES)
    told = made(net, rows(), chance())
    assert torch.isfinite(told.loss) and told.loss.ndim == 0 and float(told.trivial) > 0
    told.loss.backward()
    # SparK draws from maps: what lies behind the last convolution has no part in it, and stays as it is.
    idle = (
        {f"embed.{name}" for name, _ in net.backbone.embed.named_parameters()}
        if "convolution" in case
        else set()
    )
    for name, parameter in [*net.backbone.named_parameters(), *made.named_parameters()]:
        learns = parameter.grad is not None and bool(parameter.grad.abs().any())
        assert learns != (name in idle), name
    assert all(parameter.grad is None for parameter in net.head.parameters())
    assert made(net, rows(), chance()).loss.item() == pytest.approx(told.loss.item(), abs=1e-6)
    assert made(net, rows(), chance(6)).loss.item() != told.loss.item()


@pytest.mark.parametrize("case", PAIRS)
def test_silence_is_finite(case: str) -> None:
    backbone, spec = PAIRS[case]
    net = network(backbone).train()
    made = pretrain.build(spec, net, FRAMES)
    told = made(net, torch.zeros(4, FRAMES, BINS), chance())
    told.loss.backward()
    assert torch.isfinite(told.loss)
    assert all(torch.isfinite(p.grad).all() for p in net.backbone.parameters() if p.grad is not None)


# ---- patches -----------------------------------------------------------------------------------------------


def test_patches_are_numpys_blocks_and_come_back() -> None:
    maps = torch.randn(3, 2, 19, 10)
    found = patches.cut(maps, (4, 4))  # three frames fall off, two bins are added
    whole = np.pad(maps.numpy()[:, :, :16], ((0, 0), (0, 0), (0, 0), (0, 2)))
    for t in range(4):
        for f in range(3):
            block = whole[:, :, 4 * t : 4 * t + 4, 4 * f : 4 * f + 4].reshape(3, -1)
            np.testing.assert_array_equal(found[:, 3 * t + f].numpy(), block)
    np.testing.assert_array_equal(patches.joined(found, (4, 4), 2, 3).numpy(), whole)


def test_each_channel_of_a_standardised_patch_has_mean_0_and_variance_1() -> None:
    channels = (
        torch.randn(4, 5, 2, 64) * torch.tensor([30.0, 3.0])[:, None] + torch.tensor([7.0, -50.0])[:, None]
    )
    found = patches.standardised(channels.flatten(2), 2).unflatten(2, (2, 64))
    np.testing.assert_allclose(found.mean(dim=3), 0.0, atol=1e-4)
    np.testing.assert_allclose(found.var(dim=3, unbiased=False), 1.0, atol=2e-3)
    assert not patches.standardised(torch.full((1, 1, 16), 5.0), 1).any()


def test_silence_counts_for_little_in_a_standardised_patch() -> None:
    """A pattern of a hundredth of the data's spread is no pattern: it stays small."""
    faint = 0.01 * torch.randn(4, 5, 64, generator=torch.Generator().manual_seed(0))
    assert float(patches.standardised(faint, 1).square().mean()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(("count", "share"), [(24, 0.75), (50, 0.6), (10, 0.33), (256, 0.15)])
def test_masks_are_exactly_the_stated_share_of_each_row(count: int, share: float) -> None:
    found = patches.hidden(200, count, share, chance())
    assert (found.sum(dim=1) == round(share * count)).all()
    # Every patch is hidden about equally often: the share, within five standard errors.
    often = found.double().mean(dim=0)
    assert (often - round(share * count) / count).abs().max() < 5 * math.sqrt(share * (1 - share) / 200)


def test_without_a_word_the_shares_are_the_papers() -> None:
    """ViT-MAE hides three patches of four, SparK six of ten; 15 % of 16 x 16 cells are shuffled."""
    net = network(VIT)
    assert masked.Masked(net, FRAMES).share == 0.75
    assert masked_convolution.MaskedConvolution(network(CNN), FRAMES).share == 0.6
    wide = shuffled.Shuffled(net, FRAMES)
    assert wide.grid == (16, 16) and wide.count == round(0.15 * 256)


def test_a_share_that_hides_nothing_or_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share=0.05 of 6 patches hides 0"):
        patches.hidden(2, 6, 0.05, chance())
    with pytest.raises(UsageError, match=r"share=1.0 must lie between 0 and 1"):
        pretrain.build({"name": "masked", "share": 1.0}, network(VIT), FRAMES)


def test_positions_tell_every_patch_from_every_other() -> None:
    table = patches.positions(9, 7, 16, torch.zeros(1))
    apart = torch.cdist(table, table) + 9 * torch.eye(63)
    assert table.shape == (63, 16) and apart.min() > 0.05
    # The same place along time: the same first half.
    assert torch.equal(table[0, :8], table[6, :8]) and torch.equal(table[0, 8:], table[7, 8:])


def test_what_is_drawn_and_what_the_mean_would_cost() -> None:
    """Standardised cells, whose own mean costs 1; or cells as they are, against the mean of the batch."""
    cells = torch.randn(6, 4, 50, generator=torch.Generator().manual_seed(0)) * 30 + 7
    hidden = torch.tensor([[True, False, True, False]]).expand(6, 4)
    drawn = torch.zeros_like(cells)
    plain, levels = (rebuilt(drawn, cells, hidden, 2, standardise=each) for each in (True, False))
    assert float(plain.loss) == pytest.approx(1.0, abs=1e-3) == float(plain.trivial)
    wanted = cells[:, [0, 2]].numpy()
    assert float(levels.loss) == pytest.approx(np.square(wanted).mean(), rel=1e-5)
    assert float(levels.trivial) == pytest.approx(wanted.var(axis=0).mean(), rel=1e-5)


# ---- masked modelling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["masked", "masked_convolution", "masked_convolution valid"])
def test_what_is_hidden_cannot_be_seen(case: str) -> None:
    """The drawing of hidden patches stays the same whatever is in them: only what is wanted changes."""
    backbone, spec = PAIRS[case]
    grid = patches.grid_of(FRAMES, BINS, (8, 8))
    unseen = patches.hidden(8, grid[0] * grid[1], 0.5, chance())
    cells = masked_convolution.spread(unseen, (8, 8), (FRAMES, BINS))[:, 0]
    # One map, in which each cell stands for itself alone: in the other is the mean over all bins.
    drawn: list[torch.Tensor] = []
    net = Network(BINS, 1, backbone=backbone, head="framewise_attention", normalise="level").eval()
    made = pretrain.build({**spec, "share": 0.5}, net, FRAMES).eval()
    made.draw.register_forward_hook(lambda _module, _inputs, out: drawn.append(out.detach()))
    one = rows()
    other = torch.where(cells, 3.0 * rows(seed=9), one)
    first, second = made(net, one, chance()), made(net, other, chance())
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-5)
    assert first.loss.item() != second.loss.item()
    changed = torch.where(~cells, 3.0 * rows(seed=9), one)
    made(net, changed, chance())
    assert (drawn[0] - drawn[2]).abs().max() > 1e-3


def test_predicting_the_mean_of_each_patch_loses_the_trivial_loss() -> None:
    backbone, spec = PAIRS["masked"]
    net = network(backbone)
    made = pretrain.build({**spec, "standardise": True}, net, FRAMES)
    with torch.no_grad():
        made.draw.weight.zero_()
        made.draw.bias.zero_()
    told = made(net, 1000.0 * rows(), chance())
    assert told.loss.item() == pytest.approx(told.trivial.item()) == pytest.approx(1.0, abs=1e-3)


def test_a_network_on_all_cells_is_the_network_as_it_is() -> None:
    net = network(CNN).train()
    maps = net.maps(rows())
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = net.backbone.forward_features(maps)
    statistics = {name: value.clone() for name, value in net.named_buffers() if "running" in name}
    net.load_state_dict(before)
    with masked_convolution.visible(net.backbone, torch.ones(8, 1, FRAMES, BINS)) as scene:
        found = net.backbone.forward_features(maps)
    np.testing.assert_allclose(found.detach(), expected.detach(), atol=1e-5)
    for name, value in net.named_buffers():
        if "running" in name:
            np.testing.assert_allclose(value, statistics[name], rtol=1e-4, atol=1e-6)
    assert list(scene.levels) == [(48, 32), (24, 16), (12, 8)]
    np.testing.assert_array_equal(
        net.backbone.forward_features(maps).detach(), expected.detach()
    )  # as before


# ---- shuffling ---------------------------------------------------------------------------------------------


def test_the_stated_share_of_cells_moves_and_is_labelled_rightly() -> None:
    net = network(CNN)
    made = shuffled.Shuffled(net, FRAMES)  # 16 by 16, 15 %
    maps = net.maps(rows())
    changed, moved = made.shuffled(maps, chance())
    assert moved.shape == (8, 256) and (moved.sum(dim=1) == round(0.15 * 256)).all()
    before, after = (patches.cut(each, made.cell) for each in (maps, changed))
    differs = (before != after).any(dim=2)
    torch.testing.assert_close(differs, moved)
    # Nothing is lost or doubled: the cells of each row are the same cells.
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(np.unique(one.numpy(), axis=0), np.unique(other.numpy(), axis=0))


def test_what_fills_no_cell_stays_where_it_is() -> None:
    net = network(CNN)
    made = shuffled.Shuffled(net, FRAMES, grid=(10, 7))
    maps = net.maps(rows())
    changed, _ = made.shuffled(maps, chance())
    assert made.cell == (4, 4)
    torch.testing.assert_close(changed[:, :, 40:], maps[:, :, 40:])
    torch.testing.assert_close(changed[:, :, :, 28:], maps[:, :, :, 28:])


def test_a_ring_leaves_no_cell_in_its_place() -> None:
    places, moved = shuffled.exchanges(300, 9, 2, chance())
    itself = torch.arange(9).expand(300, -1)
    torch.testing.assert_close(places != itself, moved)
    assert (places.sort(dim=1).values == itself).all()


def test_knowing_nothing_costs_the_entropy() -> None:
    net = network(CNN)
    made = shuffled.Shuffled(net, FRAMES)
    with torch.no_grad():
        made.ask.weight.zero_()
    told = made(net, rows(), chance())
    assert told.loss.item() == pytest.approx(told.trivial.item(), abs=1e-6)
    p = 38 / 256
    assert told.trivial.item() == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), abs=1e-6)


# ---- contrast ----------------------------------------------------------------------------------------------


def loss_of(scores: torch.Tensor, wanted: torch.Tensor) -> float:
    return functional.cross_entropy(scores, wanted).item()


@pytest.mark.parametrize("n", [2, 5, 16])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_cosines_in_their_limits(n: int, temperature: float) -> None:
    same = torch.ones(n, 8)
    assert loss_of(*contrastive.cosines(same, same, temperature)) == pytest.approx(
        math.log(2 * n - 1), abs=1e-5
    )
    # Partners equal, all others at a right angle: one at 1 / t against 2 n - 2 at 0.
    across = 3.0 * torch.eye(n, 20)
    expected = math.log(1.0 + (2 * n - 2) * math.exp(-1.0 / temperature))
    assert loss_of(*contrastive.cosines(across, across, temperature)) == pytest.approx(expected, abs=1e-5)
    # Partners opposite: the worst there is.
    expected = math.log(math.exp(-1.0 / temperature) + 2 * n - 2) + 1.0 / temperature
    assert loss_of(*contrastive.cosines(across, -across, temperature)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_forms_in_their_limits(n: int) -> None:
    same = torch.ones(n, 20)
    assert loss_of(*contrastive.forms(same, same, torch.eye(20))) == pytest.approx(math.log(n), abs=1e-5)
    across = torch.eye(n, 20)
    for scale in (0.5, 4.0):
        expected = math.log(1.0 + (n - 1) * math.exp(-scale))
        found = loss_of(*contrastive.forms(across, across, scale * torch.eye(20)))
        assert found == pytest.approx(expected, abs=1e-5)


def test_cosines_are_naively_recomputed() -> None:
    one, other = torch.randn(4, 6), torch.randn(4, 6)
    views = torch.cat([one, other]).double().numpy()
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    total = 0.0
    for i in range(8):
        weights = [math.exp(views[i] @ views[k] / 0.2) for k in range(8) if k != i]
        total -= math.log(math.exp(views[i] @ views[(i + 4) % 8] / 0.2) / sum(weights))
    assert loss_of(*contrastive.cosines(one, other, 0.2)) == pytest.approx(total / 8, abs=1e-5)


def test_a_view_is_a_stretch_of_its_row() -> None:
    net = network(CNN)
    made = contrastive.Contrasted(net, FRAMES, level=0.0, stripe=0.0)
    given = rows()
    view = made.view(net, given, chance())
    assert view.shape == (8, 24, BINS)
    for row, taken in zip(given, view, strict=True):
        assert any(torch.equal(row[s : s + 24], taken) for s in range(25))
    louder = contrastive.Contrasted(net, FRAMES, level=1.0, stripe=0.0).view(net, given, chance())
    shifts = (louder - view).flatten(1)
    assert (shifts.std(dim=1) < 1e-5).all() and shifts.mean(dim=1).std() > 0.3
    net.set_normalisation(np.full(BINS, 77.0), np.ones(BINS))
    striped = contrastive.Contrasted(net, FRAMES, level=0.0, stripe=0.5).view(net, given, chance())
    hidden = (striped == 77.0).all(dim=1)
    widths = hidden.sum(dim=1)
    assert torch.equal(striped == 77.0, hidden[:, None].expand_as(striped))
    assert 0 < int(widths.max()) <= BINS // 2 and len(set(widths.tolist())) > 2
    begins = (hidden[:, 1:] & ~hidden[:, :-1]).sum(dim=1) + hidden[:, 0]
    assert int(begins.max()) == 1


# ---- what does not go together -----------------------------------------------------------------------------


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(UnknownName, match=r"unknown pretext 'mask'.* Did you mean 'masked'"):
        pretrain.build("mask", network(VIT), FRAMES)
    with pytest.raises(UnknownName, match="shares"):
        pretrain.build({"name": "masked", "shares": 0.5}, network(VIT), FRAMES)
    with pytest.raises(UsageError, match="for convolutions there is pretext=masked_convolution"):
        pretrain.build("masked", network(CNN), FRAMES)
    with pytest.raises(UsageError, match=r"take a longer window, more bins, or grid=\[12, 16\]"):
        pretrain.build("shuffled", network(VIT), 12)
    with pytest.raises(UsageError, match="views of 2 frames are too short for the backbone, which needs 8"):
        pretrain.build("contrastive", network(VIT), 4)
    with pytest.raises(UnknownName, match=r"compare='cosin' is unknown\. Did you mean 'cosine'"):
        pretrain.build({"name": "contrastive", "compare": "cosin"}, network(CNN), FRAMES)
