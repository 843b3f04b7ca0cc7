"""The bench on tables small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.evaluation import bench
from sonoscope.evaluation.bench import MIN_CLIPS, BenchScores

CLASSES = ("cello", "flute", "organ")


def table(rows: list[tuple[str, str, int, int]], seed: int = 0) -> BenchScores:
    """A bench of clips given as (origin, fold, true class, class with the highest score)."""
    rng = np.random.default_rng(seed)
    scores = 0.1 * rng.random((len(rows), len(CLASSES)))
    for score, (_, _, _, said) in zip(scores, rows, strict=True):
        score[said] += 0.5
    origins, folds, truth, _ = zip(*rows, strict=True)
    return BenchScores(scores, np.array(truth), origins, folds, CLASSES)


#: cello: lab 4 of 5 right, attic 3 of 6, and a barn of four clips that is too small to speak.
#: flute: lab 5 of 5. organ: only four clips anywhere.
ROWS = (
    [("lab", "A", 0, 0)] * 4 + [("lab", "A", 0, 1)]
    + [("attic", "B", 0, 0)] * 3 + [("attic", "B", 0, 2)] * 3
    + [("barn", "B", 0, 1)] * 4
    + [("lab", "A", 1, 1)] * 5
    + [("church", "B", 2, 2)] * 4
)  # fmt: skip


def test_recall_is_the_mean_over_origins_with_enough_clips() -> None:
    assert MIN_CLIPS == 5
    macro, recalls = bench.top1(table(ROWS))
    assert recalls["cello"] == pytest.approx((4 / 5 + 3 / 6) / 2)
    assert recalls["flute"] == 1.0
    assert np.isnan(recalls["organ"])
    assert macro == pytest.approx((0.65 + 1.0) / 2)


def test_clips_of_other_classes_do_not_touch_top1() -> None:
    extra = table([*ROWS, *[("lab", "A", -1, 0)] * 20])
    assert bench.top1(extra)[0] == pytest.approx(bench.top1(table(ROWS))[0])


def test_average_precision_is_taken_within_folds_then_over_folds_then_over_classes() -> None:
    # Fold A: cello ranked first and third of three: (1 + 2/3) / 2. Fold B: cello second of two: 1/2.
    # Flute only in fold A, second of three: 1/2; in fold B only negatives for it, so B says nothing.
    # Organ only in fold B, ranked first of two: 1.
    scores = np.array([[0.9, 0.1, 0.0], [0.5, 0.3, 0.0], [0.7, 0.2, 0.0], [0.4, 0.0, 0.6], [0.6, 0.0, 0.9]])
    truth = np.array([0, 0, 1, 0, 2])
    made = BenchScores(scores, truth, ["x", "x", "x", "y", "y"], ["A", "A", "A", "B", "B"], CLASSES)
    value, per_class = bench.mean_average_precision(made)
    assert per_class["cello"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert per_class["flute"] == pytest.approx(1 / 2)
    assert per_class["organ"] == pytest.approx(1.0)
    assert value == pytest.approx(np.mean(list(per_class.values())))


def test_folds_with_a_few_clips_of_a_class_can_be_left_out() -> None:
    # Fold A ranks both cellos first; fold B its one cello last of two.
    scores = np.array([[0.9, 0.1, 0.1], [0.8, 0.2, 0.1], [0.1, 0.6, 0.1], [0.2, 0.4, 0.1], [0.3, 0.5, 0.1]])
    made = BenchScores(scores, np.array([0, 0, 1, 0, 1]), ["x"] * 5, ["A"] * 3 + ["B"] * 2, CLASSES)
    assert bench.mean_average_precision(made)[1]["cello"] == pytest.approx(0.75)
    many = bench.mean_average_precision(made, least=2)[1]
    assert many["cello"] == 1.0 and np.isnan(many["flute"])


def test_clips_of_other_classes_are_negatives_when_asked_for() -> None:
    scores = np.array([[0.5, 0.1, 0.1], [0.9, 0.2, 0.1], [0.1, 0.6, 0.1], [0.1, 0.1, 0.6]])
    made = BenchScores(scores, np.array([0, -1, 1, 2]), ["x"] * 4, ["A"] * 4, CLASSES)
    assert bench.mean_average_precision(made)[0] == 1.0
    harder, per_class = bench.mean_average_precision(made, negatives=True)
    assert per_class == {"cello": 0.5, "flute": 1.0, "organ": 1.0}
    assert harder == pytest.approx(2.5 / 3)


def test_a_class_that_no_fold_has_is_left_out_of_the_mean() -> None:
    made = table([("lab", "A", 0, 0)] * 5 + [("lab", "A", 1, 1)] * 5)
    value, per_class = bench.mean_average_precision(made)
    assert np.isnan(per_class["organ"])
    assert value == 1.0


def test_intervals_hold_the_figure_and_follow_the_seed() -> None:
    rows = [(f"o{o}", "AB"[o % 2], k, k if (o + i) % 3 else (k + 1) % 3) for k in range(3) for o in range(6)
            for i in range(8)]  # fmt: skip
    made = table(rows)
    intervals = bench.interval(made, draws=400)
    assert set(intervals) == {"top1", "map", "map_with_negatives", "map_of_many"}
    for name, figure in (("top1", bench.top1(made)[0]), ("map", bench.mean_average_precision(made)[0])):
        low, high = intervals[name]
        assert 0 <= low < high <= 1
        assert low - 0.05 < figure < high + 0.05
    assert intervals == bench.interval(made, draws=400)
    assert intervals != bench.interval(made, draws=400, seed=1)


def test_the_interval_of_one_origin_is_that_of_its_clips() -> None:
    """With one origin a class, the first level draws nothing: what is left is a binomial."""
    rows = [("lab", "A", 0, int(i % 4 == 0)) for i in range(40)] + [("lab", "A", 1, 1)] * 40
    low, high = bench.interval(table(rows), draws=4000)["top1"]
    spread = 1.96 * np.sqrt(0.75 * 0.25 / 40) / 2
    assert (low, high) == pytest.approx((0.875 - spread, 0.875 + spread), abs=0.015)


def test_origins_that_disagree_widen_the_interval() -> None:
    """Half the origins all right and half all wrong: clips alone would hide how little three origins say."""
    agree = [(f"o{o}", "A", 0, i % 2) for o in range(4) for i in range(20)]
    differ = [(f"o{o}", "A", 0, o % 2) for o in range(4) for i in range(20)]
    widths = []
    for rows in (agree, differ):
        low, high = bench.interval(table([*rows, *[("lab", "A", 1, 1)] * 5]), draws=800)["top1"]
        widths.append(high - low)
    assert widths[1] > 3 * widths[0]


def test_the_summary_counts_and_rounds() -> None:
    rows = [*ROWS, *[("lab", "A", -1, 0)] * 2]
    result = bench.summary(table(rows), draws=40)
    assert (result["clips"], result["negatives"], result["origins"]) == (24, 2, 4)
    assert result["top1"] == 0.825
    assert result["map_of_many"] == round(bench.mean_average_precision(table(rows), least=5)[0], 4)
    assert result["recall_by_origin"]["cello"] == {"attic": [0.5, 6], "lab": [0.8, 5]}
    assert result["classes"] == list(CLASSES)
    np.testing.assert_array_equal(result["confusion"], [[7, 5, 3], [0, 5, 0], [0, 0, 4]])
    assert set(result["interval_95"]) == {"top1", "map", "map_with_negatives", "map_of_many"}
