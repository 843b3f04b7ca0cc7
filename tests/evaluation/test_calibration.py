"""Calibration recovers what made the data, and thresholds do what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation.calibration import (
    GRID,
    best_threshold,
    expected_calibration_error,
    fit_platt,
    fit_platt_together,
    operating_points,
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60, 60)))


def drawn(slope: float, offset: float, *, n: int = 40_000, scale: float = 2.0, seed: int = 0) -> tuple:
    """Logits, and truth that follows them with a known slope and offset."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal(n)
    return logits, rng.random(n) < sigmoid(slope * logits + offset)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.4, -2.0), (2.5, 1.0), (0.05, -0.3)])
def test_slope_and_offset_are_recovered(slope: float, offset: float) -> None:
    found = fit_platt(*drawn(slope, offset))
    np.testing.assert_allclose(found, (slope, offset), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("scale", [1e-3, 30.0])
def test_logits_of_any_scale_are_calibrated_alike(scale: float) -> None:
    logits, truth = drawn(1.0, -1.0, scale=1.0, n=5000)
    reference = fit_platt(logits, truth)
    slope, offset = fit_platt(scale * logits + 5 * scale, truth)
    np.testing.assert_allclose((slope * scale, offset + 5 * slope * scale), reference, rtol=1e-6)


def test_the_fit_is_scikit_learns_optimum() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    logits, truth = drawn(0.7, -1.5, n=800)
    positives, negatives = truth.sum(), (~truth).sum()
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # A soft target is a weighted pair of hard ones.
    model = linear.LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(
        np.r_[logits, logits][:, None],
        np.r_[np.ones(800), np.zeros(800)],
        sample_weight=np.r_[target, 1 - target],
    )
    np.testing.assert_allclose(fit_platt(logits, truth), (model.coef_[0, 0], model.intercept_[0]), rtol=1e-4)


def test_classes_that_are_apart_get_a_finite_fit() -> None:
    slope, offset = fit_platt(np.array([-5.0, -4.0, 4.0, 5.0]), np.array([0, 0, 1, 1]))
    assert 0 < slope < 10
    assert abs(offset) < 1
    # Platt's targets for two of each: 3/4 and 1/4.
    assert sigmoid(np.array(slope * 4.5 + offset)) == pytest.approx(0.75, abs=0.02)


def test_logits_that_speak_against_a_class_leave_its_frequency() -> None:
    logits, truth = drawn(-1.0, -2.0)
    slope, offset = fit_platt(logits, truth)
    assert slope == 0.0
    assert sigmoid(np.array(offset)) == pytest.approx(truth.mean(), abs=1e-3)
    assert fit_platt(np.full(4, 3.3), np.array([1, 0, 0, 0]))[0] == 0.0


@pytest.mark.parametrize("truth", [np.ones(5), np.zeros(5)])
def test_one_kind_only_cannot_be_calibrated(truth: np.ndarray) -> None:
    with pytest.raises(
        ValueError, match=r"calibration needs both kinds, got [05] positives and [05] negatives"
    ):
        fit_platt(np.arange(5.0), truth)


def test_calibration_mends_the_calibration_error() -> None:
    logits, truth = drawn(0.3, -1.0)
    held_logits, held_truth = drawn(0.3, -1.0, seed=1)
    slope, offset = fit_platt(logits, truth)
    before = expected_calibration_error(sigmoid(held_logits), held_truth)
    after = expected_calibration_error(sigmoid(slope * held_logits + offset), held_truth)
    assert before > 0.1
    assert after < 0.015


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.1, 0.1, 0.9, 0.9, 1.0])
    truth = np.array([0, 1, 1, 1, 1])
    # Two bins: 0.1 said and 0.5 true of two; 0.9333 said and 1 true of three.
    assert expected_calibration_error(probabilities, truth, bins=2) == pytest.approx(
        0.4 * 0.4 + 0.6 * (1 - 2.8 / 3)
    )
    assert expected_calibration_error(truth.astype(float), truth) == 0.0


def test_points_of_operation_by_counting() -> None:
    probabilities = np.array([0.95, 0.8, 0.6, 0.4, 0.2, 0.005])
    truth = np.array([1, 1, 0, 1, 0, 0])
    points = {point["threshold"]: point for point in operating_points(probabilities, truth)}
    assert points[0.5] == {"threshold": 0.5, "precision": 0.6667, "recall": 0.6667, "fpr": 0.33333}
    assert points[0.8] == {"threshold": 0.8, "precision": 1.0, "recall": 0.6667, "fpr": 0.0}
    assert points[0.01]["recall"] == 1.0
    # Above the highest score nothing is accepted and nothing can be promised.
    assert max(points) == 0.95
    assert set(points) <= set(GRID.tolist())
    recalls = [point["recall"] for point in points.values()]
    assert recalls == sorted(recalls, reverse=True)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_best_threshold_cannot_be_beaten(beta: float) -> None:
    logits, truth = drawn(1.5, -1.0, n=300)
    probabilities = sigmoid(logits)

    def f(threshold: float) -> float:
        accepted = probabilities >= threshold
        hits = (accepted & truth).sum()
        return (1 + beta**2) * hits / (beta**2 * truth.sum() + accepted.sum())

    best = best_threshold(probabilities, truth, beta=beta)
    # To two decimals, for that is how it is stated.
    assert f(best) >= max(f(threshold) for threshold in np.arange(0.05, 0.96, 0.01)) - 0.01


def test_a_threshold_stays_off_the_ends_and_between_the_classes() -> None:
    assert best_threshold(np.array([0.999, 0.998, 0.001]), np.array([1, 1, 0])) == pytest.approx(0.5)
    assert best_threshold(np.array([0.01, 0.002]), np.array([1, 0])) == 0.05
    assert best_threshold(np.array([0.9999, 0.9998]), np.array([1, 0])) == 0.95
    with pytest.raises(ValueError, match="a threshold needs positives, got none among 2"):
        best_threshold(np.array([0.4, 0.5]), np.array([0, 0]))


def test_classes_are_fitted_together():
    first, second = drawn(1.0, -2.0), drawn(0.5, 1.0)
    logits, truth = zip(first, second, strict=True)
    apart = fit_platt_together(logits, truth, own=1.0)
    np.testing.assert_allclose(apart, [fit_platt(*first), fit_platt(*second)])
    same = fit_platt_together(logits, truth, own=0.0)
    assert same[0] == same[1] == fit_platt(np.concatenate(logits), np.concatenate(truth))
    between = fit_platt_together(logits, truth, own=0.25)
    np.testing.assert_allclose(between, 0.25 * np.array(apart) + 0.75 * np.array(same))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        fit_platt_together(logits, truth, own=1.5)
