"""A detector's figures: by hand, against scikit-learn and SciPy, and what must hold whatever the scores are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sonoscope.errors import UsageError
from sonoscope.evaluation import detector, soundevents
from sonoscope.evaluation.heard import Heard
from sonoscope.evaluation.protocols.events import EventsOptions, measure
from sonoscope.values import Event

TABLES = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=40)


def event(start_s: float, end_s: float, label: str = "bee") -> Event:
    return Event(start_s, end_s, label, 1.0)


def heard(name="a", duration_s=4.0, truth=(), said=(), scores=None, site="", labels=1) -> Heard:
    if scores is None:
        return Heard(name, duration_s, tuple(truth), tuple(said), site=site)
    table = np.array(scores, dtype=float).reshape(len(scores), labels)
    edges = np.linspace(0, duration_s, len(table) + 1)
    return Heard(name, duration_s, tuple(truth), None if said is None else tuple(said), edges, table, site)


# ---- thresholds --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=120)
@given(TABLES)
def test_every_threshold_is_counted_as_by_hand(rows):
    truth, scores = np.array([t for t, _ in rows]), np.array([s for _, s in rows], dtype=float)
    table = detector.operation(truth, scores)
    assert table.thresholds.tolist() == sorted(set(scores.tolist()), reverse=True)
    for k, threshold in enumerate(table.thresholds):
        expected = detector.at_threshold(truth, scores, threshold)
        found = (table.precision[k], table.sensitivity[k], table.fpr[k])
        assert found == pytest.approx(expected, nan_ok=True)
    for rising in (table.sensitivity, table.fpr):
        assert np.isnan(rising).all() or (np.diff(rising) >= 0).all()


@settings(deadline=None, max_examples=60)
@given(TABLES)
def test_curves_are_scikit_learns(rows):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = np.array([t for t, _ in rows]), np.array([s for _, s in rows], dtype=float)
    if truth.all() or not truth.any():
        return
    table = detector.operation(truth, scores)
    fpr, tpr, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert table.fpr == pytest.approx(fpr[1:]) and table.sensitivity == pytest.approx(tpr[1:])
    assert table.thresholds.tolist() == thresholds[1:].tolist()


@settings(deadline=None, max_examples=120)
@given(TABLES, st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.sampled_from([0.0, 0.005, 0.1, 0.5]))
def test_quoted_sensitivities_are_the_best_that_meet_their_condition(rows, precision, fpr):
    truth, scores = np.array([t for t, _ in rows]), np.array([s for _, s in rows], dtype=float)
    table = detector.operation(truth, scores)
    for point, meets in (
        (detector.at_precision(table, precision), table.precision >= precision),
        (detector.at_fpr(table, fpr), table.fpr <= fpr),
    ):
        if not truth.any():
            assert point.figure.value is None and point.figure.why == "no positives"
        elif meets.any():
            assert point.figure.value == pytest.approx(table.sensitivity[meets].max())
            assert detector.at_threshold(truth, scores, point.threshold)[1] == pytest.approx(
                point.figure.value
            )
        else:
            assert point.threshold is None and point.figure.why
    # A milder condition is never worse.
    strict, mild = (detector.at_precision(table, p).figure.value for p in (0.9, 0.5))
    assert strict is None or mild >= strict


def test_a_wish_that_cannot_be_met_names_the_nearest():
    table = detector.operation(np.array([0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    point = detector.at_precision(table, 0.95)
    assert point.figure.value is None
    assert point.figure.why == "no threshold reaches precision 0.95; the nearest is 0.6667 at 0.7"
    none = detector.at_fpr(table, 0.005)
    assert none.figure.value == 0.0 and "0 by accepting nothing" in none.figure.why


def test_cells_are_positive_from_the_least_overlap_on():
    truth = [event(0.0, 0.191), event(1.808, 2.0), event(2.5, 2.6), event(2.65, 2.75)]
    one = heard(truth=truth, scores=[0, 0, 0, 0])
    assert detector.cells([one], "bee", 0, 0.192)[0].tolist() == [False, True, True, False]
    # A cell shorter than that must be covered whole; overlapping events count once.
    short = heard(duration_s=0.4, truth=[event(0.1, 0.2), event(0.1, 0.2), event(0.25, 0.3)], scores=[0] * 4)
    assert detector.cells([short], "bee", 0, 0.192)[0].tolist() == [False, True, False, False]


# ---- false alarms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3, 20, 500])
def test_limits_are_exact(count):
    low, high = detector.poisson_limits(count)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2)
    # What the limits say: rates there make counts like this one rare, in 2.5 % of cases.
    assert stats.poisson.cdf(count, high) == pytest.approx(0.025)
    assert not count or stats.poisson.sf(count - 1, low) == pytest.approx(0.025)


def test_alarms_are_counted_where_the_label_is_not():
    noisy = heard("noisy", 1800.0, scores=[0.9, 0.9, 0.2, 0.9])
    quiet = heard("quiet", 1800.0, scores=[0.1] * 4)
    full = heard("full", 1800.0, truth=[event(0, 10)], scores=[0.9] * 4)
    rate = detector.false_runs([noisy, quiet, full], "bee", 0, 0.5)
    assert (rate.value, rate.why) == (2.0, "2 in 1 h") and rate.low == pytest.approx(0.2422, abs=1e-4)
    assert detector.false_runs([full], "bee", 0, 0.5).why == "no recording without an event of the label"
    unjudged = replace(noisy, unknown=frozenset({"bee"}))
    assert detector.false_runs([unjudged, quiet], "bee", 0, 0.5).value == 0.0
    said = heard("said", 3600.0, said=[event(1, 2), event(3, 4), event(5, 6, "car")])
    assert detector.false_events([said], "bee").value == 2.0
    with pytest.raises(UsageError, match="count=-1 must be 0 or more"):
        detector.poisson_limits(-1)


# ---- decided events ----------------------------------------------------------------------------------------


def test_segments_by_hand():
    """Four seconds: right, substituted, missed, too much."""
    one = heard(
        truth=[event(0.2, 0.8), event(1.0, 2.0), event(2.1, 2.9)],
        said=[event(0.5, 0.6), event(1.2, 1.5, "car"), event(3.0, 4.0, "car")],
    )
    errors, each = soundevents.by_segment([one], ["bee", "car"])
    assert (errors.substitutions, errors.deletions, errors.insertions) == (1, 1, 1) and errors.rate == 1.0
    assert (errors.counts.hits, errors.counts.reference, errors.counts.estimate) == (1, 3, 3)
    assert each["bee"].f1 == 0.5 and each["car"].recall == 0.0


def test_events_by_hand():
    one = heard(
        truth=[event(1.0, 2.0), event(5.0, 6.0), event(8.0, 8.2), event(9.0, 9.5)],
        said=[event(1.2, 2.5), event(5.0, 6.0, "car"), event(8.21, 8.4), event(7.0, 7.1)],
        duration_s=10.0,
    )
    errors, _ = soundevents.one_by_one([one], ["bee", "car"])
    assert errors.counts.hits == 1 and errors.substitutions == 1
    assert (errors.deletions, errors.insertions) == (2, 2) and errors.rate == 5 / 4
    stricter, _ = soundevents.one_by_one([one], ["bee", "car"], offset_share=0.2)
    assert stricter.counts.hits == 0


@pytest.mark.parametrize("crowded", [False, True])
def test_wider_collars_find_no_less(making, crowded):
    for seed in range(10):
        table = making.recordings(seed, 3, crowded=crowded)
        hits = [
            soundevents.one_by_one(table, making.labels, collar_s=c)[0].counts.hits
            for c in (0.05, 0.2, 0.5, 2.0)
        ]
        assert hits == sorted(hits)
        errors, each = soundevents.one_by_one(table, making.labels)
        assert sum(c.hits for c in each.values()) == errors.counts.hits
        assert errors.counts.hits + errors.substitutions + errors.deletions == errors.counts.reference
        assert errors.counts.hits + errors.substitutions + errors.insertions == errors.counts.estimate


# ---- the protocol ------------------------------------------------------------------------------------------


def test_all_of_it(making):
    recordings = making.recordings(3, 6)
    result = measure(recordings, making.labels, EventsOptions(fpr=0.2, precision=0.6))
    assert {"psds1", "psds2", "event_f1", "segment_error_rate", "sensitivity_at_fpr"} <= set(result.figures)
    assert (
        result.figures["event_f1"].low <= result.figures["event_f1"].value <= result.figures["event_f1"].high
    )
    names = [table.name for table in result.tables]
    assert names == ["labels", "operating", "sites", "thresholds"]
    assert len(result.table("sites").rows) == 2 * 2 * len(making.labels)
    assert {curve.name for curve in result.curves} == {"precision_sensitivity", "roc", "psd_roc1", "psd_roc2"}
    assert "Cells at two thresholds" in result.text() and "Every threshold" not in result.text()
    assert result.to_dict()["figures"]["psds1"]["value"] == pytest.approx(
        result.figures["psds1"].value, abs=1e-6
    )
    assert "| bee |" in result.markdown()


def test_thresholds_of_a_site_come_from_the_others():
    """The second site scores half as high: at the first one's threshold nothing of it is found."""
    loud = heard("a", truth=[event(0, 2)], scores=[0.9, 0.8, 0.1, 0.1], site="one")
    faint = heard("b", truth=[event(0, 2)], scores=[0.45, 0.4, 0.05, 0.05], site="two")
    result = measure([loud, faint], ["bee"])
    columns = result.table("sites").columns
    held = [dict(zip(columns, row, strict=True)) for row in result.table("sites").rows]
    rows = {(row["site"], row["condition"]): row for row in held}
    strict = rows["two", "FPR ≤ 0.005"]
    assert strict["threshold"] == 0.8 and strict["sensitivity"] == 0.0 and strict["precision"] is None
    assert rows["one", "FPR ≤ 0.005"]["threshold"] == 0.4 and rows["one", "FPR ≤ 0.005"]["sensitivity"] == 1.0
    assert result.figures["sensitivity_at_precision"].value == 1.0


