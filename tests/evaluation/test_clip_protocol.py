"""Reports on clips: three rows of thresholds, floors in the same table, what is undefined, seeds, and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import sonoscope
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import bootstrap, protocols, sidebyside
from sonoscope.evaluation.result import Figure, Result, Table
from sonoscope.labels import IRMAS

metrics = pytest.importorskip("sklearn.metrics")
LABELS = tuple(label.id for label in IRMAS)


def made(
    rng: np.random.Generator, n: int = 240, c: int = 11, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    truth = (rng.random((n, c)) < np.linspace(0.05, 0.35, c)).astype(int)
    truth[np.arange(n), rng.integers(c, size=n)] = 1
    return truth, 1 / (1 + np.exp(-(2.2 * truth - 1.8 + shift + rng.standard_normal((n, c)))))


@pytest.fixture(scope="module")
def result() -> Result:
    rng = np.random.default_rng(5)
    truth, scores = made(rng)
    groups = [f"song{i // 3}" for i in range(240)]
    return sonoscope.evaluate(
        truth, scores, LABELS, protocol="irmas", groups=groups, validation=made(rng), draws=60,
        parts={"site": [f"site{i % 4}" for i in range(240)]}, thresholds=np.full(11, 0.4),
    )  # fmt: skip


def test_three_rows_of_thresholds_and_the_floors_stand_in_one_table(result):
    names = [str(row[0]) for row in result.table("answers").rows]
    assert names[:5] == [
        "fixed", "fitted on validation, one for all", "fitted on validation, by label", "given",
        "oracle: tuned on these clips, as published",
    ]  # fmt: skip
    assert names[5:7] == ["all zeros (hears nothing)", "all ones (hears nothing)"] and names[7].startswith(
        "always "
    )
    assert names[-2:] == ["prior of validation (hears nothing)", "2 to 4 labels at random (hears nothing)"]
    oracle = {row[0]: row for row in result.table("answers").rows}
    best = result.table("answers").columns.index("micro F1")
    assert oracle["oracle: tuned on these clips, as published"][best] >= oracle["fixed"][best]


def test_the_oracle_is_the_best_micro_f1_and_macro_f1_at_that_same_threshold(result):
    truth, scores = (result.arrays[name] for name in ("truth", "scores"))
    micro = [metrics.f1_score(truth, scores >= t, average="micro") for t in np.arange(0, 0.8, 0.02).round(2)]
    best = np.arange(0, 0.8, 0.02).round(2)[int(np.argmax(micro))]
    assert result.figures["micro_f1_oracle"].value == pytest.approx(max(micro))
    macro = metrics.f1_score(truth, scores >= best, average="macro")
    assert result.figures["macro_f1_oracle"].value == pytest.approx(macro)
    assert result.figures["lrap"].value == pytest.approx(
        metrics.label_ranking_average_precision_score(truth, scores)
    )


def test_intervals_are_a_bootstrap_over_groups(result):
    """The same draws, with scikit-learn computing each."""
    truth, scores, groups = (result.arrays[name] for name in ("truth", "scores", "groups"))
    drawn = [
        metrics.average_precision_score(truth, scores, average="micro", sample_weight=weights)
        for weights in bootstrap.weights_of(groups.tolist(), 60, 0)
    ]
    figure = result.figures["micro_ap"]
    assert (figure.low, figure.high) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))
    assert figure.low < figure.value < figure.high


def test_tables_by_label_part_and_count_add_up(result):
    table = result.table("per_class")
    column = {name: [row[k] for row in table.rows] for k, name in enumerate(table.columns)}
    truth = result.arrays["truth"]
    assert column["positives"] == truth.sum(axis=0).astype(int).tolist()
    assert np.mean([figure.value for figure in column["AP"]]) == pytest.approx(
        result.figures["macro_ap"].value
    )
    assert all(figure.low <= figure.value <= figure.high for figure in column["AP"])
    assert sum(row[1] for row in result.table("by_site").rows) == 240
    assert sum(row[1] for row in result.table("label_counts").rows) == 240
    counts = result.table("counts")
    fixed = np.array([row[3:7] for row in counts.rows if row[0] == "fixed"], dtype=int)
    assert (fixed.sum(axis=1) == 240).all(), (
        "hits, false alarms, misses and correct silences are all decisions"
    )


def test_json_has_no_nan_and_text_and_markdown_say_what_it_is(result):
    text = json.dumps(result.to_dict(), allow_nan=False)
    assert json.loads(text)["figures"]["lrap"]["low"] is not None
    assert "oracle: tuned on these clips" in result.text() and "hears nothing" in result.text()
    page = result.markdown()
    assert (
        page.startswith("# IRMAS")
        and "| all zeros (hears nothing) |" in page
        and "## Where it comes from" in page
    )
    assert "240 clips, not the 2,874 excerpts of the published figures" in page
    for name in ("sonoscope", "numpy", "aggregate", "thresholds", "bootstrap"):
        assert name in result.provenance


def test_a_label_that_never_sounds_is_named_and_spoils_no_mean(rng):
    truth, scores = made(rng, c=4)
    truth[:, 2] = 0
    found = sonoscope.evaluate(truth, scores, "abcd", draws=0)
    kept = [0, 1, 3]
    assert found.figures["macro_ap"].value == pytest.approx(
        metrics.average_precision_score(truth[:, kept], scores[:, kept])
    )
    row = dict(zip(found.table("per_class").columns, found.table("per_class").rows[2], strict=True))
    assert row["AP"] == Figure(None, why="no positives") and row["F1"] == Figure(None, why="no positives")
    zeros = metrics.f1_score(truth, scores >= 0.5, average="macro", zero_division=0)
    said = next(note for note in found.notes if "sound in no clip" in note)
    assert said.startswith("1 of 4 labels sound in no clip and are in no mean: c ") and f"{zeros:.3f}" in said


def test_nothing_that_sounds_is_said_and_is_no_zero():
    found = sonoscope.evaluate(np.zeros((4, 2), int), np.full((4, 2), 0.1), "ab", draws=10)
    assert found.figures["lrap"] == Figure(None, why="no label sounds in any clip")
    assert found.figures["micro_f1_fixed"].value is None and found.figures["hamming_fixed"].value == 1.0
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_sounds_in_every_clip_is_ranked_above_nothing():
    found = sonoscope.evaluate(np.tile([1, 0], (4, 1)), np.full((4, 2), 0.6), "ab", draws=0)
    for name in ("macro_roc_auc", "d_prime"):
        assert found.figures[name] == Figure(None, why="no label sounds in some clips and not in others")
    assert found.figures["macro_ap"].value == 1.0


def test_partial_labels_are_masked_and_both_kinds_have_an_f1(rng):
    truth, scores = made(rng, n=400, c=5)
    mask = rng.random((400, 5)) < 0.4
    found = sonoscope.evaluate(truth, scores, "abcde", protocol="openmic", mask=mask, draws=0)
    expected = [
        metrics.average_precision_score(truth[:, k], scores[:, k], sample_weight=mask[:, k].astype(float))
        for k in range(5)
    ]
    assert found.figures["map"].value == pytest.approx(np.mean(expected))
    both = [
        metrics.f1_score(truth[mask[:, k], k], scores[mask[:, k], k] >= 0.5, average=None, labels=[1, 0])
        for k in range(5)
    ]
    assert found.figures["f1_positive"].value == pytest.approx(np.mean([f[0] for f in both]))
    assert found.figures["f1_both"].value == pytest.approx(np.mean(both))
    assert any("were judged by nobody" in note for note in found.notes)
    same = sonoscope.evaluate(
        np.where(mask, truth, 1 - truth),
        np.where(mask, scores, np.nan),
        "abcde",
        protocol="openmic",
        mask=mask,
        draws=0,
    )
    assert {k: f.value for k, f in same.figures.items()} == {k: f.value for k, f in found.figures.items()}


def test_one_label_a_clip_gives_accuracy_and_a_confusion(rng):
    truth = rng.integers(4, size=200)
    scores = rng.random((200, 4)) + np.eye(4)[truth] * 0.5
    found = sonoscope.evaluate(truth, scores, "abcd", draws=0)
    assert found.figures["top1"].value == pytest.approx(metrics.accuracy_score(truth, scores.argmax(axis=1)))
    assert found.figures["macro_top1"].value == pytest.approx(
        metrics.balanced_accuracy_score(truth, scores.argmax(axis=1))
    )
    expected = metrics.confusion_matrix(truth, scores.argmax(axis=1))
    assert [list(row[1:]) for row in found.table("confusion").rows] == expected.tolist()
    assert found.figures["ece"].value is None, "scores above 1 are no probabilities"


def test_pairs_say_what_is_heard_in_what_sounds(rng):
    truth = np.array([[1, 0], [1, 0], [1, 1], [0, 1]])
    scores = np.array([[0.9, 0.8], [0.9, 0.1], [0.1, 0.9], [0.2, 0.9]])
    pairs = sonoscope.evaluate(truth, scores, "ab", draws=0).table("confusion_pairs").rows
    assert pairs[0] == ("a", pytest.approx(2 / 3), 0.5), "b is said in one of two clips with a alone"
    assert pairs[1] == ("b", 0.0, 1.0)


def test_relative_scores_have_no_calibration_and_no_thresholds_of_the_model(rng):
    truth, scores = made(rng)
    found = sonoscope.evaluate(
        truth,
        scores / scores.max(axis=1, keepdims=True),
        LABELS,
        aggregate="sum-max",
        thresholds=np.full(11, 0.2),
        draws=0,
    )
    assert found.figures["ece"].value is None and "micro_f1_own" not in found.figures
    assert all(count > 0 for count in (found.arrays["scores"] >= 0.99).sum(axis=1)), "S2 always names a label"


def test_models_stand_side_by_side_and_floors_once(rng):
    truth, scores = made(rng)
    one, other = (sonoscope.evaluate(truth, s, LABELS, draws=0) for s in (scores, rng.random(scores.shape)))
    both = sidebyside.together({"good": one, "bad": other})
    assert both.figures["good/lrap"].value > both.figures["bad/lrap"].value + 0.2
    rows = both.table("answers").rows
    assert [row[1] for row in rows if row[0] == "(any)"][-2:] == [
        "prior of these clips (hears nothing)", "2 to 4 labels at random (hears nothing)"
    ]  # fmt: skip
    assert (
        sum(str(row[1]).startswith("all zeros") for row in rows) == 1
        and sum(row[1] == "fixed" for row in rows) == 2
    )
    assert both.table("side_by_side").columns == ("figure", "good", "bad")
    assert set(both.arrays) >= {"good/scores", "bad/scores"}
    assert sidebyside.together({"good": one}) is one


def test_seeds_are_a_mean_with_a_standard_deviation(rng):
    truth, _ = made(rng)
    results = {
        f"seed{k}": sonoscope.evaluate(
            truth, np.clip(0.5 * truth + rng.random(truth.shape), 0, 1), LABELS, draws=0
        )
        for k in range(3)
    }
    found = sidebyside.over_seeds(results)
    values = [result.figures["lrap"].value for result in results.values()]
    figure = found.figures["lrap"]
    assert (figure.value, figure.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert str(figure) == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    table = found.table("per_class")
    assert isinstance(table.rows[0][4], Figure) and table.rows[0][4].sd is not None
    assert table.rows[0][1] == int(truth[:, 0].sum()), "what is the same stays as it is"
    assert found.title.endswith("3 seeds") and "± standard deviation over 3 models" in found.notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_score": np.zeros((3, 3))}, r"y_score has shape \(3, 3\); 2 clips and 2 labels need \(2, 2\)"),
        ({"y_true": [[0, 2], [1, 0]]}, r"y_true is not 0 or 1 at \(0, 1\)"),
        ({"y_score": [[0.1, np.nan], [0, 0]]}, r"y_score is not finite at \(0, 1\)"),
        ({"y_true": [0, 5]}, r"no number of a label, 0\.\.1 at \(1,\)"),
        ({"mask": [[True, False]]}, r"mask has shape \(1, 2\)"),
        ({"groups": ["a"]}, "groups has 1 entries for 2 clips"),
        ({"labels": ["a", "a"]}, "labels must be one or more different names"),
        ({"thresholds": {"a": 0.5}}, "thresholds lack b"),
        ({"thresholds": {"c": 0.5}}, "unknown label 'c'"),
        ({"validation": ([[0, 1]], [[0.1, 0.2]], [[True]])}, r"validation mask has shape \(1, 1\)"),
        ({"aggregate": "median"}, "aggregate='median' must be one of mean, sum-max"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_difference(arguments, message):
    given = {
        "y_true": [[0, 1], [1, 0]],
        "y_score": [[0.1, 0.9], [0.8, 0.2]],
        "labels": ["a", "b"],
        **arguments,
    }
    with pytest.raises(UsageError, match=message):
        sonoscope.evaluate(**given)


def test_unknown_names_are_told_with_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown protocol 'irma'\. Did you mean 'irmas'"):
        sonoscope.evaluate([[1]], [[0.5]], ["a"], protocol="irma")
    with pytest.raises(UnknownName, match=r"unknown option 'draw'\. Did you mean 'draws'"):
        sonoscope.evaluate([[1]], [[0.5]], ["a"], draw=3)


def test_a_protocol_of_another_kind_says_where_it_is_called(monkeypatch):
    sung = replace(protocols.find("clip"), name="sung", kind="notes")
    monkeypatch.setitem(protocols.PROTOCOLS, "sung", sung)
    with pytest.raises(UsageError, match="judges notes, not scores of clips"):
        sonoscope.evaluate([[1]], [[0.5]], ["a"], protocol="sung")


def test_options_come_as_text_too():
    found = protocols.find("irmas").filled(
        {"draws": "20", "threshold": "0.3", "window-s": "0.5", "hop_s": ""}
    )
    assert (found.draws, found.threshold, found.window_s, found.hop_s, found.tail) == (
        20,
        0.3,
        0.5,
        None,
        "drop",
    )
    with pytest.raises(UsageError, match="draws='many' cannot be read as a whole number"):
        protocols.find("clip").filled({"draws": "many"})


def test_data_sets_have_their_own_protocol():
    assert protocols.default_for("irmas") == "irmas" and protocols.default_for("openmic") == "openmic"
    assert protocols.default_for("collection") == "clip" and protocols.default_for("") == "clip"


def test_a_figure_is_a_number_or_says_why():
    with pytest.raises(ValueError, match="value=nan of a figure must be finite"):
        Figure(float("nan"))
    assert str(Figure(None, why="no positives")) == "– (no positives)"
    assert str(Figure(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    with pytest.raises(ValueError, match="row 1: 1 cells, the header has 2"):
        Table("t", "T", ("a", "b"), (("x",),))
    table = Table("t", "T", ("name", "F1"), (("a|b", Figure(0.5, 0.4, 0.6)), ("c", Figure(None, why="none"))))
    assert table.csv() == "name,F1,F1 low,F1 high\na|b,0.5,0.4,0.6\nc,,,\n"
    assert "| a\\|b | 0.500 [0.400, 0.600] |" in table.markdown()


def test_what_a_prompt_shows_of_a_result_is_short_and_print_shows_all():
    found = sonoscope.evaluate([[1, 0], [0, 1]], [[0.9, 0.2], [0.6, 0.4]], "ab", draws=0)
    assert repr(found).startswith("Result('clip', lrap 0.750, macro_ap ")
    assert (
        repr(found).endswith(f", {len(found.figures) - 3} more figures: print it)") and len(repr(found)) < 120
    )
    assert str(found) == found.text()
    assert repr(found.figures["lrap"]) == "Figure(0.750)"
    table = found.tables[0]
    assert repr(table) == f"Table({table.name!r}, {len(table.rows)} rows, {len(table.columns)} columns)"
    assert str(table) == table.text()
    assert all(repr(curve).startswith(f"Curve({curve.name!r}, ") for curve in found.curves)


def test_tensors_of_a_training_are_judged_as_arrays_are():
    torch = pytest.importorskip("torch")
    truth, scores = [[1, 0], [0, 1]], [[0.5, 0.25], [0.75, 0.5]]
    wanted = sonoscope.evaluate(truth, scores, "ab", draws=0).to_dict()
    for tensor in (torch.tensor(scores, requires_grad=True), torch.tensor(scores).bfloat16()):
        assert sonoscope.evaluate(torch.tensor(truth), tensor, "ab", draws=0).to_dict() == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draws": 1.5}, "protocol clip: draws=1.5 must be a whole number$"),
        ({"groups": 3}, "groups=3 must have an entry for each of the 2 clips"),
        ({"validation": 3}, r"validation must be \(y_true, y_score\)"),
        ({"thresholds": {"a": "x", "b": 1}}, "thresholds is no array of numbers"),
        ({"y_score": [[1, 0], [1]]}, "y_score is no array of numbers"),
        ({"y_score": [["x", 0], [1, 0]]}, "y_score is no array of numbers: could not convert.*'x'"),
    ],
)
def test_arguments_of_another_kind_are_told_by_name(given, message):
    arguments = {"y_true": [[1, 0], [0, 1]], "y_score": [[0.5, 0.25], [0.75, 0.5]], "labels": "ab"}
    with pytest.raises(UsageError, match=message):
        sonoscope.evaluate(**arguments | given)
