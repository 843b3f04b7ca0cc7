"""Engines, aircraft and tools."""

from __future__ import annotations

import numpy as np

from sonoscope.data.scenes import motion
from sonoscope.data.scenes.noises import band, coloured, drift, faded, harmonics, phase, series


def engine(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A combustion engine: harmonics of half the firing rate, uneven cylinders, exhaust noise; often driving past."""
    count = round(duration_s * sample_rate)
    wander = drift(rng, count, sample_rate, per_s=float(rng.uniform(0.3, 2.0)))
    base = float(np.exp(rng.uniform(np.log(12.0), np.log(120.0))))
    hertz = base * np.exp(0.06 * wander)
    cycles = phase(hertz, sample_rate)
    gains, phases = series(rng, base, (2.0, 6.0), 5.0, (500.0, 3000.0))
    tone = harmonics(cycles, gains, phases, hertz / sample_rate)
    tone /= np.sqrt(np.mean(tone**2)) + 1e-12
    noise = band(coloured(rng, count, -4.0, sample_rate=sample_rate), sample_rate, 60.0, 5000.0)
    sound = tone + float(rng.uniform(0.1, 0.9)) * noise * (0.6 + 0.4 * np.sin(2 * np.pi * cycles))
    if rng.random() < 0.5:
        flight = motion.draw(rng, duration_s, speed_m_s=(4.0, 40.0), closest_m=(2.0, 60.0))
        sound = motion.heard(sound, sample_rate, flight)
    return faded(sound, sample_rate, 0.05)


def propeller(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """An aircraft far off, drones included: blade harmonics with beats, slow Doppler."""
    count = round(duration_s * sample_rate)
    sound = np.zeros(count)
    base = float(np.exp(rng.uniform(np.log(55.0), np.log(260.0))))
    for _ in range(int(rng.integers(1, 5))):
        hertz = (
            base * float(rng.uniform(0.98, 1.02)) * np.exp(0.005 * drift(rng, count, sample_rate, per_s=1.0))
        )
        gains, phases = series(rng, base, (3.0, 7.0), 3.0, (600.0, 3000.0))
        sound += harmonics(phase(hertz, sample_rate), gains, phases, hertz / sample_rate)
    sound /= np.sqrt(np.mean(sound**2)) + 1e-12
    sound += float(rng.uniform(0.1, 0.6)) * band(
        coloured(rng, count, -5.0, sample_rate=sample_rate), sample_rate, 60.0, 2500.0
    )
    flight = motion.draw(rng, duration_s, speed_m_s=(20.0, 90.0), closest_m=(60.0, 800.0))
    return faded(motion.heard(sound, sample_rate, flight), sample_rate, 0.05)


def jet(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Broad noise that swells, with or without a whine."""
    count = round(duration_s * sample_rate)
    slope = float(rng.uniform(-6.0, -3.0))
    roar = band(
        coloured(rng, count, slope, sample_rate=sample_rate),
        sample_rate,
        50.0,
        4000.0,
    )
    if rng.random() < 0.4:
        hertz = float(rng.uniform(800.0, 4000.0)) * np.exp(0.02 * drift(rng, count, sample_rate, per_s=0.5))
        roar += 0.1 * np.sin(2 * np.pi * phase(hertz, sample_rate))
    return roar * np.exp(0.5 * drift(rng, count, sample_rate, per_s=0.4))


def tool(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Electric motors: mowers, drills, fans, a compressor: a steady hum that is not an insect."""
    count = round(duration_s * sample_rate)
    on = drift(rng, count, sample_rate, per_s=0.6) > rng.uniform(-1.5, 0.5)
    base = float(np.exp(rng.uniform(np.log(50.0), np.log(500.0))))
    hertz = base * np.exp(0.01 * drift(rng, count, sample_rate, per_s=3.0))
    gains, phases = series(rng, base, (0.0, 5.0), 7.0, (2000.0, 8000.0))
    tone = harmonics(phase(hertz, sample_rate), gains, phases, hertz / sample_rate)
    noise = band(coloured(rng, count, -2.0, sample_rate=sample_rate), sample_rate, 300.0, 8000.0)
    smooth = np.convolve(
        on.astype(float), np.full(max(sample_rate // 50, 1), 1 / max(sample_rate // 50, 1)), "same"
    )
    return (tone / (tone.std() + 1e-12) + float(rng.uniform(0.2, 1.5)) * noise) * np.maximum(smooth, 0.02)
