"""Sound to measure with: decaying notes with harmonics over pink noise, written block by block.

A file is one synthetic minute again and again: neither codecs nor networks gain anything from a repetition that far
away, and a file of ten hours is written without holding more than a minute of it. The noise is strong, so FLAC needs
three quarters of the bytes of PCM, which is pessimistic for its decoder. ``python sound.py FILE MINUTES [RATE_HZ]``
makes one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 44_100
#: Notes a second, and seconds that each takes to fall by a factor e.
NOTES_PER_S, DECAY_S = 4, 0.4
HARMONICS = 8
#: Rms of the noise, of full scale.
NOISE_RMS = 0.09
SEED = 20


def minute(sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """One minute of sound, float32, shape (60 * sample_rate,), within -1..1."""
    rng = np.random.default_rng(SEED)
    n = 60 * sample_rate
    samples = pink_noise(n, rng) * NOISE_RMS
    length = int(1.5 * sample_rate)
    time_s = np.arange(length) / sample_rate
    for onset_s in np.arange(0.0, 60.0, 1.0 / NOTES_PER_S):
        f0_hz = 440.0 * 2.0 ** ((rng.integers(36, 85) - 69) / 12)
        orders = np.arange(1, HARMONICS + 1)[:, None]
        tone = (np.sin(2 * np.pi * f0_hz * orders * time_s) / orders).sum(axis=0) * np.exp(-time_s / DECAY_S)
        start = int(onset_s * sample_rate)
        piece = samples[start : start + length]
        piece += 0.1 * tone[: piece.size]
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def pink_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f, rms 1, float64, shape (n,)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1.0)), n)
    return noise / np.sqrt(np.mean(np.square(noise)))


def write(path: Path, minutes: float, sample_rate: int = SAMPLE_RATE) -> Path:
    """Write mono 16-bit sound of so many minutes, in the format of the suffix; an existing file is kept."""
    if path.exists():
        return path
    samples = minute(sample_rate)
    left = round(minutes * 60 * sample_rate)
    unfinished = path.with_name(f"unfinished-{path.name}")
    with soundfile.SoundFile(unfinished, "w", sample_rate, 1, "PCM_16") as file:
        while left > 0:
            file.write(samples[:left])
            left -= samples.size
    unfinished.rename(path)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:]))
