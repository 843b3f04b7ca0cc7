"""Clips: the frame counts every window, drawing has the odds that are stated, sounds are those of the recordings."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from sonoscope import runs
from sonoscope.errors import UnknownName, UsageError
from sonoscope.field import clipfolder, cutting, draw, frame, making
from sonoscope.field.season import Season

LABELS = ("piano", "organ", "drums")


@pytest.fixture(scope="module")
def small(seasons: ModuleType):
    """A season of two sites and 25 000 windows."""
    nature = seasons.Nature(sites=2, days=2, hours=5, prevalence=0.03, loudness=2.5)
    return seasons.SimulatedSeason(nature, np.random.default_rng(5))


@pytest.fixture(scope="module")
def made(results: Path, tmp_path_factory: pytest.TempPathFactory) -> clipfolder.ClipFolder:
    """Clips of three labels from the recordings of ``results``."""
    out = tmp_path_factory.mktemp("made") / "clips"
    return making.make(Season(results), out, count=60, labels=LABELS).folder


# ---- what there is -----------------------------------------------------------------------------------------


def test_a_site_without_a_whole_window_is_none(tmp_path: Path) -> None:
    """What is counted again is what was written, where all of a site is too short to have a window that counts."""
    for site, seconds in (("hut", 0.4), ("north", 6.0)):
        (tmp_path / "in" / site).mkdir(parents=True)
        tone = 0.3 * np.sin(2 * np.pi * 440 / 22_050 * np.arange(round(seconds * 22_050)))
        soundfile.write(tmp_path / "in" / site / "a.wav", tone, 22_050)
    out = str(tmp_path / "out")
    runs.run(runs.RunSpec((str(tmp_path / "in"),), out, workers=1, tail="drop", site_from="1"))
    made = making.make(Season(out), tmp_path / "clips", count=4, labels=["piano"])
    assert made.folder.frames["piano"].sites == ("north",)
    assert making.add(Season(out), tmp_path / "clips", {"00001": True}, count=2).new == 2


def test_a_season_finds_what_the_run_found(results: Path) -> None:
    """Windows in events, times their cells, are the seconds of events.csv."""
    season, lasting = Season(results), Counter[str]()
    for line in (results / "events.csv").read_text().splitlines()[1:]:
        cells = line.split(",")
        lasting[cells[3]] += float(cells[2]) - float(cells[1])
    found = Counter[str]()
    for heard in season.heard():
        seconds = np.diff(heard.edges_s)
        assert heard.edges_s[-1] == pytest.approx(heard.row.duration)
        for label, column in season.columns().items():
            found[label] += float(seconds[heard.found[:, column]].sum())
    assert found == pytest.approx({label: lasting[label] for label in season.columns()}, abs=0.01)


def test_the_frame_counts_every_window_once(small) -> None:
    counted = frame.count(small, {"buzz": 0})["buzz"]
    everything = [heard.scores.held("logits")[:, 0] for heard in small.heard()]
    assert counted.windows.sum() == sum(map(len, everything))
    assert counted.windows[:, :, 1].sum() == sum(heard.found.sum() for heard in small.heard())
    levels = counted.level_of(np.concatenate(everything))
    np.testing.assert_array_equal(
        np.bincount(levels, minlength=len(counted.edges)), counted.windows.sum(axis=(0, 2))
    )
    # Below the threshold bins double; levels above it begin at scores that can be written.
    assert (np.diff(counted.edges) > 0).all() and (np.diff(counted.bins) >= 0).all()
    sizes = counted.in_bins().sum(axis=(1, 2))[: counted.pivot]
    assert (sizes[1:] < sizes[:-1]).all() and counted.scores[counted.bins == counted.pivot][0] == 0.5


def test_a_frame_that_was_written_is_read_again(small, tmp_path: Path) -> None:
    counted = frame.count(small, {"buzz": 0})
    (tmp_path / "frame.csv").write_text(frame.text(counted))
    back = frame.read(tmp_path / "frame.csv", {"buzz": counted["buzz"].pivot})["buzz"]
    there = counted["buzz"].windows.sum(axis=(0, 2)) > 0
    np.testing.assert_array_equal(back.windows, counted["buzz"].windows[:, there])
    np.testing.assert_array_equal(back.bins, counted["buzz"].bins[there])
    np.testing.assert_array_equal(back.edges[1:], counted["buzz"].edges[there][1:])


# ---- drawing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 40, 500, 5000])
def test_shares_add_up_and_take_no_more_than_there_is(count: int, rng: np.random.Generator) -> None:
    windows = {"a": 3, "b": 100, "c": 1000, "d": 1}
    given = draw.equal(windows, count, rng)
    assert sum(given.values()) == min(count, sum(windows.values()))
    assert all(given[name] <= windows[name] for name in windows)
    if count >= 4:
        assert min(given.values()) >= 1


def test_every_window_of_a_stratum_is_drawn_equally_often(small) -> None:
    frames = frame.count(small, {"buzz": 0})
    windows = draw.strata(frames["buzz"], by_site=True)
    stratum = min((name for name in windows if windows[name] >= 30), key=lambda name: windows[name])
    wanted = {"buzz": {stratum: 10}}
    times = Counter[tuple[str, int]]()
    for seed in range(60):
        drawn = draw.draw(small, frames, {"buzz": 0}, wanted, {"buzz": windows}, np.random.default_rng(seed))
        assert len(drawn) == len({(each.row.file, each.window) for each in drawn}) == 10
        times.update((each.row.file, each.window) for each in drawn)
    expected = 600 / windows[stratum]
    chi = sum((count - expected) ** 2 for count in times.values()) / expected
    chi += (windows[stratum] - len(times)) * expected
    assert chi < windows[stratum] + 4 * np.sqrt(2 * windows[stratum])


def test_strata_hold_all_windows_and_weights_give_them_back(small, coverage: ModuleType) -> None:
    counted, clips, _ = coverage.judged(small, 120, np.random.default_rng(1))
    assert sum(draw.strata(counted, by_site=True).values()) == counted.windows.sum()
    assert sum(1 / clip.inclusion_probability for clip in clips) == pytest.approx(counted.windows.sum())
    for site in counted.sites:
        weights = sum(1 / clip.inclusion_probability for clip in clips if clip.site == site)
        assert weights == pytest.approx(12_500)
    assert {clip.found for clip in clips} == {False, True}
    assert min(clip.score for clip in clips) < 0.01 < 0.9 < max(clip.score for clip in clips)


def test_no_window_is_drawn_twice_over_batches(small, coverage: ModuleType) -> None:
    _, clips, _ = coverage.judged(small, 300, np.random.default_rng(2), batches=3)
    assert len({(clip.file, clip.window) for clip in clips}) == len(clips) == 300
    assert sum(1 / clip.inclusion_probability for clip in clips) == pytest.approx(25_000)


# ---- the folder --------------------------------------------------------------------------------------------


def test_the_folder_is_what_was_asked_for(made: clipfolder.ClipFolder) -> None:
    back = clipfolder.open_folder(made.path)
    assert len(back.clips) == 60 and back.labels == LABELS
    assert [len(back.of(label)) for label in LABELS] == [20, 20, 20]
    assert {clip.site for clip in back.clips} == {"north", "south"}
    assert all(clip.start_datetime.endswith("+02:00") for clip in back.clips)
    assert [clip.clip for clip in back.clips] == [f"{k:05d}" for k in range(1, 61)]
    # Classes one after another, scores within a class in no order.
    scores = [clip.score for clip in back.of("piano")]
    assert scores != sorted(scores) and scores != sorted(scores, reverse=True)
    assert sum(1 / clip.inclusion_probability for clip in back.of("piano")) == pytest.approx(
        back.frames["piano"].windows.sum()
    )


def test_sounds_are_those_of_the_recordings_with_two_seconds_around(
    made: clipfolder.ClipFolder, results: Path
) -> None:
    for clip in made.clips[::7]:
        samples, rate = soundfile.read(made.path / clip.audio, dtype="float32")
        whole, whole_rate = soundfile.read(results.parent / "recordings" / clip.file, dtype="float32")
        assert rate == whole_rate
        assert clip.audio_start == pytest.approx(max(clip.start - 2.0, 0.0))
        first, last = int(clip.audio_start * rate), min(round((clip.end + 2.0) * rate), len(whole))
        assert abs(len(samples) - (last - first)) <= 1
        length = min(len(samples), last - first)
        np.testing.assert_allclose(samples[:length], whole[first : first + length], atol=2 / 32_768)


def test_the_same_seed_draws_the_same_clips_and_another_one_others(results: Path, tmp_path: Path) -> None:
    season = Season(results)
    texts = [
        clipfolder.clips_text(
            making.make(season, tmp_path / name, count=9, labels=["piano"], seed=seed).folder.clips
        )
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_further_batch_adds_windows_that_are_new(
    made: clipfolder.ClipFolder, results: Path, tmp_path: Path
) -> None:
    shutil.copytree(made.path, tmp_path / "clips")
    before = clipfolder.open_folder(tmp_path / "clips")
    verdicts = {clip.clip: clip.score > 0.3 for clip in before.clips}
    again = making.add(Season(results), tmp_path / "clips", verdicts, count=25)
    after = clipfolder.open_folder(tmp_path / "clips")
    assert again.new == 25 and len(after.clips) == 85
    assert [clip.clip for clip in after.clips[:60]] == [clip.clip for clip in before.clips]
    windows = {(clip.label, clip.file, clip.window) for clip in after.clips}
    assert len(windows) == 85 and {clip.batch for clip in after.clips} == {1, 2}
    for label in LABELS:
        total = sum(1 / clip.inclusion_probability for clip in after.of(label))
        assert total == pytest.approx(after.frames[label].windows.sum())
    assert all((tmp_path / "clips" / clip.audio).is_file() for clip in after.clips)


def test_the_folder_needs_neither_model_nor_recordings(made: clipfolder.ClipFolder, tmp_path: Path) -> None:
    from sonoscope.field import evidence
    from sonoscope.field.reviewing import page

    shutil.copytree(made.path, tmp_path / "elsewhere")
    folder = clipfolder.open_folder(tmp_path / "elsewhere")
    assert len(page.standalone(folder, folder.clips[:2])) > 100_000
    known = evidence.of_folder(folder, {clip.clip: True for clip in folder.clips})
    assert len(known["piano"]) == 20


def test_recordings_that_are_gone_are_listed_and_the_others_cut(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results.parent / "recordings", tmp_path / "moved")
    (tmp_path / "moved" / "south" / "2025-06-01_21.flac").unlink()
    made = making.make(
        Season(results), tmp_path / "clips", count=40, labels=["piano"], recordings=tmp_path / "moved"
    )
    assert [error.file for error in made.failed] == ["south/2025-06-01_21.flac"]
    assert "--recordings" in made.failed[0].remedy
    assert 0 < made.new < 40 and len(made.folder.clips) == made.new
    more = making.add(Season(results), tmp_path / "clips", {"00001": True}, count=10)
    numbers = [clip.clip for clip in more.folder.clips]
    assert numbers[-10:] == [f"{int(numbers[-11]) + k:05d}" for k in range(1, 11)], "a number was given twice"
    with pytest.raises(UsageError, match="none of 6 recordings can be read"):
        making.make(
            Season(results), tmp_path / "none", count=40, labels=["piano"], recordings=tmp_path / "nowhere"
        )


def test_members_of_archives_are_cut(results: Path, tmp_path: Path) -> None:
    recording = results.parent / "recordings" / "north" / "2025-06-01_08.flac"
    with zipfile.ZipFile(tmp_path / "night.zip", "w") as archive:
        archive.write(recording, "n1/a.flac")
    found = cutting.located(str(tmp_path / "night.zip" / "n1" / "a.flac"), "night.zip/n1/a.flac", None)
    files = cutting.cut(found, [cutting.Stretch(1.0, 2.0, tmp_path / "clip")], form="wav")
    samples, rate = soundfile.read(next(iter(files.values())))
    whole, _ = soundfile.read(recording)
    np.testing.assert_allclose(samples, whole[rate : 2 * rate], atol=2 / 32_768)


def test_what_did_not_come_to_its_end_is_made_by_the_same_call(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a process that is killed, before ``clips.csv`` is there."""
    out, season = tmp_path / "clips", Season(results)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="No space"):
        broken.setattr(clipfolder, "clips_text", _full)
        making.make(season, out, count=20, labels=["piano"])
    (out / "audio" / "00099.flac").touch()
    with pytest.raises(UsageError, match="is no folder of clips"):
        clipfolder.open_folder(out)
    made = making.make(season, out, count=20, labels=["piano"])
    assert sorted(clip.audio for clip in made.folder.clips) == sorted(
        f"audio/{path.name}" for path in (out / "audio").iterdir()
    )


