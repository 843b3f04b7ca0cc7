"""A run of a folder: what it writes, what it says, and what it does with inputs that are no good."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models, outputs, runs
from sonoscope.errors import RunRefused, UnknownName, UsageError

THRESHOLD = "0.05"  # as in conftest


def table(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_input_has_its_file_and_all_have_a_row(make, run, tmp_path, leftovers):
    recordings = make("a.wav", "sub/deep/b.wav", "c.flac", seconds=3)
    summary = run(recordings)
    out = tmp_path / "out"
    assert (summary.done, summary.failed, summary.exit_code) == (3, 0, 0)
    assert summary.audio_s == pytest.approx(9.0)
    for name in ("a.wav", "sub/deep/b.wav", "c.flac"):
        assert (out / f"{name}.events.csv").is_file()
        assert (out / ".sonoscope/scores" / f"{name}.npz").is_file()
    rows = table(out / "files.csv")
    assert [row["file"] for row in rows] == ["a.wav", "c.flac", "sub/deep/b.wav"]
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["duration"] for row in rows} == {row["analysed"] for row in rows} == {"3.000"}
    assert (out / "errors.csv").read_text() == "file,reason,remedy\n"
    assert leftovers(out) == []


def test_the_table_of_all_is_the_sorted_sum_of_the_parts(make, run, tmp_path):
    run(make("b.wav", "a.wav", "sub/c.wav", seconds=5))
    rows = table(tmp_path / "out/events.csv")
    parts = [
        row for name in ("a.wav", "b.wav", "sub/c.wav") for row in table(tmp_path / f"out/{name}.events.csv")
    ]
    assert rows == parts and rows
    keys = [(r["file"], float(r["start"]), float(r["end"]), r["label"]) for r in rows]
    assert keys == sorted(keys)
    counted = {row["file"]: int(row["events"]) for row in table(tmp_path / "out/files.csv")}
    assert sum(counted.values()) == len(rows)


def test_the_table_of_all_does_not_need_csv_among_the_formats(make, run, tmp_path):
    recordings = make("a.wav", "b.wav")
    run(recordings)
    run(recordings, out="other", formats=("raven", "audacity"))
    assert (tmp_path / "other/events.csv").read_bytes() == (tmp_path / "out/events.csv").read_bytes()
    written = {f.name for f in (tmp_path / "other").iterdir() if f.name.startswith("a.wav")}
    assert written == {"a.wav.selections.txt", "a.wav.labels.txt"}


@pytest.mark.parametrize("name", sorted(outputs.WRITERS))
def test_every_format_is_written_and_can_be_read_back(make, run, tmp_path, name):
    run(make("a.wav"), formats=(name,))
    form = outputs.WRITERS[name]
    mode = {"mode": "rb"} if form.binary else {"newline": "", "encoding": "utf-8"}
    with open(tmp_path / f"out/a.wav{form.suffix}", **mode) as file:
        assert len(form.read(file, threshold=0.0 if form.needs_scores else None)) <= 1


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_scores_are_written_beside_when_asked_for(make, run, tmp_path, kind):
    run(make("a.wav"), scores=kind)
    assert (tmp_path / f"out/a.wav.scores.{kind}").stat().st_size > 0


def test_names_survive_whatever_they_hold(make, run, tmp_path):
    names = [
        "a.mp3",
        "a.wav",
        "with space.wav",
        "quo'te\".wav",
        "new\nline.wav",
        "日本, ü.wav",
        "-o.wav",
        "UPPER.WAV",
    ]
    summary = run(make(*names, seconds=1), threshold="0.001")
    assert (summary.done, summary.failed) == (len(names), 0)
    assert sorted(row["file"] for row in table(tmp_path / "out/files.csv")) == sorted(names)
    assert {row["file"] for row in table(tmp_path / "out/events.csv")} == set(names)
    for name in names:
        assert (tmp_path / f"out/{name}.events.csv").is_file()


def test_a_name_that_is_no_text_is_written_as_escapes(make, run, tmp_path):
    folder = make("a.wav", seconds=1)
    (folder / "a.wav").rename(os.fsdecode(os.fsencode(folder) + b"/\xff.wav"))
    assert run(folder).exit_code == 0
    assert [row["file"] for row in table(tmp_path / "out/files.csv")] == [r"\udcff.wav"]


def test_a_name_too_long_for_its_results_fails_alone(make, run, tmp_path):
    long = "x" * 245 + ".wav"
    summary = run(make(long, "b.wav", seconds=1))
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    (row,) = table(tmp_path / "out/errors.csv")
    assert row["file"] == long and "too long" in row["reason"] and "Rename" in row["remedy"]
    assert not list((tmp_path / "out").glob("xxx*"))


def test_bad_files_are_listed_and_the_others_complete(make, run, tmp_path, leftovers):
    folder = make("a.wav", "z.wav", seconds=1)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("these are only words")
    summary = run(folder)
    assert (summary.done, summary.failed, summary.exit_code) == (2, 2, 1)
    status = {row["file"]: row["status"] for row in table(tmp_path / "out/files.csv")}
    assert status == {"a.wav": "ok", "empty.wav": "failed", "text.wav": "failed", "z.wav": "ok"}
    errors = table(tmp_path / "out/errors.csv")
    assert [row["file"] for row in errors] == ["empty.wav", "text.wav"]
    assert all(row["reason"] and row["remedy"] for row in errors)
    assert {row["file"] for row in table(tmp_path / "out/events.csv")} <= {"a.wav", "z.wav"}
    assert leftovers(tmp_path / "out") == []


def test_recordings_that_were_heard_in_part_are_counted(make, run, tmp_path):
    folder = make("a.wav", "b.flac", "c.flac", seconds=4)
    for name in ("b.flac", "c.flac"):
        sound = (folder / name).read_bytes()
        (folder / name).write_bytes(sound[: len(sound) // 2])
    (said,) = run(folder).remarks
    assert said.startswith(
        "2 recordings are cut short or damaged, and analysed as far as can be decoded: files.csv"
    )
    notes = {row["file"]: row["note"] for row in table(tmp_path / "out/files.csv")}
    assert notes["a.wav"] == "" and "the header states 4.000 s" in notes["b.flac"]


def test_recorders_that_failed_are_counted_and_are_not_unknown(run, tmp_path):
    (tmp_path / "in").mkdir()
    sound = 0.3 * np.sin(2 * np.pi * 440 / 22_050 * np.arange(44_100))
    soundfile.write(tmp_path / "in/constant.wav", np.full(44_100, 0.2), 22_050)
    soundfile.write(tmp_path / "in/half.wav", np.column_stack((0 * sound, sound)), 22_050)
    soundfile.write(tmp_path / "in/whole.wav", np.column_stack((sound, sound)), 22_050)
    (said, *_) = run(tmp_path / "in").remarks
    assert said == (
        "2 recordings are silent, or dead in some channel (microphone, cable or plug?): files.csv, column note"
    )
    notes = {row["file"]: row["note"] for row in table(tmp_path / "out/files.csv")}
    assert (
        notes["constant.wav"].startswith("silent: a constant level of 0.2")
        and "unknown" not in notes["constant.wav"]
    )
    assert "its channel 1 is silent" in notes["half.wav"] and "silent" not in notes["whole.wav"]


def test_recordings_with_a_channel_upside_down_are_counted(run, tmp_path):
    (tmp_path / "in").mkdir()
    sound = 0.3 * np.sin(2 * np.pi * 440 / 22_050 * np.arange(44_100))
    soundfile.write(tmp_path / "in/a.wav", np.column_stack((sound, -sound)), 22_050)
    soundfile.write(tmp_path / "in/b.wav", np.column_stack((sound, sound)), 22_050)
    said = "1 recording has channels that cancel each other in their mean: hear one of them (--channel 1)"
    assert said in run(tmp_path / "in").remarks
    assert said not in run(tmp_path / "in", out="first", channel=1).remarks


def test_strict_stops_at_the_first_failure_and_the_rest_can_be_resumed(make, run, tmp_path, contents):
    folder = make("a.wav", "z.wav", seconds=1)
    (folder / "m.wav").write_text("no sound")
    summary = run(folder, strict=True)
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    assert "m.wav" in summary.message and "--strict" in summary.message
    assert not (tmp_path / "out/z.wav.events.csv").exists()
    assert run(folder).skipped == 1
    run(folder, out="whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


class VanishAfterTheFirst(runs.Silent):
    def __init__(self, file: Path) -> None:
        self.file = file

    def file_done(self, file: runs.FileDone) -> None:
        self.file.unlink(missing_ok=True)


def test_a_file_that_vanishes_during_the_run_is_a_row_and_later_none(make, run, tmp_path):
    folder = make("a.wav", "b.wav", "c.wav", seconds=1)
    summary = run(folder, report=VanishAfterTheFirst(folder / "c.wav"))
    assert (summary.done, summary.failed, summary.exit_code) == (2, 1, 1)
    assert [row["file"] for row in table(tmp_path / "out/errors.csv")] == ["c.wav"]
    again = run(folder)
    assert (again.done, again.skipped, again.failed, again.exit_code) == (2, 2, 0, 0)
    assert [row["file"] for row in table(tmp_path / "out/files.csv")] == ["a.wav", "b.wav"]


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="only root can become nobody")
def test_what_may_not_be_read_is_a_row(make, run, tmp_path):
    recordings = make("a.wav", "secret.wav", "closed/b.wav", seconds=1)
    with tempfile.TemporaryDirectory() as open_to_all:
        place = Path(open_to_all)
        place.chmod(0o777)
        folder = Path(shutil.copytree(recordings, place / "recordings"))
        bundle = Path(shutil.copytree(models.load("instruments").path, place / "bundle"))
        # Whatever is imported late is imported now: nobody may not be able to read it where it is installed.
        run(folder, out="before", models=(str(bundle),))
        (folder / "secret.wav").chmod(0)
        (folder / "closed").chmod(0)
        code = as_nobody(lambda: run(folder, out=place / "out", models=(str(bundle),)).exit_code)
        assert code == 1
        status = {row["file"]: row["status"] for row in table(place / "out/files.csv")}
        assert status == {"a.wav": "ok", "secret.wav": "failed", "closed": "failed"}
        reasons = [row["reason"] for row in table(place / "out/errors.csv")]
        assert len(reasons) == 2 and all("permission" in reason for reason in reasons)


def as_nobody(work: Callable[[], int]) -> int:
    """The exit code of ``work`` done by a copy of this process that may not do much."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_unexpected_error_is_a_row_with_its_kind_and_the_log_has_the_traceback(
    make, run, tmp_path, monkeypatch
):
    def broken(*_args, **_options):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr("sonoscope.events.find", broken)
    summary = run(make("a.wav"))
    assert summary.exit_code == 1
    (row,) = table(tmp_path / "out/errors.csv")
    assert row["reason"] == "ZeroDivisionError: no such luck" and "log-all.txt" in row["remedy"]
    assert "Traceback" in (tmp_path / "out/.sonoscope/log-all.txt").read_text()


