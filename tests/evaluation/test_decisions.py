"""Figures of decisions against scikit-learn on random matrices, and where we differ on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation.decisions import AVERAGES, MEASURES, Decisions, accepted
from sonoscope.evaluation.tagging import Answers

metrics = pytest.importorskip("sklearn.metrics")


def answers(truth: np.ndarray, known: np.ndarray | None = None) -> Answers:
    n, c = truth.shape
    judged = np.ones((n, c), dtype=bool) if known is None else known
    names = tuple(map(str, range(n)))
    return Answers(
        truth.astype(np.float32), judged, np.zeros((n, c)), tuple(map(str, range(c))), names, names
    )


def random(rng: np.random.Generator, n: int = 120, c: int = 7) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random((n, c)) < 0.3
    truth[np.arange(n), rng.integers(c, size=n)] = True
    return truth, rng.random((n, c)) < 0.35


def test_every_average_of_every_measure_is_scikit_learns(rng):
    truth, said = random(rng)
    found = Decisions(answers(truth), said).figures()
    for average in AVERAGES:
        for measure in MEASURES:
            expected = getattr(metrics, f"{measure}_score")(truth, said, average=average, zero_division=0)
            assert found[f"{average}_{measure}"] == pytest.approx(expected, abs=1e-12), (average, measure)
    assert found["hamming"] == pytest.approx(1 - metrics.hamming_loss(truth, said))
    assert found["exact_match"] == pytest.approx(metrics.accuracy_score(truth, said))


def test_weighted_clips_are_repeated_clips(rng):
    truth, said = random(rng, 30, 4)
    weights = rng.integers(0, 3, size=(2, 30))
    drawn = Decisions(answers(truth), said).drawn(weights.astype(float))
    for row, counts in enumerate(weights):
        rows = np.repeat(np.arange(30), counts)
        for name, value in Decisions(answers(truth[rows]), said[rows]).figures().items():
            assert drawn[name][row] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_what_was_not_judged_counts_nowhere(rng):
    truth, said = random(rng)
    mask = rng.random(truth.shape) < 0.6
    found = Decisions(answers(truth, mask), said).figures()
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(truth[mask], said[mask]))
    each = [metrics.f1_score(truth[mask[:, k], k], said[mask[:, k], k]) for k in range(truth.shape[1])]
    assert found["macro_f1"] == pytest.approx(np.mean(each))
    assert found["hamming"] == pytest.approx(np.mean((truth == said)[mask]))
    assert Decisions(answers(truth ^ ~mask, mask), said ^ ~mask).figures() == found


def test_macro_f1_is_over_labels_that_sound():
    """One label found perfectly, one that never sounds: scikit-learn says 0.5 or, with zero_division=nan, 1.0."""
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    assert metrics.f1_score(truth, truth, average="macro", zero_division=0) == 0.5
    assert metrics.f1_score(truth, truth, average="macro", zero_division=np.nan) == 1.0
    assert Decisions(answers(truth), truth > 0).figures()["macro_f1"] == 1.0
    found = Decisions(answers(truth), np.ones((3, 2), dtype=bool)).of_labels()
    assert found["f1"][0] == pytest.approx(0.8) and np.isnan(found["f1"][1])


def test_clips_without_labels_are_in_no_samples_figure_and_in_the_others():
    truth = np.array([[1, 0], [0, 0]])
    found = Decisions(answers(truth), truth > 0).figures()
    assert found["samples_f1"] == 1.0 and found["exact_match"] == 1.0
    wrong = Decisions(answers(truth), np.array([[True, False], [True, True]])).figures()
    assert wrong["samples_f1"] == 1.0 and wrong["exact_match"] == 0.5 and wrong["hamming"] == 0.5


def test_saying_nothing_is_right_as_often_as_nothing_sounds(rng):
    truth, _ = random(rng)
    found = Decisions(answers(truth), np.zeros(truth.shape, dtype=bool)).figures()
    assert found["hamming"] == pytest.approx(1 - truth.mean()) and found["micro_f1"] == 0.0


def test_a_score_on_the_threshold_is_said():
    assert accepted(np.array([[0.5, 0.49]]), 0.5).tolist() == [[True, False]]
    assert accepted(np.array([[0.5, 0.49]]), np.array([0.6, 0.4])).tolist() == [[False, True]]
