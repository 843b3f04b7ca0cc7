"""Prepared folders: what is read is what was recorded, what changed is made again, and damage is told."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import badrows, clips, shards
from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import folder as files
from sonoscope.data.shards import verify
from sonoscope.errors import Locked, RunRefused, UnknownName, UsageError
from sonoscope.features import LogMel

from .conftest import RATE, sound

FEATURE = LogMel(RATE, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)
AUDIO = shards.audio(RATE)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# ---- what is read ------------------------------------------------------------------------------------------


def test_samples_of_every_row_are_those_of_its_recording(labelled: Manifest, tmp_path: Path):
    built = shards.build(labelled, tmp_path / "p", AUDIO)
    assert (built.made, built.kept, built.forgotten, built.problems) == (5, 0, 0, ())
    prepared = shards.open(tmp_path / "p")
    assert len(prepared) == 5 and prepared.sample_rate == RATE
    for index, row in enumerate(labelled.rows):
        assert np.array_equal(prepared.samples(index), clips.read(labelled, row, RATE)), row
    whole = sound(2, 3.3)
    assert np.array_equal(prepared.stored(2), whole[4000:14_000])
    assert np.array_equal(prepared.stored(3), whole[16_000:])
    assert prepared.seconds == pytest.approx(2.0 + 0.7 + 1.25 + 1.3 + 1.0)
    assert prepared.lengths.tolist() == prepared.counts.tolist() == [16_000, 5600, 10_000, 10_400, 8000]


def test_frames_of_every_row_are_those_of_its_samples(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", shards.frames(FEATURE, "float32"))
    prepared = shards.open(tmp_path / "p")
    for index, row in enumerate(labelled.rows):
        assert np.array_equal(prepared.frames(index), FEATURE(clips.read(labelled, row, RATE)))
    assert prepared.feature == FEATURE
    with pytest.raises(UsageError, match="holds frames of logmel, no samples"):
        prepared.samples(0)


def test_rows_are_a_manifest_of_the_recordings(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", AUDIO)
    prepared = shards.open(tmp_path / "p")
    assert prepared.manifest.label_map == ("piano", "violin")
    for before, after in zip(labelled.rows, prepared.rows, strict=True):
        assert prepared.manifest.path_of(after).samefile(labelled.path_of(before))
        assert replace(after, path=before.path) == before
    # What any other program reads of it says the same.
    assert [row.labels for row in manifests.read(tmp_path / "p" / "manifest.csv").rows] == [
        row.labels for row in labelled.rows
    ]
    np.testing.assert_array_equal(prepared.manifest.targets()[0], labelled.targets()[0])


def test_windows_are_filled_with_silence_outside(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "a", AUDIO)
    shards.build(labelled, tmp_path / "f", shards.frames(FEATURE))
    audio, frames = shards.open(tmp_path / "a"), shards.open(tmp_path / "f")
    samples = audio.samples(1)
    assert np.array_equal(audio.window(1, -100, 300), np.concatenate([np.zeros(100), samples[:200]]))
    assert np.array_equal(audio.window(1, 5500, 300), np.concatenate([samples[5500:], np.zeros(200)]))
    assert not audio.window(1, 9000, 50).any() and not audio.window(1, -90, 50).any()
    assert (frames.window(1, 500, 4) == np.float16(FEATURE.silence)).all()
    assert frames.window(0, 10, 7).shape == (7, 20)


def test_random_windows_lie_within_the_row_and_reach_all_of_it(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", AUDIO)
    prepared, rng = shards.open(tmp_path / "p"), np.random.default_rng(1)
    starts = [prepared.random_window(rng, 1, 5590)[0] for _ in range(300)]
    assert set(starts) == set(range(11)), "5600 samples hold 11 windows of 5590"
    start, window = prepared.random_window(rng, 1, 8000)
    assert start == 0 and np.array_equal(window[:5600], prepared.samples(1)) and not window[5600:].any()


def test_shards_are_ordinary_npy_files_of_bounded_size(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", AUDIO, shard_bytes=40_000)
    paths = sorted((tmp_path / "p").glob("shard-*.npy"))
    sizes = [np.load(path).nbytes for path in paths]
    assert sizes == [32_000, 31_200, 36_800] and all(np.load(path).dtype == np.int16 for path in paths)
    # A row larger than a shard may be has one alone.
    shards.build(labelled, tmp_path / "q", AUDIO, shard_bytes=1)
    assert len(list((tmp_path / "q").glob("shard-*.npy"))) == 5
    first, second = shards.open(tmp_path / "p"), shards.open(tmp_path / "q")
    assert all(np.array_equal(first.samples(i), second.samples(i)) for i in range(5))


def test_any_number_of_processes_stores_the_same_bytes(labelled: Manifest, tmp_path: Path):
    content = shards.frames(FEATURE)
    shards.build(labelled, tmp_path / "one", content)
    shards.build(labelled, tmp_path / "two", content, workers=2)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def read_sum(prepared: shards.Shards, index: int) -> float:
    return float(prepared.samples(index).sum())


def test_an_opened_folder_goes_to_other_processes_and_survives_a_fork(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", AUDIO)
    prepared = shards.open(tmp_path / "p")
    here = [read_sum(prepared, i) for i in range(5)]
    assert [read_sum(pickle.loads(pickle.dumps(prepared)), i) for i in range(5)] == here
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        assert list(pool.map(read_sum, [prepared] * 5, range(5))) == here


# ---- statistics --------------------------------------------------------------------------------------------


def test_mean_and_std_are_numpys_on_everything_at_once(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", shards.frames(FEATURE), shard_bytes=2000)
    prepared = shards.open(tmp_path / "p")

    def at_once(split: str | None) -> np.ndarray:
        chosen = [i for i, row in enumerate(prepared.rows) if split in (None, row.split)]
        return np.concatenate([prepared.frames(i) for i in chosen]).astype(np.float64)

    for split in ("train", "test", "val"):
        mean, std = prepared.statistics(split)
        np.testing.assert_allclose(mean, at_once(split).mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(std, at_once(split).std(axis=0), rtol=1e-12)
    assert np.array_equal(prepared.mean, prepared.statistics("train")[0]), (
        "others must not be known beforehand"
    )
    told = json.loads((tmp_path / "p" / "statistics.json").read_text())["all"]
    assert told["count"] == len(at_once(None))
    np.testing.assert_allclose(told["std"], at_once(None).std(axis=0), rtol=1e-12)
    with pytest.raises(UnknownName, match=r"no row has split='tran'. Did you mean 'train'\?"):
        prepared.statistics("tran")


def test_samples_have_statistics_as_they_are_read(labelled: Manifest, tmp_path: Path):
    shards.build(replace(labelled, rows=labelled.rows[:2]), tmp_path / "p", AUDIO)
    prepared = shards.open(tmp_path / "p")
    everything = np.concatenate([prepared.samples(0), prepared.samples(1)]).astype(np.float64)
    assert prepared.mean == pytest.approx(everything.mean()) and prepared.std == pytest.approx(
        everything.std()
    )


def test_moments_keep_their_digits_where_a_sum_of_squares_loses_them(rng: np.random.Generator):
    from sonoscope.data.shards.statistics import Moments

    rows = 1e6 + 1e-3 * rng.standard_normal((5000, 3))
    moments, halves = Moments((3,)), [Moments((3,)), Moments((3,))]
    for k, piece in enumerate(np.array_split(rows, 17)):
        moments.add(piece)
        halves[k % 2].add(piece)
    halves[0].merge(halves[1])
    for found in (moments, halves[0]):
        assert found.count == 5000
        np.testing.assert_allclose(found.std, rows.std(axis=0), rtol=1e-6)
    assert Moments((3,)).std.tolist() == [0.0] * 3


# ---- a second run ------------------------------------------------------------------------------------------


def touched(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_only_what_changed_is_made_again(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "p"
    shards.build(labelled, folder, AUDIO)
    before = bytes_of(folder)
    again = shards.build(labelled, folder, AUDIO)
    assert (again.made, again.kept, again.forgotten) == (0, 5, 0) and bytes_of(folder) == before
    soundfile.write(labelled.root / "d.wav", sound(9, 1.5), RATE)
    again = shards.build(labelled, folder, AUDIO)
    assert (again.made, again.kept, again.forgotten) == (1, 4, 1)
    prepared = shards.open(folder)
    assert np.array_equal(prepared.stored(4), sound(9, 1.5)) and np.array_equal(
        prepared.stored(0), sound(0, 2.0)
    )
    assert prepared.fingerprint != json.loads(before["shards.json"])["fingerprint"]
    assert not verify.shards(folder)


def test_labels_change_without_touching_sound(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "p"
    shards.build(labelled, folder, AUDIO)
    data = {name: content for name, content in bytes_of(folder).items() if name.startswith("shard-")}
    first = shards.open(folder).fingerprint
    rows = tuple(replace(row, labels=("violin",), absent=(), unknown=()) for row in labelled.rows)
    again = shards.build(replace(labelled, rows=rows), folder, AUDIO)
    assert again.made == 0 and all(bytes_of(folder)[name] == content for name, content in data.items())
    assert {row.labels for row in shards.open(folder).rows} == {("violin",)}
    assert shards.open(folder).fingerprint != first


def test_rows_that_are_gone_are_forgotten_and_their_room_is_freed_when_it_is_most_of_a_shard(
    labelled: Manifest, tmp_path: Path
):
    folder = tmp_path / "p"
    shards.build(labelled, folder, AUDIO)
    whole = (folder / "shard-00000.npy").stat().st_size
    built = shards.build(replace(labelled, rows=labelled.rows[:4]), folder, AUDIO)
    assert (built.kept, built.forgotten) == (4, 1)
    assert (folder / "shard-00000.npy").stat().st_size == whole, "a fifth is not worth moving the rest"
    built = shards.build(replace(labelled, rows=labelled.rows[3:4]), folder, AUDIO)
    assert (built.made, built.kept) == (0, 1)
    assert [path.name for path in folder.glob("shard-*.npy")] == ["shard-00001.npy"]
    assert np.array_equal(shards.open(folder).stored(0), sound(2, 3.3)[16_000:]) and not verify.shards(folder)


def test_time_or_content_tells_whether_a_file_changed(labelled: Manifest, tmp_path: Path):
    by_time, by_content = tmp_path / "t", tmp_path / "c"
    shards.build(labelled, by_time, AUDIO)
    shards.build(labelled, by_content, AUDIO, digest=True)
    touched(labelled.root / "a.wav")
    assert shards.build(labelled, by_time, AUDIO).made == 1
    assert shards.build(labelled, by_content, AUDIO, digest=True).made == 0
    # Other sound of the same size at the same time: only the content tells.
    path = labelled.root / "a.wav"
    status = path.stat()
    soundfile.write(path, sound(7, 2.0), RATE)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert shards.build(labelled, by_time, AUDIO).made == 0
    assert shards.build(labelled, by_content, AUDIO, digest=True).made == 1


def test_folder_and_recordings_move_together(labelled: Manifest, tmp_path: Path):
    shards.build(labelled, tmp_path / "p", AUDIO)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("p", "sounds"):
        shutil.move(tmp_path / name, moved / name)
    there = replace(labelled, root=moved / "sounds")
    assert shards.build(there, moved / "p", AUDIO).made == 0


def test_other_content_is_refused_with_the_differences_and_can_be_overwritten(
    labelled: Manifest, tmp_path: Path
):
    folder = tmp_path / "p"
    shards.build(labelled, folder, shards.frames(FEATURE))
    with pytest.raises(RunRefused, match=r"prepared otherwise: n_mels=20 there, 10 now\. .*--overwrite"):
        shards.build(labelled, folder, shards.frames(replace(FEATURE, n_mels=10)))
    with pytest.raises(RunRefused, match="as=logmel there, audio now"):
        shards.build(labelled, folder, AUDIO)
    assert shards.build(labelled, folder, AUDIO, overwrite=True).made == 5
    assert shards.open(folder).feature is None and not verify.shards(folder)


def test_a_change_of_processing_makes_everything_again(
    labelled: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shards.build(labelled, tmp_path / "p", AUDIO)
    monkeypatch.setattr(files, "PROCESSING", files.PROCESSING + 1)
    with pytest.raises(RunRefused, match="processing=1 there, 2 now"):
        shards.build(labelled, tmp_path / "p", AUDIO)


def test_a_folder_with_other_files_is_left_alone(labelled: Manifest, tmp_path: Path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.docx").write_text("do not lose")
    with pytest.raises(RunRefused, match=r"holds other files \(thesis.docx\)"):
        shards.build(labelled, tmp_path / "p", AUDIO, overwrite=True)


def test_two_builds_exclude_each_other(labelled: Manifest, tmp_path: Path):
    (tmp_path / "p").mkdir()
    with files.lock(tmp_path / "p"), pytest.raises(Locked, match="being built by another process"):
        shards.build(labelled, tmp_path / "p", AUDIO)
    assert shards.build(labelled, tmp_path / "p", AUDIO).made == 5


def test_a_build_that_was_killed_goes_on_from_its_complete_shards(tmp_path: Path):
    root = tmp_path / "sounds"
    root.mkdir()
    for k in range(30):
        soundfile.write(root / f"{k:02}.wav", sound(k, 8.0), RATE)
    program = (
        "from pathlib import Path\nfrom sonoscope.data import shards, survey\n"
        f"m = survey.from_folder({str(root)!r}, durations=False)\n"
        "import time\nfrom sonoscope.data.shards import content\n"
        "def slow(samples, convert=content._quantised):\n    time.sleep(0.05)\n    return convert(samples)\n"
        "content._quantised = slow\n"
        f"shards.build(m, {str(tmp_path / 'p')!r}, shards.audio({RATE}), shard_bytes=400_000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 60
    while not (tmp_path / "p" / "shard-00001.json").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "p" / "shard-00001.json").exists() and not (tmp_path / "p" / "shards.json").exists()
    with pytest.raises(UsageError, match=r"not a finished one: there is no shards.json"):
        shards.open(tmp_path / "p")
    from sonoscope.data.survey import from_folder

    manifest = from_folder(root, durations=False)
    built = shards.build(manifest, tmp_path / "p", AUDIO, shard_bytes=400_000)
    assert built.kept >= 6 and built.made + built.kept == 30
    prepared = shards.open(tmp_path / "p")
    assert all(np.array_equal(prepared.stored(k), sound(k, 8.0)) for k in range(30))
    assert not list((tmp_path / "p").glob(".*")), "nothing half-written stays"


def test_an_interrupted_build_keeps_what_it_made(labelled: Manifest, tmp_path: Path):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shards.build(labelled, tmp_path / "p", AUDIO, progress=stop)
    built = shards.build(labelled, tmp_path / "p", AUDIO)
    assert (built.made, built.kept) == (2, 3)


# ---- what is wrong -----------------------------------------------------------------------------------------


def test_rows_that_cannot_be_used_are_listed_and_the_others_complete(labelled: Manifest, tmp_path: Path):
    (labelled.root / "torn.wav").write_bytes((labelled.root / "a.wav").read_bytes()[:20])
    rows = (Row("missing.wav"), Row("torn.wav"), Row("a.wav", 1.5, 1.0), *labelled.rows)
    manifest = replace(labelled, rows=rows)
    for workers in (1, 2):
        built = shards.build(manifest, tmp_path / f"p{workers}", AUDIO, workers=workers)
        assert built.made == 5 and len(built.problems) == 3
        told = {
            problem.path: problem.reason
            for problem in badrows.read(tmp_path / f"p{workers}" / "bad_rows.csv")
        }
        assert told["a.wav"] == "ends at 2.5 s, the file at 2.000 s"
        assert set(told) == {"missing.wav", "torn.wav", "a.wav"}
        assert len(shards.open(tmp_path / f"p{workers}")) == 5
    shards.build(labelled, tmp_path / "p1", AUDIO)
    assert not (tmp_path / "p1" / "bad_rows.csv").exists()


def test_nothing_usable_makes_an_empty_folder(labelled: Manifest, tmp_path: Path):
    built = shards.build(replace(labelled, rows=(Row("no.wav"),)), tmp_path / "p", AUDIO)
    assert built.made == 0 and len(built.problems) == 1 and len(shards.open(tmp_path / "p")) == 0


def test_damage_is_found(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "p"
    shards.build(labelled, folder, AUDIO, shard_bytes=40_000)
    assert verify.shards(folder) == []
    data = bytearray((folder / "shard-00001.npy").read_bytes())
    data[-7] ^= 1
    (folder / "shard-00001.npy").write_bytes(data)
    (problem,) = verify.shards(folder)
    assert (
        problem.path == "shard-00001.npy"
        and "not those that were written; 2 rows are in it" in problem.reason
    )


def test_what_the_manifest_asks_for_is_compared_too(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "p"
    shards.build(replace(labelled, rows=labelled.rows[:4]), folder, AUDIO)
    touched(labelled.root / "a.wav")
    told = {problem.path: problem.reason for problem in verify.against(labelled, folder)}
    assert told == {
        "d.wav": "is not in the folder",
        "a.wav": "the recording was changed since it was prepared",
    }


def test_an_edited_manifest_and_damaged_files_are_refused(labelled: Manifest, tmp_path: Path):
    folder = tmp_path / "p"
    shards.build(labelled, folder, AUDIO)
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("violin", "piano"))
    with pytest.raises(
        UsageError, match=r"manifest.csv is not the one that was written with the data: it was edited"
    ):
        _ = shards.open(folder).rows
    (folder / "shard-00000.npy").write_bytes(b"\0" * 50)
    with pytest.raises(UsageError, match=r"shard-00000.npy cannot be read"):
        shards.open(folder).samples(0)
    description = json.loads((folder / "shards.json").read_text())
    (folder / "shards.json").write_text(json.dumps({**description, "schema": "2"}))
    with pytest.raises(UsageError, match="schema 2, not 1, which this sonoscope knows"):
        shards.open(folder)
    (folder / "shards.json").write_text("{")
    with pytest.raises(UsageError, match="is damaged"):
        shards.open(folder)