def test_what_predictions_lack_is_left_out_and_said():
    truth = [event(0, 1)]
    only_events = measure([heard(truth=truth, said=truth)], ["bee"])
    assert "psds1" not in only_events.figures and only_events.figures["event_f1"].value == 1.0
    assert "no scores: thresholds, false-positive rates and PSDS are left out" in only_events.notes
    only_scores = measure([heard(truth=truth, said=None, scores=[1, 0, 0, 0])], ["bee"])
    assert "event_f1" not in only_scores.figures and only_scores.figures["psds1"].value == 1.0
    assert "no decided events: F1 and error rates of events are left out" in only_scores.notes


def test_a_label_without_events_is_named_and_in_no_mean():
    scores = [[0.9, 0.9], [0.1, 0.1], [0.1, 0.1], [0.1, 0.1]]
    result = measure(
        [heard(truth=[event(0, 1)], said=[event(0, 1)], scores=scores, labels=2)], ["bee", "car"]
    )
    assert result.figures["sensitivity_at_precision"].value == 1.0
    assert result.figures["event_f1_macro"].value == 1.0
    assert any("1 of 2 labels have no event in the truth: car" in note for note in result.notes)
    row = next(row for row in result.table("operating").rows if row[0] == "car")
    assert row[3] == 0 and row[4:10] == (None,) * 6 and row[10] == "no positives"
    nothing = measure([heard(said=[event(0, 1)], scores=[1, 0, 0, 0])], ["bee"])
    assert {name: figure.value for name, figure in nothing.figures.items() if figure.value is not None} == {}
    assert nothing.figures["psds1"].why == "no event of any label"


def test_what_is_refused():
    with pytest.raises(UsageError, match="0 recordings and 1 labels"):
        measure([], ["bee"])
    with pytest.raises(UsageError, match="a: scores of 1 labels, where 2 are compared: bee, car"):
        measure([heard(scores=[0, 1])], ["bee", "car"])
    with pytest.raises(UsageError, match=r"collar=-1 must lie in 0\.\.60"):
        EventsOptions(collar=-1)