def _full(*_: object) -> str:
    raise OSError(28, "No space left on device")


def test_what_cannot_be_is_refused(results: Path, made: clipfolder.ClipFolder, tmp_path: Path) -> None:
    season = Season(results)
    with pytest.raises(UsageError, match="is in use: name another folder"):
        making.make(season, made.path)
    with pytest.raises(UnknownName, match=r"has no label 'pianno'\. Did you mean 'piano'"):
        making.make(season, tmp_path / "x", labels=["pianno"])
    for options, message in (
        ({"count": 0}, "--count 0 must be at least 1"),
        ({"per": "bin"}, "--per bin must be one of all, class, site"),
        ({"pad_s": -1.0}, r"--pad -1 must lie in 0\.\.60"),
        ({"form": "mp3"}, "--audio mp3 must be flac or wav"),
        ({"count": 2, "labels": LABELS}, "--count 2 is less than a clip for each of 3 classes"),
    ):
        with pytest.raises(UsageError, match=message):
            making.make(season, tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()
    with pytest.raises(UsageError, match="is no folder of clips"):
        clipfolder.open_folder(tmp_path)
    with pytest.raises(UsageError, match=r"there is no folder .*gone: name the one that analyze -o wrote"):
        Season(tmp_path / "gone")
    with pytest.raises(UsageError, match="holds no finished run"):
        Season(tmp_path)
    with pytest.raises(UsageError, match="there are no verdicts"):
        making.add(season, made.path, {})


def test_clips_of_another_season_are_refused(
    results: Path, made: clipfolder.ClipFolder, tmp_path: Path
) -> None:
    recordings = tmp_path / "other"
    recordings.mkdir()
    shutil.copy(results.parent / "recordings" / "north" / "2025-06-01_08.flac", recordings)
    runs.run(runs.RunSpec((str(recordings),), str(tmp_path / "out"), workers=1))
    with pytest.raises(UsageError, match="draw new clips into another folder"):
        making.add(Season(tmp_path / "out"), made.path, {"00001": True})


def test_a_later_version_is_refused(made: clipfolder.ClipFolder, tmp_path: Path) -> None:
    shutil.copytree(made.path, tmp_path / "clips")
    file = tmp_path / "clips" / "clips.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 2}))
    with pytest.raises(UsageError, match="has version 2, this sonoscope knows 1"):
        clipfolder.open_folder(tmp_path / "clips")
