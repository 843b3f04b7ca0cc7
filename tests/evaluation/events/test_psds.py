"""PSDS against its definition, threshold by threshold, and in cases with known answers."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.errors import UsageError
from sonoscope.evaluation import psds
from sonoscope.evaluation.heard import Heard, covered, united
from sonoscope.evaluation.psds import SCENARIOS, Scenario
from sonoscope.values import Event


@pytest.mark.parametrize("scenario", [1, 2, Scenario(0.5, 0.3, 0.2, 1.0, 0.0, 400.0)])
@pytest.mark.parametrize("crowded", [False, True])
def test_all_thresholds_at_once_are_each_by_itself(making, scenario, crowded):
    scenario = SCENARIOS.get(scenario, scenario)
    # A long time in which alarms are rare, so that the curve is not over with the first of them.
    wide = replace(scenario, max_rate=20 * scenario.max_rate)
    for seed in range(12):
        heard = making.recordings(seed, 2, crowded=crowded, levels=6)
        found = psds.score(heard, making.labels, wide)[0]
        assert found == pytest.approx(making.naive_psds(heard, wide), abs=1e-9)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=14))
def test_runs_are_those_of_every_threshold(scores):
    found = psds.runs(np.array(scores, dtype=float))
    assert len(found.first) <= len(scores)
    for threshold in range(5):
        at = np.array(scores) >= threshold
        edges = np.diff(np.r_[0, at.astype(int), 0])
        expected = set(
            zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True)
        )
        there = (found.low < threshold) & (threshold <= found.high)
        assert set(zip(found.first[there].tolist(), found.after[there].tolist(), strict=True)) == expected
    for cell, run in enumerate(found.of_cell):
        while run >= 0:
            assert found.first[run] <= cell < found.after[run]
            parent = found.parent[run]
            assert parent < 0 or found.high[parent] == found.low[run]
            run = parent


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=6), st.integers(0, 30))
def test_what_is_covered_and_united(pairs, time_us):
    table = np.array(sorted((a, a + n) for a, n in pairs), dtype=np.int64).reshape(-1, 2)
    each = sum(max(min(end, time_us) - start, 0) for start, end in table.tolist())
    assert covered(table, np.array([time_us]))[0] == each
    whole = {k for start, end in table.tolist() for k in range(start, end)}
    together = united(table)
    assert {k for start, end in together.tolist() for k in range(start, end)} == whole
    assert (together[1:, 0] > together[:-1, 1]).all()


def one(scores: list[float], truth: list[tuple[float, float, str]], duration_s: float) -> Heard:
    edges = np.linspace(0, duration_s, len(scores) + 1)
    events = tuple(Event(start, end, label, 1.0) for start, end, label in truth)
    return Heard("a", duration_s, events, (), edges, np.array(scores, dtype=float)[:, None])


def test_perfect_scores_are_perfect_and_nothing_is_nothing():
    truth = [(1.0, 3.0, "bee"), (5.0, 6.0, "bee")]
    perfect = [0, 0.9, 0.9, 0, 0, 0.8, 0, 0]
    assert psds.score([one(perfect, truth, 8.0)], ["bee"], SCENARIOS[1])[0] == 1.0
    assert psds.score([one([0.1] * 8, truth, 8.0)], ["bee"], SCENARIOS[1])[0] == 0.0
    nothing = psds.score([one(perfect, [], 8.0)], ["bee"], SCENARIOS[1])
    assert np.isnan(nothing[0]) and nothing[2] == {}


def test_an_alarm_an_hour_costs_its_part():
    """One event found at 0.5; a false alarm in two hours at 0.9 above it: the share is 1 from 0.5 an hour on."""
    scores = [0.9, 0, 0.5, 0, 0, 0, 0, 0]
    heard = one(scores, [(1800.0, 2700.0, "bee")], 7200.0)
    value, (rates, shares), _ = psds.score([heard], ["bee"], Scenario(0.7, 0.7))
    assert rates.tolist() == [0.0, 0.5] and shares.tolist() == [0.0, 1.0]
    assert value == pytest.approx((100 - 0.5) / 100)


def test_a_label_that_was_not_judged_counts_nowhere():
    good = one([0, 1, 0], [(1.0, 2.0, "bee")], 3.0)
    bad = replace(one([1, 0, 0], [], 3600.0), unknown=frozenset({"bee"}))
    assert psds.score([good, bad], ["bee"], SCENARIOS[1])[0] == 1.0
    assert psds.score([good, replace(bad, unknown=frozenset())], ["bee"], SCENARIOS[1])[0] < 1.0


def test_time_grows_with_cells_and_events():
    """A day in cells of 0.1 s with a thousand events; thresholds times detections would be 10^9."""
    rng = np.random.default_rng(0)
    taken = []
    for hours in (0.5, 2.0):
        cells = round(hours * 36_000)
        truth = [(start, start + 1.0, "bee") for start in np.arange(10, hours * 3600 - 10, 20.0)]
        heard = one(rng.random(cells).tolist(), truth, hours * 3600)
        began = time.process_time()
        psds.score([heard], ["bee"], SCENARIOS[1])
        taken.append(time.process_time() - began)
    assert taken[1] < 12 * taken[0] + 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 0.7), r"dtc=0.0 must lie in \(0, 1\]"),
        ((0.7, 0.7, 0.3), "a weight for cross triggers needs their criterion"),
        ((0.7, 0.7, None, 0.5), "a weight for cross triggers needs their criterion"),
        ((0.7, 0.7, None, 0.0, 1.0, 0.0), "max_rate=0.0 must be above 0"),
    ],
)
def test_scenarios_that_cannot_be(values, message):
    with pytest.raises(UsageError, match=message):
        Scenario(*values)


def test_scores_that_do_not_fit_their_edges():
    with pytest.raises(UsageError, match=r"a: scores of shape \(2, 1\) need 3 edges, got 2"):
        Heard("a", 2.0, (), None, np.array([0.0, 1.0]), np.zeros((2, 1)))
    with pytest.raises(UsageError, match="a: 1 scores are not finite"):
        Heard("a", 2.0, (), None, np.array([0.0, 1.0]), np.array([[np.nan]]))
    with pytest.raises(UsageError, match="must rise by a microsecond"):
        Heard("a", 2.0, (), None, np.array([0.0, 0.0]), np.zeros((1, 1)))
    with pytest.raises(UsageError, match="without both, events are needed"):
        Heard("a", 2.0, ())
    with pytest.raises(UsageError, match="a: PSDS needs scores"):
        psds.score([Heard("a", 2.0, (Event(0, 1, "bee", 1.0),), ())], ["bee"], SCENARIOS[1])
