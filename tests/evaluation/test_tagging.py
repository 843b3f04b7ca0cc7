"""Metrics of clips against scikit-learn, with and without judgements missing; intervals against theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonoscope.evaluation import bootstrap, resampling, tagging
from sonoscope.evaluation.tagging import Answers

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def answers(rng: np.random.Generator, n: int = 80, c: int = 5, known: float = 1.0) -> Answers:
    truth = (rng.random((n, c)) < 0.3).astype(np.float32)
    truth[0] = 1
    scores = np.clip(truth * 0.3 + rng.random((n, c)) * 0.7, 0, 1).round(3)
    judged = rng.random((n, c)) < known
    judged[0] = True
    names = tuple(str(i) for i in range(n))
    return Answers(truth, judged, scores, tuple("abcde"[:c]), tuple(f"g{i // 4}" for i in range(n)), names)


def test_figures_are_those_of_scikit_learn(rng):
    a = answers(rng)
    found = tagging.measured(a)
    assert set(found) == set(tagging.MEASURED)
    said = a.scores >= 0.5
    assert found["map"] == pytest.approx(
        sklearn_metrics.average_precision_score(a.truth, a.scores, average="macro")
    )
    for average in ("micro", "macro"):
        for name in ("f1", "precision", "recall"):
            expected = getattr(sklearn_metrics, f"{name}_score")(
                a.truth, said, average=average, zero_division=0
            )
            assert found[f"{average}_{name}"] == pytest.approx(expected), (average, name)
    assert found["hamming"] == pytest.approx(1 - sklearn_metrics.hamming_loss(a.truth, said))
    single = a.truth.sum(axis=1) == 1
    truth, top = a.truth[single].argmax(axis=1), a.scores[single].argmax(axis=1)
    assert found["top1"] == pytest.approx(sklearn_metrics.accuracy_score(truth, top))
    assert found["macro_top1"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, top))


def test_what_nobody_judged_changes_nothing(rng):
    a = answers(rng, known=0.6)
    other = Answers(np.where(a.known, a.truth, 1 - a.truth), a.known, np.where(a.known, a.scores, 0.99), a.labels,
                    a.groups, a.names)  # fmt: skip
    for name in ("map", "micro_f1", "macro_f1", "hamming"):
        assert tagging.measured(a)[name] == tagging.measured(other)[name]


def test_a_class_without_positives_is_left_out_and_counted(rng):
    a = answers(rng)
    a.truth[:, 2] = 0
    assert np.isnan(tagging.average_precisions(a)[2])
    assert tagging.measured(a)["classes"] == 4
    table = tagging.per_label(a, tagging.fitted_thresholds(a))
    assert table["c"]["positives"] == 0 and np.isnan(table["c"]["recall"])


def test_fitted_thresholds_are_at_least_as_good_as_any_of_a_grid(rng):
    a = answers(rng)
    fitted = tagging.fitted_thresholds(a)
    for k in range(5):
        best = max(
            sklearn_metrics.f1_score(a.truth[:, k], a.scores[:, k] >= t) for t in np.arange(0.05, 0.96, 0.01)
        )
        assert tagging.per_label(a, fitted)["abcde"[k]]["f1"] >= best - 0.02


def test_an_interval_over_groups_is_as_wide_as_theory_says(rng):
    """Mean of 60 groups of 5 equal values: the standard error is that of 60 values, not of 300."""
    per_group = rng.standard_normal(60)
    values = np.repeat(per_group, 5)
    groups = [str(i // 5) for i in range(300)]
    low, high = bootstrap.of_metric(lambda rows: float(values[rows].mean()), groups, draws=2000)
    expected = 2 * 1.96 * per_group.std() / np.sqrt(60)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < values.mean() < high


def test_a_paired_difference_cancels_what_both_find_hard(rng):
    hard = rng.standard_normal(40)
    first, second = hard + 0.1 + 0.01 * rng.standard_normal(40), hard
    draws = bootstrap.draws_of([str(i) for i in range(40)])
    drawn = [np.array([values[rows].mean() for rows in draws]) for values in (first, second)]
    (low, high), above = bootstrap.of_difference(*drawn)
    assert 0.09 < low < high < 0.11 and above == 1.0
    assert bootstrap.of_difference(np.array([1.0, np.nan]), np.array([2.0, 1.0])) == ((-1.0, -1.0), 0.0)


@pytest.mark.parametrize("single", [False, True])
def test_figures_of_draws_are_those_of_their_clips(rng, single):
    """Also with labels that nobody judged or that a draw leaves out, ties, and draws without a clip of one label."""
    a = answers(rng)
    n, c = a.truth.shape
    truth = np.eye(c)[rng.integers(c, size=n)] if single else (rng.random((n, c)) < 0.1).astype(float)
    a = replace(
        a, truth=truth, known=rng.random((n, c)) < 0.8, scores=np.round(rng.random((n, c)), 1),
        groups=tuple(str(k) for k in rng.integers(6, size=n)),
    )  # fmt: skip
    thresholds = np.linspace(0.2, 0.9, c)
    found = resampling.of_draws(a, thresholds, draws=40)
    for k, rows in enumerate(bootstrap.draws_of(a.groups, 40)):
        expected = tagging.measured(a.take(rows), thresholds)
        for name, values in found.items():
            assert values[k] == pytest.approx(expected[name], nan_ok=True), (name, k)


def test_draws_of_few_groups_are_computed_once_each(rng):
    groups = ["a"] * 3 + ["b"] * 2 + ["c"] * 4
    values, heard = rng.normal(size=9), []

    def metric(rows: np.ndarray) -> float:
        heard.append(sorted(rows.tolist()))
        return float(values[np.sort(rows)].mean())

    found = bootstrap.of_metric(metric, groups, draws=300)
    assert len(heard) == len(set(map(tuple, heard))) <= 10  # three groups, three draws: ten ways
    plain = [float(values[rows].mean()) for rows in bootstrap.draws_of(groups, 300)]
    assert found == pytest.approx(bootstrap.interval(plain))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="needs rows"):
        bootstrap.draws_of([])
