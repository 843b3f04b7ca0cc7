"""Windows to clips: the formulas of the papers, written out."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.errors import UnknownName
from sonoscope.evaluation.pooling import AGGREGATIONS, Windows, pooled


@pytest.fixture
def windows(rng: np.random.Generator) -> Windows:
    return Windows.whole(rng.random((14, 5)))


def test_s1_is_the_mean_and_s2_the_sum_over_its_largest(windows):
    assert pooled(windows, "mean") == pytest.approx(windows.values.mean(axis=0))
    total = windows.values.sum(axis=0)
    assert pooled(windows, "sum-max") == pytest.approx(total / total.max())
    assert np.array_equal(pooled(windows, "s1"), pooled(windows, "mean"))
    assert np.array_equal(pooled(windows, "s2"), pooled(windows, "sum-max"))
    assert np.array_equal(pooled(windows, "max"), windows.values.max(axis=0))


def test_max_s2_pools_six_windows_every_three_before_s2(windows):
    """``max_pool1d(kernel 6, stride 3)`` over 14 windows has the groups that begin at 0, 3 and 6."""
    groups = [windows.values[first : first + 6].max(axis=0) for first in (0, 3, 6)]
    total = np.sum(groups, axis=0)
    assert pooled(windows, "max-s2") == pytest.approx(total / total.max())
    short = Windows.whole(windows.values[:4])
    assert pooled(short, "max-s2") == pytest.approx(short.values.max(axis=0) / short.values.max())


def test_a_window_that_is_half_sound_weighs_half():
    held = Windows(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.5]))
    assert pooled(held, "mean") == pytest.approx([2 / 3, 1 / 3])
    assert pooled(held.without_tail(), "mean") == pytest.approx([1, 0])
    only = Windows(np.array([[0.2, 0.4]]), np.array([0.3]))
    assert pooled(only.without_tail(), "mean") == pytest.approx([0.2, 0.4]), "a short clip has a score"


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_no_window_is_no_score_and_silence_is_zero(how):
    assert np.isnan(pooled(Windows.whole(np.zeros((0, 3))), how)).all()
    assert np.array_equal(pooled(Windows.whole(np.zeros((4, 3))), how), np.zeros(3))


def test_an_unknown_aggregation_names_the_nearest(windows):
    with pytest.raises(UnknownName, match="Did you mean 'sum-max'"):
        pooled(windows, "sum_max")
