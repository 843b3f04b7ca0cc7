"""What answers come to that hear nothing: closed forms from the class counts of IRMAS's test excerpts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonoscope.evaluation.floors import at_random, constants, floors, share_of
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.tagging import Answers
from sonoscope.labels import IRMAS

#: Positives of each class, in the order of :data:`IRMAS`, in 2,874 excerpts.
COUNTS = (111, 62, 163, 535, 942, 361, 995, 326, 167, 211, 1044)
EXCERPTS = 2874


@pytest.fixture(scope="module")
def irmas() -> Answers:
    """Labels dealt out in turn: every excerpt has one or two, every class as many as it has."""
    truth = np.zeros((EXCERPTS, 11), dtype=np.float32)
    dealt = 0
    for k, count in enumerate(COUNTS):
        truth[np.arange(dealt, dealt + count) % EXCERPTS, k] = 1
        dealt += count
    assert truth.sum() == 4917 and tuple(truth.sum(axis=0)) == COUNTS and truth.sum(axis=1).min() == 1
    names = tuple(map(str, range(EXCERPTS)))
    labels = tuple(label.id for label in IRMAS)
    return Answers(truth, truth >= 0, np.zeros(truth.shape), labels, names, names)


def test_constant_answers_on_irmas_are_the_published_floors(irmas):
    found = {floor.name: floor.figures for floor in floors(irmas)}
    assert found["all zeros"]["hamming"] == pytest.approx(0.8445, abs=5e-5)
    assert found["all ones"]["micro_f1"] == pytest.approx(0.269, abs=5e-4)
    assert found["all ones"]["macro_f1"] == pytest.approx(0.250, abs=5e-4)
    assert found["always voice"]["micro_f1"] == pytest.approx(0.268, abs=5e-4)
    assert found["always voice, piano"]["micro_f1"] == pytest.approx(0.382, abs=5e-4)
    third = found["always voice, piano, electric_guitar"]
    assert third["micro_f1"] == pytest.approx(0.440, abs=5e-4)
    assert third["macro_f1"] == pytest.approx(0.140, abs=5e-4)
    assert len(list(constants(irmas))) == 3, "the best constant answer is one of the three"


def test_a_fixed_ranking_has_an_lrap_of_one_half_and_chance_of_a_third(rng):
    """One to five labels an excerpt, 1.7 on average, drawn by their frequency."""
    sizes = rng.choice([1, 2, 3, 4, 5], size=1500, p=[0.52, 0.32, 0.11, 0.04, 0.01])
    share = np.array(COUNTS) / sum(COUNTS)
    truth = np.zeros((1500, 11), dtype=np.float32)
    for row, size in enumerate(sizes):
        truth[row, rng.choice(11, size=size, replace=False, p=share)] = 1
    names = tuple(map(str, range(1500)))
    a = Answers(truth, truth >= 0, np.zeros(truth.shape), tuple("abcdefghijk"), names, names)
    found = {floor.name: floor.figures for floor in floors(a)}
    assert found["prior of these clips"]["lrap"] == pytest.approx(0.54, abs=0.02)
    assert found["2 to 4 labels at random"]["lrap"] == pytest.approx(0.33, abs=0.02)


def test_the_prior_may_be_another_sets(irmas):
    shares = np.linspace(0.9, 0.1, 11)
    found = {floor.name: floor.figures for floor in floors(irmas, shares)}
    figures = found["prior of validation"]
    ranked = replace(irmas, scores=np.broadcast_to(shares, irmas.truth.shape))
    assert figures["lrap"] == pytest.approx(Ranking(ranked).figures()["lrap"])
    assert figures["macro_recall"] == pytest.approx(6 / 11), "said are those that sound in at least half"


def test_shares_are_of_judged_clips(irmas):
    half = replace(irmas, known=irmas.known.copy())
    half.known[:, 0] = False
    half.known[EXCERPTS // 2 :, 1] = False
    found = share_of(half)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(irmas.truth[: EXCERPTS // 2, 1].mean())
    assert found[2] == pytest.approx(163 / EXCERPTS)


def test_two_to_four_labels_are_drawn(rng):
    counts = at_random((2000, 6), rng).sum(axis=1)
    assert set(counts) == {2, 3, 4} and counts.mean() == pytest.approx(3, abs=0.1)
