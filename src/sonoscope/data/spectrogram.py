"""The picture of a clip: a spectrogram on the mel scale as a small grey PNG, which the page colours.

Rows are bands of equal width in mel from Nyquist (top) to 0 Hz; the page knows the scale (:data:`MEL`) and can show it
with a linear axis too. Grey is decibels, from the clip's own background to its loudest point.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.features.logmel import hz_to_mel, mel_to_hz
from sonoscope.features.stft import Stft

ROWS, COLUMNS = 256, 640
#: The transform is about so long, in seconds; grey has so many steps: PNGs of noise are half as large.
WINDOW_S, STEPS = 0.04, 48
#: The background is this share of all points; the range is at least this many decibels.
BACKGROUND, RANGE_DB = 0.3, 25.0


def read(file: str | Path | io.BytesIO) -> tuple[np.ndarray, int]:
    """Samples (n,), float32, and rate of a clip."""
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate


def picture(samples: np.ndarray, rate: int) -> np.ndarray:
    """Grey values 0 to 255, shape (ROWS, columns), high frequencies first.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        At least one sample.
    rate : int
        Hz.
    """
    n_fft = 2 ** max(round(math.log2(WINDOW_S * rate)), 4)
    hop = max(n_fft // 8, math.ceil(len(samples) / COLUMNS))
    hop = min(hop, n_fft)
    power = Stft(sample_rate=rate, n_fft=n_fft, hop_samples=hop, output="power")(samples)
    decibels = 10.0 * np.log10(_in_rows(np.asarray(power, dtype=np.float64), rate, n_fft) + 1e-12)
    low, high = float(np.quantile(decibels, BACKGROUND)), float(decibels.max())
    grey = np.clip((decibels - low) / max(high - low, RANGE_DB), 0.0, 1.0)
    return (np.rint(grey * (STEPS - 1)) * (255 / (STEPS - 1))).astype(np.uint8).T[::-1]


def _in_rows(power: np.ndarray, rate: int, n_fft: int) -> np.ndarray:
    """Mean power in bands of equal width in mel, shape (frames, ROWS), low frequencies first.

    A bin reaches half a bin to either side; a band takes its part of each, so bands narrower than a bin work too.
    """
    edges_hz = mel_to_hz(np.linspace(0.0, float(hz_to_mel(rate / 2)), ROWS + 1))
    borders = (np.arange(power.shape[1] + 1) - 0.5) * rate / n_fft
    summed = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    place = np.clip(np.interp(edges_hz, borders, np.arange(len(borders))), 0, power.shape[1])
    below = np.minimum(place.astype(np.int64), power.shape[1] - 1)
    at = summed[:, below] + (place - below) * power[:, below]
    return np.diff(at, axis=1) / np.diff(place)


def png(grey: np.ndarray) -> bytes:
    """An 8-bit grey PNG of values of shape (rows, columns)."""
    rows, columns = grey.shape
    # Each line begins with its filter: 2, the difference to the line above.
    above = np.concatenate([np.zeros((1, columns), np.uint8), grey[:-1]])
    lines = np.concatenate([np.full((rows, 1), 2, np.uint8), grey - above], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return png_of(parts)


def png_of(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of its chunks, each a kind and a body."""
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def facts(file: str | Path | io.BytesIO) -> dict[str, float]:
    """Length in seconds, highest frequency in Hz, and peak (0 to 1) of a clip."""
    samples, rate = read(file)
    return {
        "seconds": len(samples) / rate,
        "top_hz": rate / 2,
        "peak": float(np.max(np.abs(samples), initial=0.0)),
    }
