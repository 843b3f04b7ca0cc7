"""Figures of events against sed_eval and sed_scores_eval, which need an environment of their own (`.ci/slow peers`)."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation import psds, soundevents
from sonoscope.evaluation.psds import SCENARIOS, Scenario

SEEDS = range(25)
SCENARIO_SET = {"1": SCENARIOS[1], "2": SCENARIOS[2], "mild": Scenario(0.5, 0.3, 0.2, 1.0, 0.5, 800.0)}


@pytest.fixture
def sed_eval():
    """The package, which reports to a terminal as it is imported."""
    return pytest.importorskip("sed_eval", reason="needs sed_eval: .ci/slow peers")


def lists(events) -> list[dict]:
    return [{"event_onset": e.start_s, "event_offset": e.end_s, "event_label": e.label} for e in events]


def number(value: float) -> float:
    return 0.0 if np.isnan(value) else value


@pytest.mark.parametrize("crowded", [False, True])
def test_segments_are_sed_evals(making, sed_eval, crowded):
    for seed in SEEDS:
        heard = making.recordings(seed, 3, crowded=crowded)
        theirs = sed_eval.sound_event.SegmentBasedMetrics(list(making.labels), time_resolution=1.0)
        for h in heard:
            theirs.evaluate(lists(h.truth), lists(h.said), evaluated_length_seconds=h.duration_s)
        errors, each = soundevents.by_segment(heard, making.labels)
        overall = theirs.results_overall_metrics()
        assert errors.counts.f1 == pytest.approx(overall["f_measure"]["f_measure"])
        assert errors.rate == pytest.approx(overall["error_rate"]["error_rate"])
        by_class = theirs.results_class_wise_metrics()
        for label in making.labels:
            assert each[label].f1 == pytest.approx(number(by_class[label]["f_measure"]["f_measure"]))


@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("crowded", [False, True])
def test_events_are_sed_evals(making, sed_eval, crowded, share):
    """Where several matchings are as large, which one is taken changes what is left to be called substituted."""
    same = 0
    for seed in SEEDS:
        heard = making.recordings(seed, 3, crowded=crowded)
        # 200.01 ms: their comparison of binary fractions loses half of the events that are 200 ms late.
        collar = {"t_collar": 0.20001, "percentage_of_length": share}
        theirs = sed_eval.sound_event.EventBasedMetrics(list(making.labels), **collar)
        for h in heard:
            theirs.evaluate(lists(h.truth), lists(h.said))
        errors, each = soundevents.one_by_one(heard, making.labels, offset_share=share)
        overall = theirs.results_overall_metrics()
        assert errors.counts.f1 == pytest.approx(number(overall["f_measure"]["f_measure"]))
        same += errors.rate == pytest.approx(overall["error_rate"]["error_rate"])
        by_class = theirs.results_class_wise_metrics()
        for label in making.labels:
            assert each[label].f1 == pytest.approx(number(by_class[label]["f_measure"]["f_measure"]))
    print(f"crowded={crowded} share={share}: the same error rate in {same} of {len(SEEDS)}")
    assert same >= 0.9 * len(SEEDS)


@pytest.mark.parametrize("name", SCENARIO_SET)
@pytest.mark.parametrize("crowded", [False, True])
def test_psds_is_that_of_sed_scores_eval(making, name, crowded):
    package = pytest.importorskip("sed_scores_eval", reason="needs sed_scores_eval: .ci/slow peers")
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    scenario, compared = SCENARIO_SET[name], 0
    for seed in SEEDS:
        heard = making.recordings(seed, 4, crowded=crowded)
        truth = {
            h.name: [(*times, label) for label in making.labels for times in making.truth_of(h, label)]
            for h in heard
        }
        if {label for events in truth.values() for *_, label in events} < set(making.labels):
            continue  # it takes no label without events
        frames = {h.name: create_score_dataframe(h.scores, h.edges_s, list(making.labels)) for h in heard}
        for widened in (1, 100):
            expected, *_ = package.intersection_based.psds(
                frames, truth, {h.name: h.duration_s for h in heard},
                dtc_threshold=scenario.dtc, gtc_threshold=scenario.gtc, cttc_threshold=scenario.cttc,
                alpha_ct=scenario.alpha_ct, alpha_st=scenario.alpha_st, max_efpr=scenario.max_rate * widened,
            )  # fmt: skip
            wide = Scenario(
                scenario.dtc, scenario.gtc, scenario.cttc, scenario.alpha_ct, scenario.alpha_st,
                scenario.max_rate * widened,
            )  # fmt: skip
            assert psds.score(heard, making.labels, wide)[0] == pytest.approx(expected, abs=1e-9)
            compared += 1
    print(f"PSDS {name} crowded={crowded}: equal in {compared} of {compared}")
    assert compared >= 20
