"""What every augmentation of the table keeps, whoever wrote it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
from sonoscope.errors import UnknownName, UsageError  # noqa: E402
from sonoscope.features import LogMel  # noqa: E402
from sonoscope.training.augment import AUGMENTATIONS, build  # noqa: E402
from sonoscope.training.augment.mixture import Mixing  # noqa: E402
from sonoscope.training.augment.protocol import (  # noqa: E402
    EachPicture,
    EachRow,
    OfRows,
    OfSamples,
    on,
    only_real,
    real_samples,
)
from sonoscope.training.batch import Batch  # noqa: E402

pytestmark = pytest.mark.train

RATE = 16_000
#: Case -> name and parameters; FOLDER stands for a folder of noise.
CASES: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in AUGMENTATIONS}
CASES |= {
    "background": ("background", {"folder": "FOLDER"}),
    "sox": ("sox", {"effects": ["bass -6..6", "reverb 20..60", "tempo 0.9..1.1"]}),
    "normalise rms": ("normalise", {"by": "rms", "level_db": [-30, -20]}),
    "noise violet": ("noise", {"colours": "violet", "snr_db": 10}),
    "time_shift out": ("time_shift", {"wrap": False}),
    "time_mask three": ("time_mask", {"count": 3}),
    "sum_n up to four": ("sum_n", {"count": [2, 4]}),
    "concat_n up to three": ("concat_n", {"count": [2, 3], "starts": False}),
    "random_erase three": ("random_erase", {"count": 3}),
}
OF_SAMPLES = [
    case for case, (name, _) in CASES.items() if name not in ("spec_augment", "random_erase", "random_pixels")
]
EACH_ROW = [case for case in OF_SAMPLES if CASES[case][0] not in ("mixup", "sum_n", "concat_n")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of noise, at rates of their own; together longer than a row of these tests."""
    where = tmp_path_factory.mktemp("noise")
    noise = np.random.default_rng(0).standard_normal(44_100) * 0.1
    soundfile.write(where / "a.wav", noise, 44_100)
    soundfile.write(where / "b.flac", noise[:8000], 8000)
    return where


