"""The simulation of large runs: where one thing limits it, it gives what that thing gives."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "recipes/cluster/plan.py"
_found = util.spec_from_file_location("plan_of_large_runs", FILE)
assert _found is not None and _found.loader is not None
planning = util.module_from_spec(_found)
sys.modules["plan_of_large_runs"] = planning
_found.loader.exec_module(planning)

COSTS = planning.Costs(hour=10.0, decode=3.0, start=0.0, file=0.0)
#: A hundred tasks of ten hours on ten cores, and nothing that slows them.
PLAN = planning.Plan(
    hours=1000,
    cores=10,
    hours_per_task=10,
    store=1e12,
    core_rate=1e12,
    latency=0.0,
    lost=0.0,
    bytes_per_hour=1e8,
)


def test_where_only_cores_limit_it_is_a_division() -> None:
    found = planning.simulate(PLAN, COSTS)
    assert found.seconds == pytest.approx(1000 * 10 / 10) and found.busy == pytest.approx(1)
    assert planning.bound(PLAN, COSTS) == ("cores", pytest.approx(1.0))
    assert found.core_hours == pytest.approx(found.work_hours) == pytest.approx(1000 * 10 / 3600)


def test_where_the_store_limits_it_is_its_bytes() -> None:
    plan = replace(PLAN, store=1e7)
    assert planning.simulate(plan, COSTS).seconds == pytest.approx(1000 * 1e8 / 1e7, rel=1e-6)
    assert planning.bound(plan, COSTS)[0] == "store"
    slow = replace(PLAN, core_rate=2e6)
    assert planning.simulate(slow, COSTS).seconds == pytest.approx(100 * 1e8 / 2e6, rel=1e-6)
    assert planning.bound(slow, COSTS)[0] == "one core's reading"


def test_starting_and_small_files_cost_what_they_cost() -> None:
    costs = replace(COSTS, start=5.0, file=0.1)
    found = planning.simulate(replace(PLAN, file_minutes=1), costs)
    assert found.seconds == pytest.approx(10 * (5 + 600 * (10 / 60 + 0.1)))
    assert found.busy == pytest.approx(100 / (5 + 600 * (10 / 60 + 0.1)), rel=1e-6)


def test_what_is_lost_is_done_again_and_nothing_twice() -> None:
    none, some = (planning.simulate(replace(PLAN, lost=lost), COSTS, seed=3) for lost in (0.0, 0.3))
    assert some.lost > 10 and some.work_hours == none.work_hours
    # Half a recording is lost with a task, on average.
    assert some.core_hours - none.core_hours == pytest.approx(some.lost * 0.5 * 10 / 3600)


def test_costs_are_those_that_were_measured() -> None:
    costs = planning.measured()
    assert 0 < costs.decode < costs.hour < 100 and 0 < costs.start < 60 and 0 < costs.file < 1
    assert "core hours" in planning.told(replace(PLAN, hours=100), costs)
