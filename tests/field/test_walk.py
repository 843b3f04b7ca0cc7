"""From recorder cards to rates: twenty minutes of a simulated season, by the commands of its owner.

Teaching, with which the whole walk begins, has tests of its own (``tests/training``).
"""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import pytest


def test_a_small_season_is_walked_through(
    walk: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    season = tmp_path / "season"
    wishes = {"hours": 1 / 3, "minutes": 1.0, "scenes": 3, "sites": 2, "snippets": 0, "clips": 24, "seed": 3}
    held, total = walk.walk(season, model="field", **wishes)
    assert 0 <= held <= total <= 3
    with open(season / "results" / "files.csv", newline="", encoding="utf-8") as file:
        files = {row["file"]: row for row in csv.DictReader(file)}
    assert len(files) == 20 + 3, "no junk of macOS among them"
    assert {row["site"] for row in files.values()} == {"site1", "site2"}
    assert files["site2/20250601_050000.WAV"]["start_datetime"] == "2025-06-01T05:00:00+02:00"
    assert "cut short" in files["site1/20250701_050000.WAV"]["note"]
    assert files["site1/20250701_060000.WAV"]["status"] == "failed"
    reset = files["site1/19700101_000312.WAV"]
    assert reset["start_datetime"] == "" and "the recorder's clock had been reset" in reset["note"]
    with open(season / "hours.csv", newline="", encoding="utf-8") as file:
        rates = list(csv.DictReader(file))
    assert {(row["hour"], row["site"]) for row in rates if row["hour"]} == {
        ("5", "site1"), ("5", "site2")
    }  # fmt: skip
    assert (season / "hours.svg").stat().st_size > 1000
