"""A source that passes by: Doppler shift, distance, and what air takes from the highs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

SPEED_OF_SOUND_M_S = 343.0


@dataclass(frozen=True)
class Pass:
    """A straight flight past the microphone.

    Attributes
    ----------
    speed_m_s : float
    closest_m : float
        Distance when it is nearest.
    nearest_s : float
        When that is, as heard; may lie outside the sound.
    """

    speed_m_s: float
    closest_m: float
    nearest_s: float


def draw(
    rng: np.random.Generator,
    duration_s: float,
    *,
    speed_m_s: tuple[float, float],
    closest_m: tuple[float, float],
) -> Pass:
    """A pass that is nearest somewhere in the sound; speeds and distances are log-uniform."""
    speed = float(np.exp(rng.uniform(*np.log(speed_m_s))))
    closest = float(np.exp(rng.uniform(*np.log(closest_m))))
    return Pass(speed, closest, float(rng.uniform(0.1, 0.9)) * duration_s)


def heard(samples: np.ndarray, sample_rate: int, flight: Pass) -> np.ndarray:
    """What a still microphone hears of a source that plays ``samples`` while it flies past, same length.

    Sound that is heard at ``t`` left at ``t - d/c``, ``d`` being the distance then (solved exactly for a straight
    flight); it arrives with gain ``closest / d``. Highs are lost with distance: a first-order low-pass whose share
    grows with ``d``.
    """
    c, v, b = SPEED_OF_SOUND_M_S, flight.speed_m_s, flight.closest_m
    t = np.arange(samples.size) / sample_rate - flight.nearest_s + b / c
    left = _left(t, v, b, c)
    distance = np.sqrt(b**2 + (v * left) ** 2)
    # What approaches is heard faster than it plays and needs more sound than there is: the end is mirrored.
    position = (left - left[0]) * sample_rate
    moved = ndimage.map_coordinates(samples.astype(np.float64), position[None], order=3, mode="mirror")
    sos = signal.butter(1, min(3000.0, 0.45 * sample_rate), "lowpass", fs=sample_rate, output="sos")
    dull = np.clip((distance - b) / (distance + 20.0), 0.0, 0.9)
    moved = (1.0 - dull) * moved + dull * signal.sosfilt(sos, moved)
    return moved * (b / distance)


def _left(t: np.ndarray, v: float, b: float, c: float) -> np.ndarray:
    """When sound heard at ``t`` left the source: the earlier root of c²(t - s)² = b² + v²s²."""
    a, half, rest = c**2 - v**2, c**2 * t, c**2 * t**2 - b**2
    return (half - np.sqrt(half**2 - a * rest)) / a
