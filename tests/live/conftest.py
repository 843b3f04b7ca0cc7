"""The bundles that streams are tested with, and a melody of pure tones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonoscope import models
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime


@pytest.fixture(scope="session")
def runtime(notes: Bundle) -> Runtime:
    return Runtime(notes)


@pytest.fixture(scope="session")
def instruments() -> Bundle:
    return models.load("instruments")


@pytest.fixture(scope="session")
def instruments_runtime(instruments: Bundle) -> Runtime:
    return Runtime(instruments)


MELODY = [(0.5, 0.9, 72), (0.9, 1.3, 76), (1.3, 2.0, 79), (1.3, 2.0, 84)]


@pytest.fixture(scope="session")
def melody(tones: Callable[..., np.ndarray]) -> np.ndarray:
    """2.4 s of tones at 48 kHz with a floor of noise."""
    noise = np.random.default_rng(3).standard_normal(round(2.4 * 48_000)) * 1e-3
    return tones(MELODY, 2.4, 48_000) + noise.astype(np.float32)
