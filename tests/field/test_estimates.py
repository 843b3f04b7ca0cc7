"""Precision and recall from verdicts: against counting everything, against SciPy, and on simulated seasons."""

from __future__ import annotations

import csv
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from sonoscope.errors import UsageError
from sonoscope.field import falling, fitting
from sonoscope.field.estimates import by_events, by_threshold, estimate
from sonoscope.field.evidence import Evidence
from sonoscope.field.frame import LOWEST, Frame


def evidence(windows: np.ndarray, judged: list[tuple[int, int, int, int]]) -> Evidence:
    """Evidence on windows (levels, 2) at one site, every level a bin; ``judged``: level, found, yes, no."""
    levels = len(windows)
    frame = Frame(
        "buzz", ("",), np.array([LOWEST, *(1000 * k for k in range(1, levels))]),
        np.arange(levels) / levels, np.arange(levels), 0, windows[None],
    )  # fmt: skip
    level, found, weight, yes = [], [], [], []
    for at, flag, said_yes, said_no in judged:
        count = said_yes + said_no
        level += [at] * count
        found += [flag] * count
        weight += [windows[at, flag] / count] * count
        yes += [True] * said_yes + [False] * said_no
    nowhere = np.zeros(len(level), dtype=np.int64)
    return Evidence(frame, np.array(level), nowhere, np.array(found), np.array(weight), np.array(yes))


# ---- the posterior of what lies below ----------------------------------------------------------------------


def test_shares_fall_from_bin_to_bin(rng: np.random.Generator) -> None:
    drawn = falling.draw(np.array([9.0, 3.0, 0.0]), np.array([12.0, 15.0, 20.0]), 3000, rng)
    assert (np.diff(drawn, axis=1) <= 0).all()


def test_the_posterior_is_that_of_drawing_and_rejecting(rng: np.random.Generator) -> None:
    """Shares drawn from the prior, kept where they give the verdicts that were given."""
    yes, judged = np.array([4, 1, 0]), np.array([8, 7, 6])
    first = rng.random(2_000_000)
    shares = np.stack([first, first * rng.random(first.size), np.empty_like(first)], axis=1)
    shares[:, 2] = shares[:, 1] * rng.random(first.size)
    kept = shares[(rng.binomial(judged, shares) == yes).all(axis=1)]
    assert len(kept) > 4000
    drawn = falling.draw(yes.astype(float), judged.astype(float), 20_000, rng)
    for percent in (2.5, 25, 50, 75, 97.5):
        np.testing.assert_allclose(
            np.percentile(drawn, percent, axis=0), np.percentile(kept, percent, axis=0), atol=0.02
        )


def test_without_verdicts_each_bin_has_half_of_the_one_above(rng: np.random.Generator) -> None:
    drawn = falling.draw(np.zeros(4), np.zeros(4), 40_000, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), [1 / 2, 1 / 4, 1 / 8, 1 / 16], rtol=0.03)


def test_many_verdicts_leave_no_doubt(rng: np.random.Generator) -> None:
    drawn = falling.draw(np.array([8e4, 1e4]), np.array([1e5, 1e5]), 1000, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.8, 0.1], atol=0.01)
    assert falling.draw(np.zeros(0), np.zeros(0), 5, rng).shape == (5, 0)


def test_verdicts_that_gainsay_the_scores_are_between(rng: np.random.Generator) -> None:
    """Of two bins that may only fall, one without a sound above one full of them: both have half of their verdicts."""
    for count in (50.0, 500.0, 5000.0):
        drawn = falling.draw(np.array([0.0, count]), np.array([count, count]), 1000, rng)
        assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.03


# ---- precision and recall ----------------------------------------------------------------------------------


