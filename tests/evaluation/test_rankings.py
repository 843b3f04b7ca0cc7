"""Figures without a threshold against scikit-learn on random matrices, and the traps of published scripts."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation import ranking
from sonoscope.evaluation.metrics import mean_of_defined
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.tagging import Answers

metrics = pytest.importorskip("sklearn.metrics")


def answers(truth: np.ndarray, scores: np.ndarray, known: np.ndarray | None = None) -> Answers:
    n, c = truth.shape
    judged = np.ones((n, c), dtype=bool) if known is None else known
    names = tuple(map(str, range(n)))
    return Answers(truth.astype(np.float32), judged, scores, tuple("abcdefghijklmnop"[:c]), names, names)


def random(rng: np.random.Generator, n: int, c: int, *, decimals: int = 12) -> Answers:
    """Truth with a label in every clip and two clips of every label, and scores that tie where decimals are few."""
    truth = rng.random((n, c)) < 0.25
    truth[np.arange(n), rng.integers(c, size=n)] = True
    truth[:2], truth[2:4] = True, False
    truth[2:4, 0] = True
    return answers(truth, np.round(0.4 * truth + rng.random((n, c)), decimals))


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize(("n", "c"), [(6, 2), (60, 5), (500, 11)])
def test_every_figure_is_scikit_learns(rng, n, c, decimals):
    a = random(rng, n, c, decimals=decimals)
    truth = a.truth > 0
    found = Ranking(a).figures()
    assert found["lrap"] == pytest.approx(
        metrics.label_ranking_average_precision_score(truth, a.scores), abs=1e-12
    )
    for average in ("macro", "micro"):
        expected = metrics.average_precision_score(truth, a.scores, average=average)
        assert found[f"{average}_ap"] == pytest.approx(expected, abs=1e-12)
    defined = [k for k in range(c) if not truth[:, k].all()]
    areas = [metrics.roc_auc_score(truth[:, k], a.scores[:, k]) for k in defined]
    assert found["macro_roc_auc"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_micro_average_precision_is_that_of_everything_pooled(rng):
    """The sentence of the MusicNet papers: ``average_precision_score(Y.ravel(), S.ravel())``."""
    a = random(rng, 80, 6)
    expected = metrics.average_precision_score((a.truth > 0).ravel(), a.scores.ravel())
    assert Ranking(a).figures()["micro_ap"] == pytest.approx(expected, abs=1e-12)


def test_weights_are_scikit_learns_sample_weights_and_repeated_clips(rng):
    a = random(rng, 60, 4, decimals=1)
    counts = rng.integers(0, 4, size=(3, 60)).astype(float)
    drawn = Ranking(a).drawn(counts)
    for row, weights in enumerate(counts):
        expected = metrics.label_ranking_average_precision_score(a.truth > 0, a.scores, sample_weight=weights)
        assert drawn["lrap"][row] == pytest.approx(expected, abs=1e-12)
        repeated = Ranking(a.take(np.repeat(np.arange(60), weights.astype(int)))).figures()
        for name, value in repeated.items():
            assert drawn[name][row] == pytest.approx(value, abs=1e-12)
        for k, label in enumerate(a.labels):
            expected = metrics.average_precision_score(
                a.truth[:, k] > 0, a.scores[:, k], sample_weight=weights
            )
            assert drawn[f"ap/{label}"][row] == pytest.approx(expected, abs=1e-12)


def test_masked_average_precision_is_openmics(rng):
    """``average_precision_score(y, p, sample_weight=mask)``, mean over labels (PaSST, EfficientAT)."""
    a = random(rng, 200, 6)
    mask = rng.random((200, 6)) < 0.3
    mask[:4] = True
    masked = answers(a.truth, a.scores, mask)
    expected = [
        metrics.average_precision_score(
            a.truth[:, k] > 0, a.scores[:, k], sample_weight=mask[:, k].astype(float)
        )
        for k in range(6)
    ]
    precision, area = Ranking(masked).of_labels()
    assert precision == pytest.approx(expected, abs=1e-12)
    for k in range(6):
        rows = mask[:, k]
        assert area[k] == pytest.approx(
            metrics.roc_auc_score(a.truth[rows, k] > 0, a.scores[rows, k]), abs=1e-12
        )


def test_lrap_ranks_among_judged_labels_only(rng):
    a = random(rng, 40, 5)
    mask = np.ones((40, 5), dtype=bool)
    mask[:, 3] = False
    kept = [0, 1, 2, 4]
    expected = Ranking(answers(a.truth[:, kept], a.scores[:, kept])).lrap_of_clips
    assert Ranking(answers(a.truth, a.scores, mask)).lrap_of_clips == pytest.approx(expected, nan_ok=True)


# ---- traps ---------------------------------------------------------------------------------------------------


def test_a_clip_without_labels_is_in_no_lrap():
    """scikit-learn gives it 1.0, whatever was said: two wrong answers would average to 0.75."""
    truth = np.array([[1, 0], [0, 0]])
    scores = np.array([[0.1, 0.9], [0.9, 0.8]])
    assert metrics.label_ranking_average_precision_score(truth, scores) == 0.75
    assert Ranking(answers(truth, scores)).figures()["lrap"] == 0.5


def test_ties_take_the_worst_rank():
    """Equal scores for all labels are worth 1/K."""
    found = ranking.lrap_of_clips(np.eye(5)[:1], np.ones((1, 5), dtype=bool), np.full((1, 5), 0.3))
    assert found == pytest.approx([1 / 5])


def test_rounding_scores_costs_lrap(rng):
    """Of a model whose scores are small, two decimals leave ties: nothing rounds before LRAP."""
    truth = np.eye(11)[rng.integers(11, size=300)]
    scores = 0.004 * truth + 0.004 * rng.random((300, 11))
    exact, rounded = (Ranking(answers(truth, s)).figures()["lrap"] for s in (scores, scores.round(2)))
    assert exact == pytest.approx(1.0) and rounded < 0.8


def test_a_label_that_never_sounds_has_no_average_precision_and_spoils_no_mean():
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    scores = np.array([[0.9, 0.2, 0.9], [0.1, 0.8, 0.1], [0.7, 0.6, 0.4]])
    precision, area = Ranking(answers(truth, scores)).of_labels()
    assert precision[:2] == pytest.approx([1, 1]) and np.isnan(precision[2]) and np.isnan(area[2])
    assert Ranking(answers(truth, scores)).figures()["macro_ap"] == pytest.approx(1.0)


def test_nothing_that_sounds_leaves_every_figure_undefined():
    found = Ranking(answers(np.zeros((3, 2)), np.ones((3, 2)))).figures()
    assert all(np.isnan(value) for value in found.values())


def test_weighted_means_leave_out_what_is_undefined():
    values = np.array([1.0, np.nan, 3.0])
    assert mean_of_defined(values) == 2.0
    assert mean_of_defined(values, np.array([[1.0, 5.0, 3.0], [0.0, 1.0, 0.0]])) == pytest.approx(
        [2.5, np.nan], nan_ok=True
    )