@pytest.fixture
def make(folder: Path):
    def made(case: str, share: float = 1.0) -> Any:
        name, parameters = CASES[case]
        parameters = {key: str(folder) if value == "FOLDER" else value for key, value in parameters.items()}
        return AUGMENTATIONS[name](sample_rate=RATE, share=share, **parameters)

    return made


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(rows: int = 6, n: int = 12_000, *, margins: int = 0, padded: bool = False) -> Batch:
    """Sounds of tone and noise with labels that are known in part; windows, or whole clips with padding."""
    chance = rng(5)
    time = torch.arange(n) / RATE
    hz = 200.0 + 300.0 * torch.rand(rows, 1, generator=chance)
    samples = 0.3 * torch.sin(2 * torch.pi * hz * time) + 0.02 * torch.randn(rows, n, generator=chance)
    lengths = torch.full((rows,), n - margins)
    if padded:
        lengths = torch.linspace(n // 2, n, rows).long()
        samples = samples * (torch.arange(n) < lengths[:, None])
    targets = (torch.rand(rows, 4, generator=chance) < 0.4).float()
    judged = torch.maximum((torch.rand(rows, 4, generator=chance) < 0.6).float(), targets)
    return Batch(samples, lengths, targets, judged, torch.arange(rows))


def pictures() -> torch.Tensor:
    return LogMel(sample_rate=RATE, f_max_hz=8000.0)(batch().samples)


def changed(case: str, made: Any, seed: int = 0, **options: Any) -> tuple[Any, Any]:
    """What goes in and what comes out, of one or the other kind."""
    before = batch(**options) if case in OF_SAMPLES else pictures()
    return before, made(before, rng(seed))


def tensors(found: Any) -> tuple[torch.Tensor, ...]:
    return tuple(found) if isinstance(found, Batch) else (found,)


def test_every_entry_is_of_one_kind_and_has_a_case(make) -> None:
    assert {name for name, _ in CASES.values()} == set(AUGMENTATIONS)
    for case in CASES:
        assert isinstance(make(case), OfSamples if case in OF_SAMPLES else OfRows), case


@pytest.mark.parametrize("case", CASES)
def test_shapes_kinds_and_numbers(case: str, make) -> None:
    before, after = changed(case, make(case))
    for old, new in zip(tensors(before), tensors(after), strict=True):
        assert new.shape == old.shape
        assert new.dtype == old.dtype
        assert bool(torch.isfinite(new).all())
    assert not torch.equal(tensors(before)[0], tensors(after)[0])


@pytest.mark.parametrize("case", CASES)
def test_a_share_of_nothing_changes_nothing(case: str, make) -> None:
    before, after = changed(case, make(case, share=0.0))
    for old, new in zip(tensors(before), tensors(after), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("case", CASES)
def test_what_comes_in_stays_as_it_is(case: str, make) -> None:
    before, _ = changed(case, make(case))
    fresh = batch() if case in OF_SAMPLES else pictures()
    for old, new in zip(tensors(before), tensors(fresh), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("case", CASES)
def test_only_the_chosen_rows_change(case: str, make) -> None:
    made = make(case, share=0.5)
    before, after = changed(case, made, seed=4)
    chosen = made.chosen(6, rng(4), torch.device("cpu"))
    assert 0 < int(chosen.sum()) < 6
    for old, new in zip(tensors(before), tensors(after), strict=True):
        assert torch.equal(old[~chosen], new[~chosen])


@pytest.mark.parametrize("case", CASES)
def test_the_generator_alone_decides(case: str, make) -> None:
    made = make(case)
    torch.manual_seed(1)
    _, first = changed(case, made, seed=7)
    torch.manual_seed(2)
    _, second = changed(case, made, seed=7)
    _, other = changed(case, made, seed=8)
    assert torch.equal(tensors(first)[0], tensors(second)[0])
    if CASES[case][0] not in ("polarity", "time_inversion") and case != "normalise":
        assert not torch.equal(tensors(first)[0], tensors(other)[0])


@pytest.mark.parametrize("case", OF_SAMPLES)
def test_padding_stays_padding_and_lengths_stay(case: str, make) -> None:
    before, after = changed(case, make(case), padded=True)
    assert torch.equal(before.lengths, after.lengths)
    assert torch.equal(before.clips, after.clips)
    for samples, length in zip(after.samples, after.lengths.tolist(), strict=True):
        assert not samples[length:].any()
        assert samples[:length].any()


@pytest.mark.parametrize("case", OF_SAMPLES)
def test_margins_around_windows_are_sound(case: str, make) -> None:
    _, after = changed(case, make(case), margins=1000)
    # A mask or a shift may silence one of the margins, but not of every row.
    assert bool((after.samples[:, :500].abs().amax(dim=1) > 0).any())
    assert bool((after.samples[:, -500:].abs().amax(dim=1) > 0).any())


@pytest.mark.parametrize("case", EACH_ROW)
def test_only_samples_change(case: str, make) -> None:
    before, after = changed(case, make(case))
    assert torch.equal(before.targets, after.targets)
    assert torch.equal(before.judged, after.judged)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_row_of_a_batch_is_what_it_is_alone(case: str, padded: bool, make) -> None:
    made = make(case)
    whole = batch(padded=padded)
    if isinstance(made, EachPicture):
        rows = pictures()
        drawn = made.draw(*rows.shape, rng())
        together = made.change(rows, drawn)
        alone = [made.change(rows[i : i + 1], one(drawn, i)) for i in range(len(rows))]
    elif isinstance(made, EachRow):
        real = real_samples(whole)
        drawn = made.draw(*whole.samples.shape, rng())
        together = only_real(made.change(whole.samples, real, drawn), real)
        alone = []
        for i, length in enumerate(real.tolist()):
            samples = made.change(whole.samples[i : i + 1], torch.tensor([length]), one(drawn, i))
            alone.append(only_real(samples, torch.tensor([length])))
    else:
        assert isinstance(made, Mixing)
        rows = torch.arange(6)
        others = torch.stack([(rows + k) % 6 for k in range(1, made.partners + 1)], dim=1)
        drawn = {"partners": others, **made.draw(6, made.partners, rng())}
        together = torch.cat([part.float() for part in made.mix(whole, rows, drawn)], dim=1)
        alone = [
            torch.cat([part.float() for part in made.mix(whole, rows[i : i + 1], one(drawn, i))], dim=1)
            for i in range(6)
        ]
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-5)


def one(drawn: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    return {name: each[row : row + 1] for name, each in drawn.items()}


@pytest.mark.parametrize("case", CASES)
def test_no_gradient_and_no_half_precision(case: str, make) -> None:
    made = make(case)
    _, plain = changed(case, made)
    before = batch() if case in OF_SAMPLES else pictures().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = made(before, rng())
    for old, new in zip(tensors(plain), tensors(mixed), strict=True):
        assert not new.requires_grad
        torch.testing.assert_close(old, new, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_silence_and_one_row(case: str, make) -> None:
    made = make(case)
    if case not in OF_SAMPLES:
        assert bool(torch.isfinite(made(pictures()[:1], rng())).all())
        return
    whole = batch()
    alone = Batch(*(part[:1] for part in whole))
    assert bool(torch.isfinite(made(alone, rng()).samples).all())
    silent = made(whole._replace(samples=torch.zeros_like(whole.samples)), rng()).samples
    assert not silent.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("case", CASES)
def test_the_device_changes_nothing(case: str, make) -> None:
    made = make(case)
    before, here = changed(case, made)
    if isinstance(before, Batch):
        there = made(Batch(*(part.cuda() for part in before)), rng())
    else:
        there = made(before.cuda(), rng())
    for old, new in zip(tensors(here), tensors(there), strict=True):
        assert new.is_cuda
        torch.testing.assert_close(old, new.cpu(), rtol=0, atol=2e-4 * max(1.0, float(old.abs().max())))


def test_samples_first_then_rows_in_order() -> None:
    feature = LogMel(sample_rate=RATE, f_max_hz=8000.0)
    specs = [{"name": "spec_augment"}, {"name": "gain", "gain_db": 20, "share": 1.0}, {"name": "clipping"}]
    on_samples, on_rows = build(specs, RATE, feature)
    assert on_samples is not None and on_rows is not None
    assert [type(each).__name__ for each, *_ in on_samples.parts] == ["Gain", "Clipping"]
    assert build([], RATE, feature) == (None, None)
    louder, _ = build([specs[1]], RATE, feature)
    before = batch()
    torch.testing.assert_close(louder(before, rng()).samples, 10.0 * before.samples)


def test_a_share_that_grows_with_the_epochs() -> None:
    on_samples, _ = build([{"name": "polarity", "share": 0.8, "from_epoch": 2, "full_epoch": 5}], RATE, None)
    before = batch(rows=400, n=8)
    shares = []
    for epoch in range(8):
        on_samples.epoch = epoch
        after = on_samples(before, rng(epoch))
        shares.append(float((after.samples != before.samples).any(dim=1).float().mean()))
    assert shares[:2] == [0.0, 0.0]
    np.testing.assert_allclose(shares, [0, 0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8], atol=0.08)
    with pytest.raises(UsageError, match="polarity: from_epoch=3 and full_epoch=1 must be"):
        build([{"name": "polarity", "from_epoch": 3, "full_epoch": 1}], RATE, None)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "gian"}, "unknown augmentation 'gian'. Did you mean 'gain'?"),
        ({"name": "gain", "db": 3}, "unknown parameter 'db'"),
        ({"name": "gain", "share": 2}, "gain: share=2 must lie in 0..1"),
        ({"name": "gain", "gain_db": [6, -6]}, r"gain_db=\[6, -6\] must be a number or two ascending"),
        ({"name": "gain", "gain_db": "loud"}, "gain_db='loud' must be a number, or two"),
        ({"name": "normalise", "by": "ear"}, "by='ear' must be 'peak' or 'rms'"),
        ({"name": "noise", "colours": "green"}, "unknown colour of noise 'green'"),
        ({"name": "noise", "colours": []}, "must name at least one of white"),
        ({"name": "background", "folder": "."}, "holds no recording with sound"),
        ({"name": "background"}, "missing 1 required keyword-only argument: 'folder'"),
        ({"name": "time_mask", "count": 0}, "count=0 must be at least 1"),
        ({"name": "time_stretch", "rate": 9}, "rate=9 must be a number or two ascending ones in 0.25..4"),
        ({"name": "equalizer", "bands": 0, "shelves": False}, "bands=0 must be at least 1"),
        ({"name": "low_pass", "order": 3}, "order=3 must be an even number"),
        ({"name": "codec", "order": 0}, "order=0 must be an even number"),
        ({"name": "clipping", "soft": 1.5}, "soft=1.5 must lie in 0..1"),
        ({"name": "mixup", "alpha": 0}, "alpha=0 must be greater than 0"),
        ({"name": "sum_n", "count": 1}, "count=1 must be a whole number or two ascending ones in 2..16"),
        ({"name": "spec_augment", "time_masks": -1}, "time_masks=-1 must be at least 0"),
        ({"name": "spec_augment", "time_share": 2}, "time_share=2 must lie in 0..1"),
        ({"name": "random_erase", "count": 0}, "count=0 must be at least 1"),
        ({"name": "random_pixels", "lost": 2}, "lost=2 must be"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    spec: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UnknownName, UsageError), match=said):
        build([spec], RATE, LogMel(sample_rate=RATE, f_max_hz=8000.0))


def test_features_and_samples_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(
        UsageError, match="'spec_augment' changes rows of features, and this network takes samples"
    ):
        build([{"name": "spec_augment"}], RATE, None)
    computed = batch()._replace(samples=pictures())
    for name in ("gain", "mixup"):
        with pytest.raises(UsageError, match="set feature_on=device"):
            AUGMENTATIONS[name](sample_rate=RATE)(computed, rng())


def test_an_augmentation_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sonoscope.training.augment.protocol import EachRow\n"
        "class Halved(EachRow):\n"
        "    def draw(self, rows, n, rng):\n        return {}\n"
        "    def change(self, samples, real, drawn):\n        return samples / 2\n"
    )
    on_samples, _ = build([{"name": f"{tmp_path / 'mine.py'}:Halved", "share": 1.0}], RATE, None)
    before = batch()
    assert torch.equal(on_samples(before, rng()).samples, before.samples / 2)


def test_every_entry_and_parameter_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")
    for name, entry in AUGMENTATIONS.items():
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        assert row, name
        for parameter in set(inspect.signature(entry).parameters) - {"sample_rate", "share"}:
            assert f"`{parameter}`" in row[1], f"{name}: {parameter}"


def test_numbers_go_to_the_device_together() -> None:
    assert on({"a": torch.ones(2)}, torch.device("cpu"))["a"].tolist() == [1.0, 1.0]
