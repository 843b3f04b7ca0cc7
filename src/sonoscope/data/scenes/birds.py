"""Birds: songs of whistled syllables, trills, and harsh calls with harmonics."""

from __future__ import annotations

import numpy as np

from sonoscope.data.scenes.noises import band, drift, faded, harmonics, phase


def _syllable(rng: np.random.Generator, sample_rate: int, middle_hz: float) -> np.ndarray:
    """A whistle of 30-300 ms that sweeps, arches or warbles."""
    count = round(float(rng.uniform(0.03, 0.3)) * sample_rate)
    u = np.linspace(0.0, 1.0, count)
    shape = int(rng.integers(4))
    sweep = float(rng.uniform(-0.6, 0.6))
    bend = (
        u - 0.5 if shape == 0
        else np.sin(np.pi * u) - 0.5 if shape == 1
        else 0.3 * np.sin(2 * np.pi * rng.uniform(2, 12) * u) if shape == 2
        else np.zeros_like(u)
    )  # fmt: skip
    hertz = np.clip(middle_hz * 2.0 ** (sweep * bend), 300.0, 0.45 * sample_rate)
    gains = np.array([1.0, rng.uniform(0.0, 0.3), rng.uniform(0.0, 0.1)])
    tone = harmonics(phase(hertz, sample_rate), gains, rng.random(3), hertz / sample_rate)
    return tone * np.sin(np.pi * u) ** float(rng.uniform(0.3, 1.0))


def song(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Phrases: a few syllables in a row, repeated with pauses."""
    sound = np.zeros(round(duration_s * sample_rate))
    middle = float(np.exp(rng.uniform(np.log(1500.0), np.log(7500.0))))
    motif = [
        _syllable(rng, sample_rate, middle * 2.0 ** rng.normal(0.0, 0.3)) for _ in range(rng.integers(1, 6))
    ]
    at = int(rng.uniform(0.0, 0.2) * sound.size)
    while at < sound.size:
        for syllable in motif:
            last = min(at + syllable.size, sound.size)
            sound[at:last] += syllable[: max(last - at, 0)] * rng.uniform(0.5, 1.0)
            at += syllable.size + round(float(rng.uniform(0.01, 0.12)) * sample_rate)
            if at >= sound.size:
                break
        at += round(float(rng.uniform(0.05, 1.2)) * sample_rate)
    return sound


def trill(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """One syllable many times a second."""
    sound = np.zeros(round(duration_s * sample_rate))
    syllable = _syllable(rng, sample_rate, float(rng.uniform(2000.0, 7500.0)))
    syllable = syllable[: round(0.08 * sample_rate)] * np.hanning(
        min(syllable.size, round(0.08 * sample_rate))
    )
    step = round(sample_rate / float(rng.uniform(8.0, 25.0)))
    first = int(rng.uniform(0.0, 0.4) * sound.size)
    for at in range(first, int(rng.uniform(0.6, 1.0) * sound.size), step):
        last = min(at + syllable.size, sound.size)
        sound[at:last] += syllable[: last - at]
    return sound


def harsh_call(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Crows, gulls, geese: a rough tone with many harmonics, called a few times."""
    sound = np.zeros(round(duration_s * sample_rate))
    base = float(rng.uniform(300.0, 1200.0))
    formant = float(rng.uniform(1000.0, 2500.0))
    at = int(rng.uniform(0.0, 0.3) * sample_rate)
    while at < sound.size:
        count = round(float(rng.uniform(0.12, 0.5)) * sample_rate)
        u = np.linspace(0.0, 1.0, count)
        hertz = base * (1.0 + 0.25 * np.sin(np.pi * u) + 0.03 * drift(rng, count, sample_rate, per_s=40.0))
        tone = harmonics(phase(hertz, sample_rate), np.ones(24), rng.random(24), hertz / sample_rate)
        tone = band(
            tone + 0.5 * rng.standard_normal(count), sample_rate, formant * 0.6, formant * 1.8, order=1
        )
        last = min(at + count, sound.size)
        sound[at:last] += faded(tone, sample_rate, 0.02)[: last - at]
        at += count + round(float(rng.uniform(0.08, 0.8)) * sample_rate)
    return sound
