"""A coarse class is split where clusters tell the fine ones apart, and the figure says so where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sonoscope.data.audit import division
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError

PLAN = division.Plan("guitar", ("acoustic", "electric"))


def clouds(n: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of two clouds each, at opposite corners of a plane: no line through the middle divides them."""
    rng = np.random.default_rng(seed)
    corner = np.arange(n) % 4
    centres = apart * np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    plane = np.random.default_rng(99).standard_normal((2, 30))
    return (centres[corner] + rng.standard_normal((n, 2))) @ plane + rng.standard_normal((n, 30)), corner // 2


def test_classes_that_are_apart_are_told_apart() -> None:
    vectors, classes = clouds(400, 6.0)
    groups = np.arange(400) // 10
    whole, half = division.measure(vectors, classes, groups)
    assert whole.value > 0.98 and whole.n == 400 and whole.groups == 40
    assert half.n == 200 and half.value == 1.0
    table = np.array(whole.table)
    np.testing.assert_array_equal(table.sum(axis=1), np.bincount(classes))
    assert np.trace(table) >= 392
    # Another draw of the same clouds is what the coarse rows are.
    said, confidence = division.fit(vectors, classes)(clouds(100, 6.0, seed=1)[0])
    np.testing.assert_array_equal(said, clouds(100, 6.0, seed=1)[1])
    assert ((confidence >= 0.0) & (confidence <= 1.0)).all()


def test_classes_that_are_the_same_are_not() -> None:
    vectors, _ = clouds(400, 0.0)
    classes = np.random.default_rng(3).integers(2, size=400)
    whole, _ = division.measure(vectors, classes, np.arange(400) // 10)
    assert 0.35 < whole.value < 0.65
    assert whole.low < 0.5 < whole.high


def test_the_confident_ones_are_right_more_often() -> None:
    vectors, classes = clouds(1200, 1.5)
    whole, half = division.measure(vectors, classes, np.arange(1200) // 10)
    assert 0.6 < whole.value < 0.99
    assert half.low > whole.high


def test_a_class_of_one_group_cannot_be_measured() -> None:
    vectors, classes = clouds(80, 6.0)
    with pytest.raises(UsageError, match="only one group of labelled rows"):
        division.measure(vectors, classes, classes + 2 * (np.arange(80) % 4 == 0))


def test_the_most_confident_get_the_label_and_the_others_are_unknown() -> None:
    rows = (
        Row("a.wav", labels=("guitar", "voice")),
        Row("b.wav", labels=("guitar",), absent=("electric",)),
        Row("c.wav", labels=("voice",)),
        Row("d.wav", unknown=("acoustic",), extra={"class": "guitar"}),
        Row("e.wav", labels=("guitar", "electric")),
    )
    manifest = Manifest(rows, Path(), ("guitar", "voice"))
    places = [k for k, row in enumerate(rows) if division.is_coarse(row, PLAN)]
    assert places == [0, 1, 3]
    made = division.relabelled(
        manifest, PLAN, places, np.array([1, 0, 1]), np.array([0.9, 0.1, 0.5]), keep_share=0.67
    )
    a, b, c, d, e = made.rows
    assert a.labels == ("voice", "electric") and a.unknown == ("acoustic",)
    assert a.extra == {"split_from": "guitar", "split_confidence": "0.900"}
    assert b.labels == () and set(b.unknown) == {"acoustic", "electric"} and b.absent == ()
    assert d.labels == ("electric",) and d.unknown == ("acoustic",) and d.extra["class"] == "guitar"
    assert (c, e) == (rows[2], rows[4])
    assert made.label_map == ("voice", "acoustic", "electric")
    for row in (a, b, d):
        assert "guitar" not in row.labels
    everything = division.relabelled(manifest, PLAN, places, np.zeros(3, int), np.arange(3.0), keep_share=1.0)
    assert all("acoustic" in everything.rows[place].labels for place in places)
    with pytest.raises(UsageError, match="keep-share=0 must lie in"):
        division.relabelled(manifest, PLAN, places, np.zeros(3, int), np.arange(3.0), keep_share=0.0)


def test_a_row_with_two_fine_labels_teaches_neither() -> None:
    rows = [Row("a", labels=("acoustic",)), Row("b", labels=("electric", "acoustic")), Row("c")]
    np.testing.assert_array_equal(division.classes_of(rows, PLAN), [0, -1, -1])


@pytest.mark.parametrize("text", ["guitar", "guitar=", "guitar=a", "=a,b", "guitar=a,guitar", "guitar=a,a"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not say what to split"):
        division.parse(text)


def test_plans() -> None:
    assert division.parse("guitar = acoustic, electric") == PLAN
    assert division.parse("strings=violin,viola,cello").fine == ("violin", "viola", "cello")
    assert replace(PLAN, coarse="x").coarse == "x"
