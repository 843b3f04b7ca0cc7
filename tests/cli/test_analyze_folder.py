"""``sonoscope analyze -o FOLDER``: each option reaches the run, and changes what is in the files."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from sonoscope import models

from .conftest import Sonoscope

NAMES = ["beat.flac", "organ.wav", "sub/string.wav"]
ALL = ("--threshold", "0")


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def settings(out: Path) -> dict:
    return json.loads((out / "run.json").read_text())["settings"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_a_folder_of_results(sonoscope: Sonoscope, recordings: Path, out: Path):
    ran = sonoscope("analyze", recordings, "-o", out, *ALL, "--workers", "1")
    assert (ran.code, ran.out) == (0, "")
    for name in NAMES:
        assert (out / f"{name}.events.csv").is_file()
    assert [row["file"] for row in rows(out / "files.csv")] == NAMES
    assert {row["file"] for row in rows(out / "events.csv")} == set(NAMES)
    assert rows(out / "errors.csv") == []
    labels = sum(label.kind == "event" for label in models.load("instruments").labels)
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"3 inputs done; {3 * labels} events in {out}")
    assert re.search(r"\(0:12\.00 of sound, \S+ x real time\)$", last)
    assert settings(out)["workers"] == 1


def test_quiet_says_nothing_and_verbose_a_line_for_each_input(
    sonoscope: Sonoscope, recordings: Path, tmp_path: Path
):
    assert sonoscope("analyze", recordings, "-o", tmp_path / "q", "--workers", "1", "-q").err == ""
    loud = sonoscope("analyze", recordings, "-o", tmp_path / "v", "--workers", "1", "-v").err
    assert all(f"{name}: done, 4.0 s" in loud for name in NAMES)


def test_formats_scores_and_raw(sonoscope: Sonoscope, organ_wav: Path, out: Path):
    words = ("analyze", organ_wav, "-o", out, *ALL, "--format", "csv,raven", "--raw", "--scores")
    assert sonoscope(*words).code == 0
    assert (out / "organ.wav.selections.txt").is_file()
    assert all(float(row["raw"]) == float(row["raw"]) for row in rows(out / "organ.wav.events.csv"))
    header = (out / "organ.wav.scores.csv").read_text().splitlines()[0].split(",")
    assert header == ["start", "end", *models.load("instruments").label_ids]
    assert sonoscope(*words[:-1], "--scores", "tsv").code == 0
    assert (out / "organ.wav.scores.tsv").is_file()


def test_parts_share_a_folder(sonoscope: Sonoscope, recordings: Path, out: Path):
    for part in ("1/2", "2/2"):
        assert sonoscope("analyze", recordings, "-o", out, "--shard", part, "--workers", "1").code == 0
    assert [row["file"] for row in rows(out / "files.csv")] == NAMES


def test_decisions_are_made_again_without_the_recordings(
    sonoscope: Sonoscope, recordings: Path, out: Path, tmp_path
):
    moved = tmp_path / "moved"
    shutil.copytree(recordings, moved)
    sonoscope("analyze", moved, "-o", out, "--threshold", "1", "--workers", "1")
    before = rows(out / "events.csv")
    shutil.rmtree(moved)
    ran = sonoscope("analyze", "--from-scores", out, *ALL)
    assert ran.code == 0 and len(rows(out / "events.csv")) > len(before)
    shorter = sonoscope("analyze", "--from-scores", out, *ALL, "--min-duration", "60", "--format", "audacity")
    assert shorter.code == 0 and rows(out / "events.csv") == []
    assert (out / "organ.wav.labels.txt").read_text() == ""
    other = sonoscope("analyze", "--from-scores", out, *ALL, "--min-duration", "0", "-o", tmp_path / "other")
    assert other.code == 0 and rows(tmp_path / "other" / "events.csv")


def test_without_kept_scores_there_is_nothing_to_decide_from(
    sonoscope: Sonoscope, organ_wav: Path, out: Path
):
    assert sonoscope("analyze", organ_wav, "-o", out, "--no-scores").code == 0
    assert not list(out.rglob("*.npz"))
    assert sonoscope("analyze", "--from-scores", out, *ALL).code != 0


def test_from_scores_refuses_what_needs_the_recordings(sonoscope: Sonoscope, organ_wav: Path, out: Path):
    sonoscope("analyze", organ_wav, "-o", out)
    ran = sonoscope("analyze", "--from-scores", out, "--channel", "1")
    assert ran.code == 2 and "channel: all -> 1" in ran.err
    assert "holds no run of sonoscope" in sonoscope("analyze", "--from-scores", out / "none").err


def test_another_analysis_into_the_same_folder_is_refused_or_asked_for(
    sonoscope: Sonoscope, recordings: Path, organ_wav: Path, out: Path
):
    sonoscope("analyze", organ_wav, "-o", out)
    ran = sonoscope("analyze", organ_wav, "-o", out, "--hop", "0.4")
    assert ran.code == 2 and re.search(r"hop: \S+ -> 0\.4", ran.err)
    assert sonoscope("analyze", recordings, "-o", out, "--overwrite", "--workers", "1").code == 0
    assert [row["file"] for row in rows(out / "files.csv")] == NAMES


def test_config_repeats_a_run_and_options_go_before_it(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    sonoscope(
        "analyze",
        organ_wav,
        "-o",
        first,
        *ALL,
        "--hop",
        "0.4",
        "--max-gap",
        "2",
        "--tail",
        "drop",
        "--scores",
    )
    words = ("analyze", "--config", first / "run.json")
    assert sonoscope(*words, "-o", second).code == 0
    for name in ("events.csv", "organ.wav.scores.csv"):
        assert (second / name).read_bytes() == (first / name).read_bytes()
    kept = {key: value for key, value in settings(second).items() if key != "out"}
    assert kept == {key: value for key, value in settings(first).items() if key != "out"}
    assert sonoscope(*words, "-o", tmp_path / "third", "--threshold", "1").code == 0
    assert len(rows(tmp_path / "third" / "events.csv")) < len(rows(first / "events.csv"))


def test_dry_run_says_what_would_be_done_and_writes_nothing(
    sonoscope: Sonoscope, recordings: Path, out: Path
):
    ran = sonoscope("analyze", recordings, "-o", out, "--dry-run")
    assert ran.code == 0 and "3 inputs into" in ran.out and "3 to analyse" in ran.out
    assert not out.exists()


def test_broken_inputs_are_listed_and_strict_stops_at_them(
    sonoscope: Sonoscope, recordings: Path, broken: Path, tmp_path: Path
):
    ran = sonoscope("analyze", broken, recordings, "-o", tmp_path / "a", "--workers", "1")
    assert ran.code == 1 and "broken.wav" in ran.err and "errors.csv" in ran.err.splitlines()[-1]
    [error] = rows(tmp_path / "a" / "errors.csv")
    assert error["file"].endswith("broken.wav") and error["reason"] and error["remedy"]
    strict = sonoscope("analyze", broken, recordings, "-o", tmp_path / "b", "--workers", "1", "--strict")
    assert strict.code == 1 and "--strict" in strict.err


def test_channel_is_that_of_the_events(sonoscope: Sonoscope, recordings: Path, out: Path):
    file = recordings / "sub" / "string.wav"
    assert sonoscope("analyze", file, "-o", out, *ALL, "--channel", "2").code == 0
    assert {row["channel"] for row in rows(out / "events.csv")} == {"2"}


def test_time_in_the_name_makes_a_new_folder(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    assert sonoscope("analyze", organ_wav, "-o", tmp_path / "run-{time}").code == 0
    [folder] = tmp_path.iterdir()
    assert re.fullmatch(r"run-\d{8}T\d{6}", folder.name)


def test_the_screen_the_file_and_the_folder_agree(sonoscope: Sonoscope, organ_wav: Path, out: Path):
    sonoscope("analyze", organ_wav, "-o", out, *ALL, "--max-gap", "1")
    alone = sonoscope("analyze", organ_wav, "-o", "-", *ALL, "--max-gap", "1").out
    assert (out / "organ.wav.events.csv").read_text() == alone


def test_log_tells_what_the_run_did_and_the_screen_stays_as_it_was(
    sonoscope: Sonoscope, broken: Path, organ_wav: Path, out: Path, tmp_path: Path
):
    log = tmp_path / "run.log"
    ran = sonoscope("analyze", broken, organ_wav, "-o", out, "--log", log, "--workers", "1")
    assert ran.code == 1 and len(ran.err.splitlines()) == 2
    text = log.read_text()
    assert re.search(r"INFO \S+: organ\.wav: done, 4\.0 s, \d+ events?$", text, flags=re.M)
    assert text.count("broken.wav") == 1


def test_a_refusal_is_one_line_even_with_verbose(sonoscope: Sonoscope, organ_wav: Path, out: Path):
    sonoscope("analyze", organ_wav, "-o", out)
    ran = sonoscope("analyze", organ_wav, "-o", out, "--channel", "1", "-v")
    assert ran.code == 2 and len(ran.err.splitlines()) == 1


def test_speed_is_that_of_what_was_heard(sonoscope: Sonoscope, organ_wav: Path, out: Path):
    assert "x real time" in sonoscope("analyze", organ_wav, "-o", out).err
    assert "x real time" not in sonoscope("analyze", organ_wav, "-o", out).err
