"""Trees of arrays that mirror the recordings: what is in them, that they are kept up to date, and verified."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import clips, shards
from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import bands, trees, verify
from sonoscope.data.shards.bands import BandContent, Bands
from sonoscope.errors import RunRefused, UsageError
from sonoscope.features import LogMel, Multiband

from .conftest import RATE, sound

FEATURE = LogMel(RATE, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)
NPY = trees.Npy(shards.frames(FEATURE, "float32"))
#: The names that the multi-band system gives its files.
NAMES = ("0-1000Hz_fft1024.npy", "1000-4000Hz_fft512.npy", "4000-11025Hz_fft256.npy")


def arrays(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.npy"))


# ---- one array for each row --------------------------------------------------------------------------------


def test_the_tree_mirrors_the_recordings_and_holds_their_frames(labelled: Manifest, tmp_path: Path):
    built = trees.build(labelled, tmp_path / "t", NPY)
    assert (built.made, built.kept, built.seconds) == (5, 0, pytest.approx(6.25))
    assert arrays(tmp_path / "t") == [
        "a.wav.npy", "b.flac.npy", "d.wav.npy", "deep/c.wav@0.500-1.750.npy", "deep/c.wav@2.000-.npy",
    ]  # fmt: skip
    for row in labelled.rows:
        found = np.load(tmp_path / "t" / NPY.base(row))
        assert found.dtype == np.float32 and np.array_equal(found, FEATURE(clips.read(labelled, row, RATE)))
    assert verify.tree(tmp_path / "t") == []


def test_samples_are_arrays_too(labelled: Manifest, tmp_path: Path):
    soundfile.write(labelled.root / "loud.wav", np.float32([0.5, 2.0, -2.0]), RATE, "FLOAT")
    trees.build(
        replace(labelled, rows=(labelled.rows[0], Row("loud.wav"))),
        tmp_path / "t",
        trees.Npy(shards.audio(RATE)),
    )
    assert np.array_equal(np.load(tmp_path / "t" / "a.wav.npy"), sound(0, 2.0))
    # There is no place for a scale: what is above full scale is cut, the rest stays as it is.
    assert np.abs(np.load(tmp_path / "t" / "loud.wav.npy") - np.array([16_384, 32_767, -32_768])).max() <= 1


def test_the_manifest_becomes_the_table_of_spectrograms(labelled: Manifest, tmp_path: Path):
    certain = replace(labelled, rows=labelled.rows[:3])
    trees.build(certain, tmp_path / "t", NPY)
    found = manifests.read(tmp_path / "t" / "manifest.csv")
    assert [row.labels for row in found.rows] == [row.labels for row in certain.rows]
    for row in found.rows:
        assert len(np.load(found.root / row.extra["mel_path"])) == int(row.extra["n_frames"])
        assert found.path_of(row).is_file()
    manifests.write(found, tmp_path / "mel.csv", form="mel")
    header, *lines = (tmp_path / "mel.csv").read_text().splitlines()
    assert header.startswith("mel_path,label_multi,orig_path,start_s,dur_s,n_frames")
    assert [line.split(",")[:6] for line in lines] == [
        ["t/a.wav.npy", "10", "sounds/a.wav", "0.000", "2.000", "161"],
        ["t/b.flac.npy", "01", "sounds/b.flac", "0.000", "0.700", "57"],
        ["t/deep/c.wav@0.500-1.750.npy", "11", "sounds/deep/c.wav", "0.500", "1.250", "101"],
    ]


def test_a_second_run_makes_what_changed_and_removes_what_is_gone(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "t"
    trees.build(labelled, folder, NPY)
    (folder / "notes.txt").write_text("mine")
    times = {name: (folder / name).stat().st_mtime_ns for name in arrays(folder)}
    assert trees.build(labelled, folder, NPY).made == 0
    soundfile.write(labelled.root / "a.wav", sound(5, 1.0), RATE)
    (folder / "d.wav.npy").unlink()
    built = trees.build(replace(labelled, rows=(labelled.rows[0], *labelled.rows[3:])), folder, NPY)
    assert (built.made, built.kept, built.forgotten) == (2, 1, 2)
    assert arrays(folder) == ["a.wav.npy", "d.wav.npy", "deep/c.wav@2.000-.npy"]
    kept = "deep/c.wav@2.000-.npy"
    assert (folder / kept).stat().st_mtime_ns == times[kept] and (folder / "notes.txt").exists()
    assert verify.tree(folder) == []
    with pytest.raises(RunRefused, match=r"n_mels=20 there, 8 now\. .*--overwrite"):
        trees.build(labelled, folder, trees.Npy(shards.frames(replace(FEATURE, n_mels=8), "float32")))


@pytest.mark.parametrize("name", ["manifest.csv", "shards.json", "a.wav.npy"])
def test_files_of_others_are_never_written_over(labelled: Manifest, tmp_path: Path, name: str):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / name).write_text("mine")
    with pytest.raises(RunRefused, match=rf"has a file {name} that was not made here"):
        trees.build(labelled, tmp_path / "t", NPY, overwrite=True)
    assert (tmp_path / "t" / name).read_text() == "mine"


def test_an_interrupted_tree_keeps_what_it_made(labelled: Manifest, tmp_path: Path):
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trees.build(labelled, tmp_path / "t", NPY, progress=stop)
    built = trees.build(labelled, tmp_path / "t", NPY)
    assert (built.made, built.kept) == (3, 2)


def test_statistics_are_numpys_on_everything_at_once(labelled: Manifest, tmp_path: Path):
    trees.build(labelled, tmp_path / "t", NPY)
    told = json.loads((tmp_path / "t" / "statistics.json").read_text())
    train = np.concatenate([np.load(tmp_path / "t" / f"{name}.npy") for name in ("a.wav", "b.flac")]).astype(
        float
    )
    np.testing.assert_allclose(told["splits"]["train"]["mean"], train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(told["splits"]["train"]["std"], train.std(axis=0), rtol=1e-12)
    assert told["all"]["count"] == sum(len(np.load(path)) for path in (tmp_path / "t").rglob("*.npy"))


def test_damage_in_a_tree_is_found(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "t"
    trees.build(labelled, folder, NPY)
    np.save(folder / "a.wav.npy", np.load(folder / "a.wav.npy")[:-1])
    np.save(folder / "b.flac.npy", np.zeros((57, 3), np.float32))
    np.save(folder / "d.wav.npy", np.full((81, 20), np.nan, np.float32))
    (folder / "deep" / "c.wav@2.000-.npy").unlink()
    told = {problem.path: problem.reason for problem in verify.tree(folder)}
    assert told["a.wav.npy"] == "has 160 frames, the manifest says 161"
    assert told["b.flac.npy"] == "holds float32 of shape (57, 3), not float32 of shape (n, 20)"
    assert "numbers that are none" in told["d.wav.npy"] and "cannot be read" in told["deep/c.wav@2.000-.npy"]
    assert len(told) == 4


def test_a_folder_for_each_split(labelled: Manifest, tmp_path: Path):
    trees.build(labelled, tmp_path / "t", NPY, by_split=True)
    assert arrays(tmp_path / "t") == [
        "test/deep/c.wav@0.500-1.750.npy", "test/deep/c.wav@2.000-.npy", "train/a.wav.npy", "train/b.flac.npy",
        "val/d.wav.npy",
    ]  # fmt: skip
    without = replace(labelled, rows=(replace(labelled.rows[0], split=""),))
    with pytest.raises(UsageError, match=r"a.wav has no split, and a folder for each is wanted"):
        trees.build(without, tmp_path / "u", NPY, by_split=True)


# ---- a folder of three -------------------------------------------------------------------------------------


@pytest.fixture
def wide(tmp_path: Path) -> Manifest:
    """Two files at 44.1 kHz in a folder of their label."""
    root, rng = tmp_path / "irmas", np.random.default_rng(3)
    (root / "cel").mkdir(parents=True)
    for name, n in (("[cel][cla]0001__1.wav", 44_100), ("b.c.wav", 30_001)):
        soundfile.write(root / "cel" / name, 0.3 * rng.standard_normal(n).clip(-3, 3) / 3, 44_100)
    rows = (Row("cel/[cel][cla]0001__1.wav", labels=("cello",)), Row("cel/b.c.wav", labels=("cello",)))
    return Manifest(rows, root)


def test_each_sample_folder_holds_exactly_the_three_files(wide: Manifest, tmp_path: Path):
    trees.build(wide, tmp_path / "t", Bands())
    for sample in ("cel/[cel][cla]0001__1", "cel/b.c"):
        assert tuple(sorted(path.name for path in (tmp_path / "t" / sample).iterdir())) == NAMES
    low, middle, high = bands.read(tmp_path / "t" / "cel" / "b.c")
    # Bins from the lower edge to below the upper one, frames n_fft // 4 apart: counted by hand at 22,050 Hz.
    assert [array.shape for array in (low, middle, high)] == [(47, 59), (69, 118), (81, 235)]
    assert {array.dtype for array in (low, middle, high)} == {np.dtype(np.float32)}
    assert bands.verify(tmp_path / "t") == [] and verify.tree(tmp_path / "t") == []
    told = json.loads((tmp_path / "t" / "statistics.json").read_text())["all"]
    assert tuple(told) == NAMES and len(told[NAMES[1]]["mean"]) == 69


def test_a_tone_is_in_its_band_only_and_in_its_bin():
    seconds = np.arange(22_050) / 22_050
    content = BandContent()
    for hz, name, first_bin in ((440.0, NAMES[0], 0), (2500.0, NAMES[1], 24), (8000.0, NAMES[2], 47)):
        found = content.convert((0.5 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)).arrays
        n_fft = int(name.partition("fft")[2].removesuffix(".npy"))
        middle = found[name][:, found[name].shape[1] // 2]
        assert first_bin + middle.argmax() == round(hz * n_fft / 22_050)
        others = max(found[other][:, 5:-5].max() for other in NAMES if other != name)
        assert middle.max() > others + 40


def naive(samples: np.ndarray, n_fft: int, low_hz: float, high_hz: float) -> np.ndarray:
    """That system's own few lines, with NumPy for librosa: magnitudes below the loudest of the band."""
    hop = n_fft // 4
    padded = np.pad(samples.astype(np.float64), n_fft // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    frames = [padded[k * hop : k * hop + n_fft] * window for k in range(1 + len(samples) // hop)]
    magnitude = np.abs(np.fft.rfft(frames)).T
    hz = np.fft.rfftfreq(n_fft, 1 / 22_050)
    magnitude = magnitude[(hz >= low_hz) & (hz < high_hz)]
    decibels = 10 * np.log10(np.maximum(1e-10, magnitude)) - 10 * np.log10(magnitude.max())
    return np.maximum(decibels, decibels.max() - 80.0)


def test_with_reference_file_values_are_those_of_that_system(rng: np.random.Generator):
    samples = rng.standard_normal(9000).astype(np.float32) * np.linspace(0, 1, 9000, dtype=np.float32)
    found = BandContent(reference="file").convert(samples).arrays
    for name, (n_fft, low_hz, high_hz) in zip(
        NAMES, ((1024, 0, 1000), (512, 1000, 4000), (256, 4000, 11_025)), strict=True
    ):
        np.testing.assert_allclose(found[name], naive(samples, n_fft, low_hz, high_hz), atol=2e-3)
        assert found[name].max() == 0


def test_folders_that_another_program_wrote_are_read_and_verified(tmp_path: Path):
    sample = tmp_path / "processed" / "train" / "x"
    sample.mkdir(parents=True)
    for name, shape in zip(NAMES, ((47, 87), (69, 173), (81, 345)), strict=True):
        np.save(sample / name, np.zeros(shape, np.float32))
    assert bands.verify(tmp_path / "processed") == []
    assert [array.shape for array in bands.read(sample)] == [(47, 87), (69, 173), (81, 345)]

    def wrong() -> str:
        (problem,) = bands.verify(tmp_path / "processed")
        assert problem.path == "train/x"
        return problem.reason

    np.save(sample / NAMES[2], np.zeros((81, 300), np.float32))
    assert wrong() == "the arrays are of different lengths of sound"
    np.save(sample / NAMES[2], np.zeros((82, 345), np.float32))
    assert (
        wrong()
        == "4000-11025Hz_fft256.npy holds float32 of shape (82, 345), not floats of shape (81, frames)"
    )
    np.save(sample / "labels.npy", np.zeros(11))
    (sample / NAMES[0]).unlink()
    assert wrong() == "lacks 0-1000Hz_fft1024.npy; also holds labels.npy"
    with pytest.raises(UsageError, match=r"x: lacks 0-1000Hz_fft1024.npy"):
        bands.read(sample)


def test_other_bands_are_other_names(tmp_path: Path, wide: Manifest):
    content = BandContent(Multiband(16_000, bands=((0, 500, 512), (500, 8000, 128))))
    trees.build(wide, tmp_path / "t", Bands(content))
    assert content.names == ("0-500Hz_fft512.npy", "500-8000Hz_fft128.npy")
    assert verify.tree(tmp_path / "t") == [] and bands.verify(tmp_path / "t", content) == []
    assert BandContent.from_dict(json.loads(json.dumps(content.to_dict()))).to_dict() == content.to_dict()
    with pytest.raises(UsageError, match="reference='max' must be one of full, file"):
        BandContent(reference="max")


def test_two_recordings_that_would_share_a_folder_are_refused(tmp_path: Path):
    manifest = Manifest((Row("x/a.wav"), Row("x/A.mp3")), tmp_path)
    with pytest.raises(UsageError, match=r"x/a.wav and x/A.mp3 would both become x/A"):
        trees.build(manifest, tmp_path / "t", Bands())
    assert not (tmp_path / "t").exists(), "nothing was begun"
