"""What docs/experiments.md says is what was measured: its tables against the results beside the plans."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "experiments"
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
PLANS = ("plan.yaml", "tiny.yaml")


def plan(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RECIPE / name).read_text(encoding="utf-8"))
    return found


def rows(marker: str) -> list[list[str]]:
    """The cells of all lines of the tables between two markers, their heads among them."""
    block = re.search(rf"<!-- {marker} -->\n(.*?)<!-- /{marker} -->", PAGE, re.DOTALL)
    assert block, marker
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in block[1].splitlines()
        if line.startswith("| ")
    ]


@pytest.mark.parametrize("name", PLANS)
def test_the_tables_are_those_of_the_results(name: str) -> None:
    asked = plan(name)
    results = json.loads((RECIPE / asked.get("results", "results.json")).read_text(encoding="utf-8"))
    shown = {row[0]: row[1:] for row in rows(asked.get("marker", "tables")) if row[0] in results}
    assert set(shown) == set(results)
    for training, cells in shown.items():
        seeds = list(results[training].values())
        assert int(cells[0]) == len(seeds), training
        for figure, cell in zip(("map", "macro_f1", "macro_top1"), cells[1:], strict=True):
            values = np.array([seed["fitted"][figure] for seed in seeds])
            expected = f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")
            assert cell == expected, (training, figure)


@pytest.mark.parametrize("name", PLANS)
def test_every_question_that_was_trained_for_has_its_answer(name: str) -> None:
    asked = plan(name)
    results = json.loads((RECIPE / asked.get("results", "results.json")).read_text(encoding="utf-8"))
    trainings = {each if isinstance(each, str) else each["name"] for each in asked["trainings"]}
    assert set(results) <= trainings
    answered = {(row[0], row[1], row[2]) for row in rows(asked.get("marker", "tables")) if len(row) == 5}
    for question in asked["questions"]:
        for first, second in question["pairs"]:
            assert {first, second} <= trainings
            told = (question["asks"], f"{first} – {second}", "map") in answered
            assert told == ({first, second} <= set(results)), (first, second)
