"""Sounds that the tests of features share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def librosa():
    """librosa, whose first call in an environment compiles for half a minute."""
    return pytest.importorskip("librosa")


def tone(frequency_hz: float, sample_rate: int, seconds: float = 1.0, amplitude: float = 1.0) -> np.ndarray:
    time_s = np.arange(int(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


@pytest.fixture(scope="session")
def make_tone():
    """A sine: ``make_tone(frequency_hz, sample_rate, seconds, amplitude)``, float32."""
    return tone


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    """Two seconds at 22.05 kHz: a chord that decays, clicks and some noise, float32."""
    rng, time_s = np.random.default_rng(8), np.arange(2 * 22_050) / 22_050
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 329.6, 1318.5)) * np.exp(-time_s)
    clicks = np.zeros(time_s.size)
    clicks[3000::11_025] = 0.8
    return (0.1 * chord + clicks + 1e-3 * rng.standard_normal(time_s.size)).astype(np.float32)
