"""Mixtures of waveforms and of mel powers agree within the tolerance that is stated, and the measure would notice."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sonoscope import models
from sonoscope.data import sources
from sonoscope.data.mix import combine
from sonoscope.data.mix.pool import Pool
from sonoscope.data.rows import Manifest, Row
from sonoscope.evaluation import agreement
from sonoscope.evaluation.agreement import TOLERANCE, Spread, measure
from sonoscope.features import LogMel
from sonoscope.models.runtime import Runtime

PROJECT = Path(__file__).parents[2]
RECIPE = PROJECT / "recipes" / "mixing"


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(models.load("instruments"))


@pytest.fixture(scope="module")
def examples() -> Pool:
    """The examples, labelled by what leads: music that lies in the project."""
    rows = (
        Row("violin.flac", labels=("violin",)), Row("piano.ogg", labels=("piano",)),
        Row("organ.opus", labels=("organ",)), Row("electric-guitar.mp4", labels=("electric_guitar",)),
        Row("saxophones.m4a", labels=("saxophone",)),
    )  # fmt: skip
    return Pool(Manifest(rows, PROJECT / "examples"), 24_000)


def test_music_agrees_within_the_tolerance(examples: Pool, runtime: Runtime) -> None:
    found = measure(examples, runtime, count=40, seed=1)
    assert found.mixtures == 40 and found.holds(), found
    # The powers are no further from a mixture of waveforms than another one with other polarities is.
    assert found.probabilities.size <= 1.5 * found.other_polarity.size
    assert found.same_decisions > 0.97


def test_labelled_recordings_agree_within_the_tolerance(data_dir: Path, runtime: Runtime) -> None:
    sounds = Pool(sources.load(f"collection:{data_dir}"), 24_000)
    found = measure(sounds, runtime, count=30, seed=2)
    assert found.holds(), found


def test_the_figures_that_are_kept_are_within_the_tolerance_and_in_the_document() -> None:
    kept = json.loads((RECIPE / "results" / "agreement.json").read_text())
    assert kept["tolerance"] == TOLERANCE and kept["mixtures"] >= 400
    spreads = {k: Spread(**v) for k, v in kept.items() if isinstance(v, dict) and k != "tolerance"}
    found = agreement.Agreement(
        mixtures=kept["mixtures"], expected_db=kept["expected_db"], same_decisions=kept["same_decisions"], **spreads
    )  # fmt: skip
    assert found.holds()
    page = (PROJECT / "docs" / "mixing.md").read_text(encoding="utf-8")
    assert recipe().table(found) in page


def recipe() -> ModuleType:
    """recipes/mixing/agreement.py as a module."""
    spec = importlib.util.spec_from_file_location("mixing_agreement", RECIPE / "agreement.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_level_that_is_wrong_is_noticed(
    examples: Pool, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gains taken for powers instead of amplitudes, or a part counted twice, break the tolerance."""
    true = combine.sum_powers_db
    for wrong in (
        lambda parts, gains: true(np.concatenate([parts, parts[:1]]), np.append(gains, 0.0)),
        lambda parts, gains: true(parts, gains - 1.0),
    ):
        monkeypatch.setattr(combine, "sum_powers_db", wrong)
        found = measure(examples, runtime, count=4, seed=1)
        assert not found.holds() and found.expected_db > 0.5


def test_two_tones_at_one_pitch_differ_by_what_physics_says() -> None:
    """Equal tones are 6 dB louder in phase and nothing against it; powers say 3 dB, the mean of both."""
    feature = LogMel()
    time_s = np.arange(48_000) / 24_000
    tone = (0.1 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    one = feature(tone)[20:60].max(axis=1)
    for sign, expected in ((1.0, 6.02), (-1.0, -200.0)):
        both = combine.sum_n(np.stack([tone, sign * tone]), np.zeros(2))
        assert (feature(both)[20:60].max(axis=1) - one).max() == pytest.approx(
            max(expected, -100 - one.max()), abs=0.02
        )
    powers = combine.sum_powers_db(np.stack([feature(tone)] * 2), np.zeros(2))[20:60].max(axis=1)
    np.testing.assert_allclose(powers - one, 3.01, atol=0.01)


def test_spreads_are_means_and_percentiles() -> None:
    values = np.linspace(-1, 3, 1001)
    spread = Spread.of(values)
    assert (spread.count, spread.mean, spread.low, spread.high) == (1001, 1.0, -0.9, 2.9)
    assert spread.size == pytest.approx(np.abs(values).mean(), abs=1e-4)
    limits = {"mean": 1.0, "low": -0.9, "high": 2.9}
    assert spread.within(limits)
    for key, value in (("mean", 0.9), ("low", -0.8), ("high", 2.8)):
        assert not spread.within({**limits, key: value})
    assert not replace(spread, mean=-1.1).within(limits)
