"""The lines of docs/field.md for R run in R, on tables that the command wrote. Skipped where there is no R."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sonoscope import runs
from sonoscope.cli import main
from sonoscope.field import rates

PAGE = Path(__file__).parents[2] / "docs" / "field.md"
SOURCE = Path(rates.__file__).with_name("sonoscope.R")


@pytest.fixture(scope="module")
def place(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``results``, tables of buzzdetect among them, and their ``rates.csv``."""
    if shutil.which("Rscript") is None:
        pytest.skip("no R")
    folder = tmp_path_factory.mktemp("r")
    shutil.copytree(results, folder / "results")
    files = (folder / "results" / "files.csv").read_text()
    runs.decide(folder / "results", {"formats": ("csv", "buzzdetect")})
    (folder / "results" / "files.csv").write_text(files)
    words = [
        "rates",
        str(folder / "results"),
        "--by",
        "site,class,hour-of-day",
        "-o",
        str(folder / "rates.csv"),
    ]
    assert main(words) == 0
    return folder


def run(code: str, folder: Path) -> str:
    """What R prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["Rscript", "-e", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_of_the_page_run(place: Path) -> None:
    blocks = re.findall(r"```r\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    out = run("options(warn = 2)\n" + "\n".join(blocks), place)
    assert "piano" in out and "Coefficients" in out and "activation_cello" in out
    assert (place / "for-buzzr" / "north" / "2025-06-01_08_buzzdetect.csv").is_file()


def test_times_and_text_are_what_they_were(place: Path) -> None:
    code = f"""
    source("{SOURCE}")
    cat(format(sonoscope_time(c("2025-06-01T08:00:00+02:00", "", "2025-01-01T00:00:00Z"), "UTC")), sep = "\\n")
    r <- sonoscope_rates("rates.csv"); cat(class(r$bin_start)[1], class(r$site), nrow(r), sum(r$events), "\\n")
    e <- sonoscope_events("results", "Europe/Berlin")
    cat(format(e$time[1], "%H:%M"), nrow(e), "\\n")
    """
    lines = run(code, place).split("\n")
    assert lines[:3] == ["2025-06-01 06:00:00", "NA", "2025-01-01 00:00:00"] or lines[0].startswith(
        "2025-06-01 06:00"
    )
    events = (place / "results" / "events.csv").read_text().splitlines()[1:]
    rows = (place / "rates.csv").read_text().splitlines()[1:]
    assert lines[3].split()[:3] == ["POSIXct", "character", str(len(rows))]
    assert int(lines[3].split()[3]) == len(events)
    assert lines[4].split()[1] == str(len(events))


def test_what_buzzr_looks_for_is_there(place: Path) -> None:
    """Names without their ending end with ``_buzzdetect``; the columns are ``start`` and ``activation_…``."""
    out = run(f'source("{SOURCE}"); cat(sonoscope_for_buzzr("results", "b"), sep = "\\n")', place)
    names = out.split()
    assert len(names) == 6 and all(Path(name).stem.endswith("_buzzdetect") for name in names)
    header = (place / names[0]).read_text().splitlines()[0].split(",")
    assert header[0] == "start" and all(name.startswith("activation_") for name in header[1:])
