"""What is no number is never close to anything."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.models.apart import apart


def test_the_largest_difference() -> None:
    assert apart(np.array([1.0, -2.0]), np.array([1.5, -5.0])) == 3.0
    assert apart(np.empty((3, 0)), np.empty((3, 0))) == 0.0


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_no_number_is_infinitely_far(odd: float) -> None:
    plain = np.zeros(3, dtype=np.float32)
    strange = np.array([0.0, odd, 0.0], dtype=np.float32)
    assert apart(plain, strange) == apart(strange, plain) == apart(strange, strange) == np.inf