def test_running_again_does_nothing(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    times = {f: f.stat().st_mtime_ns for f in (tmp_path / "out").rglob("*.csv")}
    summary = run(folder)
    assert (summary.done, summary.skipped) == (2, 2)
    assert times == {f: f.stat().st_mtime_ns for f in (tmp_path / "out").rglob("*.csv")}


def test_a_changed_file_is_analysed_again_and_a_new_one_too(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    make("b.wav", seconds=4)
    make("c.wav")
    summary = run(folder)
    assert (summary.done, summary.skipped, summary.decided) == (3, 1, 0)
    run(folder, out="fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_a_changed_file_that_fails_now_loses_its_old_results(make, run, tmp_path):
    folder = make("sub/a.wav", "b.wav")
    run(folder)
    (folder / "sub/a.wav").write_text("no sound any more")
    assert run(folder).exit_code == 1
    assert not (tmp_path / "out/sub").exists()
    assert not (tmp_path / "out/.sonoscope/scores/sub").exists()


def test_a_result_that_was_removed_is_made_again_and_an_edited_one_left_alone(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    before = contents(tmp_path / "out")
    (tmp_path / "out/a.wav.events.csv").unlink()
    summary = run(folder)
    assert (summary.decided, summary.skipped) == (1, 1)
    assert contents(tmp_path / "out") == before
    with open(tmp_path / "out/b.wav.events.csv", "a") as file:
        file.write("# looked at\n")
    assert run(folder).skipped == 2
    assert "looked at" in (tmp_path / "out/b.wav.events.csv").read_text()


def test_without_kept_scores_a_new_decision_needs_the_audio(make, run, tmp_path):
    folder = make("a.wav")
    run(folder, keep_scores=False)
    assert not (tmp_path / "out/.sonoscope/scores").exists()
    assert run(folder, keep_scores=False).skipped == 1
    summary = run(folder, threshold="0.2", keep_scores=False)
    assert (summary.done, summary.decided, summary.skipped) == (1, 0, 0)


def test_another_analysis_is_refused_with_the_differences(make, run, tmp_path):
    folder = make("a.wav")
    run(folder)
    with pytest.raises(RunRefused, match=r"hop: 0\.5 -> 1\.0; .*|hop: .* -> 1\.0.*--overwrite"):
        run(folder, hop_s=1.0)
    with pytest.raises(RunRefused, match=r"inputs: \+.*other.*\{time\}.*--overwrite"):
        run(folder, make("b.wav", folder="other"))
    with pytest.raises(RunRefused, match="channel: all -> 1"):
        run(folder, channel=1)


def test_a_folder_with_something_else_is_refused_and_left_alone(make, run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    (out / "events.csv").write_text("mine")
    with pytest.raises(RunRefused, match=r"not empty and holds no run.*--overwrite"):
        run(make("a.wav"))
    assert sorted(f.name for f in out.iterdir()) == ["events.csv", "thesis.txt"]
    run(make("a.wav"), overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"
    assert table(out / "events.csv")
    with pytest.raises(RunRefused, match="is a file"):
        run(make("a.wav"), out="out/thesis.txt")


def test_overwrite_removes_what_runs_wrote_and_nothing_else(make, run, tmp_path, contents):
    run(make("old/a.wav", "b.wav"), formats=("raven", "csv"), scores="csv")
    (tmp_path / "out/notes.txt").write_text("keep me")
    folder = make("b.wav", "c.wav", folder="newer")
    summary = run(folder, hop_s=1.0, overwrite=True)
    assert summary.skipped == 0
    (tmp_path / "out/notes.txt").unlink()
    run(folder, out="fresh", hop_s=1.0)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_time_in_the_name_makes_a_dated_folder(make, run, tmp_path):
    summary = run(make("a.wav"), out="night-{time}")
    (made,) = tmp_path.glob("night-*")
    assert summary.out == str(made)
    time.strptime(made.name, "night-%Y%m%dT%H%M%S")


def test_another_word_in_braces_is_a_slip_unless_a_folder_has_that_name(make, run, tmp_path):
    with pytest.raises(UsageError, match=r"out=.*night-\{tme\} holds \{tme\}; only \{time\}"):
        run(make("a.wav"), out="night-{tme}")
    assert not list(tmp_path.glob("night-*"))
    (tmp_path / "night-{tme}").mkdir()
    assert run(make("b.wav"), out="night-{tme}").out == str(tmp_path / "night-{tme}")


def test_no_input_is_wrong_usage_and_writes_nothing(run, tmp_path):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/readme.txt").write_text("no sound here")
    with pytest.raises(UsageError, match=r"nothing to analyse in .*recordings"):
        run(tmp_path / "recordings")
    assert not (tmp_path / "out").exists()


def test_unknown_names_are_refused_before_anything_is_written(make, run, tmp_path):
    with pytest.raises(UnknownName, match=r"unknown format 'ravn'. Did you mean 'raven'\?"):
        run(make("a.wav"), formats=("ravn",))
    with pytest.raises(UnknownName, match="unknown model 'instrument'"):
        run(make("a.wav"), models=("instrument",))
    with pytest.raises(UsageError, match="hop=99"):
        run(make("a.wav"), hop_s=99.0)
    assert not (tmp_path / "out").exists()


def test_run_json_says_everything_and_repeats_the_run(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    (folder / "bad.wav").write_text("no")
    run(folder, tail="drop", min_duration_s=0.5, scores="csv")
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert about["tool"] == "sonoscope" and about["status"] == "done"
    assert (about["inputs"]["total"], about["inputs"]["done"], about["inputs"]["failed"]) == (3, 2, 1)
    assert about["models"][0]["sha256"] and about["models"][0]["version"]
    assert about["started"] <= about["stopped"] and about["started"].endswith("+00:00")
    assert about["peak_rss_mib"]["main"] > 10 and about["audio_s"] == pytest.approx(4.0)
    assert about["host"]["name"] and about["command"] and about["libraries"]["numpy"]
    spec = runs.RunSpec.from_run_json(tmp_path / "out/run.json")
    assert (spec.tail, spec.min_duration_s, spec.scores) == ("drop", 0.5, "csv")
    assert spec.hop_s is not None and spec.max_gap_s is not None and spec.threshold == THRESHOLD
    other = runs.RunSpec.from_json(spec.to_json() | {"out": str(tmp_path / "again")})
    runs.run(other)
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    assert runs.run(spec).skipped == 2


def test_a_file_of_thresholds_is_kept_in_run_json(make, run, tmp_path):
    from sonoscope import models

    label = models.load("instruments").labels[0].id
    file = tmp_path / "thresholds.json"
    file.write_text(json.dumps({label: 0.25}))
    run(make("a.wav"), threshold=str(file))
    file.unlink()
    spec = runs.RunSpec.from_run_json(tmp_path / "out/run.json")
    assert spec.threshold == f"{label}=0.25"
    assert runs.run(spec).skipped == 1


def test_one_channel_can_be_chosen(make, run, tmp_path):
    folder = make("mono.wav")
    samples, rate = soundfile.read(folder / "mono.wav")
    soundfile.write(folder / "stereo.wav", np.column_stack([samples * 0, samples]), rate)
    run(folder / "mono.wav", out="mono", scores="csv")
    run(folder / "stereo.wav", out="right", scores="csv", channel=2, threshold="0.001")
    mono, right = (table(tmp_path / f"{n}.wav.scores.csv") for n in ("mono/mono", "right/stereo"))
    assert mono == right
    assert {row["channel"] for row in table(tmp_path / "right/events.csv")} == {"2"}
    summary = run(folder, out="both", channel=2)
    assert (summary.done, summary.failed) == (1, 1)
    assert "channel" in table(tmp_path / "both/errors.csv")[0]["reason"]


def test_the_tail_can_be_left_out(make, run, tmp_path):
    folder = make("a.wav", seconds=3.3)
    run(folder, out="keep", scores="csv")
    run(folder, out="drop", scores="csv", tail="drop")
    keep, drop = (table(tmp_path / name / "a.wav.scores.csv") for name in ("keep", "drop"))
    assert float(keep[-1]["end"]) == pytest.approx(3.3)
    assert len(drop) == len(keep) - 1 and drop == keep[:-1]
    analysed = {name: table(tmp_path / name / "files.csv")[0]["analysed"] for name in ("keep", "drop")}
    assert float(analysed["keep"]) == pytest.approx(3.3) and float(analysed["drop"]) == float(drop[-1]["end"])


def test_several_models_have_files_of_their_own_and_one_table(make, run, tmp_path, contents):
    other = tmp_path / "other"
    shutil.copytree(models.load("instruments").path, other)
    description = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps(description | {"name": "second"}))
    folder = make("a.wav", "b.wav", seconds=5)
    summary = run(folder, models=("instruments", str(other)), scores="csv")
    out = tmp_path / "out"
    names = {f.name for f in out.iterdir() if f.name.startswith("a.wav")}
    assert names == {
        f"a.wav.{model}.{kind}.csv" for model in ("instruments", "second") for kind in ("events", "scores")
    }
    rows = table(out / "events.csv")
    assert len(rows) == summary.events
    of = {name: [row for row in rows if row["model"] == name] for name in ("instruments", "second")}
    assert [row | {"model": ""} for row in of["instruments"]] == [row | {"model": ""} for row in of["second"]]
    keys = [(r["file"], float(r["start"]), float(r["end"]), r["label"]) for r in rows]
    assert keys == sorted(keys)
    run(folder, models=("instruments", str(other)), scores="csv", threshold="0.3")
    run(folder, out="fresh", models=("instruments", str(other)), scores="csv", threshold="0.3")
    assert contents(out) == contents(tmp_path / "fresh")
    with pytest.raises(RunRefused, match="model: instruments,second -> instruments"):
        run(folder)
    with pytest.raises(UsageError, match="two of them are called 'second'"):
        run(folder, models=("instruments", str(other), str(shutil.copytree(other, tmp_path / "third"))))


def test_a_folder_that_is_called_like_a_model_is_not_taken_for_it(make, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "instruments").mkdir()
    assert run(make("a.wav")).exit_code == 0


def test_a_dry_run_counts_and_writes_nothing(make, run, tmp_path):
    folder = make("a.wav", "b.wav")
    spec = runs.RunSpec((str(folder),), str(tmp_path / "out"), threshold=THRESHOLD)
    plan = runs.plan(spec)
    assert (plan.analyse, plan.decide, plan.complete, plan.unreadable) == (2, 0, 0, 0)
    assert plan.size_bytes == sum(f.stat().st_size for f in folder.iterdir())
    assert not (tmp_path / "out").exists()
    run(folder)
    make("c.wav")
    assert "1 to analyse" in str(runs.plan(spec))
    assert runs.plan(spec).complete == 2
    other = runs.RunSpec.from_json(spec.to_json() | {"threshold": "0.3"})
    assert runs.plan(other).decide == 2
    with pytest.raises(RunRefused, match="hop: "):
        runs.plan(runs.RunSpec.from_json(spec.to_json() | {"hop_s": 1.0}))
    assert runs.plan(runs.RunSpec.from_json(spec.to_json() | {"hop_s": 1.0, "overwrite": True})).analyse == 3


def test_a_taught_detector_that_hears_nothing_is_no_news(make, run, tmp_path):
    taught = shutil.copytree(models.load("instruments").path, tmp_path / "taught")
    described = json.loads((taught / "bundle.json").read_text())
    provenance = described["provenance"] | {"head": {"seed": 0}}
    (taught / "bundle.json").write_text(json.dumps(described | {"provenance": provenance}))
    assert run(make("a.wav"), models=(str(taught),), threshold="1").remarks == ()


def test_what_only_one_of_several_models_says_of_a_recording_stands_behind_its_name(make, run, tmp_path):
    folder = make("a.wav")
    samples, rate = soundfile.read(folder / "a.wav")
    soundfile.write(folder / "a.wav", np.clip(samples[: rate // 10] * 100, -1, 1), rate)
    run(folder, models=("instruments", "field"))
    (row,) = csv.DictReader((tmp_path / "out/files.csv").open())
    short = "shorter than the model's window of 1 s"
    parts = row["note"].split("; ")
    assert [part for part in parts if "shorter" in part] == [
        f"instruments: {short}: repeated",
        f"field: {short}: padded",
    ]
    assert [part[:9] for part in parts if "clipped" in part] == ["clipped ("]


def test_recordings_that_no_model_knows_are_counted(make, run, tmp_path, monkeypatch):
    folder = make("a.wav", "b.wav")
    soundfile.write(folder / "silent.wav", np.zeros(44_100), 22_050)
    (silence,) = run(folder, threshold="0").remarks
    assert silence.startswith("1 recording is silent, or dead in some channel")
    # As if one model alone came with the package.
    shipped = tmp_path / "shipped" / "instruments"
    shutil.copytree(models.load("instruments").path, shipped)
    monkeypatch.setattr(models, "SHIPPED", shipped.parent)
    again, said = run(folder, threshold="1").remarks
    assert again == silence
    assert said.startswith(
        "2 recordings are mostly unknown to the model instruments (files.csv, column note); no other model comes"
    )
    notes = {row["file"]: row["note"] for row in csv.DictReader((tmp_path / "out/files.csv").open())}
    unknown = "mostly unknown to the model"
    assert notes.pop("silent.wav").startswith("silent: digital silence")
    assert notes == {"a.wav": unknown, "b.wav": unknown}
    other = shutil.copytree(models.load("instruments").path, tmp_path / "models" / "bees")
    described = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps(described | {"name": "bees"}))
    monkeypatch.setenv("SONOSCOPE_MODELS", str(tmp_path / "models"))
    _, said = run(folder, threshold="1").remarks
    assert said.endswith("others: bees (-m NAME; sonoscope models list)")