def test_with_every_window_judged_the_figures_are_the_counts() -> None:
    windows = np.array([[40_000, 0], [4000, 0], [0, 5000]])
    found = estimate(
        evidence(windows, [(0, 0, 400, 39_600), (1, 0, 1000, 3000), (2, 1, 4500, 500)]),
        np.array([[False, True]] * 3),
    )
    assert found.precision.value == pytest.approx(0.9)
    assert found.recall.value == pytest.approx(4500 / (4500 + 1400), abs=0.01)
    assert np.median(found.hits + found.missed) == pytest.approx(5900, rel=0.01)
    assert found.precision.low is not None and found.precision.low > 0.89


def test_precision_of_one_bin_is_jeffreys_interval() -> None:
    windows = np.array([[10_000, 0], [0, 900]])
    known = evidence(windows, [(0, 0, 0, 20), (1, 1, 17, 3)])
    found = estimate(known, by_events(known), draws=200_000)
    low, high = stats.beta.ppf([0.025, 0.975], 17.5, 3.5)
    assert found.precision.value == pytest.approx(0.85)
    assert (found.precision.low, found.precision.high) == pytest.approx((low, high), abs=0.004)


def test_bins_count_by_their_windows_and_not_by_their_verdicts() -> None:
    windows = np.array([[10_000, 0], [0, 9000], [0, 1000]])
    known = evidence(windows, [(1, 1, 5, 15), (2, 1, 20, 0)])
    found = estimate(known, by_events(known))
    assert found.precision.value == pytest.approx(0.9 * 0.25 + 0.1 * 1.0)
    assert (found.found, found.judged_found, found.windows) == (10_000, 40, 20_000)


def test_rare_misses_among_many_windows_keep_recall_open() -> None:
    """Twenty verdicts without the sound say little about a hundred thousand windows, and more of them say more."""
    windows = np.array([[100_000, 0], [2000, 0], [0, 1000]])
    few = evidence(windows, [(0, 0, 0, 20), (1, 0, 1, 19), (2, 1, 19, 1)])
    many = evidence(windows, [(0, 0, 0, 2000), (1, 0, 100, 1900), (2, 1, 190, 10)])
    first, second = (estimate(each, by_events(each)).recall for each in (few, many))
    assert first.low is not None and second.low is not None and first.high is not None
    assert first.low < 0.3 < 0.7 < first.high and second.low > 0.6


def test_thresholds_find_less_and_more_precisely(seasons: ModuleType, coverage: ModuleType) -> None:
    rng = np.random.default_rng(3)
    season = seasons.SimulatedSeason(seasons.Nature(loudness=3.0, prevalence=0.03), rng)
    frame, clips, verdicts = coverage.judged(season, 300, rng)
    from sonoscope.field import evidence as gathering

    points = fitting.curve(gathering.gather(clips, frame, verdicts))
    found = [point.estimate.found for point in points]
    assert found == sorted(found, reverse=True) and len(points) > 10
    recalls = [point.estimate.recall.value for point in points]
    assert recalls[0] > recalls[-1]
    scores = np.concatenate([heard.scores.probabilities[:, 0] for heard in season.heard()])
    for point in points[:: len(points) // 5]:
        assert point.estimate.found == int((np.rint(scores * 1e4) >= round(point.threshold * 1e4)).sum())


def test_nothing_found_or_judged_is_said() -> None:
    windows = np.array([[1000, 0], [0, 50]])
    unjudged = evidence(windows, [(0, 0, 2, 8)])
    figure = estimate(unjudged, by_events(unjudged)).precision
    assert figure.value is None and figure.why == "no found window was judged"
    nothing = evidence(np.array([[1000, 0], [50, 0]]), [(0, 0, 2, 8)])
    assert estimate(nothing, by_events(nothing)).precision.why == "nothing is found"
    none = evidence(windows, [(0, 0, 0, 8), (1, 1, 0, 3)])
    assert estimate(none, by_events(none)).recall.why == "no verdict heard the sound"


# ---- wishes ------------------------------------------------------------------------------------------------


def points_of(shares: list[tuple[int, int]]) -> list[fitting.Point]:
    """Points at thresholds 0.2, 0.4, … whose windows were judged (yes, no) in one bin."""
    points = []
    for place, (yes, no) in enumerate(shares):
        windows = np.array([[10_000, 0], [0, 5000]])
        known = evidence(windows, [(0, 0, 1, 99), (1, 1, yes, no)])
        points.append(fitting.Point(0.2 * (place + 1), estimate(known, by_threshold(known, 1))))
    return points


def test_a_label_with_a_comma_stays_one_cell() -> None:
    text = fitting.thresholds_text(dict.fromkeys(("Bee, wasp, etc.", "buzz"), points_of([(80, 20)])[0]))
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["label"], row["threshold"]) for row in rows] == [
        ("Bee, wasp, etc.", "0.2000"),
        ("buzz", "0.2000"),
    ]
    assert rows[0]["verdicts"] == rows[1]["verdicts"] == "200"


