"""Classical models alone: scikit-learn's numbers through ONNX, what nobody judged, and what theory says of dummies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("sklearn")
import onnxruntime

from sonoscope.errors import UsageError
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.networks.writer import Writer
from sonoscope.training.classical import MODELS, baselines, bundling, ensemble, store
from sonoscope.training.classical.averaged import Averaged, Mean
from sonoscope.training.classical.knn import Knn
from sonoscope.training.classical.logistic import Logistic
from sonoscope.training.classical.protocol import Answerer, Examples, mean_precision, scaled
from sonoscope.training.classical.svm import Svm

pytestmark = pytest.mark.train

LABELS = ("a", "b", "c")


def examples(n: int = 90, seed: int = 0, *, unknown: float = 0.0) -> Examples:
    """Windows of clips of two, three columns of nine saying which of three labels sound; sizes differ by 10⁶."""
    rng = np.random.default_rng(seed)
    clip = np.repeat(np.arange(n // 2), 2)
    truth = (rng.random((n // 2, 3)) < [0.3, 0.5, 0.7]).astype(np.float32)[clip]
    vectors = rng.standard_normal((n, 9))
    vectors[:, :3] += 1.5 * truth
    vectors = vectors * np.logspace(-2, 4, 9) + 5
    known = rng.random((n // 2, 3))[clip] >= unknown
    columns = tuple(f"{k // 3}:m/{LABELS[k % 3]}" for k in range(9))
    return Examples(vectors.astype(np.float32), truth, known, clip, columns, LABELS)


def fitted(name: str, learned: Examples, **parameters: object) -> Answerer:
    return MODELS[name](**parameters).fit(learned, examples(seed=5), seed=3, say=lambda _: None)


def through_onnx(answerer: Answerer, vectors: np.ndarray) -> np.ndarray:
    graph = Writer()
    logits = graph.cast(answerer.write(graph, graph.cast("vectors", np.float64)), np.float32)
    model = graph.model({"vectors": ["n", vectors.shape[1]]}, {"logits": (logits, ["n", len(LABELS)])})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"vectors": vectors})[0]


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize(("unknown", "balanced"), [(0.0, True), (0.4, True), (0.0, False)])
def test_decision_values_are_scikit_learns(kernel: str, unknown: float, balanced: bool) -> None:
    from sklearn.svm import SVC, LinearSVC

    learned, other = examples(unknown=unknown), examples(40, seed=7)
    answerer = fitted("svm", learned, kernel=kernel, c=3.0, gamma=0.05, balanced=balanced)
    weight = "balanced" if balanced else None
    mean = learned.vectors.astype(np.float64).mean(axis=0)
    std = learned.vectors.astype(np.float64).std(axis=0)
    np.testing.assert_allclose(answerer.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(answerer.std, std, rtol=1e-6)
    x = scaled(learned.vectors, answerer.mean, answerer.std).astype(np.float32).astype(np.float64)
    expected = []
    for k in range(3):
        rows = learned.known[:, k]
        machine = (
            SVC(C=3.0, gamma=0.05, class_weight=weight)
            if kernel == "rbf"
            else LinearSVC(C=3.0, class_weight=weight, dual="auto", max_iter=5000, random_state=3)
        )
        machine.fit(x[rows], learned.truth[rows, k])
        expected.append(machine.decision_function(scaled(other.vectors, answerer.mean, answerer.std)))
    np.testing.assert_allclose(through_onnx(answerer, other.vectors), np.stack(expected, axis=1), atol=1e-4)


@pytest.mark.parametrize("balanced", [True, False])
def test_logistic_logits_are_scikit_learns(balanced: bool) -> None:
    from sklearn.linear_model import LogisticRegression

    learned, other = examples(unknown=0.3), examples(40, seed=7)
    answerer = fitted("logistic", learned, c=0.5, balanced=balanced)
    weight = "balanced" if balanced else None
    x = scaled(learned.vectors, answerer.mean, answerer.std)
    for k in range(3):
        rows = learned.known[:, k]
        model = LogisticRegression(C=0.5, max_iter=2000, class_weight=weight)
        model.fit(x[rows], learned.truth[rows, k])
        expected = model.decision_function(scaled(other.vectors, answerer.mean, answerer.std))
        np.testing.assert_allclose(through_onnx(answerer, other.vectors)[:, k], expected, atol=1e-4)


def test_vectors_are_left_as_they_are_where_that_is_said() -> None:
    from sklearn.linear_model import LogisticRegression

    learned, other = (
        replace(each, vectors=each.vectors / np.linalg.norm(each.vectors, axis=1, keepdims=True))
        for each in (examples(), examples(40, seed=7))
    )
    answerer = fitted("logistic", learned, c=0.5, balanced=False, standardise=False)
    expected = LogisticRegression(C=0.5, max_iter=2000).fit(learned.vectors, learned.truth[:, 1])
    np.testing.assert_allclose(
        through_onnx(answerer, other.vectors)[:, 1], expected.decision_function(other.vectors), atol=1e-4
    )


def test_neighbours_vote_as_scikit_learn_counts_them() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    learned, other = examples(), examples(40, seed=7)
    answerer = fitted("knn", learned, k=7)
    shown = scaled(other.vectors, answerer.mean, answerer.std)
    model = KNeighborsClassifier(7).fit(answerer.points, learned.truth[:, 1])
    votes = 7 * model.predict_proba(shown)[:, 1]
    expected = np.log((votes + 0.5) / (7 - votes + 0.5))
    np.testing.assert_allclose(through_onnx(answerer, other.vectors)[:, 1], expected, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_is_the_arithmetic_and_what_is_kept_comes_back(name: str, tmp_path: Path) -> None:
    learned, other = examples(unknown=0.2), examples(64, seed=7)
    if not MODELS[name].listens:  # shown one number
        learned, other = (replace(e, vectors=e.vectors[:, :1]) for e in (learned, other))
    answerer = fitted(name, learned)
    assert answerer.logits(other.vectors).shape == (64, 3)
    assert bundling.largest_difference(answerer, other.vectors) <= bundling.TOLERANCE
    store.write(tmp_path, answerer, {"labels": list(LABELS)})
    again, told = store.read(tmp_path)
    assert told["labels"] == list(LABELS) and told["settings"] == dict(answerer.settings)
    np.testing.assert_array_equal(again.logits(other.vectors), answerer.logits(other.vectors))


@pytest.mark.parametrize("name", MODELS)
def test_what_nobody_judged_changes_nothing(name: str) -> None:
    learned = examples(unknown=0.4)
    turned = replace(learned, truth=np.where(learned.known, learned.truth, 1 - learned.truth))
    one, other = fitted(name, learned).arrays(), fitted(name, turned).arrays()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize("name", [name for name, kind in MODELS.items() if kind.listens])
def test_one_kind_of_examples_is_said_and_does_not_stop_the_others(name: str) -> None:
    learned = examples()
    truth = learned.truth.copy()
    truth[:, 0], truth[:, 2] = 0, 1
    said: list[str] = []
    model = MODELS[name]()
    answerer = model.fit(replace(learned, truth=truth), examples(seed=5), seed=0, say=said.append)
    logits = answerer.logits(learned.vectors)
    assert np.isfinite(logits).all()
    if name in ("svm", "logistic"):
        assert said[:2] == [
            "a: not learned, since it is in none of them",
            "c: not learned, since it is in all of them",
        ]
        assert (logits[:, 0] == -1).all() and (logits[:, 2] == 1).all()


def test_the_best_setting_on_validation_is_taken_and_told() -> None:
    learned, checked = examples(), examples(seed=5)
    answerer = Svm(c=(1e-4, 1.0), gamma=(1e3, "scale")).fit(learned, checked, seed=0, say=lambda _: None)
    tried = answerer.settings["tried"]
    assert len(tried) == 4 and answerer.settings["kernel"] == "rbf"
    best = max(tried, key=lambda row: row["validation_map"])
    assert answerer.settings["chosen"]["gamma"] == best["gamma"] == pytest.approx(1 / 9, rel=1e-3)
    assert mean_precision(checked, answerer.logits(checked.vectors)) == pytest.approx(
        best["validation_map"], abs=1e-4
    )


# ---- dummies ------------------------------------------------------------------------------------------------


def answered(
    name: str, *, clips: int = 3000, labels: int = 11, share: float = 0.2
) -> tuple[Answers, np.ndarray]:
    """What a dummy says of clips of one window, as probabilities, and the truth."""
    rng = np.random.default_rng(1)
    truth = (rng.random((clips, labels)) < share).astype(np.float32)
    names = tuple(f"l{k}" for k in range(labels))
    levels = rng.uniform(0, 0.3, (clips, 1)).astype(np.float32)
    shown = Examples(levels, truth, np.ones(truth.shape, bool), np.arange(clips), ("level",), names)
    logits = MODELS[name]().fit(shown, shown, seed=0, say=lambda _: None).logits(levels)
    each = tuple(str(k) for k in range(clips))
    return Answers(truth, shown.known, 1 / (1 + np.exp(-logits)), names, each, each), truth


def test_zeros_are_right_as_often_as_nothing_sounds() -> None:
    answers, truth = answered("zeros")
    found = tagging.measured(answers, 0.5)
    assert found["hamming"] == pytest.approx(1 - truth.mean())
    assert found["micro_recall"] == found["micro_f1"] == 0


def test_ones_recall_everything_with_the_precision_of_chance() -> None:
    answers, truth = answered("ones")
    found, share = tagging.measured(answers, 0.5), truth.mean()
    assert found["micro_recall"] == found["macro_recall"] == 1
    assert found["micro_precision"] == found["hamming"] == pytest.approx(share)
    assert found["micro_f1"] == pytest.approx(2 * share / (1 + share))


def test_the_prior_ranks_nothing() -> None:
    answers, truth = answered("prior")
    np.testing.assert_allclose(answers.scores, np.broadcast_to(truth.mean(axis=0), truth.shape), rtol=1e-5)
    assert tagging.measured(answers, 0.5)["map"] == pytest.approx(truth.mean())


def test_the_prior_is_a_share_of_what_was_judged_clip_by_clip() -> None:
    learned = examples(unknown=0.4)
    clips = learned.clip[::2]
    assert np.array_equal(clips, np.unique(learned.clip)), "two windows of each clip"
    known, truth = learned.known[::2], learned.truth[::2]
    shares = [truth[known[:, k], k].mean() for k in range(3)]
    logits = fitted("prior", learned).logits(np.zeros((1, 1)))[0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), shares, rtol=1e-5)


def test_random_names_two_to_four_labels_each_as_often() -> None:
    answers, truth = answered("random")
    said = answers.scores > 0.5
    counts = np.bincount(said.sum(axis=1), minlength=12)
    assert counts[2:5].sum() == len(said), "two, three or four"
    # Four standard errors of a share of a third, and of 3 of 11.
    assert np.abs(counts[2:5] / len(said) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / len(said))
    assert np.abs(said.mean(axis=0) - 3 / 11).max() < 4 * np.sqrt(3 / 11 * 8 / 11 / len(said))
    found = tagging.measured(answers, 0.5)
    assert found["micro_recall"] == pytest.approx(3 / 11, abs=0.02)
    assert found["micro_precision"] == pytest.approx(truth.mean(), abs=0.02)
    again, _ = answered("random")
    np.testing.assert_array_equal(again.scores, answers.scores)


def test_dummies_on_a_models_own_clips_are_those_of_theory() -> None:
    answers, truth = answered("random")
    found, share = baselines.figures(answers), truth.mean()
    assert found["zeros"]["hamming"] == pytest.approx(1 - share)
    assert found["ones"]["micro_recall"] == 1 and found["ones"]["micro_precision"] == pytest.approx(share)
    assert found["random"]["micro_recall"] == pytest.approx(3 / 11, abs=0.01)
    assert found["random"]["micro_precision"] == pytest.approx(share, abs=0.01)
    counts = baselines.at_random((500, 3), np.random.default_rng(0)).sum(axis=1)
    assert set(counts) == {2, 3}, "not more than there are"


# ---- ensembles ----------------------------------------------------------------------------------------------


def answers_of(scores: np.ndarray, names: str, labels: tuple[str, ...] = ("a", "b")) -> Answers:
    truth = (np.arange(scores.size).reshape(scores.shape) % 2).astype(np.float32)
    return Answers(truth, np.ones(scores.shape, bool), scores, labels, tuple(names), tuple(names))


def test_an_ensemble_is_the_weighted_mean_over_common_clips() -> None:
    rng = np.random.default_rng(0)
    one, two = answers_of(rng.random((4, 2)), "wxyz"), answers_of(rng.random((3, 2)), "zxv")
    both = ensemble.averaged([one, two], [3, 1])
    assert both.names == ("x", "z")
    np.testing.assert_allclose(both.scores[1], (3 * one.scores[3] + two.scores[0]) / 4)
    np.testing.assert_array_equal(both.truth, one.truth[[1, 3]])
    np.testing.assert_allclose(ensemble.averaged([one]).scores, one.scores)


@pytest.mark.parametrize(
    ("others", "weights", "message"),
    [
        ((), None, "one run at least"),
        (("ab",), [1, -1], "not negative"),
        (("ab",), [1], "must be 2 numbers"),
        (("qr",), None, "no clip in common"),
    ],
)
def test_what_cannot_be_averaged_says_why(others: tuple[str, ...], weights, message: str) -> None:
    answers = [answers_of(np.ones((2, 2)), names) for names in (("ab", *others) if others else ())]
    with pytest.raises(UsageError, match=message):
        ensemble.averaged(answers, weights)
    with pytest.raises(UsageError, match="other labels"):
        ensemble.averaged([answers_of(np.ones((2, 2)), "ab"), answers_of(np.ones((2, 2)), "ab", ("a", "c"))])


def test_a_mean_of_scores_is_of_probabilities_and_of_models_that_know_the_label() -> None:
    shown = replace(examples(), columns=("0:m/a", "0:m/b", "1:n/a", "1:n/c", *("1:n/x",) * 5))
    answerer = Mean(weights=(1.0, 3.0)).fit(shown, shown, seed=0, say=lambda _: None)
    assert isinstance(answerer, Averaged)
    logits = np.array([[0.0, 2.0, 1.0, -1.0, *[9.0] * 5]])
    sigmoid = 1 / (1 + np.exp(-logits[0]))
    expected = [0.25 * sigmoid[0] + 0.75 * sigmoid[2], sigmoid[1], sigmoid[3]]
    np.testing.assert_allclose(1 / (1 + np.exp(-answerer.logits(logits)[0])), expected, rtol=1e-6)
    with pytest.raises(UsageError, match=r"weights=\[1.0\] must be 2 numbers"):
        Mean(weights=(1.0,)).fit(shown, shown, seed=0, say=print)
    with pytest.raises(UsageError, match="none of the models has a score for q"):
        Mean().fit(replace(shown, labels=("a", "b", "q")), shown, seed=0, say=print)
    with pytest.raises(UsageError, match="averages scores"):
        Mean().fit(replace(shown, columns=("rms",) * 9), shown, seed=0, say=print)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Svm(kernel="poly"), "kernel='poly' must be one of rbf, linear"),
        (lambda: Svm(c=0), "c=0 must be greater than 0"),
        (lambda: Svm(gamma="auto"), "gamma='auto' must be greater than 0, or scale"),
        (lambda: Logistic(c=-1), "c=-1 must be greater"),
        (lambda: Knn(k=0), "k=0 must be a whole number"),
        (lambda: MODELS["random"](least=4, most=2), "least=4 and most=2"),
        (lambda: store.read(Path("nowhere")), "nowhere holds no fitted classical model"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_every_model_has_its_line_in_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs" / "classical.md").read_text(encoding="utf-8")
    for name in MODELS:
        assert any(line.startswith("|") and f"`{name}`" in line for line in page.splitlines()), name
