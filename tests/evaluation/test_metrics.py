"""Metrics against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation.metrics import average_precision, confusion, precision_recall


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("decimals", [0, 1, 8], ids=["many ties", "some ties", "no ties"])
def test_average_precision_is_scikit_learns(seed: int, decimals: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    truth = rng.random(n) < rng.uniform(0.02, 0.98)
    truth[0] = True
    scores = np.round(rng.standard_normal(n) + truth, decimals)
    expected = sklearn.average_precision_score(truth, scores)
    assert average_precision(truth, scores) == pytest.approx(expected, abs=1e-12)
    assert average_precision(truth.astype(int), scores.astype(np.float32)) == pytest.approx(
        expected, abs=1e-6
    )


def test_average_precision_by_hand() -> None:
    # Ranked: + - + -, so precision 1 at recall 1/2 and 2/3 at recall 1.
    assert average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 1, 0], [3.0, 2.0, 1.0]) == 1.0
    assert average_precision([0, 1], [2.0, 1.0]) == 0.5
    # All tied: the share of positives.
    assert average_precision([1, 0, 0, 0], [0.5] * 4) == 0.25


def test_a_class_without_positives_has_none() -> None:
    assert np.isnan(average_precision([0, 0], [0.1, 0.2]))


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_are_scikit_learns(seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truth, scores = rng.random(60) < 0.4, np.round(rng.random(60), 1)
    precision, recall, thresholds = precision_recall(truth, scores)
    assert (np.diff(thresholds) < 0).all()
    theirs = sklearn.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(precision[::-1], theirs[0][:-1])
    np.testing.assert_allclose(recall[::-1], theirs[1][:-1])
    np.testing.assert_allclose(thresholds[::-1], theirs[2])


def test_confusion_counts_truth_by_row() -> None:
    table = confusion([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 2, 2], 4)
    np.testing.assert_array_equal(table, [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]])
