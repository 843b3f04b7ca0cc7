"""Folds keep together what belongs together; heads never learn from what they score, nor from what is unknown."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sonoscope.data.audit import folds, head
from sonoscope.data.audit.head import Targets
from sonoscope.data.rows import Row
from sonoscope.errors import UsageError


def test_parts_of_a_file_and_rows_of_a_group_belong_together() -> None:
    rows = [
        Row("a.wav", 0.0, 1.0, group="x"),
        Row("a.wav", 1.0, 1.0),
        Row("b.wav", group="x"),
        Row("c.wav"),
        Row("d.wav", group="y"),
        Row("d.wav", 5.0, 1.0, group="z"),
        Row("e.wav", group="z"),
    ]
    np.testing.assert_array_equal(folds.groups_of(rows), [0, 0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(folds.groups_of(rows, "path"), [0, 0, 1, 2, 3, 3, 4])
    with pytest.raises(UsageError, match=r"no column 'grop' of text to group by\. Did you mean 'group'"):
        folds.groups_of(rows, "grop")


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_cut_and_labels_are_spread(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(40, size=600)
    groups = np.unique(groups, return_inverse=True)[1]
    targets = rng.random((600, 4)) < [0.5, 0.3, 0.1, 0.05]
    placed = folds.assign(groups, targets, 5, seed=seed)
    assert all(len(set(placed[groups == group])) == 1 for group in set(groups))
    counts = np.array([targets[placed == fold].sum(axis=0) for fold in range(5)])
    random = np.array([targets[(groups % 5) == fold].sum(axis=0) for fold in range(5)])
    assert (counts.std(axis=0) / counts.mean(axis=0)).mean() < (
        random.std(axis=0) / random.mean(axis=0)
    ).mean()


def test_a_label_of_two_groups_is_in_two_folds() -> None:
    groups = np.repeat(np.arange(12), 10)
    targets = np.zeros((120, 2), dtype=bool)
    targets[:, 0] = True
    targets[groups == 4, 1] = targets[groups == 9, 1] = True
    placed = folds.assign(groups, targets, 5)
    assert len(set(placed[targets[:, 1]])) == 2


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="folds=1 must be at least 2"):
        folds.assign(np.arange(4), np.ones((4, 1)), 1)
    with pytest.raises(UsageError, match="all 4 rows belong to one group"):
        folds.assign(np.zeros(4, dtype=int), np.ones((4, 1)), 5)
    assert set(folds.assign(np.arange(3), np.ones((3, 1)), 5)) == {0, 1, 2}


def problem(seed: int = 0, classes: int = 3) -> tuple[np.ndarray, Targets]:
    """Blobs in ten dimensions, a label each, twelve groups."""
    rng = np.random.default_rng(seed)
    given = np.arange(240) % classes
    vectors = rng.standard_normal((240, 10)) + 2.0 * rng.standard_normal((classes, 10))[given]
    sounds = np.eye(classes, dtype=bool)[given]
    groups = np.repeat(np.arange(12), 20)
    names = tuple("abcdef"[:classes])
    return vectors, Targets(names, sounds, np.ones_like(sounds), groups)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_softmax_is_that_of_scikit_learn_on_the_other_folds(classes: int) -> None:
    vectors, targets = problem(classes=classes)
    found = head.unheard(vectors, targets, windows=vectors[::-1], owner=np.arange(240)[::-1])
    assert found.one_each
    for fold in np.unique(found.folds):
        held = found.folds == fold
        roots = head.rooted(vectors)
        mean, scale = roots[~held].mean(axis=0), roots[~held].std(axis=0)
        model = LogisticRegression(C=head.STRENGTH, max_iter=500)
        model.fit((roots[~held] - mean) / scale, targets.sounds[~held].argmax(axis=1))
        expected = model.predict_proba((roots[held] - mean) / scale)
        np.testing.assert_allclose(found.probabilities[held], expected, atol=1e-9)
    np.testing.assert_allclose(found.windows[::-1], found.probabilities)


def test_what_is_unknown_changes_nothing() -> None:
    vectors, targets = problem()
    known = np.random.default_rng(1).random(targets.known.shape) < 0.6
    one = head.unheard(
        vectors, Targets(targets.labels, targets.sounds & known, known, targets.groups), folds=4
    )
    assert not one.one_each
    other = head.unheard(
        vectors, Targets(targets.labels, targets.sounds | ~known, known, targets.groups), folds=one.folds
    )
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    told = head.unheard(
        vectors,
        Targets(targets.labels, targets.sounds | ~known, np.ones_like(known), targets.groups),
        folds=one.folds,
    )
    assert np.abs(told.probabilities - one.probabilities).max() > 0.1


def test_a_row_is_never_scored_by_its_own_label() -> None:
    """Turning round all labels of a group changes the scores of other groups, and of this one not at all."""
    vectors, targets = problem()
    one = head.unheard(vectors, targets, folds=6)
    fold = one.folds == one.folds[0]
    turned = targets.sounds.copy()
    turned[fold] = np.roll(turned[fold], 1, axis=1)
    other = head.unheard(
        vectors, Targets(targets.labels, turned, targets.known, targets.groups), folds=one.folds
    )
    np.testing.assert_array_equal(one.probabilities[fold], other.probabilities[fold])
    assert np.abs(one.probabilities[~fold] - other.probabilities[~fold]).max() > 0.01


@pytest.mark.parametrize("one_each", [True, False])
def test_a_label_of_one_group_cannot_be_judged(one_each: bool) -> None:
    vectors, targets = problem()
    sounds = targets.sounds.copy()
    sounds[:, 2] &= targets.groups == 5
    known = targets.known if not one_each else targets.known & sounds.any(axis=1, keepdims=True)
    found = head.unheard(vectors, Targets(targets.labels, sounds, known, targets.groups), one_each=one_each)
    assert np.isnan(found.probabilities[targets.groups == 5, 2]).all()
    assert np.isfinite(found.probabilities[:, :2]).all()
    if one_each:
        np.testing.assert_allclose(np.nansum(found.probabilities, axis=1), 1.0)


def test_one_label_makes_no_head() -> None:
    vectors, targets = problem()
    with pytest.raises(UsageError, match="at least two labels, got a"):
        head.unheard(vectors, Targets(("a",), targets.sounds[:, :1], targets.known[:, :1], targets.groups))


@pytest.mark.parametrize(
    ("sounds", "known", "expected"),
    [
        ([[1, 0], [0, 1]], [[1, 1], [1, 1]], True),
        ([[1, 0], [1, 1]], [[1, 1], [1, 1]], False),  # two at once
        ([[1, 0], [0, 0]], [[1, 1], [1, 1]], False),  # a negative
        ([[1, 0], [0, 0]], [[1, 1], [0, 0]], True),  # says nothing
        ([[1, 0], [0, 1]], [[1, 1], [0, 1]], False),  # the other one may sound, too
    ],
)
def test_when_labels_exclude_each_other(sounds: list, known: list, expected: bool) -> None:
    found = Targets(("a", "b"), np.array(sounds, bool), np.array(known, bool), np.arange(2))
    assert found.one_each is expected
