"""The head against scikit-learn, and what folds promise."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data.rows import Row
from sonoscope.training.teach import folds, head
from sonoscope.training.teach.examples import BUILT_IN, UNLABELLED, Examples, Gathering
from sonoscope.training.teach.head import Fitting
from sonoscope.training.teach.taught import MARKED, SNIPPET


def gathered(rng: np.random.Generator, sites: str = "ABCD", labels: tuple[str, ...] = ("x",)) -> Examples:
    """Ten sounds of each class at each site, told apart by their first values, and forty backgrounds."""
    gathering = Gathering(labels)
    for k, label in enumerate(labels):
        for site in sites:
            for number in range(10):
                vectors = rng.standard_normal((2, 6))
                vectors[:, k] += 2.0
                gathering.row(
                    Row(f"{label}/{site}/{number}", labels=(label,), group=site, source=SNIPPET), vectors
                )
    for number in range(40):
        gathering.background(BUILT_IN, f"rain/{number}", rng.standard_normal((1, 6)))
    return gathering.examples()


def test_without_mixup_and_smoothing_it_is_the_logistic_regression_of_scikit_learn(
    rng: np.random.Generator,
) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    examples = gathered(rng)
    found = head.fit(examples, np.ones(len(examples), bool), Fitting(False, 0.0, l2=0.01))
    truth = examples.truth[examples.owner, 0]
    x = (examples.vectors - found.mean) / found.std
    # The mean over balanced windows plus l2/2 w² is C times balanced sum plus w²/2 for C = 1 / (n l2).
    other = linear_model.LogisticRegression(
        C=1 / (len(x) * 0.01), class_weight="balanced", tol=1e-10, max_iter=10_000
    )
    other.fit(x, truth)
    np.testing.assert_allclose(found.weights[:, 0], other.coef_[0], atol=2e-3)
    np.testing.assert_allclose(found.offset[0], other.intercept_[0], atol=2e-3)


def test_smoothing_keeps_logits_smaller_and_order_is_kept(rng: np.random.Generator) -> None:
    examples = gathered(rng)
    every = np.ones(len(examples), bool)
    plain, smooth = (
        head.fit(examples, every, Fitting(False, amount, l2=1e-4)).logits(examples.vectors)[:, 0]
        for amount in (0.0, 0.2)
    )
    assert np.abs(smooth).max() < np.abs(plain).max()
    assert np.corrcoef(smooth, plain)[0, 1] > 0.95


def test_what_sounds_like_the_class_in_unlabelled_sound_is_not_held_against_it(
    rng: np.random.Generator,
) -> None:
    gathering = Gathering(("x",))
    for number in range(20):
        near = rng.standard_normal((1, 4)) * 0.3 + [3, 0, 0, 0]
        gathering.row(Row(f"{number}", labels=("x",), group=str(number % 4), source=SNIPPET), near)
        gathering.background(BUILT_IN, f"rain/{number}", rng.standard_normal((1, 4)) * 0.3)
    hidden = np.vstack(
        [rng.standard_normal((95, 4)) * 0.3, rng.standard_normal((5, 4)) * 0.3 + [3.2, 0, 0, 0]]
    )
    gathering.background(UNLABELLED, "day.wav", hidden)
    examples = gathering.examples()
    found = head.fit(examples, np.ones(len(examples), bool), Fitting(seed=1))
    logits = found.logits(hidden.astype(np.float32))[:, 0]
    assert logits[95:].min() > 0 > logits[:95].max()


def test_sites_are_left_out_whole(rng: np.random.Generator) -> None:
    examples = gathered(rng, labels=("x", "y"))
    dealt = folds.deal(examples)
    assert (dealt.count, dealt.sites, dealt.by_file) == (4, 4, ())
    for site in "ABCD":
        assert len(set(dealt.of[examples.groups == site])) == 1
    many = folds.deal(gathered(rng, sites="ABCDEFGHIJKLMNO"))
    assert many.count == folds.MOST and many.sites == 15


def test_one_site_is_left_out_by_file(rng: np.random.Generator) -> None:
    examples = gathered(rng, sites="A")
    dealt = folds.deal(examples)
    assert (dealt.count, dealt.by_file) == (folds.BY_FILE, ("x",))
    assert len(set(dealt.of[examples.positives("x")])) == folds.BY_FILE
    logits = folds.left_out(examples, dealt, Fitting())
    assert np.isfinite(logits).all()


def test_of_one_site_whole_files_are_left_out(rng: np.random.Generator) -> None:
    """Marked stretches of either class, and those in which nothing is marked, are of one recording."""
    gathering = Gathering(("x", "y"))
    for number in range(12):
        for start, labels in enumerate((("x",), (), ("y",), ())):
            # Some hold one class only: their numbers differ from class to class.
            if labels != ("x",) or number > 2:
                row = Row(f"{number}.wav", labels=labels, start_s=float(start), group="A", source=MARKED)
                gathering.row(row, rng.standard_normal((1, 4)))
    examples = gathering.examples()
    dealt = folds.deal(examples)
    for name in set(examples.names):
        assert len({int(dealt.of[i]) for i, other in enumerate(examples.names) if other == name}) == 1
    for label in ("x", "y"):
        assert np.bincount(dealt.of[examples.positives(label)], minlength=5).min() >= 1


def test_left_out_sounds_are_not_learned_from(rng: np.random.Generator) -> None:
    """Sounds of one site whose labels are turned round cannot be told right by a head that left them out."""
    examples = gathered(rng)
    vectors = examples.vectors.copy()
    turned = (examples.groups == "A")[examples.owner]
    vectors[turned, 0] -= 6.0
    object.__setattr__(examples, "vectors", vectors)
    logits = folds.left_out(examples, folds.deal(examples), Fitting(l2=0.01))[:, 0]
    assert logits[turned].max() < logits[(examples.groups == "B")[examples.owner]].mean()


def test_of_built_in_backgrounds_whole_kinds_are_left_out(rng: np.random.Generator) -> None:
    gathering = Gathering(("x",))
    for number in range(8):
        gathering.row(
            Row(f"{number}", labels=("x",), group="AB"[number % 2], source=SNIPPET), np.ones((1, 2))
        )
        for kind in ("rain", "wind", "noise"):
            gathering.background(BUILT_IN, f"{kind}/{number:02d}.flac", rng.standard_normal((1, 2)))
    examples = gathering.examples()
    dealt = folds.deal(examples)
    for kind in ("rain", "wind", "noise"):
        assert len({dealt.of[i] for i, name in enumerate(examples.names) if name.startswith(kind)}) == 1
