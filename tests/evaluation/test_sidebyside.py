"""Models beside each other: paired differences, curves over each other, and what their trainings left."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sonoscope
from sonoscope.evaluation import bootstrap, history, page, paired, sidebyside
from sonoscope.evaluation.metrics import average_precision
from sonoscope.evaluation.page import lines
from sonoscope.evaluation.result import POOLED, Curve, Figure, Result

LABELS = ("cello", "flute", "voice")
DRAWS = 60


@pytest.fixture
def made(rng):
    """Truth, scores of two models that find the same clips hard, and groups."""
    truth = (rng.random((90, 3)) < 0.4).astype(int)
    truth[truth.sum(axis=1) == 0, 0] = 1
    hard = rng.random((90, 1))
    good = np.clip(0.5 + (truth - 0.5) * (1 - hard) + 0.1 * rng.standard_normal(truth.shape), 0, 1)
    worse = np.clip(good + 0.04 * rng.standard_normal(truth.shape), 0, 1)
    return truth, good, worse, [f"g{k // 6}" for k in range(90)]


def judged(truth: np.ndarray, scores: np.ndarray, groups: list[str]) -> Result:
    return sonoscope.evaluate(truth, scores, LABELS, groups=groups, draws=DRAWS)


def test_differences_are_those_of_the_same_draws(made):
    truth, good, worse, groups = made
    both = {"worse": judged(truth, worse, groups), "good": judged(truth, good, groups)}
    table = paired.differences(both)
    rows = {str(row[2]): row for row in table.rows}
    assert set(rows) == {"lrap", "macro_ap", "micro_f1_fixed", "macro_f1_fixed"}

    def macro_ap(scores: np.ndarray, clips: np.ndarray) -> float:
        each = [average_precision(truth[clips, k], scores[clips, k]) for k in range(3)]
        return float(np.nanmean(each))

    draws = bootstrap.draws_of(groups, DRAWS)
    drawn = [np.array([macro_ap(scores, clips) for clips in draws]) for scores in (good, worse)]
    value = macro_ap(good, np.arange(90)) - macro_ap(worse, np.arange(90))
    (low, high), above = bootstrap.of_difference(*drawn)
    figure = rows["macro_ap"][3]
    assert (figure.value, figure.low, figure.high) == pytest.approx((value, low, high))
    assert rows["macro_ap"][4] == pytest.approx(above)
    apart = sum(f.high - f.low for f in (result.figures["macro_ap"] for result in both.values()))
    assert high - low < apart / 2, "what both find hard cancels"
    assert sidebyside.together(both).table(paired.TABLE).rows == table.rows


def test_other_groups_are_not_paired(made):
    truth, good, worse, groups = made
    others = [f"h{k // 6}" for k in range(90)]
    assert paired.differences({"a": judged(truth, good, groups), "b": judged(truth, worse, others)}) is None
    assert paired.differences({"a": judged(truth, good, groups)}) is None


def test_many_models_are_compared_with_the_first(made):
    truth, good, _, groups = made
    result = judged(truth, good, groups)
    table = paired.differences({f"m{k}": result for k in range(5)})
    assert {(row[0], row[1]) for row in table.rows} == {("m0", f"m{k}") for k in range(1, 5)}
    assert all(row[3].value == row[3].low == row[3].high == 0 for row in table.rows)


def test_curves_of_models_lie_over_each_other(made):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, good, worse, groups = made
    found = sidebyside.together({"good": judged(truth, good, groups), "worse": judged(truth, worse, groups)})
    curves = {curve.name: curve for curve in found.curves}
    for name in ("roc", "precision_recall", "sweep", "reliability"):
        assert set(curves[name].lines) == {"good", "worse"}, name
    assert curves["roc"].title == f"ROC, {POOLED}"
    assert set(curves["roc/good"].lines) == {POOLED, *LABELS} and "sweep/good" not in curves
    x, y = curves["roc"].lines["worse"]
    fpr, tpr, _ = metrics.roc_curve(truth.ravel(), worse.ravel(), drop_intermediate=False)
    there = set(zip(fpr.round(9).tolist(), tpr.round(9).tolist(), strict=True))
    assert set(zip(x.round(9).tolist(), y.round(9).tolist(), strict=True)) <= there
    assert metrics.auc(x, y) == pytest.approx(metrics.roc_auc_score(truth.ravel(), worse.ravel()), abs=0.01)


@pytest.mark.parametrize("name", ["roc", "reliability", "reliability/instruments"])
def test_the_diagonal_is_there_and_goes_from_0_to_1_whatever_the_points(name):
    curve = Curve(
        name, "Reliability", "score", "share", {"a": (np.array([0.01, 0.1]), np.array([0.0, 0.12]))}
    )
    drawn = lines.chart(curve)
    assert 'class="even"' in drawn
    edge = float(re.search(r'class="even" x1="([\d.]+)"', drawn)[1])
    end = float(re.search(r'class="even".*? x2="([\d.]+)"', drawn)[1])
    places = [float(x) for x in re.findall(r'<circle[^>]* cx="([\d.]+)"', drawn)]
    assert places == pytest.approx([edge + share * (end - edge) for share in (0.01, 0.1)], abs=0.06)


# ---- what trainings left ---------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\nnot more than that"


class Judged:
    """A source of predictions that a training made."""

    def __init__(self, run: Path) -> None:
        self.run = run


def test_trainings_are_shown_with_what_they_left(tmp_path, made):
    (tmp_path / "history.csv").write_text(
        "epoch,learning_rate,cpu_s,loss,val_loss,val_map\n1,0.001,3,0.6,0.7,\n2,0.0005,6,0.3,0.5,0.41\n"
    )
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "00_cello.png").write_bytes(PNG)
    result = history.added(Result("clip", "1", "Clips", {"lrap": Figure(0.5)}, ()), Judged(tmp_path))
    curves = {curve.name: curve for curve in result.curves}
    assert set(curves) == {"training_losses", "training_learning_rate", "training_figures"}
    assert curves["training_losses"].lines["val_loss"][1].tolist() == [0.7, 0.5]
    assert np.isnan(curves["training_figures"].lines["val_map"][1][0])
    assert result.pictures == {"cello": PNG}
    html = page.html(result)
    assert 'id="training"' in html and 'alt="cello: border and map"' in html and "cpu_s" not in html
    both = sidebyside.together({"one": result, "two": replace(result, pictures={}, curves=())})
    assert both.pictures == {"one: cello": PNG}
    assert {"training_losses/one", "training_figures/one"} <= {curve.name for curve in both.curves}


def test_a_bundle_whose_folder_is_no_training_has_no_history(tmp_path):
    source = type("Source", (), {"bundle": type("Bundle", (), {"path": tmp_path / "bundle"})})()
    assert history.folder_of(source) is None and history.curves(None) == () and history.pictures(None) == {}
    (tmp_path / "history.csv").write_text("loss\n0.5\n")
    assert history.folder_of(source) == tmp_path
    assert history.curves(tmp_path) == (), "without steps there is nothing to draw over"
