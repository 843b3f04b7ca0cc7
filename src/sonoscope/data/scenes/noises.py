"""Building blocks of synthesised field sounds: coloured noise, slow random curves, pulses, decibels."""

from __future__ import annotations

import numpy as np
from scipy import signal

from sonoscope.data.mix.levels import loudness_db

#: Loudness that every synthesised sound is brought to, dB re full scale.
LOUDNESS_DB = -23.0


def coloured(rng: np.random.Generator, count: int, slope_db: float, *, sample_rate: int) -> np.ndarray:
    """Gaussian noise whose spectrum falls by ``-slope_db`` per octave (0 white, -3 pink, -6 brown), (count,) float64.

    Below 20 Hz it is flat: otherwise steep noise would be drift alone.
    """
    size = max(count, 16)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hertz = np.maximum(np.fft.rfftfreq(size, 1.0 / sample_rate), 20.0)
    spectrum *= (hertz / 1000.0) ** (slope_db / 6.0206)
    noise = np.fft.irfft(spectrum, size)[:count]
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-12)


def band(samples: np.ndarray, sample_rate: int, low_hz: float, high_hz: float, order: int = 2) -> np.ndarray:
    """The part between two frequencies (Butterworth); limits beyond the audible range of the rate are dropped."""
    nyquist = sample_rate / 2
    if high_hz >= 0.98 * nyquist:
        sos = signal.butter(order, low_hz, "highpass", fs=sample_rate, output="sos")
    else:
        sos = signal.butter(order, (low_hz, high_hz), "bandpass", fs=sample_rate, output="sos")
    return signal.sosfilt(sos, samples)


def drift(rng: np.random.Generator, count: int, sample_rate: int, *, per_s: float) -> np.ndarray:
    """A smooth random curve of about unit spread that turns ``per_s`` times a second, (count,) float64."""
    knots = max(int(np.ceil(count / sample_rate * per_s)) + 4, 5)
    values = rng.standard_normal(knots)
    at = rng.random() + np.arange(count) * (per_s / sample_rate)
    low = np.minimum(at.astype(np.int64), knots - 2)
    part = 0.5 - 0.5 * np.cos(np.pi * np.clip(at - low, 0.0, 1.0))
    return values[low] * (1.0 - part) + values[low + 1] * part


def phase(hertz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Cycles since the start of a tone whose frequency changes, (n,) float64."""
    return np.cumsum(hertz) / sample_rate


def harmonics(cycles: np.ndarray, gains: np.ndarray, phases: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Sum of sines at 1, 2, … times the phase; those beyond ``highest`` cycles a sample at some time are left out."""
    total = np.zeros_like(cycles)
    for number, (gain, offset) in enumerate(zip(gains, phases, strict=True), start=1):
        if number * float(np.max(highest)) < 0.48:
            total += gain * np.sin(2 * np.pi * (number * cycles + offset))
    return total


def series(
    rng: np.random.Generator,
    base_hz: float,
    decay_db: tuple[float, float],
    spread_db: float,
    knee_hz: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Gains and phases of 80 harmonics: a slope in dB an octave, a spread about it, and a soft end of the series.

    Without the soft end a series would stop at its last harmonic, an edge that no animal and no machine has.
    """
    numbers = np.arange(1, 81)
    slope = -float(rng.uniform(*decay_db)) * np.log2(numbers) + rng.normal(0.0, spread_db, numbers.size)
    knee = float(np.exp(rng.uniform(*np.log(knee_hz))))
    return 10.0 ** (slope / 20.0) / (1.0 + (numbers * base_hz / knee) ** 4), rng.random(numbers.size)


def faded(samples: np.ndarray, sample_rate: int, seconds: float = 0.01) -> np.ndarray:
    """The sound without a click at its ends."""
    ramp = min(round(seconds * sample_rate), samples.size // 2)
    if ramp:
        curve = np.sin(np.linspace(0.0, np.pi / 2, ramp)) ** 2
        samples = samples.copy()
        samples[:ramp] *= curve
        samples[-ramp:] *= curve[::-1]
    return samples


def levelled(samples: np.ndarray, sample_rate: int, level_db: float = LOUDNESS_DB) -> np.ndarray:
    """The sound at a loudness (``levels.loudness_db``), float32; peaks above full scale are scaled down."""
    gain = 10.0 ** ((level_db - loudness_db(samples, sample_rate)) / 20.0)
    scaled = samples * gain
    return (scaled / max(1.0, float(np.abs(scaled).max(initial=0.0)))).astype(np.float32)
