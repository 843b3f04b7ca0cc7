"""Masks: statistics of what is real, and networks that know no lengths run once for each."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from sonoscope.networks.backbones.field import Field, Step, measured  # noqa: E402
from sonoscope.networks.backbones.masking import (  # noqa: E402
    batch_norm,
    by_length,
    masked_max,
    masked_mean,
    zero_behind,
)

pytestmark = pytest.mark.train


@pytest.mark.parametrize("affine", [True, False])
def test_masked_normalisation_is_that_of_the_real_frames_laid_together(affine: bool) -> None:
    torch.manual_seed(0)
    maps, lengths = 3.0 + 2.0 * torch.randn(3, 4, 9, 5), torch.tensor([9, 4, 6])
    maps[1, :, 4:] = float("nan")
    ours, plain = nn.BatchNorm2d(4, affine=affine), nn.BatchNorm2d(4, affine=affine)
    if affine:
        for norm in (ours, plain):
            nn.init.constant_(norm.weight, 1.5)
            nn.init.constant_(norm.bias, -0.5)
    filled = zero_behind(maps, lengths)
    got = batch_norm(ours, filled, lengths)
    laid = torch.cat([maps[i, :, :n] for i, n in enumerate(lengths.tolist())], dim=1)[None]
    expected = plain(laid)
    parts = torch.cat([got[i, :, :n] for i, n in enumerate(lengths.tolist())], dim=1)[None]
    torch.testing.assert_close(parts, expected)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    torch.testing.assert_close(ours.running_var, plain.running_var)
    assert ours.num_batches_tracked == plain.num_batches_tracked == 1
    ours.eval()
    torch.testing.assert_close(batch_norm(ours, filled, lengths), ours(filled))


def test_masked_normalisation_in_half_precision_counts_in_full() -> None:
    maps, lengths = 1.0 + torch.randn(4, 2, 1001, 7), torch.tensor([1001, 700, 333, 1001])
    full, half = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    expected = batch_norm(full, zero_behind(maps, lengths), lengths)
    got = batch_norm(half, zero_behind(maps, lengths).bfloat16(), lengths)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(half.running_mean, full.running_mean, atol=1e-4, rtol=1e-2)
    torch.testing.assert_close(half.running_var, full.running_var, atol=1e-4, rtol=1e-2)
    real = zero_behind((got.float() - expected).abs(), lengths)
    assert real.max() < 0.05


def test_means_and_maxima_of_real_frames() -> None:
    frames, lengths = -1.0 - torch.rand(2, 5, 3), torch.tensor([5, 2])
    padded = frames.clone()
    padded[1, 2:] = float("nan")
    torch.testing.assert_close(masked_mean(padded, lengths)[1], frames[1, :2].mean(dim=0))
    torch.testing.assert_close(masked_max(padded, lengths)[1], frames[1, :2].amax(dim=0))
    torch.testing.assert_close(masked_mean(frames, None), frames.mean(dim=1))


def test_one_run_for_each_length() -> None:
    runs = []

    def run(rows: torch.Tensor) -> torch.Tensor:
        runs.append(tuple(rows.shape))
        return rows[:, ::2, None] - rows.mean(dim=1)[:, None, None]

    batch = torch.randn(4, 10)
    got = by_length(run, batch, torch.tensor([10, 6, 10, 6]), axis=1)
    assert runs == [(2, 6), (2, 10)]
    for i, n in enumerate((10, 6, 10, 6)):
        alone = batch[i : i + 1, :n]
        torch.testing.assert_close(got[i, : n // 2, 0], (alone[:, ::2] - alone.mean())[0])
        assert not got[i, n // 2 :].any()


@pytest.mark.parametrize(
    "steps", [[], [(3, 1, 0)], [(5, 2, 2), (3, 2, 0)], [(2, 2, 0)] * 4, [(3, 1, 1), (2, 2, 0), (7, 1, 3)]]
)
def test_a_field_is_what_convolutions_do(steps: list[tuple[int, int, int]]) -> None:
    field = Field.of(Step(*step) for step in steps)
    chain = nn.Sequential(*(nn.Conv1d(1, 1, k, s, p, bias=False) for k, s, p in steps)).double()
    for layer in chain:
        nn.init.ones_(layer.weight)
    for n in range(field.shortest, field.shortest + 40):
        assert chain(torch.ones(1, 1, n).double()).shape[2] == field.length(n)
    assert field.length(field.shortest) == 1
    lengths = torch.arange(1, 60)
    assert field.length(lengths).tolist() == [field.length(int(n)) for n in lengths]
    x = torch.ones(
        1, 1, field.shortest + 20 * field.stride + field.receptive, dtype=torch.double, requires_grad=True
    )
    k = 6
    chain(x)[0, 0, k].backward()
    touched = torch.nonzero(x.grad[0, 0]).flatten()
    assert touched[-1] - touched[0] + 1 == field.receptive
    assert float(touched[-1] + touched[0]) / 2 == field.centre + k * field.stride


@pytest.mark.parametrize(
    "step", [Step(400, 160), Step(1, 32), Step(32, 32), Step(0, 480), Step(15600, 7800), Step(5, 1)]
)
def test_steps_of_others_are_measured(step: Step) -> None:
    asked = []

    def count(n: int) -> int:
        asked.append(n)
        return step.length(n)

    assert measured(count, 32000) == step
    assert len(asked) < 40


def test_frames_at_irregular_steps_are_seen() -> None:
    assert measured(lambda n: 1, 1000) is None
    assert measured(lambda n: int(n**0.5), 1000) is None
