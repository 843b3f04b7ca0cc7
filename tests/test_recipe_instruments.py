"""What the recipe of `instruments` draws: guitars that are in tune and told apart, mixtures that are stated whole."""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sonoscope.labels import IRMAS

RECIPE = Path(__file__).parents[1] / "recipes" / "instruments"
RATE = 24_000


@pytest.fixture(scope="module")
def strings() -> ModuleType:
    """recipes/instruments/strings.py as a module."""
    spec = importlib.util.spec_from_file_location("instruments_strings", RECIPE / "strings.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("electric", [True, False])
def test_a_drawn_guitar_plays_the_note_that_is_written(strings: ModuleType, electric: bool) -> None:
    rng = np.random.default_rng(5)
    for pitch in (45, 57, 64):
        sound = strings.note(strings.draw_guitar(rng, electric=electric), pitch, 90, 1.0, RATE, rng)
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 8 * RATE))
        f0 = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        around = slice(round(0.92 * f0 * 8), round(1.08 * f0 * 8))
        found = (around.start + spectrum[around].argmax()) / 8
        assert abs(12.0 * np.log2(found / f0)) < 0.35, "a string is a few cents out of tune, no more"


def test_a_drawn_guitar_dies_away(strings: ModuleType) -> None:
    rng = np.random.default_rng(6)
    for electric in (True, False):
        sound = strings.note(strings.draw_guitar(rng, electric=electric), 52, 100, 2.0, RATE, rng)
        quarter = sound.size // 4
        assert np.isfinite(sound).all()
        assert np.square(sound[-quarter:]).sum() < 0.5 * np.square(sound[:quarter]).sum()


def test_the_stated_mixtures_are_of_two_instruments_of_one_fold() -> None:
    with open(RECIPE / "pairs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["fold"] for row in rows) == dict.fromkeys("ABCD", 150)
    known = {label.id for label in IRMAS}
    for row in rows:
        assert (
            len(labels := row["labels"].split(";")) == 2 and set(labels) <= known and labels[0] != labels[1]
        )
        assert -6.0 <= float(row["gain_db"]) <= 6.0
        assert 0.0 <= float(row["start_first_s"]) < 3.0 and 0.0 <= float(row["start_second_s"]) < 3.0
