"""What every augmentation of the table keeps, whoever wrote it."""

from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
from sonoscope.errors import UnknownName, UsageError  # noqa: E402
from sonoscope.features import LogMel  # noqa: E402
from sonoscope.promises import BrokenContract, checks_of  # noqa: E402
from sonoscope.training.augment import AUGMENTATIONS, build  # noqa: E402
from sonoscope.training.augment.contract import (  # noqa: E402
    AugmentationChecks,
    chance,
    parts_of,
    pictures,
    sounds,
)
from sonoscope.training.augment.protocol import EachRow, OfRows, OfSamples, on  # noqa: E402
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


def changed(case: str, made: Any, seed: int = 0) -> tuple[Any, Any]:
    """What goes in and what comes out, of one or the other kind."""
    before = sounds() if case in OF_SAMPLES else pictures()
    return before, made(before, chance(seed))


def test_every_entry_is_of_one_kind_and_has_a_case(make) -> None:
    assert {name for name, _ in CASES.values()} == set(AUGMENTATIONS)
    for case in CASES:
        assert isinstance(make(case), OfSamples if case in OF_SAMPLES else OfRows), case


@pytest.mark.parametrize("check", checks_of(AugmentationChecks))
@pytest.mark.parametrize("case", CASES)
def test_an_augmentation_keeps_its_promises(case: str, check: str, make) -> None:
    getattr(AugmentationChecks(partial(make, case)), check)()


@pytest.mark.parametrize("case", CASES)
def test_another_generator_draws_other_numbers(case: str, make) -> None:
    if CASES[case][0] in ("polarity", "time_inversion") or case == "normalise":
        pytest.skip("nothing is drawn but the rows")
    made = make(case)
    first, other = (changed(case, made, seed)[1] for seed in (7, 8))
    assert not torch.equal(parts_of(first)[0], parts_of(other)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("case", CASES)
def test_the_device_changes_nothing(case: str, make) -> None:
    made = make(case)
    before, here = changed(case, made)
    if isinstance(before, Batch):
        there = made(Batch(*(part.cuda() for part in before)), chance())
    else:
        there = made(before.cuda(), chance())
    for old, new in zip(parts_of(here), parts_of(there), strict=True):
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
    before = sounds()
    torch.testing.assert_close(louder(before, chance()).samples, 10.0 * before.samples)


def test_a_share_that_grows_with_the_epochs() -> None:
    on_samples, _ = build([{"name": "polarity", "share": 0.8, "from_epoch": 2, "full_epoch": 5}], RATE, None)
    before = sounds(rows=400, n=8)
    shares = []
    for epoch in range(8):
        on_samples.epoch = epoch
        after = on_samples(before, chance(epoch))
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
        ({"name": "gain", "gain_db": "loud"}, "gain_db='loud' must be a number or a list of numbers, such"),
        ({"name": "normalise", "by": "ear"}, "by='ear' must be 'peak' or 'rms'"),
        ({"name": "noise", "colours": "green"}, "unknown colour of noise 'green'"),
        ({"name": "noise", "colours": []}, "must name at least one of white"),
        ({"name": "background", "folder": "."}, "holds no recording with sound"),
        ({"name": "background"}, "the augmentation 'background' needs the parameter 'folder'"),
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
    computed = sounds()._replace(samples=pictures())
    for name in ("gain", "mixup"):
        with pytest.raises(UsageError, match="set feature_on=device"):
            AUGMENTATIONS[name](sample_rate=RATE)(computed, chance())


def test_an_augmentation_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sonoscope.training.augment.protocol import EachRow\n"
        "class Halved(EachRow):\n"
        "    def draw(self, rows, n, rng):\n        return {}\n"
        "    def change(self, samples, real, drawn):\n        return samples / 2\n"
    )
    on_samples, _ = build([{"name": f"{tmp_path / 'mine.py'}:Halved", "share": 1.0}], RATE, None)
    before = sounds()
    assert torch.equal(on_samples(before, chance()).samples, before.samples / 2)


class Loud(EachRow):
    """Changes every row, by as much as the whole batch says, in the given memory."""

    def draw(self, rows, n, rng):
        return {"factor": torch.rand(rows)}

    def change(self, samples, real, drawn):
        samples *= samples.abs().max() + drawn["factor"][:, None]
        return samples + 0.1


def test_what_is_wrong_is_named() -> None:
    checks = AugmentationChecks(lambda share: Loud(sample_rate=RATE, share=share))
    said = {}
    for check in checks_of(AugmentationChecks):
        try:
            getattr(checks, check)()
        except BrokenContract as broken:
            said[check] = str(broken)
    assert said["what_comes_in_stays_as_it_is"] == "it writes into what it is given"
    assert "something else than its generator" in said["the_generator_alone_decides"]
    assert "a row alone and among others differs by" in said["a_row_of_a_batch_is_what_it_is_alone"]
    assert said["silence_and_one_row"] == "silence does not stay silent"
    assert "shapes_and_kinds_stay" not in said


def test_every_entry_and_parameter_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")
    for name, entry in AUGMENTATIONS.items():
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        assert row, name
        for parameter in set(inspect.signature(entry).parameters) - {"sample_rate", "share"}:
            assert f"`{parameter}`" in row[1], f"{name}: {parameter}"


def test_numbers_go_to_the_device_together() -> None:
    assert on({"a": torch.ones(2)}, torch.device("cpu"))["a"].tolist() == [1.0, 1.0]
