"""Augmentations that mix rows, and those of features, against recomputation by hand."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from scipy.stats import beta, kstest  # noqa: E402

from sonoscope.data.mix import combine  # noqa: E402
from sonoscope.training.augment import AUGMENTATIONS  # noqa: E402
from sonoscope.training.augment.concat_n import ConcatN  # noqa: E402
from sonoscope.training.augment.mixture import partners_of  # noqa: E402
from sonoscope.training.augment.mixup import Mixup  # noqa: E402
from sonoscope.training.augment.protocol import real_samples  # noqa: E402
from sonoscope.training.augment.spec_augment import inside  # noqa: E402
from sonoscope.training.augment.sum_n import SumN  # noqa: E402
from sonoscope.training.batch import Batch  # noqa: E402

pytestmark = pytest.mark.train

RATE, N = 16_000, 6000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(rows: int = 5, lengths: list[int] | None = None) -> Batch:
    chance = rng(4)
    samples = (
        torch.randn(rows, N, generator=chance) * torch.tensor([0.02, 0.05, 0.1, 0.01, 0.03])[:rows, None]
    )
    real = torch.tensor([N] * rows if lengths is None else lengths)
    samples = samples * (torch.arange(N) < real[:, None])
    targets = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]).float()[
        :rows
    ]
    judged = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).float()[
        :rows
    ]
    return Batch(samples, real, targets, judged, torch.arange(rows))


def rms(samples: torch.Tensor) -> torch.Tensor:
    return samples.square().mean(dim=-1).sqrt()


# ---- partners ----------------------------------------------------------------------------------------------


def test_partners_are_others_and_none_comes_twice() -> None:
    rows = torch.arange(20).repeat(50)
    found = partners_of(rows, 20, 3, rng())
    assert found.shape == (1000, 3)
    assert not (found == rows[:, None]).any()
    assert all(len(set(row)) == 3 for row in found.tolist())
    counts = torch.bincount(found.flatten(), minlength=20)
    assert counts.min() > 100
    assert partners_of(torch.arange(2), 2, 3, rng()).tolist() == [[1], [0]]


# ---- mixup -------------------------------------------------------------------------------------------------


def test_mixup_mixes_samples_and_targets_by_the_same_shares() -> None:
    made, before = Mixup(sample_rate=RATE, share=1.0), batch()
    own = torch.tensor([0.9, 0.5, 0.7, 0.6, 0.8])
    others = torch.tensor([[1], [2], [4], [0], [3]])
    samples, targets, judged = made.mix(before, torch.arange(5), {"own": own, "partners": others})
    for row, (share, (other,)) in enumerate(zip(own.tolist(), others.tolist(), strict=True)):
        for found, part in ((samples, before.samples), (targets, before.targets)):
            torch.testing.assert_close(found[row], share * part[row] + (1 - share) * part[other])
    # Known of the mixture is what is known of both.
    assert judged.tolist() == [[1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_are_those_of_a_beta_distribution(alpha: float) -> None:
    own = Mixup(sample_rate=RATE, alpha=alpha).draw(4000, 1, rng())["own"].numpy()
    assert own.min() >= 0.5
    folded = kstest(own, lambda x: beta.cdf(x, alpha, alpha) - beta.cdf(1 - x, alpha, alpha))
    assert folded.statistic < 0.05


# ---- sums --------------------------------------------------------------------------------------------------


def test_a_sum_is_that_of_mixtures_on_disk_at_the_levels_asked() -> None:
    made, before = SumN(sample_rate=RATE, count=3), batch()
    drawn = {
        "partners": torch.tensor([[1, 2], [4, 0]]), "count": torch.tensor([3, 2]),
        "levels_db": torch.tensor([[-6.0, 3.0], [0.0, 5.0]]),
    }  # fmt: skip
    samples, targets, judged = made.mix(before, torch.tensor([0, 1]), drawn)
    sounds = before.samples
    level = rms(sounds)
    wanted = (
        sounds[0]
        + sounds[1] * level[0] / level[1] * 10 ** (-6 / 20)
        + sounds[2] * level[0] / level[2] * 10 ** (3 / 20)
    )
    torch.testing.assert_close(samples[0], wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(samples[1], sounds[1] + sounds[4] * level[1] / level[4], atol=1e-6, rtol=1e-5)
    # Heard in any: sounds. Known not to sound in all: does not. Else nobody knows.
    assert targets.tolist() == [[1, 1, 1, 0], [0, 1, 0, 1]]
    assert judged.tolist() == [[True, True, True, True], [True, True, False, True]]


def test_a_loud_sum_is_turned_down_as_a_whole() -> None:
    before = batch()
    loud = before._replace(samples=before.samples * 100)
    made = AUGMENTATIONS["sum_n"](sample_rate=RATE, share=1.0, levels_db=0)
    samples = made(loud, rng()).samples
    assert float(samples.abs().max()) <= combine.PEAK + 1e-6
    quiet = made(before._replace(samples=before.samples / 100), rng()).samples
    factor = samples / quiet
    for row in factor:
        kept = row[row.isfinite()]
        assert float(kept.std() / kept.mean()) < 1e-2


def test_silence_is_mixed_as_it_is() -> None:
    before = batch(2)
    before.samples[1] = 0.0
    samples, targets, _ = SumN(sample_rate=RATE).mix(
        before, torch.tensor([0, 1]),
        {"partners": torch.tensor([[1], [0]]), "count": torch.tensor([2, 2]), "levels_db": torch.zeros(2, 1)},
    )  # fmt: skip
    torch.testing.assert_close(samples, before.samples[[0, 0]])
    assert targets.tolist() == [[1, 1, 0, 0]] * 2


# ---- one after another -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_row_of_pieces_is_that_of_mixtures_on_disk(count: int) -> None:
    made, before = ConcatN(sample_rate=RATE, count=count, starts=False), batch()
    rows = torch.arange(5)
    others = torch.stack([(rows + k) % 5 for k in range(1, count)], dim=1)
    drawn = {"partners": others, "count": torch.full((5,), count), "starts": torch.zeros(5, count)}
    samples, targets, judged = made.mix(before, rows, drawn)
    group = torch.cat([rows[:, None], others], dim=1)
    assert torch.equal(samples, combine.concat_n(before.samples[group], torch.zeros(5, count)))
    wanted = combine.unite(before.targets[group], before.judged[group] > 0)
    assert torch.equal(targets, wanted[0])
    assert torch.equal(judged, wanted[1])


def test_pieces_fill_what_is_real_of_a_row_and_begin_where_they_are_told() -> None:
    before = batch(3, lengths=[N // 2, N, N // 3])
    drawn = {
        "partners": torch.tensor([[1], [2], [0]]), "count": torch.full((3,), 2),
        "starts": torch.tensor([[0.0, 0.25], [0.5, 0.5], [0.0, 0.9]]),
    }  # fmt: skip
    samples, *_ = ConcatN(sample_rate=RATE).mix(before, torch.arange(3), drawn)
    real = real_samples(before).tolist()
    for row in range(3):
        pieces, half = [], round(real[row] / 2)
        for sound, begin, length in zip(
            (row, drawn["partners"][row].item()),
            drawn["starts"][row].tolist(),
            (half, real[row] - half),
            strict=True,
        ):
            whole = before.samples[sound, : real[sound]]
            pieces.append(
                torch.roll(whole, -int(np.float32(begin) * np.float32(real[sound]))).repeat(3)[:length]
            )
        torch.testing.assert_close(samples[row, : real[row]], torch.cat(pieces))


def test_counts_are_drawn_from_their_range() -> None:
    made = ConcatN(sample_rate=RATE, count=(2, 4))
    assert set(made.draw(200, 3, rng())["count"].tolist()) == {2, 3, 4}
    assert made.draw(200, 3, rng())["starts"].std() > 0.2
    assert not ConcatN(sample_rate=RATE, starts=False).draw(200, 1, rng())["starts"].any()


# ---- features ----------------------------------------------------------------------------------------------


def rows_of_features(count: int = 200) -> torch.Tensor:
    return torch.randn(count, 100, 40, generator=rng(3)) * 10 - 40


def test_masks_are_whole_frames_and_bins_of_the_mean() -> None:
    before = rows_of_features()
    made = AUGMENTATIONS["spec_augment"](
        sample_rate=RATE, share=1.0, time_masks=1, frequency_masks=1, time_share=0.2, frequency_share=0.25
    )
    after = made(before, rng())
    hidden = after != before
    mean = before.mean(dim=(1, 2), keepdim=True).expand_as(before)
    assert torch.equal(after[hidden], mean[hidden])
    frames, bins = hidden.all(dim=2), hidden.all(dim=1)
    assert torch.equal(hidden, frames[:, :, None] | bins[:, None])
    for found, most in ((frames, 20), (bins, 10)):
        widths = found.sum(dim=1)
        assert int(widths.min()) == 0
        assert int(widths.max()) == most
        # One stretch each: it begins at most once.
        begins = (found[:, 1:] & ~found[:, :-1]).sum(dim=1) + found[:, 0]
        assert int(begins.max()) == 1
    assert bool(frames.any(dim=0).all())
    assert bool(bins.any(dim=0).all())


@pytest.mark.parametrize("along", ["time", "frequency"])
def test_there_are_as_many_masks_along_each_axis_as_asked(along: str) -> None:
    before = rows_of_features(100)
    count = {"time_masks": 0, "frequency_masks": 0, f"{along}_masks": 3}
    made = AUGMENTATIONS["spec_augment"](
        sample_rate=RATE, share=1.0, time_share=0.1, frequency_share=0.1, **count
    )
    hidden = made(before, rng()) != before
    lines = hidden.all(dim=2) if along == "time" else hidden.all(dim=1)
    assert torch.equal(hidden, (lines[:, :, None] if along == "time" else lines[:, None]).expand_as(hidden))
    begins = (lines[:, 1:] & ~lines[:, :-1]).sum(dim=1) + lines[:, 0]
    assert int(begins.max()) == 3


def test_stretches_are_half_open() -> None:
    found = inside(torch.tensor([[[0, 2], [4, 5]], [[3, 3], [1, 2]]]), 5)
    assert found.int().tolist() == [[1, 1, 0, 0, 1], [0, 1, 0, 0, 0]]


def test_erased_rectangles_have_the_area_asked_and_the_pictures_statistics() -> None:
    before = rows_of_features()
    after = AUGMENTATIONS["random_erase"](sample_rate=RATE, share=1.0, area=0.1, aspect=[0.5, 2])(
        before, rng()
    )
    hidden = after != before
    assert float(hidden.float().mean()) == pytest.approx(0.1, abs=0.01)
    frames, bins = hidden.any(dim=2), hidden.any(dim=1)
    assert torch.equal(hidden, frames[:, :, None] & bins[:, None])
    assert float(after[hidden].mean()) == pytest.approx(-40, abs=0.2)
    assert float(after[hidden].std()) == pytest.approx(10, abs=0.2)


def test_the_share_of_lost_pixels_is_the_one_asked() -> None:
    before = rows_of_features()
    after = AUGMENTATIONS["random_pixels"](sample_rate=RATE, share=1.0, lost=0.07)(before, rng())
    assert float((after != before).float().mean()) == pytest.approx(0.07, abs=0.003)
