"""clips, review, thresholds verdicts and rates as commands: what they print, write and refuse."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from sonoscope.cli import main

from .conftest import Sonoscope


@pytest.fixture(scope="module")
def out(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("field") / "out"
    assert main(["analyze", str(recordings), "-o", str(folder), "-q"]) == 0
    return folder


@pytest.fixture(scope="module")
def judged(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of organ and drums, judged by one who believes the recordings' names."""
    folder = tmp_path_factory.mktemp("judged") / "clips"
    assert main(["clips", str(out), "-o", str(folder), "--labels", "organ,drums", "--count", "40"]) == 0
    with open(folder / "clips.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = {"organ.wav": "organ", "beat.flac": "drums"}
    lines = [
        "clip,verdict",
        *(f"{r['clip']},{'yes' if right.get(r['file']) == r['label'] else 'no'}" for r in rows),
    ]
    (folder / "verdicts-anna.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_clips_say_what_they_are_and_what_is_next(sonoscope: Sonoscope, out: Path, tmp_path: Path) -> None:
    ran = sonoscope(
        "clips", out, "-o", tmp_path / "c", "--count", 12, "--labels", "organ", "--audio", "wav", "--pad", 1
    )
    assert ran.code == 0 and not ran.out
    assert "12 clips in" in ran.err and ": 12 organ" in ran.err and "--reviewer NAME" in ran.err
    assert len(list((tmp_path / "c" / "audio").glob("*.wav"))) == 12
    again = sonoscope("clips", out, "-o", tmp_path / "c", "--count", 12)
    assert again.code == 2 and "is in use" in again.err


def test_a_batch_more(sonoscope: Sonoscope, out: Path, judged: Path, tmp_path: Path) -> None:
    shutil.copytree(judged, tmp_path / "c")
    verdicts = tmp_path / "c" / "verdicts-anna.csv"
    ran = sonoscope("clips", out, "-o", tmp_path / "c", "--next", verdicts, "--count", 2)
    assert ran.code == 0 and "2 more clips in" in ran.err and "which now holds 21 organ" in ran.err
    ran = sonoscope("clips", out, "-o", tmp_path / "c", "--next", verdicts, "--seed", 3)
    assert ran.code == 2 and "--seed was settled when" in ran.err


def test_recordings_that_are_gone_end_with_1(
    sonoscope: Sonoscope, out: Path, recordings: Path, tmp_path: Path
) -> None:
    shutil.copytree(recordings, tmp_path / "r")
    (tmp_path / "r" / "beat.flac").unlink()
    ran = sonoscope(
        "clips", out, "-o", tmp_path / "c", "--labels", "organ", "--count", 30, "--recordings", tmp_path / "r"
    )
    assert ran.code == 1 and "not cut: beat.flac: is not at" in ran.err


def test_precision_and_recall_are_told_and_thresholds_written(
    sonoscope: Sonoscope, judged: Path, out: Path, tmp_path: Path
) -> None:
    ran = sonoscope("thresholds", "verdicts", judged, "--curve", tmp_path / "curve.csv")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "verdicts", "of", "found"]
    assert [line.split()[0] for line in lines[1:]] == ["organ", "drums"]
    with open(tmp_path / "curve.csv", encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    assert {row["label"] for row in curve} == {"organ", "drums"} and len(curve) > 10
    ran = sonoscope(
        "thresholds", "verdicts", judged, "--labels", "drums", "--precision", 0.6, "-o", tmp_path / "t.csv"
    )
    assert ran.code == 0 and "drums" in (tmp_path / "t.csv").read_text()
    ran = sonoscope(
        "analyze", "--from-scores", out, "--threshold", tmp_path / "t.csv", "-o", tmp_path / "again"
    )
    assert ran.code == 0
    ran = sonoscope("thresholds", "verdicts", judged, "--sites")
    assert ran.code == 0 and ran.out.splitlines()[0].split()[1] == "site"


def test_what_nobody_judged_is_told(sonoscope: Sonoscope, judged: Path, out: Path, tmp_path: Path) -> None:
    """Verdicts on found windows only say nothing about the others; a whole folder of verdicts leaves nothing open."""
    assert "nobody judged" not in sonoscope("thresholds", "verdicts", judged).err
    shutil.copytree(judged, tmp_path / "some")
    with open(judged / "clips.csv", encoding="utf-8") as file:
        organ = [row for row in csv.DictReader(file) if row["label"] == "organ"]
    found = [row["clip"] for row in organ if row["found"] == "1"]
    with open(judged / "frame.csv", encoding="utf-8") as file:
        frame = [row for row in csv.DictReader(file) if row["label"] == "organ"]
    windows = [sum(int(row["windows"]) for row in frame if row["found"] in which) for which in ("0", "01")]
    (tmp_path / "some" / "verdicts-anna.csv").write_text(
        "clip,verdict\n" + "".join(f"{clip},yes\n" for clip in found)
    )
    message = f"organ: nobody judged clips that stand for {windows[0] / windows[1]:.0%} of its windows"
    for words in (
        ("thresholds", "verdicts", tmp_path / "some"),
        ("rates", out, "--correct", tmp_path / "some"),
    ):
        ran = sonoscope(*words)
        assert ran.code == 0 and message in ran.err and "drums: nobody" not in ran.err


def test_wishes_that_cannot_be_shown_are_refused(sonoscope: Sonoscope, judged: Path, tmp_path: Path) -> None:
    ran = sonoscope("thresholds", "verdicts", judged, "--precision", 0.99, "-o", tmp_path / "t.csv")
    assert ran.code == 2 and "are needed there" in ran.err and not (tmp_path / "t.csv").exists()
    for words, message in (
        (("--precision", 0.9, "--recall", 0.5), "two wishes"),
        (("--precision", 0.3), "--precision 0.3 must lie above 0.5 and below 1"),
        (("-o", tmp_path / "t.csv"), "say what is wished"),
        (("--curve", tmp_path / "t.txt"), "must end with .csv"),
        (("--labels", "organs"), "Did you mean 'organ'"),
        (("--unsure", "maybe"), "--unsure maybe must be one of"),
        (("--verdicts", tmp_path / "none.csv"), "there is no such file of verdicts"),
    ):
        ran = sonoscope("thresholds", "verdicts", judged, *words)
        assert ran.code == 2 and message in ran.err, (words, ran.err)


def test_agreement_needs_two(sonoscope: Sonoscope, judged: Path, tmp_path: Path) -> None:
    ran = sonoscope("review", judged, "--agreement")
    assert ran.code == 2 and "agreement needs two reviewers" in ran.err
    shutil.copytree(judged, tmp_path / "c")
    shutil.copy(judged / "verdicts-anna.csv", tmp_path / "c" / "verdicts-ben.csv")
    ran = sonoscope("review", tmp_path / "c", "--agreement")
    assert ran.code == 0 and "anna, ben" in ran.out and "they agree on every clip" in ran.err


def test_the_page_as_a_file(sonoscope: Sonoscope, judged: Path, tmp_path: Path) -> None:
    ran = sonoscope("review", judged, "--html", tmp_path / "page.html", "--labels", "organ")
    assert ran.code == 0 and "20 clips in" in ran.err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    ran = sonoscope("review", judged, "--html", tmp_path / "page.html")
    assert ran.code == 2 and "--overwrite" in ran.err
    for words, message in (
        ((), "who judges? --reviewer NAME"),
        (("--reviewer", "a/b"), "it names a file"),
        (("--html", tmp_path / "x.html", "--agreement"), "do not go together"),
        (("--overwrite", "--reviewer", "x"), "--overwrite is for --html"),
    ):
        ran = sonoscope("review", judged, *words)
        assert ran.code == 2 and message in ran.err, (words, ran.err)


def test_the_page_is_served_until_ctrl_c(judged: Path, tmp_path: Path) -> None:
    shutil.copytree(judged, tmp_path / "c")
    command = [
        sys.executable,
        "-m",
        "sonoscope",
        "review",
        str(tmp_path / "c"),
        "--reviewer",
        "eve",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().strip()
        assert b"<!doctype html>" in urllib.request.urlopen(url, timeout=20).read()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert "0 verdicts in" in process.stderr.read()
    assert (tmp_path / "c" / "verdicts-eve.csv").is_file()


def test_rates_are_tidy_and_corrected(sonoscope: Sonoscope, out: Path, judged: Path, tmp_path: Path) -> None:
    ran = sonoscope("rates", out, "--labels", "organ,drums")
    rows = list(csv.DictReader(ran.out.splitlines()))
    assert ran.code == 0 and [row["label"] for row in rows] == ["organ", "drums"]
    assert all(float(row["analysed_s"]) == pytest.approx(12.0, abs=0.01) for row in rows)
    everything = sonoscope("rates", out).out.splitlines()
    assert len(everything) == 1 + 13 and not any(",other," in line for line in everything)
    ran = sonoscope("rates", out, "--correct", judged, "-o", tmp_path / "rates.csv")
    with open(tmp_path / "rates.csv", encoding="utf-8") as file:
        corrected = {row["label"]: row for row in csv.DictReader(file)}
    assert (
        ran.code == 0 and corrected["organ"]["corrected_share"] and not corrected["piano"]["corrected_share"]
    )
    assert 0.2 < float(corrected["organ"]["corrected_share"]) < 0.5
    assert f"not corrected, as {judged} has no clips of them: cello, " in ran.err


def test_rates_by_hour_are_drawn(sonoscope: Sonoscope, out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "dated")
    file = tmp_path / "dated" / "files.csv"
    lines = file.read_text().splitlines()
    header = lines[0].split(",")
    place = header.index("start_datetime")
    for number, line in enumerate(lines[1:], start=1):
        cells = line.split(",")
        cells[place] = f"2025-10-26T0{number}:59:58+02:00"
        lines[number] = ",".join(cells)
    file.write_text("\n".join(lines) + "\n")
    words = ("--labels", "organ", "--zone", "Europe/Berlin")
    ran = sonoscope("rates", tmp_path / "dated", *words, "--plot", tmp_path / "r.svg")
    starts = [row["bin_start"] for row in csv.DictReader(ran.out.splitlines())]
    assert ran.code == 0 and starts[:3] == [
        "2025-10-26T01:00:00+02:00", "2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00",
    ]  # fmt: skip
    assert (tmp_path / "r.svg").read_text().startswith("<svg")
    ran = sonoscope("rates", tmp_path / "dated", "--labels", "organ", "--by", "class,hour-of-day")
    assert [row["hour"] for row in csv.DictReader(ran.out.splitlines())] == ["1", "2", "3", "4"]
    assert "is not known" not in ran.err
    file.write_text(file.read_text().replace("2025-10-26T01:59:58+02:00", ""))
    ran = sonoscope("rates", tmp_path / "dated", "--labels", "organ", "--by", "class,hour-of-day")
    assert "the start of 1 recording is not known: counted in rows without an hour" in ran.err


def test_rates_refuse_what_they_do_not_know(sonoscope: Sonoscope, out: Path, tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    for words, message in (
        ((tmp_path,), "holds no files.csv"),
        ((), "of what?"),
        ((out, "--bin", "week"), "unknown bin 'week'"),
        ((out, "--by", "place"), "--by 'place' is unknown"),
        ((out, "--zone", "Berlin"), "unknown time zone 'Berlin'"),
        ((out, "--labels", "orgn"), "Did you mean 'organ'"),
        ((out, "-o", tmp_path / "there.csv"), "--overwrite"),
        ((out, "-o", tmp_path / "x.txt"), "must end with .csv"),
        ((out, "--plot", tmp_path / "x.png"), "must end with .svg"),
        ((out, "--plot", tmp_path / "x.svg"), "--plot needs rows with a time"),
        ((out, "--verdicts", "v.csv"), "--verdicts says nothing without --correct"),
        ((out, "--correct", tmp_path, "--by", "site"), "add class to --by"),
        ((out, "--correct", tmp_path), "is no folder of clips"),
        ((out, "--interval", "wald"), "--interval wald must be one of"),
    ):
        ran = sonoscope("rates", *words)
        assert ran.code == 2 and message in ran.err, (words, ran.err)
    assert not (tmp_path / "x.svg").exists()


def test_the_r_file_is_where_it_says(sonoscope: Sonoscope) -> None:
    ran = sonoscope("rates", "--r-file")
    assert ran.code == 0 and "sonoscope_rates <- function" in Path(ran.out.strip()).read_text()
