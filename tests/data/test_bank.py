"""The bank holds the frames of every stem and variant, finds them again, and is never half a bank."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.mix.bank import Bank, Joined, Stem, build
from sonoscope.data.mix.powermix import MixSpec, PowerMix
from sonoscope.errors import UsageError
from sonoscope.features import LogMel

FEATURE = LogMel(sample_rate=8000, n_fft=256, hop_samples=80, n_mels=16, f_min_hz=60.0, f_max_hz=4000.0)


def stem(folder: Path, name: str, samples: np.ndarray, **about) -> Stem:
    path = folder / f"{name}.wav"
    soundfile.write(path, samples.astype(np.float32), FEATURE.sample_rate, subtype="FLOAT")
    described = {"labels": (name,), "unknown": (), "name": name, "group": "lab", "fold": "A", "real": True}
    return Stem(path, name, **{**described, **about})


@pytest.fixture
def stems(tmp_path: Path, rng: np.random.Generator) -> list[Stem]:
    time_s = np.arange(6000) / FEATURE.sample_rate
    return [
        stem(tmp_path, "cello", 0.3 * np.sin(2 * np.pi * 200 * time_s), variants=2),
        stem(
            tmp_path, "drums", rng.standard_normal(2500) * 0.1, labels=("drums", "bass"), group="kit", fold=""
        ),
        stem(
            tmp_path,
            "hum",
            0.01 * rng.standard_normal(4000),
            labels=(),
            unknown=("organ", "piano"),
            real=False,
        ),
    ]


def test_frames_and_rows_are_those_of_the_stems(tmp_path: Path, stems: list[Stem]) -> None:
    bank = build(tmp_path / "bank", stems, FEATURE)
    assert bank.feature == FEATURE
    assert [(row["key"], row["variant"]) for row in bank.rows] == [
        ("cello", "0"), ("cello", "1"), ("cello", "2"), ("drums", "0"), ("hum", "0"),
    ]  # fmt: skip
    assert len(bank) == 5
    assert bank.count.sum() == len(bank.frames)
    for index, of in ((0, 0), (3, 1), (4, 2)):
        samples, _ = soundfile.read(stems[of].path, dtype="float32")
        expected = FEATURE(samples)
        assert bank.item(index).dtype == np.float16
        # float16 has 11 bits: half a step at 64..128 dB is 0.03 dB.
        np.testing.assert_allclose(bank.item(index), expected, atol=0.04)
        power = (10 ** (expected / 10)).sum(axis=1)
        assert bank.level_db[index] == pytest.approx(10 * np.log10(np.percentile(power, 95)), abs=0.05)
    drums, hum = bank.rows[3], bank.rows[4]
    assert (drums["labels"], drums["unknown"]) == (("drums", "bass"), ())
    assert (drums["group"], drums["fold"], drums["real"]) == ("kit", "", "1")
    assert (hum["labels"], hum["unknown"], hum["real"]) == ((), ("organ", "piano"), "0")


def test_variants_differ_and_seeds_reproduce_them(tmp_path: Path, stems: list[Stem]) -> None:
    banks = [build(tmp_path / f"bank{k}", stems, FEATURE, seed=seed) for k, seed in enumerate((0, 0, 1))]
    assert (banks[0].folder / "frames.f16").read_bytes() == (banks[1].folder / "frames.f16").read_bytes()
    items = [[bank.item(index) for index in range(3)] for bank in banks]
    for one, other in ((items[0][0], items[0][1]), (items[0][1], items[0][2]), (items[0][1], items[2][1])):
        assert one.shape != other.shape or np.abs(one - other).max() > 1.0
    np.testing.assert_array_equal(items[0][0], items[2][0])


def test_several_workers_build_the_same_bank_and_tell_what_failed(tmp_path: Path, stems: list[Stem]) -> None:
    alone = build(tmp_path / "alone", stems, FEATURE, coded=0.5)
    together = build(tmp_path / "together", stems, FEATURE, coded=0.5, workers=2)
    assert np.array_equal(alone.frames, together.frames)
    assert alone.rows == together.rows
    silent = stem(tmp_path, "nothing", np.zeros(4000))
    with pytest.raises(UsageError, match=r"nothing\.wav is silent"):
        build(tmp_path / "failed", [*stems, silent], FEATURE, workers=2)
    assert not (tmp_path / "failed" / "bank.json").exists()


def test_a_bank_is_built_once(tmp_path: Path, stems: list[Stem]) -> None:
    calls: list[tuple[int, int]] = []

    def make(these: list[Stem], **options) -> list[tuple[int, int]]:
        calls.clear()
        build(
            tmp_path / "bank",
            these,
            FEATURE,
            progress=lambda done, total: calls.append((done, total)),
            **options,
        )
        return list(calls)

    assert make(stems) == [(1, 3), (2, 3), (3, 3)]
    assert make(stems) == []
    # Whatever the content follows from builds it again; folds and groups above all, for they keep tests honest.
    for changed in (
        replace(stems[0], fold="B"), replace(stems[0], group="other"), replace(stems[0], labels=("viola",)),
        replace(stems[0], variants=1), replace(stems[0], real=False),
    ):  # fmt: skip
        assert len(make([changed, *stems[1:]])) == 3, changed
    assert len(make(stems, seed=7)) == 3
    assert len(make(stems, seed=7, overdrive=lambda stem: 0.9)) == 3
    soundfile.write(stems[0].path, np.ones(100), FEATURE.sample_rate)
    assert len(make(stems, seed=7, overdrive=lambda stem: 0.9)) == 3


def test_building_again_does_not_disturb_who_reads(tmp_path: Path, stems: list[Stem]) -> None:
    reader = build(tmp_path / "bank", stems, FEATURE)
    before = np.array(reader.frames)
    build(tmp_path / "bank", stems[1:], FEATURE)
    np.testing.assert_array_equal(reader.frames, before)
    assert {file.name for file in (tmp_path / "bank").iterdir()} == {"frames.f16", "items.csv", "bank.json"}


def test_a_bank_that_failed_is_no_bank_and_an_older_one_stays(tmp_path: Path, stems: list[Stem]) -> None:
    silent = stem(tmp_path, "silence", np.zeros(3000))
    with pytest.raises(UsageError, match=r"silence\.wav is silent: leave it out of the bank"):
        build(tmp_path / "bank", [*stems, silent], FEATURE)
    with pytest.raises(
        UsageError, match=r"is not a finished bank of stems \(no bank\.json\): build it first"
    ):
        Bank(tmp_path / "bank")
    assert len(build(tmp_path / "bank", stems, FEATURE)) == 5
    with pytest.raises(UsageError, match="is silent"):
        build(tmp_path / "bank", [*stems, silent], FEATURE)
    assert len(Bank(tmp_path / "bank")) == 5


def test_damaged_and_unknown_banks_are_refused(tmp_path: Path, stems: list[Stem]) -> None:
    folder = build(tmp_path / "bank", stems, FEATURE).folder
    with open(folder / "frames.f16", "r+b") as file:
        file.truncate(100)
    with pytest.raises(UsageError, match=r"bank is damaged \(.*\): build it again"):
        Bank(folder)
    spec = json.loads((folder / "bank.json").read_text())
    (folder / "bank.json").write_text(json.dumps(spec | {"schema": 99}))
    with pytest.raises(UsageError, match="has bank schema 99, this version reads 1: build it again"):
        Bank(folder)


def test_joined_banks_are_one_of_the_rows_that_are_kept(tmp_path: Path, stems: list[Stem]) -> None:
    first, second = build(tmp_path / "a", stems[:2], FEATURE), build(tmp_path / "b", stems[1:], FEATURE)
    both = Joined(
        [
            (first, lambda row: None if row["key"] == "drums" else row),
            (second, lambda row: {**row, "labels": ("other",)}),
        ]
    )
    assert [(row["key"], row["labels"]) for row in both.rows] == [
        ("cello", ("cello",)), ("cello", ("cello",)), ("cello", ("cello",)), ("drums", ("other",)), ("hum", ("other",)),
    ]  # fmt: skip
    assert len(both) == 5
    for index, (bank, at_home) in enumerate([(first, 0), (first, 1), (first, 2), (second, 0), (second, 1)]):
        np.testing.assert_array_equal(both.item(index), bank.item(at_home))
        assert both.count[index] == bank.count[at_home]
        assert both.level_db[index] == bank.level_db[at_home]
    frames = PowerMix(both, ("cello", "other"), MixSpec(frames=40)).draw(np.random.default_rng(0))[0]
    assert frames.shape == (40, FEATURE.n_bins)


def test_banks_of_different_features_are_not_joined(tmp_path: Path, stems: list[Stem]) -> None:
    banks = [build(tmp_path / str(n), stems[:1], replace(FEATURE, n_mels=n)) for n in (16, 12)]
    with pytest.raises(UsageError, match="different features"):
        Joined([(bank, lambda row: row) for bank in banks])
