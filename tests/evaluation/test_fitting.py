"""Thresholds against an exhaustive search, wishes that cannot be met, and shares of the field against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.errors import UsageError
from sonoscope.evaluation import fitting, prior
from sonoscope.evaluation.tagging import Answers

metrics = pytest.importorskip("sklearn.metrics")


def answers(rng: np.random.Generator, n: int = 300, c: int = 3, share: float = 0.3) -> Answers:
    truth = (rng.random((n, c)) < share).astype(np.float32)
    truth[0], truth[1] = 1, 0
    scores = 1 / (1 + np.exp(-(2.5 * truth - 1.5 + rng.standard_normal((n, c)))))
    names = tuple(map(str, range(n)))
    return Answers(truth, np.ones((n, c), dtype=bool), scores, tuple("abc"[:c]), names, names)


def candidates(scores: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([scores, [0.0, 1.0]]))


def test_the_best_f1_is_that_of_an_exhaustive_search(rng):
    a = answers(rng)
    found = fitting.fit(a, fitting.wish("f1"))
    for k, label in enumerate(a.labels):
        best = max(metrics.f1_score(a.truth[:, k], a.scores[:, k] >= t) for t in candidates(a.scores[:, k]))
        point = found.points[label]
        assert point.f1 == pytest.approx(best)
        assert metrics.f1_score(a.truth[:, k], a.scores[:, k] >= point.threshold) == pytest.approx(best)
    assert not found.unmet


def test_one_threshold_for_all_is_the_best_of_all_decisions(rng):
    a = answers(rng)
    found = fitting.fit(a, fitting.wish("f1"), scope="global")
    assert len(set(found.thresholds.values())) == 1
    best = max(metrics.f1_score(a.truth.ravel(), a.scores.ravel() >= t) for t in candidates(a.scores.ravel()))
    limits = found.array(a.labels)
    assert metrics.f1_score(a.truth.ravel(), (a.scores >= limits).ravel()) == pytest.approx(best)


@pytest.mark.parametrize(("text", "measure"), [("precision=0.9", "precision"), ("fpr=0.02", "fpr")])
def test_a_wish_is_met_with_the_highest_recall(rng, text, measure):
    a = answers(rng)
    found = fitting.fit(a, fitting.wish(text))
    for k, label in enumerate(a.labels):
        truth, scores = a.truth[:, k] > 0, a.scores[:, k]

        def holds(t: float, truth: np.ndarray = truth, scores: np.ndarray = scores) -> bool:
            said = scores >= t
            if measure == "precision":
                return bool(said.any()) and truth[said].mean() >= 0.9
            return said[~truth].mean() <= 0.02

        best = max(np.mean(scores[truth] >= t) for t in candidates(scores) if holds(t))
        assert holds(found.thresholds[label]) and found.points[label].recall == pytest.approx(best)


def test_a_wish_that_cannot_be_met_says_the_nearest_that_can(rng):
    a = answers(rng)
    a.scores[0, 0], a.truth[0, 0] = 2.0, 0  # what scores highest is wrong
    found = fitting.fit(a, fitting.wish("precision=1"))
    assert set(found.unmet) == {"a"}
    point = found.points["a"]
    assert point.why.startswith("precision=1 cannot be met; nearest: precision=0.") and "recall" in point.why
    assert point.precision == pytest.approx(float(point.why.split("precision=")[2].split(" ")[0]), abs=1e-3)
    assert all(np.isfinite(value) for value in found.thresholds.values())


def test_a_label_without_positives_keeps_one_half_and_says_so(rng):
    a = answers(rng)
    a.truth[:, 1] = 0
    found = fitting.fit(a, fitting.wish("f1"))
    assert found.thresholds["b"] == 0.5 and found.unmet == {"b": "no positives among 300 clips: 0.5 stands"}
    assert found.points["b"].recall is None and found.points["b"].f1 is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("f2", "by='f2' is not understood"), ("precision", "not understood"), ("f1=0.4", "not understood"),
     ("precision=2", "must lie in 0..1"), ("fpr=low", "'low' is not a number")],
)  # fmt: skip
def test_wishes_that_are_none(text, message):
    with pytest.raises(UsageError, match=message):
        fitting.wish(text)


def test_the_published_sweep_is_the_best_micro_f1_of_its_thresholds(rng):
    a = answers(rng)
    best, micro = fitting.swept(a)
    expected = [
        metrics.f1_score(a.truth, a.scores >= t, average="micro", zero_division=0) for t in fitting.SWEEP
    ]
    assert micro == pytest.approx(expected) and best == fitting.SWEEP[int(np.argmax(expected))]
    assert fitting.SWEEP[0] == 0 and fitting.SWEEP[-1] == pytest.approx(0.78) and len(fitting.SWEEP) == 40


def test_tuning_on_what_is_reported_inflates(rng):
    """A model with the wrong threshold: swept on the test labels, its F1 rises by more than any published gain."""
    truth = rng.random((500, 11)) < 0.16
    scores = 1 / (1 + np.exp(-(1.4 * truth - 1.6 + rng.standard_normal((500, 11)))))
    names = tuple(map(str, range(500)))
    a = Answers(truth.astype(np.float32), truth | True, scores, tuple("abcdefghijk"), names, names)
    best, micro = fitting.swept(a)
    assert micro.max() > metrics.f1_score(truth, scores >= 0.5, average="micro") + 0.03 and best < 0.5


# ---- shares of the field -------------------------------------------------------------------------------------


def test_one_fixed_threshold_for_all_labels_and_their_shares_exclude_each_other(rng):
    a = answers(rng)
    with pytest.raises(UsageError, match="leave out --global, or --prior"):
        fitting.fit(a, fitting.wish("fixed=0.5"), scope="global", shares={a.labels[0]: 0.01})
    assert set(fitting.fit(a, fitting.wish("fixed=0.5"), scope="global").thresholds.values()) == {0.5}


def gaussian(rng: np.random.Generator, n: int, share: float, had: float) -> tuple[np.ndarray, np.ndarray]:
    """Truth, and exact probabilities of a model that believes in a share ``had``: two normal distributions."""
    truth = rng.random(n) < share
    x = rng.standard_normal(n) + 2.0 * truth
    odds = np.exp(2.0 * x - 2.0) * had / (1 - had)
    return truth, odds / (1 + odds)


def test_shifted_probabilities_are_calibrated_in_the_field(rng):
    truth, p = gaussian(rng, 200_000, share=0.02, had=0.5)
    found = prior.shifted(p, 0.5, 0.02)
    for low, high in ((0.05, 0.15), (0.4, 0.6), (0.8, 0.95)):
        inside = (found >= low) & (found < high)
        assert truth[inside].mean() == pytest.approx(found[inside].mean(), abs=0.03)
    assert p.mean() > 0.1, "as they come they promise many times too much"


def test_shifting_there_and_back_changes_nothing():
    p = np.array([0.0, 0.01, 0.5, 0.99, 1.0])
    assert prior.shifted(prior.shifted(p, 0.3, 0.01), 0.01, 0.3) == pytest.approx(p)
    assert prior.shifted(prior.before(0.7, 0.3, 0.01), 0.3, 0.01) == pytest.approx(0.7)


def test_precision_is_that_of_the_field(rng):
    """Fitted where a label sounds in half of the clips, for a field where it does in one of fifty."""
    truth, p = gaussian(rng, 150_000, share=0.5, had=0.5)
    names = tuple(map(str, range(150_000)))
    a = Answers(truth[:, None].astype(np.float32), truth[:, None] | True, p[:, None], ("a",), names, names)
    naive = fitting.fit(a, fitting.wish("precision=0.9"))
    fitted = fitting.fit(a, fitting.wish("precision=0.9"), shares={"a": 0.02})
    field_truth, field_p = gaussian(rng, 400_000, share=0.02, had=0.5)
    said, said_naively = (field_p >= found.thresholds["a"] for found in (fitted, naive))
    assert field_truth[said].mean() == pytest.approx(0.9, abs=0.05)
    assert field_truth[said_naively].mean() < 0.3


def test_a_fixed_threshold_is_a_probability_of_the_field(rng):
    a = answers(rng, share=0.4)
    found = fitting.fit(a, fitting.wish("fixed=0.5"), shares={"a": 0.01})
    had = float((a.truth[:, 0] > 0).mean())
    assert prior.shifted(found.thresholds["a"], had, 0.01) == pytest.approx(0.5)
    assert found.thresholds["b"] == 0.5


def test_a_share_needs_both_kinds(rng):
    a = answers(rng)
    a.truth[:, 0] = 1
    with pytest.raises(
        UsageError, match=r"prior a=0\.1: a share of 1 among labelled clips cannot be shifted"
    ):
        fitting.fit(a, fitting.wish("f1"), shares={"a": 0.1})
