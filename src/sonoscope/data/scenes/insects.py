"""Insects: wing beats that pass by, and songs.

A wing beat is a harmonic tone at the wing's rate whose pitch and loudness wander and whose harmonics carry the buzz
(bumble bees 120-200 Hz, honey bees 190-260, flies and hover flies 120-300, mosquitoes 350-700: ranges as
bioacoustics gives them). Songs are pulse trains: crickets at 3-6 kHz, cicadas and bush-crickets broad bands.
"""

from __future__ import annotations

import numpy as np

from sonoscope.data.scenes import motion
from sonoscope.data.scenes.noises import band, coloured, drift, faded, harmonics, phase, series

#: Wing beats by insect: rate in Hz, decay of the harmonics in dB an octave, breathiness.
WINGS: dict[str, tuple[tuple[float, float], tuple[float, float], float]] = {
    "honey_bee": ((185.0, 265.0), (3.0, 8.0), 0.12),
    "bumble_bee": ((115.0, 205.0), (2.0, 7.0), 0.15),
    "solitary_bee": ((160.0, 330.0), (3.0, 9.0), 0.12),
    "wasp": ((110.0, 250.0), (2.0, 6.0), 0.15),
    "hover_fly": ((130.0, 300.0), (4.0, 10.0), 0.08),
    "fly": ((120.0, 220.0), (3.0, 8.0), 0.15),
    "beetle": ((50.0, 110.0), (1.0, 5.0), 0.25),
    "mosquito": ((340.0, 720.0), (6.0, 14.0), 0.04),
}  # fmt: skip


def wing_beat(
    rng: np.random.Generator, duration_s: float, sample_rate: int, kind: str | None = None
) -> np.ndarray:
    """One insect's wings, hovering or passing, (n,) float64."""
    kind = kind or str(rng.choice(list(WINGS)))
    rate_hz, decay_db, breath = WINGS[kind]
    count = round(duration_s * sample_rate)
    base = float(rng.uniform(*rate_hz))
    hertz = base * np.exp(
        0.03 * rng.uniform(0.3, 1.5) * drift(rng, count, sample_rate, per_s=float(rng.uniform(1.0, 6.0)))
        + 0.01 * drift(rng, count, sample_rate, per_s=float(rng.uniform(10.0, 25.0)))
    )
    gains, phases = series(rng, base, decay_db, 4.0, (900.0, 5000.0))
    if rng.random() < 0.35:  # two strokes a beat: the second harmonic leads
        gains[0] *= 0.4
    tone = harmonics(phase(hertz, sample_rate), gains, phases, hertz / sample_rate)
    tone /= np.sqrt(np.mean(tone**2)) + 1e-12
    air = band(coloured(rng, count, -4.0, sample_rate=sample_rate), sample_rate, 200.0, 6000.0)
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * phase(hertz, sample_rate))
    sound = tone + breath * float(rng.uniform(0.3, 2.0)) * air * beat
    sound *= np.exp(0.35 * drift(rng, count, sample_rate, per_s=float(rng.uniform(1.0, 8.0))))
    if rng.random() < 0.75:
        flight = motion.draw(rng, duration_s, speed_m_s=(0.4, 7.0), closest_m=(0.05, 2.0))
        sound = motion.heard(sound, sample_rate, flight)
    if rng.random() < 0.2:  # it lands, or sets off
        cut = int(rng.integers(count // 4, max(3 * count // 4, count // 4 + 1)))
        sound[cut:] = 0.0
        sound = sound if rng.random() < 0.5 else sound[::-1]
    return faded(sound, sample_rate, 0.03)


def swarm(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Many wings of one kind at once."""
    kind = str(rng.choice(["honey_bee", "fly", "mosquito", "wasp"]))
    parts = [wing_beat(rng, duration_s, sample_rate, kind) for _ in range(int(rng.integers(3, 9)))]
    return np.sum([part * rng.uniform(0.2, 1.0) for part in parts], axis=0)


def cricket(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Chirps: groups of short pulses of a nearly pure tone."""
    count = round(duration_s * sample_rate)
    t = np.arange(count) / sample_rate
    hertz = float(rng.uniform(2600.0, 7000.0))
    pulses_hz = float(rng.uniform(18.0, 70.0))
    carrier = np.sin(2 * np.pi * hertz * t * (1 + 0.002 * drift(rng, count, sample_rate, per_s=2.0)))
    pulses = np.clip(np.sin(2 * np.pi * pulses_hz * t), 0.0, None) ** float(rng.uniform(0.7, 2.0))
    if rng.random() < 0.6:  # chirps, not one long trill
        chirps_hz = float(rng.uniform(0.8, 4.5))
        pulses *= (np.mod(t * chirps_hz + rng.random(), 1.0) < rng.uniform(0.25, 0.7)).astype(float)
    return carrier * pulses


def cicada(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A broad band, rattling: clicks at a high rate through a resonance."""
    count = round(duration_s * sample_rate)
    t = np.arange(count) / sample_rate
    middle = float(rng.uniform(3500.0, 9000.0))
    noise = band(rng.standard_normal(count), sample_rate, middle * 0.75, middle * 1.25)
    rattle = 0.4 + np.clip(np.sin(2 * np.pi * float(rng.uniform(40.0, 250.0)) * t), 0.0, None)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * float(rng.uniform(0.1, 2.0)) * t + rng.uniform(0, 6.28))
    return noise * rattle * swell
