"""The benchmarks run and give figures. What the figures are is never a test: it depends on the machine."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROJECT = Path(__file__).parents[1]
RUN = PROJECT / "benchmarks" / "run.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(RUN), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """The table and the JSON of a quick run of what needs neither librosa nor torch and starts no pool."""
    folder = tmp_path_factory.mktemp("benchmarks")
    file = folder / "results.json"
    done = run("--quick", "--only", "stages,trunk,startup", "--folder", folder / "work", "--json", file)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_every_benchmark_gives_figures(quick) -> None:
    _, results = quick
    assert list(results["benchmarks"]) == ["stages", "trunk", "startup"]
    for name, entry in results["benchmarks"].items():
        assert entry["figures"], name
        assert entry["machine"]["processors"] >= 1
        for figure in entry["figures"]:
            assert math.isfinite(figure["value"]), figure
            assert figure["value"] >= 0, figure
            assert figure["what"], figure


def test_the_table_has_a_row_for_each_figure(quick) -> None:
    table, results = quick
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    figures = [figure for entry in results["benchmarks"].values() for figure in entry["figures"]]
    assert len(rows) == len(figures)
    assert all(len(row) == 4 for row in rows)
    for row, figure in zip(rows, figures, strict=True):
        assert row[1] == figure["what"]
        assert float(row[2].split()[0]) == pytest.approx(figure["value"], rel=0.01, abs=1e-3)


def test_the_page_of_benchmarks_names_every_one() -> None:
    page = (PROJECT / "docs" / "benchmarks.md").read_text()
    named = {name for words in re.findall(r"run\.py --only ([a-z_,]+)", page) for name in words.split(",")}
    listed = re.search(r"^BENCHMARKS[^=]*= \{(.*?)^\}", RUN.read_text(), re.MULTILINE | re.DOTALL)
    assert listed and named == set(re.findall(r'^    "(\w+)":', listed[1], re.MULTILINE))


def test_results_of_other_benchmarks_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    kept = {"machine": {}, "figures": [{"what": "x", "value": 1.0, "unit": "", "goal": "", "details": {}}]}
    file.write_text(json.dumps({"benchmarks": {"memory": kept, "trunk": kept}}))
    assert run("--quick", "--only", "trunk", "--json", file).returncode == 0
    results = json.loads(file.read_text())["benchmarks"]
    assert results["memory"] == kept
    assert results["trunk"] != kept


def test_an_unknown_benchmark_is_refused_with_the_known_ones() -> None:
    done = run("--only", "speed")
    assert done.returncode == 2
    assert "unknown benchmark speed; known: end_to_end, stages" in done.stderr


def test_every_benchmark_is_documented() -> None:
    listed = set(
        re.findall(r"^  (\w+) +\S", run("--help").stdout.split("measure sonoscope.")[-1], re.MULTILINE)
    )
    readme = (RUN.parent / "README.md").read_text(encoding="utf-8")
    files = {path.stem for path in RUN.parent.glob("*.py")} - {"run", "measure", "naive", "sound"}
    assert files <= listed
    assert all(f"`{name}`" in readme for name in files)


def test_recordings_at_lengths_become_a_table(tmp_path: Path) -> None:
    """A recording of half a second is played again for longer lengths; one line a length."""
    samples = 0.1 * np.sin(2 * np.pi * 440 * np.arange(11_025) / 22_050)
    soundfile.write(tmp_path / "a.wav", samples, 22_050)
    words = [tmp_path / "a.wav", "--lengths", "0.1,2", "--label", "flute", "-o", tmp_path / "table.csv"]
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "durations.py"), *map(str, words)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["recording"], row["length_s"], row["label"]) for row in rows] == [
        ("a.wav", "0.1", "flute"), ("a.wav", "2.0", "flute"),
    ]  # fmt: skip
    assert [int(row["windows"]) for row in rows] == [1, 3]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("score", "share"))
    assert all(float(row[name]) > 0 for row in rows for name in ("wall_s", "cpu_s", "peak_mib"))


@pytest.mark.slow
def test_buzzdetects_way_and_ours_turn_one_recording_into_tables(tmp_path: Path) -> None:
    """The same frames on both sides; TensorFlow's side needs an environment of its own."""
    words = [
        "--engine",
        "onnx",
        "--quick",
        "--repeats",
        "1",
        "--folder",
        tmp_path,
        "--json",
        tmp_path / "r.json",
    ]
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "buzzdetect"), *map(str, words)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["onnx"]
    assert all(math.isfinite(figure["ratio"]) for figure in figures.values())
    with open(tmp_path / "theirs.csv", newline="") as file:
        theirs = list(csv.DictReader(file))
    with open(next((tmp_path / "ours").rglob("*_buzzdetect.csv")), newline="") as file:
        ours = list(csv.DictReader(file))
    assert list(theirs[0]) == list(ours[0])
    assert abs(len(theirs) - len(ours)) <= 1