def test_the_lowest_threshold_that_is_shown_to_be_precise_is_taken() -> None:
    point = fitting.for_precision("buzz", points_of([(80, 20), (190, 10), (195, 5)]), 0.9)
    assert point.threshold == pytest.approx(0.4)


def test_too_few_verdicts_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(UsageError, match=r"cannot be shown with 10 verdicts .* about 24 are needed there"):
        fitting.for_precision("buzz", points_of([(10, 0)]), 0.95)
    assert fitting.verdicts_needed(0.95, 1.0) == 24
    yes = points_of([(24, 0)])
    assert fitting.for_precision("buzz", yes, 0.95) is yes[0]


def test_a_precision_that_is_out_of_reach_says_what_can_be_had() -> None:
    with pytest.raises(
        UsageError, match=r"no threshold gives a precision of 0\.9; the best is 0\.50 at 0\.2"
    ):
        fitting.for_precision("buzz", points_of([(50, 50)]), 0.9)
    with pytest.raises(UsageError, match=r"is not shown by 4 verdicts above 0\.2"):
        fitting.for_precision("buzz", points_of([(3, 1)]), 0.9)
    with pytest.raises(UsageError, match=r"--precision 1 must lie above 0\.5 and below 1"):
        fitting.check_wish("precision", 1.0)


def test_a_recall_takes_the_highest_threshold() -> None:
    points = points_of([(90, 10), (50, 50), (5, 95)])
    reached = [point for point in points if (point.estimate.recall.value or 0) >= 0.5]
    assert fitting.for_recall("buzz", points, 0.5).threshold == max(point.threshold for point in reached)
    with pytest.raises(UsageError, match=r"no threshold gives a recall of 0\.999"):
        fitting.for_recall("buzz", points, 0.999)


# ---- simulated seasons -------------------------------------------------------------------------------------


def test_intervals_cover_the_truth_of_simulated_seasons(coverage: ModuleType) -> None:
    """Sixty small seasons here; two hundred of 240 h by recipes/field/interval_coverage.py, in docs/field.md."""
    found = []
    for seed in range(60):
        found += coverage.run(seed, 120, sites=3, days=3, hours=6)
    rows = {row.what: row for row in coverage.summary(found)}
    assert len(rows) == 7
    for name, row in rows.items():
        # Of 60 independent seasons with a true coverage of 95 %, 51 or more are covered 99.9 % of the time.
        assert row.covered >= (0.85 if "season" in name else 0.87), (name, row)
    assert 0 < rows["precision, season"].width < 0.5
    assert rows["recall, season"].width < 0.8


def test_a_second_batch_where_doubt_is_greatest_narrows_recall(
    seasons: ModuleType, coverage: ModuleType
) -> None:
    """The same number of clips, drawn in two batches, gives narrower intervals of recall, and covers as well."""
    once, twice = [], []
    for seed in range(12):
        once += coverage.run(seed, 160, sites=2, days=3, hours=6)
        twice += coverage.run(seed, 160, batches=2, sites=2, days=3, hours=6)
    first, second = (
        {row.what: row for row in coverage.summary(each)}["recall, season"] for each in (once, twice)
    )
    assert second.width < first.width and second.covered >= 0.75
