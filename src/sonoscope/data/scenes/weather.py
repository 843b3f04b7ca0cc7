"""Rain, wind, thunder and running water."""

from __future__ import annotations

import numpy as np
from scipy import signal

from sonoscope.data.scenes.noises import band, coloured, drift


def rain(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Drops on a surface: thousands of short resonances above a hiss."""
    count = round(duration_s * sample_rate)
    drops = np.zeros(count)
    number = int(rng.uniform(15.0, 900.0) * duration_s)
    drops[rng.integers(0, count, number)] = rng.exponential(1.0, number) * rng.choice([-1.0, 1.0], number)
    low = float(rng.uniform(400.0, 2500.0))
    ring = signal.iirpeak(float(rng.uniform(low, min(3.0 * low, 0.4 * sample_rate))), 1.5, fs=sample_rate)
    patter = signal.lfilter(*ring, drops) + band(drops, sample_rate, low, 0.45 * sample_rate, order=1)
    hiss = band(
        coloured(rng, count, float(rng.uniform(-3.0, 0.0)), sample_rate=sample_rate), sample_rate, 500.0, 1e9
    )
    patter /= np.sqrt(np.mean(patter**2)) + 1e-12
    return patter + float(rng.uniform(0.1, 1.5)) * hiss * np.exp(
        0.15 * drift(rng, count, sample_rate, per_s=0.5)
    )


def wind(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Gusts: low noise whose colour follows its strength, and rumble on the microphone."""
    count = round(duration_s * sample_rate)
    gust = np.exp(
        float(rng.uniform(0.3, 1.0)) * drift(rng, count, sample_rate, per_s=float(rng.uniform(0.3, 2.0)))
    )
    rumble = coloured(rng, count, float(rng.uniform(-9.0, -5.0)), sample_rate=sample_rate)
    leaves = band(
        coloured(rng, count, -3.0, sample_rate=sample_rate),
        sample_rate,
        300.0,
        float(rng.uniform(1500.0, 8000.0)),
    )
    return rumble * gust + float(rng.uniform(0.0, 0.5)) * leaves * gust**2


def thunder(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A crack and its rolling."""
    count = round(duration_s * sample_rate)
    t = np.arange(count) / sample_rate
    sound = np.zeros(count)
    for _ in range(int(rng.integers(1, 6))):
        begin = float(rng.uniform(0.0, 0.5 * duration_s))
        age = np.clip(t - begin, 0.0, None)
        sound += (t >= begin) * np.exp(-age / rng.uniform(0.3, 2.0)) * rng.uniform(0.3, 1.0)
    return sound * band(
        coloured(rng, count, -5.0, sample_rate=sample_rate),
        sample_rate,
        30.0,
        float(rng.uniform(300.0, 2500.0)),
    )


def water(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A brook: rising bubbles over a hiss."""
    count = round(duration_s * sample_rate)
    sound = 0.3 * band(coloured(rng, count, -3.0, sample_rate=sample_rate), sample_rate, 400.0, 6000.0)
    for _ in range(int(rng.uniform(10.0, 60.0) * duration_s)):
        length = round(float(rng.uniform(0.01, 0.06)) * sample_rate)
        at = int(rng.integers(0, max(count - length, 1)))
        u = np.arange(min(length, count - at)) / sample_rate
        hertz = float(rng.uniform(400.0, 2500.0))
        sound[at : at + u.size] += (
            rng.uniform(0.2, 1.5) * np.exp(-u * 80.0) * np.sin(2 * np.pi * hertz * (u + 4.0 * u**2))
        )
    return sound
