"""One labelling against another: counted by hand, and by scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, hamming_loss, precision_score, recall_score

from sonoscope.data.audit import agreement
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError

LABELS = ("cello", "piano", "voice")


def labelling(rows: list[tuple[str, ...]], **options: object) -> Manifest:
    return Manifest(tuple(Row(f"{k}.wav", labels=labels) for k, labels in enumerate(rows)), Path(), **options)  # type: ignore[arg-type]


def test_by_hand() -> None:
    given = labelling([("cello",), ("cello",), ("piano",), ("voice",), ()])
    heard = labelling([("cello",), ("cello", "piano"), ("voice",), ("voice", "piano"), ("piano",)])
    found = agreement.agree(given, heard)
    shares = {each.name: (each.value, each.n) for each in found.shares}
    assert shares["exactly right"] == (0.2, 5)
    assert shares["at least one right"] == (0.75, 4)
    assert shares["Hamming distance"] == (5 / 15, 5)
    assert shares["more sounds than is listed"] == (2 / 3, 3)
    assert shares["labels not listed, a row"] == (0.8, 5)
    piano = next(each for each in found.labels if each.label == "piano")
    assert (piano.first, piano.second, piano.both, piano.unlisted, piano.judged) == (1, 3, 0, 2, 5)
    assert [first.path for first, _ in found.differing] == ["1.wav", "2.wav", "3.wav", "4.wav"]


def test_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 200, 3)) < 0.4
    other |= one & (rng.random((200, 3)) < 0.7)
    manifests = [
        labelling([tuple(np.array(LABELS)[row].tolist()) for row in each], label_map=LABELS)
        for each in (one, other)
    ]
    found = agreement.agree(*manifests)
    shares = {each.name: each for each in found.shares}
    assert shares["Hamming distance"].value == pytest.approx(hamming_loss(other, one))
    assert shares["exactly right"].value == pytest.approx((one == other).all(axis=1).mean())
    for figure in found.shares:
        assert figure.low < figure.value < figure.high
    for k, each in enumerate(found.labels):
        assert each.label == LABELS[k]
        assert each.kappa == pytest.approx(cohen_kappa_score(other[:, k], one[:, k]))
        assert each.precision == pytest.approx(precision_score(other[:, k], one[:, k]))
        assert each.recall == pytest.approx(recall_score(other[:, k], one[:, k]))


def test_only_what_both_judged_counts() -> None:
    given = Manifest(
        (Row("a.wav", labels=("cello",), unknown=("*",)), Row("b.wav", labels=("piano",))), Path()
    )
    heard = Manifest((Row("a.wav", labels=("cello", "voice")), Row("b.wav", unknown=("piano",))), Path())
    found = agreement.agree(given, heard)
    shares = {each.name: each.value for each in found.shares}
    assert shares["exactly right"] == 1.0  # voice was not judged in a.wav, piano not in b.wav
    assert next(each for each in found.labels if each.label == "voice").judged == 1


def test_files_are_found_by_name_and_strangers_are_counted() -> None:
    given = Manifest((Row("cel/a.wav", labels=("cello",)), Row("pia/b.wav", labels=("piano",))), Path())
    heard = Manifest((Row("a.wav", labels=("cello",)), Row("c.wav", labels=("voice",))), Path())
    found = agreement.agree(given, heard)
    assert (found.only_first, found.only_second) == (1, 1) and not found.differing
    with pytest.raises(UsageError, match="no row in common"):
        agreement.agree(given, replace(heard, rows=heard.rows[1:]))
    twice = Manifest((Row("a.wav"), Row("cel/a.wav")), Path())
    with pytest.raises(UsageError, match=r"'cel/a\.wav' from 0 s is labelled twice"):
        agreement.agree(given, twice)
