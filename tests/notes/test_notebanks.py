"""Which stems the recipe of `notes` takes from what was rendered."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).parents[2] / "recipes" / "notes"
SETTINGS = {"most": {"piano": 3, "default": 2}, "left_out": ["sound_effect"]}


@pytest.fixture
def banks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(RECIPE))
    for name in ("banks", "extra", "played", "corpus", "settings"):  # other recipes have files of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("banks")
    for name in ("banks", "extra", "played", "corpus", "settings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return module


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """Nine stems of a piano, of a flute and of an effect; the second of the piano is silent."""
    folder = tmp_path / "font"
    folder.mkdir()
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "labels", "instrument"])
        for name in ("piano", "flute", "sound_effect"):
            for number in range(9):
                writer.writerow(
                    [f"{name}-{number}.flac", "" if (name, number) == ("piano", 1) else name, name]
                )
    return tmp_path


def taken(banks: ModuleType, root: Path, *, beyond: int = 0, kept: int = 0) -> list[str]:
    return [stem.path.stem for stem in banks.rendered_stems(SETTINGS, root, ["font"], beyond, kept)]


def test_the_first_that_can_be_heard_are_learnt_from(banks: ModuleType, rendered: Path) -> None:
    assert taken(banks, rendered) == ["piano-0", "piano-2", "piano-3", "flute-0", "flute-1"]


def test_what_comes_after_them_is_kept_for_fitting_and_then_learnt_from(
    banks: ModuleType, rendered: Path
) -> None:
    first, fitted = taken(banks, rendered), taken(banks, rendered, beyond=2)
    assert fitted == ["piano-4", "piano-5", "flute-2", "flute-3"]
    further = taken(banks, rendered, beyond=2, kept=2)
    assert further == ["piano-6", "piano-7", "flute-4", "flute-5"]
    assert not set(further) & {*first, *fitted}
