"""``sonoscope data features`` as a user types it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sonoscope import models
from sonoscope.data import shards

from .conftest import Sonoscope


@pytest.fixture
def data(recordings: Path, tmp_path: Path) -> str:
    """The recordings as a manifest, with a split each."""
    rows = [("organ.wav", "organ", "train"), ("beat.flac", "drums", "val"), ("sub/string.wav", "", "test")]
    lines = [f"{recordings.as_posix()}/{path},{labels},{split}" for path, labels, split in rows]
    (tmp_path / "m.csv").write_text("\n".join(["path,labels,split", *lines]) + "\n")
    return str(tmp_path / "m.csv")


def test_samples_at_the_models_rate_and_a_second_run_that_makes_nothing(
    sonoscope: Sonoscope, data: str, tmp_path: Path
):
    out = tmp_path / "features" / "audio"
    ran = sonoscope("data", "features", data, "-o", out)
    assert ran.code == 0 and ran.out == f"{out}\n"
    assert "3 rows made, 0 kept, 0 forgotten: 0 min 12 s of sound" in ran.err
    prepared = shards.open(out)
    assert prepared.sample_rate == models.load("instruments").sample_rate and prepared.feature is None
    assert [row.labels for row in prepared.rows] == [("organ",), ("drums",), ()]
    ran = sonoscope("data", "features", data, "-o", out)
    assert ran.code == 0 and "0 rows made, 3 kept" in ran.err


def test_features_with_parameters(sonoscope: Sonoscope, data: str, tmp_path: Path):
    out = tmp_path / "mel"
    words = ("data", "features", data, "-o", out, "--as", "logmel", "--sample-rate", 16_000)
    words += (
        "--set",
        "n_mels=32",
        "--set",
        "f_max_hz=8000.0",
        "--set",
        "hop_samples=160",
        "--dtype",
        "float32",
    )
    ran = sonoscope(*words)
    assert ran.code == 0, ran.err
    prepared = shards.open(out)
    feature = prepared.feature
    assert (feature.sample_rate, feature.n_mels, feature.f_max_hz, feature.hop_samples) == (
        16_000,
        32,
        8000.0,
        160,
    )
    assert prepared.stored(0).dtype == np.float32 and prepared.frames(0).shape == (401, 32)
    ran = sonoscope("data", "features", data, "-o", out, "--as", "logmel")
    assert ran.code == 2 and "n_mels=32 there, 96 now" in ran.err and "--overwrite" in ran.err
    assert sonoscope("data", "features", data, "-o", out, "--as", "logmel", "--overwrite").code == 0


def test_the_features_of_a_model(sonoscope: Sonoscope, data: str, tmp_path: Path):
    assert (
        sonoscope(
            "data", "features", data, "-o", tmp_path / "f", "--as", "logmel", "--model", "instruments"
        ).code
        == 0
    )
    assert shards.open(tmp_path / "f").feature == models.load("instruments").feature
    ran = sonoscope("data", "features", data, "-o", tmp_path / "g", "--as", "stft", "--model", "instruments")
    assert ran.code == 2 and "the model instruments takes the feature logmel, not stft" in ran.err


def test_other_options_do_what_they_say(sonoscope: Sonoscope, data: str, tmp_path: Path):
    out = tmp_path / "audio"
    words = ("data", "features", data, "-o", out, "--sample-rate", 200_000, "--shard-size", 1, "--digest")
    assert sonoscope(*words, "--workers", 2).code == 0
    assert len(list(out.glob("shard-*.npy"))) == 3, "0.8 million samples are 1.6 MB"
    for path in map(Path, [row["path"] for row in rows_of(data)]):
        path.touch()
    assert "0 rows made, 3 kept" in sonoscope(*words).err
    assert "3 rows made" in sonoscope(*words[:-1]).err


def rows_of(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_trees_by_split_and_bands(sonoscope: Sonoscope, recordings: Path, data: str, tmp_path: Path):
    out = tmp_path / "processed"
    assert sonoscope("data", "features", data, "-o", out, "--layout", "bands", "--by-split").code == 0
    sample = out / "train" / "organ"
    assert sorted(path.name for path in sample.iterdir()) == [
        "0-1000Hz_fft1024.npy", "1000-4000Hz_fft512.npy", "4000-11025Hz_fft256.npy",
    ]  # fmt: skip
    assert np.load(sample / "0-1000Hz_fft1024.npy").max() > -40
    for layout in ("bands", "npy", "shards"):
        ran = sonoscope("data", "features", "-o", out, "--layout", layout, "--verify")
        assert ran.code == 0 and "nothing is wrong" in ran.err
    words = ("data", "features", data, "-o", tmp_path / "loudest", "--layout", "bands", "--reference", "file")
    assert sonoscope(*words).code == 0
    loudest = np.load(tmp_path / "loudest" / "organ" / "0-1000Hz_fft1024.npy").max()
    assert loudest == pytest.approx(0, abs=1e-5)
    assert (
        sonoscope("data", "features", data, "-o", tmp_path / "npy", "--layout", "npy", "--as", "mfcc").code
        == 0
    )
    table = rows_of(tmp_path / "npy" / "manifest.csv")
    assert [Path(row["mel_path"]).name for row in table] == [
        "organ.wav.npy",
        "beat.flac.npy",
        "string.wav.npy",
    ]
    assert all(int(row["n_frames"]) > 100 for row in table)


def test_rows_that_cannot_be_used_are_listed(sonoscope: Sonoscope, data: str, tmp_path: Path):
    with open(data, "a") as file:
        file.write("nowhere.wav,organ,train\n")
    # Paths of one table are all absolute, or all relative.
    table = Path(data).read_text()
    Path(data).write_text(
        table.replace("nowhere.wav", f"{Path(rows_of(data)[0]['path']).parent}/nowhere.wav")
    )
    out = tmp_path / "f"
    ran = sonoscope("data", "features", data, "-o", out)
    assert ran.code == 1 and "3 rows made" in ran.err and "1 row left out, listed in" in ran.err
    (bad,) = rows_of(out / "bad_rows.csv")
    assert bad["path"].endswith("nowhere.wav") and bad["reason"] and bad["remedy"]
    assert len(shards.open(out)) == 3


def test_damage_is_verified(sonoscope: Sonoscope, data: str, tmp_path: Path):
    out = tmp_path / "f"
    sonoscope("data", "features", data, "-o", out)
    ran = sonoscope("data", "features", data, "-o", out, "--verify")
    assert ran.code == 0 and ran.out == f"{out}\n" and "nothing is wrong" in ran.err
    shard = out / "shard-00000.npy"
    shard.write_bytes(shard.read_bytes()[:-2] + b"\1\1")
    ran = sonoscope("data", "features", "-o", out, "--verify")
    assert ran.code == 1 and "its bytes are not those that were written; 3 rows are in it" in ran.err


@pytest.mark.parametrize(("words", "said"), [
    (("--as", "logmle"), "unknown feature 'logmle'. Did you mean 'logmel'?"),
    (("--as", "logmel", "--set", "n_mell=3"), "unknown parameter 'n_mell' of feature 'logmel'. Did you mean 'n_mels'?"),
    (("--as", "logmel", "--set", "n_mels=0"), "logmel: n_mels=0 must be at least 1"),
    (("--as", "logmel", "--set", "n_mels"), "--set 'n_mels' must be KEY=VALUE"),
    (("--as", "logmel", "--set", "n_mels=many"), "'logmel': n_mels='many' must be a whole number, such as n_mels="),
    (("--set", "n_mels=3"), "samples have no parameters"),
    (("--layout", "shard"), "unknown layout 'shard'. Did you mean 'shards'?"),
    (("--by-split",), "--by-split is for trees"),
    (("--layout", "bands", "--as", "mfcc"), "--layout bands holds the bands of multiband, not mfcc"),
    (("--layout", "bands", "--reference", "max"), "reference='max' must be one of full, file"),
    (("--as", "logmel", "--dtype", "int8"), "dtype='int8' must be one of float16, float32"),
    (("--sample-rate", "0"), "sample_rate=0 Hz must be at least 1"),
    (("--model", "instrument"), "instruments"),
    (("--verify",), "is no prepared folder, or not a finished one"),
    (("--layout", "bands", "--verify"), "holds no arrays such as 0-1000Hz_fft1024.npy"),
    (("--layout", "npy", "--verify"), "holds no tree.json"),
])  # fmt: skip
def test_wrong_usage_says_what_to_do(
    sonoscope: Sonoscope, data: str, tmp_path: Path, words: tuple, said: str
):
    ran = sonoscope("data", "features", data, "-o", tmp_path / "f", *words)
    assert ran.code == 2 and said in ran.err
    assert not (tmp_path / "f").exists(), "nothing was begun"


def test_without_data_there_is_nothing_to_make(sonoscope: Sonoscope, tmp_path: Path):
    ran = sonoscope("data", "features", "-o", tmp_path / "f")
    assert ran.code == 2 and "no DATA given" in ran.err
