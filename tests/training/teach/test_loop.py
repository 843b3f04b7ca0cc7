"""The loop of teaching, running, judging and teaching again, small (``recipes/field/loop.py`` is the large one)."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

_spec = util.spec_from_file_location(
    "field_loop", Path(__file__).parents[3] / "recipes" / "field" / "loop.py"
)
assert _spec is not None and _spec.loader is not None
loop = util.module_from_spec(_spec)
sys.modules["field_loop"] = loop
_spec.loader.exec_module(loop)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_judging_once_finds_more_at_places_that_were_never_heard(tmp_path: Path) -> None:
    """Two of the meadows of docs/teach.md, at full size."""
    gains = [loop.run(seed, loop.Size(), tmp_path / str(seed)) for seed in (0, 2)]
    before, after = np.array(gains).T
    assert (after > before).all() and (after - before).mean() > 0.08, gains


def test_the_mean_gain_has_students_interval() -> None:
    stats = pytest.importorskip("scipy.stats")
    gains = np.array([0.1, 0.3, -0.05, 0.2])
    mean, low, high = loop.interval(gains)
    expected = stats.ttest_1samp(gains, 0.0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high)) and mean == pytest.approx(gains.mean())
    table = loop.table([loop.Gain(0.5, 0.6), loop.Gain(0.4, 0.7)])
    assert table.splitlines()[-1].startswith("| mean | 0.45 | 0.65 | +0.20 [")
