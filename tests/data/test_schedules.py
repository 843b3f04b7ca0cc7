"""Schedules: probabilities at every place are probabilities, and go from single sounds to combinations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from sonoscope.data.mix.schedules import SCHEDULES, Schedule, from_dict, load, normalised, uniform
from sonoscope.errors import UnknownName, UsageError

RISING = Schedule(((0.2, (1.0,)), (0.6, (0.0, 1.0)), (1.0, (0.0, 0.5, 0.5))))


def mean(shares: tuple[float, ...]) -> float:
    return float(np.dot(shares, np.arange(1, len(shares) + 1)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_everywhere_there_are_probabilities_and_never_fewer_sounds_than_before(name: str) -> None:
    schedule = SCHEDULES[name]
    means = []
    for progress in np.linspace(0, 1, 101):
        shares = schedule.at(float(progress))
        assert sum(shares) == pytest.approx(1) and min(shares) >= 0 and len(shares) <= schedule.most
        means.append(mean(shares))
    assert (np.diff(means) > -1e-9).all()


def test_trainings_begin_with_single_sounds() -> None:
    for name in ("single", "progressive", "stages"):
        assert SCHEDULES[name].at(0.0) == (1.0,)
    assert mean(SCHEDULES["progressive"].at(1.0)) > 2


def test_between_points_probabilities_go_over_evenly_or_wait() -> None:
    assert RISING.at(0.0) == RISING.at(0.2) == (1.0,)
    assert RISING.at(0.3) == pytest.approx((0.75, 0.25))
    assert RISING.at(0.8) == pytest.approx((0.0, 0.75, 0.25))
    steps = Schedule(RISING.points, between="steps")
    assert steps.at(0.59) == (1.0,) and steps.at(0.6) == (0.0, 1.0) and steps.at(1.0) == (0.0, 0.5, 0.5)


def test_draws_follow_the_probabilities(rng: np.random.Generator) -> None:
    drawn = [RISING.draw(rng, 0.3) for _ in range(2000)]
    assert set(drawn) == {1, 2} and np.mean(np.array(drawn) == 2) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_schedule_is_data(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"s{suffix}"
    write = json.dumps if suffix == ".json" else yaml.safe_dump
    file.write_text(write(RISING.to_dict()))
    assert load(file) == RISING == from_dict(json.loads(json.dumps(RISING.to_dict())))
    file.write_text('{"points": {"0": [1], "0.5": [0.5, 0.5]}}')
    assert load(file).between == "linear"


def test_ranges_are_uniform() -> None:
    assert uniform(3, 5) == pytest.approx((0, 0, 1 / 3, 1 / 3, 1 / 3)) and uniform(1, 1) == (1.0,)
    with pytest.raises(UsageError, match="0 to 2 sources: the first must be at least 1"):
        uniform(0, 2)
    assert normalised([0.333, 0.333, 0.333, 0], "x") == pytest.approx((1 / 3,) * 3)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((), "at least one point"),
        (((0.5, (1.0,)), (0.2, (1.0,))), r"must ascend within 0\.\.1, got 0\.5, 0\.2"),
        (((1.5, (1.0,)),), r"must ascend within 0\.\.1, got 1\.5"),
        (((0.0, (0.5, 0.4)),), r"progress 0: the probabilities \(0\.5, 0\.4\) add up to 0\.9, not to 1"),
        (((0.0, (1.5, -0.5)),), "are no probabilities of 1, 2, 3"),
        (((0.0, ()),), "are no probabilities"),
        (((0.0, ("many",)),), "are no probabilities"),
    ],
)
def test_what_is_no_schedule_is_refused(points: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Schedule(points)


def test_files_and_names_that_are_none_say_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"'progresive'\. Did you mean 'progressive'\?"):
        load("progresive")
    with pytest.raises(UsageError, match=r"none\.json: there is no such schedule\. Known by name: single"):
        load(tmp_path / "none.json")
    for text, message in (
        ("[1]", "a schedule is an object with 'points'"), ("{", "neither JSON nor YAML"),
        ('{"point": {}}', r"unknown key 'point' of a schedule\. Did you mean 'points'"),
        ('{"between": "linear"}', "needs 'points'"),
        ('{"points": {"early": [1]}}', r"numbers in 0\.\.1, got \['early'\]"),
    ):  # fmt: skip
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(UsageError, match=message):
            load(tmp_path / "s.json")
    with pytest.raises(UsageError, match=r"progress=1\.2 must lie in 0\.\.1"):
        RISING.at(1.2)
    with pytest.raises(UnknownName, match="unknown way between points 'cubic'"):
        Schedule(RISING.points, between="cubic")
