"""Suspects are cleanlab's; the unknown is none; exchanged labels of made sounds are found, and noise finds nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cleanlab.filter
import cleanlab.multilabel_classification.filter as multilabel
import cleanlab.rank
import numpy as np
import pytest

from sonoscope import models
from sonoscope.data import sources
from sonoscope.data.audit import auditing, embed, rehearsal, suspects
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.head import Targets, Unheard
from sonoscope.data.audit.overrides import REVIEWED
from sonoscope.data.rows import Manifest
from sonoscope.errors import UsageError


def scored(n: int, c: int, *, one_each: bool, seed: int = 0) -> tuple[Targets, Unheard]:
    """Labels with errors, and scores that mostly know better."""
    rng = np.random.default_rng(seed)
    truth = np.eye(c, dtype=bool)[rng.integers(c, size=n)] if one_each else rng.random((n, c)) < 0.3
    logits = 4.0 * truth - 2.0 + rng.standard_normal((n, c))
    given = truth.copy()
    rows = rng.permutation(n)[: n // 8]
    given[rows] = np.roll(given[rows], 1, axis=1)
    if one_each:
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    else:
        p = 1 / (1 + np.exp(-logits))
    known = np.ones_like(given)
    targets = Targets(tuple("abcdefg"[:c]), given, known, np.arange(n))
    return targets, Unheard(p, np.zeros((0, c)), np.zeros(n, dtype=int), one_each)


def test_one_label_a_row_is_cleanlabs_answer() -> None:
    targets, unheard = scored(400, 4, one_each=True)
    found = suspects.judge(targets, unheard)
    given = targets.sounds.argmax(axis=1)
    expected = cleanlab.filter.find_label_issues(
        given, unheard.probabilities, filter_by=suspects.FILTER, n_jobs=1
    )
    assert expected.sum() > 10
    np.testing.assert_array_equal(found.flagged, expected)
    quality = cleanlab.rank.get_label_quality_scores(given, unheard.probabilities, method="self_confidence")
    np.testing.assert_allclose(found.score, quality)
    worst = found.ranked()
    assert (np.diff(found.score[worst]) >= 0).all() and set(worst) == set(np.flatnonzero(expected))
    best = np.where(targets.sounds, -1, unheard.probabilities).argmax(axis=1)
    for place in worst[:20]:
        assert found.suggested(targets, place) == (targets.labels[best[place]],)


def test_several_labels_a_row_are_cleanlabs_answer() -> None:
    targets, unheard = scored(500, 3, one_each=False)
    lists = [np.flatnonzero(row).tolist() for row in targets.sounds]
    expected = multilabel.find_multilabel_issues_per_class(
        lists, unheard.probabilities, filter_by=suspects.FILTER, n_jobs=1
    )
    found = suspects.judge(targets, unheard)
    assert expected.sum() > 10
    np.testing.assert_array_equal(found.doubtful, expected)
    place = int(found.ranked()[0])
    turned = targets.sounds[place] ^ expected[place]
    assert found.suggested(targets, place) == tuple(
        label for label, there in zip(targets.labels, turned, strict=True) if there
    )


def test_what_is_unknown_or_unjudged_is_no_suspect_and_no_evidence() -> None:
    targets, unheard = scored(500, 3, one_each=False)
    known = np.random.default_rng(2).random(targets.known.shape) < 0.7
    partial = replace(targets, known=known)
    found = suspects.judge(partial, unheard)
    assert found.flagged.any() and not found.doubtful[~known].any()
    assert np.isnan(found.credible[~known]).all()
    opposite = suspects.judge(replace(partial, sounds=targets.sounds ^ ~known), unheard)
    np.testing.assert_array_equal(opposite.doubtful, found.doubtful)
    none = replace(unheard, probabilities=np.where(np.arange(3) == 1, np.nan, unheard.probabilities))
    assert not suspects.judge(targets, none).doubtful[:, 1].any()
    targets, unheard = scored(300, 3, one_each=True)
    # Without the rows of one label the scores of the others have no column for it.
    unjudged = targets.sounds[:, 2]
    p = unheard.probabilities.copy()
    p[unjudged, 2] = np.nan
    found = suspects.judge(targets, replace(unheard, probabilities=p))
    assert np.isnan(found.score[unjudged]).all() and not found.flagged[unjudged].any()
    assert found.flagged[~unjudged].any()


# ---- does it find what is wrong? -----------------------------------------------------------------------------


def figures(vectors: np.ndarray, targets: Targets, share: float = 0.1) -> dict[str, rehearsal.Figure]:
    found = rehearsal.rehearse(vectors, targets, share=share, repeats=3)
    return {figure.name: figure for figure in found.figures}


PRECISION, RECALL, FLAGGED, FIRST, AVERAGE, LISTEN, RESTORED = rehearsal.NAMES


def test_exchanged_labels_of_made_sounds_are_found(embedded: Embeddings, targets: Targets) -> None:
    assert targets.one_each
    found = figures(embedded.of_rows(), targets)
    assert found[RECALL].value >= 0.75  # clicks and hiss are alike to a model of instruments
    assert found[PRECISION].value >= 0.5
    assert found[AVERAGE].value >= 0.7
    assert found[RESTORED].value >= 0.75
    assert found[LISTEN].value <= 0.15
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high


def test_embeddings_that_say_nothing_find_nothing(targets: Targets) -> None:
    noise = np.random.default_rng(0).standard_normal((len(targets.sounds), 32))
    found = figures(noise, targets)
    assert found[AVERAGE].value < 0.35  # ranking by chance gives the share of errors, 0.1
    assert found[FIRST].value < 0.4


def test_exchanged_labels_are_found_among_several_a_row(embedded: Embeddings, targets: Targets) -> None:
    """Pairs of sounds as rows with two labels, a third of what they say unknown."""
    rng = np.random.default_rng(1)
    vectors = embedded.of_rows()
    first, second = rng.integers(len(vectors), size=(2, 600))
    sounds = targets.sounds[first] | targets.sounds[second]
    known = rng.random(sounds.shape) < 0.67
    pairs = Targets(targets.labels, sounds & known, known, np.arange(600) // 10)
    assert not pairs.one_each
    found = figures(vectors[first] + vectors[second], pairs)
    assert found[AVERAGE].value >= 0.6
    assert found[RECALL].value >= 0.7


def test_exchanging_changes_just_so_many_rows(targets: Targets) -> None:
    noisy, wrong = rehearsal.exchange(targets, 0.2, np.random.default_rng(0))
    assert wrong.sum() == 20
    np.testing.assert_array_equal((noisy.sounds != targets.sounds).any(axis=1), wrong)
    np.testing.assert_array_equal(noisy.sounds.sum(axis=1), targets.sounds.sum(axis=1))
    with pytest.raises(UsageError, match=r"share of errors of 0\.7 must lie in"):
        rehearsal.rehearse(np.zeros((100, 2)), targets, share=0.7)


def test_the_audit_names_what_was_exchanged_and_leaves_alone_what_was_decided(
    made: Manifest, embedded: Embeddings
) -> None:
    wrong = {4: ("saw",), 40: ("sine",), 80: ("saw",)}
    rows = list(made.rows)
    for index, labels in wrong.items():
        rows[index] = replace(rows[index], labels=labels)
    noisy = replace(made, rows=tuple(rows))
    found = auditing.audit(noisy, embedded)
    assert {issue.place for issue in found.issues[:3]} == set(wrong)
    for issue in found.issues[:3]:
        assert issue.given == wrong[issue.place] and issue.suggested == made.rows[issue.place].labels
        assert issue.probabilities[0][0] == issue.suggested[0]
    counts = {each.label: each for each in found.labels}
    assert counts["sine"].rows == 25 and counts["sine"].wrong >= 1 and counts["clicks"].missing >= 1
    rows[40] = replace(rows[40], extra={REVIEWED: "keep"})
    again = auditing.audit(replace(made, rows=tuple(rows)), embedded)
    assert again.reviewed == 1
    assert {issue.place for issue in again.issues} == {issue.place for issue in found.issues} - {40}


@pytest.mark.data
@pytest.mark.slow
def test_exchanged_labels_of_real_recordings_are_found(data_dir: Path) -> None:
    rows = sources.load(f"collection:{data_dir}").where(source="fsdkaggle2018")
    embedded = embed.embed(rows, models.load("instruments"))
    found = figures(embedded.of_rows(), auditing.targets_of(rows, embedded, by="path"), share=0.05)
    assert found[AVERAGE].low > 0.6 and found[RECALL].low > 0.4
