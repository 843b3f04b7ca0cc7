"""What docs/experiments.md says is what was measured: its tables against the results beside the plans."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sonoscope.training.runs import Run

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "experiments"
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
#: Of a plan that names none.
FIGURES = ("map", "macro_f1", "macro_top1")
PLANS = ("plan.yaml", "tiny.yaml", "classical.yaml")


def plan(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RECIPE / name).read_text(encoding="utf-8"))
    return found


def results(asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (RECIPE / asked.get("results", "results.json")).read_text(encoding="utf-8")
    )
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
    trained = results(asked)["trainings"]
    shown = {row[0]: row[1:] for row in rows(asked.get("marker", "tables")) if row[0] in trained}
    assert set(shown) == set(trained)
    for training, cells in shown.items():
        seeds = list(trained[training].values())
        assert int(cells[0]) == len(seeds), training
        for figure, cell in zip(asked.get("figures", FIGURES), cells[1:], strict=True):
            values = np.array([seed["fitted"][figure] for seed in seeds])
            expected = f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")
            assert cell == expected, (training, figure)


@pytest.mark.parametrize("name", PLANS)
def test_every_question_that_was_trained_for_has_its_answer(name: str) -> None:
    asked = plan(name)
    found = results(asked)
    trained, held = found["trainings"], {(each["first"], each["second"]): each for each in found["questions"]}
    trainings = {each if isinstance(each, str) else each["name"] for each in asked["trainings"]}
    assert set(trained) <= trainings
    answered = {tuple(row[:3]): row[3:] for row in rows(asked.get("marker", "tables")) if len(row) == 5}
    for question in asked["questions"]:
        for first, second in question["pairs"]:
            assert {first, second} <= trainings
            assert ((first, second) in held) == ({first, second} <= set(trained)), (first, second)
            if (first, second) not in held:
                continue
            answer = held[first, second]
            seeds = answer["seeds"]
            assert set(seeds) == set(trained[first]) & set(trained[second]), (first, second)
            for figure, value in answer["figures"].items():
                ahead = [
                    trained[first][seed]["fitted"][figure] > trained[second][seed]["fitted"][figure]
                    for seed in seeds
                ]
                low, high = value["interval_95"]
                assert answered[question["asks"], f"{first} – {second}", figure] == [
                    f"{value['difference']:+.3f} ({low:+.3f} to {high:+.3f})", f"{sum(ahead)} of {len(seeds)}"
                ]  # fmt: skip


@pytest.fixture
def recipe() -> Any:
    spec = importlib.util.spec_from_file_location("run_experiments", RECIPE / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seeds_of(**figures: float) -> list[Run]:
    """A training whose seeds have these figures."""
    return [Run(Path(seed), {}, {"fitted": {"map": value}}) for seed, value in figures.items()]


def test_a_part_that_is_run_again_takes_the_place_of_what_was_held_and_leaves_the_rest(recipe: Any) -> None:
    asked = {
        "trainings": ["one", {"name": "other"}, {"name": "first", "settings": {"kind": "pretrain"}}, "none"]
    }
    held = {
        "one": {"seed-0": "kept", "seed-1": "old"},
        "other": {"seed-0": "kept too"},
        "gone": {"seed-0": "no"},
    }
    found = recipe.figures_of(asked, held, {"one": [Run(Path("seed-1"), {}, {"map": 1.0})]})
    assert found == {"one": {"seed-0": "kept", "seed-1": {"map": 1.0}}, "other": {"seed-0": "kept too"}}


def test_an_answer_is_given_anew_where_no_fewer_seeds_are_found(
    recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "questions": [{"asks": "which", "pairs": [["one", "other"], ["one", "third"], ["one", "fourth"]]}]
    }
    monkeypatch.setattr(recipe, "compared", lambda first, second: "anew")
    held = [
        {"asks": "which", "first": "one", "second": name, "seeds": ["seed-0", "seed-1"], "figures": name}
        for name in ("other", "third")
    ]
    three = {"seed_0": 0.1, "seed_1": 0.2, "seed_2": 0.3}
    found = {"one": seeds_of(**three), "other": seeds_of(**three), "third": seeds_of(seed_0=0.1)}
    said = {each["second"]: each for each in recipe.answers_of(asked, held, found)}
    assert said["other"]["figures"] == "anew" and said["other"]["seeds"] == ["seed_0", "seed_1", "seed_2"]
    assert said["third"] == held[1] and "fourth" not in said
    assert recipe.ahead(seeds_of(seed_0=0.2, seed_1=0.1), seeds_of(seed_0=0.1, seed_1=0.3), "map") == 1
