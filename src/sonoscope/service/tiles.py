"""Pictures of any part of a prepared recording: peaks for a waveform, and spectrograms, as large as they are shown.

Only the samples that a picture needs are read, so an hour is looked at as fast as a second. Decibels are those of a
sine's amplitude: a full-scale sine is at 0 dB, whatever the transform's length.
"""

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sonoscope.data.spectrogram import png_of
from sonoscope.errors import UsageError
from sonoscope.features.logmel import hz_to_mel, mel_to_hz

#: Bytes before the samples of ``sound.wav``.
HEADER = 44
#: Samples whose extremes are kept as one pair.
STRETCH = 256
#: The transform is about so long in seconds, and within these samples; a closer look shortens it, a logarithmic scale,
#: which spreads low frequencies out, doubles it.
WINDOW_S, SHORTEST, LONGEST = 0.046, 256, 16384
#: A column is the mean power of so many transforms at most.
MOST_IN_COLUMN = 8
#: Transforms computed together.
TOGETHER = 256
#: Bytes of pictures that are kept.
KEPT_BYTES = 64 << 20

Scale = Literal["linear", "log", "mel"]
Colours = Literal["grey", "warm", "cold"]
#: From quiet to loud, at equal distances.
STOPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "grey": ((0, 0, 0), (255, 255, 255)),
    "warm": (
        (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
        (252, 255, 164),
    ),
    "cold": (
        (8, 10, 20), (18, 40, 74), (22, 84, 118), (30, 136, 142), (90, 184, 140), (176, 222, 130), (250, 250, 200),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What a spectrogram shows: seconds, Hz, decibels, pixels."""

    start: float
    end: float
    width: int
    height: int
    low: float
    high: float
    floor_db: float
    top_db: float
    scale: Scale
    colours: Colours

    def checked(self) -> View:
        """The same, known to be possible. Raises ``UsageError``."""
        if not (math.isfinite(self.start) and math.isfinite(self.end) and 0 <= self.start < self.end):
            raise UsageError(
                f"start={self.start:g}, end={self.end:g}: 0 <= start < end is needed, in seconds"
            )
        if not (math.isfinite(self.high) and 0 <= self.low < self.high):
            raise UsageError(f"low={self.low:g}, high={self.high:g}: 0 <= low < high is needed, in Hz")
        if self.scale == "log" and self.low <= 0:
            raise UsageError("low=0: a logarithmic scale begins above 0 Hz")
        if not self.floor_db < self.top_db:
            raise UsageError(f"floor_db={self.floor_db:g} must be less than top_db={self.top_db:g}")
        return self

    def edges_hz(self) -> np.ndarray:
        """The borders of the rows, lowest first, shape (height + 1,)."""
        if self.scale == "log":
            return np.geomspace(self.low, self.high, self.height + 1)
        if self.scale == "mel":
            low, high = (float(hz_to_mel(value)) for value in (self.low, self.high))
            return mel_to_hz(np.linspace(low, high, self.height + 1))
        return np.linspace(self.low, self.high, self.height + 1)


def samples_of(file: Path, n_samples: int) -> np.ndarray:
    """The samples of a prepared recording, int16, mapped from disk."""
    return np.memmap(file, "<i2", "r", HEADER, (n_samples,))


def peaks(
    sound: Path, stretches: Path, n_samples: int, rate: int, *, start: float, end: float, points: int
) -> dict[str, Any]:
    """Smallest and largest sample of each of ``points`` equal parts of a stretch of time, -1..1.

    Raises
    ------
    UsageError
        If the stretch is empty or reversed.
    """
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise UsageError(f"start={start:g}, end={end:g}: 0 <= start < end is needed, in seconds")
    borders = np.linspace(start * rate, end * rate, points + 1)
    table = samples_of(sound, n_samples)[:, None]
    if (borders[1] - borders[0]) >= 2 * STRETCH:
        # Two columns: what is smallest and largest in a stretch.
        table = np.memmap(stretches, "<i2", "r", 0, (-(-n_samples // STRETCH), 2))
        borders = borders / STRETCH
    first = np.clip(np.floor(borders[:-1]).astype(np.int64), 0, len(table) - 1)
    last = np.clip(np.ceil(borders[1:]).astype(np.int64), first + 1, len(table))
    held = np.asarray(table[first[0] : last[-1]])
    pairs = np.stack([first, last], axis=1).reshape(-1) - first[0]
    # ``reduceat`` takes what lies between borders; the odd ones are what lies between two parts.
    padded = np.concatenate([held, held[-1:]])
    low = np.minimum.reduceat(padded[:, 0], pairs)[::2]
    high = np.maximum.reduceat(padded[:, -1], pairs)[::2]
    beyond = borders[:-1] >= len(table)
    low[beyond], high[beyond] = 0, 0
    return {
        "start": start, "end": end, "points": points,
        "min": [round(value / 32768, 4) for value in low.tolist()],
        "max": [round(value / 32768, 4) for value in high.tolist()],
    }  # fmt: skip


def spectrogram(samples: np.ndarray, rate: int, view: View) -> np.ndarray:
    """Grey values, uint8, shape (height, width), highest frequency first: 0 at the floor, 255 at the top."""
    n_fft, times = _grid(len(samples), rate, view)
    borders = view.edges_hz() * n_fft / rate
    grey = np.zeros((view.height, view.width), np.uint8)
    columns = max(TOGETHER // times.shape[1], 1)
    for first in range(0, view.width, columns):
        power = _power(samples, times[first : first + columns], n_fft)
        decibels = 10 * np.log10(_in_rows(power, borders) + 1e-20)
        share = (decibels - view.floor_db) / (view.top_db - view.floor_db)
        grey[:, first : first + len(power)] = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8).T[::-1]
    step = (view.end - view.start) / view.width
    inside = (view.start + step * np.arange(view.width)) * rate < len(samples)
    grey[:, ~inside] = 0
    return grey


def _grid(n_samples: int, rate: int, view: View) -> tuple[int, np.ndarray]:
    """The transform's length, and the centres of the transforms of each column, in samples, shape (width, k)."""
    column = (view.end - view.start) / view.width * rate
    usual = 2 ** round(math.log2(max(WINDOW_S * rate, 1))) * (2 if view.scale == "log" else 1)
    closer = 2 ** math.ceil(math.log2(max(column * 16, 1)))
    n_fft = int(np.clip(min(usual, closer), SHORTEST, LONGEST))
    many = int(np.clip(math.ceil(column / (n_fft / 2)), 1, MOST_IN_COLUMN))
    places = (np.arange(view.width)[:, None] + (np.arange(many) + 0.5) / many) * column + view.start * rate
    return n_fft, np.rint(places).astype(np.int64)


def _power(samples: np.ndarray, centres: np.ndarray, n_fft: int) -> np.ndarray:
    """Mean power of a column's transforms, a full-scale sine being 1, shape (columns, n_fft // 2 + 1)."""
    import scipy.fft

    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    scale = np.float32(2 / window.sum() / 32768)
    frames = np.zeros((centres.size, n_fft), np.float32)
    for row, centre in enumerate(centres.reshape(-1).tolist()):
        first = centre - n_fft // 2
        low, high = max(first, 0), min(first + n_fft, len(samples))
        if low < high:
            frames[row, low - first : high - first] = samples[low:high]
    spectra = scipy.fft.rfft(frames * (window * scale), axis=1)
    power = spectra.real**2 + spectra.imag**2
    return power.reshape(*centres.shape, -1).mean(axis=1)


def _in_rows(power: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Power in rows with these borders (in bins): the strongest bin of a wide one, between two in a narrow one.

    Above half the rate there is nothing.
    """
    n_bins = power.shape[1]
    middle = (borders[:-1] + borders[1:]) / 2
    below = np.clip(middle.astype(np.int64), 0, n_bins - 2)
    at = np.clip(middle - below, 0, 1).astype(np.float32)
    rows = power[:, below] * (1 - at) + power[:, below + 1] * at
    first, last = np.ceil(borders[:-1]).astype(np.int64), np.floor(borders[1:]).astype(np.int64) + 1
    wide = np.flatnonzero((last - first >= 1) & (first < n_bins))
    if len(wide):
        pairs = np.stack([first[wide], np.minimum(last[wide], n_bins)], axis=1).reshape(-1)
        padded = np.concatenate([power, np.zeros_like(power[:, :1])], axis=1)
        rows[:, wide] = np.maximum(rows[:, wide], np.maximum.reduceat(padded, pairs, axis=1)[:, ::2])
    rows[:, middle > n_bins - 1] = 0
    return rows


def png(grey: np.ndarray, colours: Colours = "grey") -> bytes:
    """An 8-bit PNG with a palette, of values of shape (rows, columns)."""
    rows, columns = grey.shape
    # Each line begins with its filter: 0, the values themselves, which suits a palette.
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), grey], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", palette(colours)),
        (b"IDAT", zlib.compress(lines.tobytes(), 3)),
        (b"IEND", b""),
    )
    return png_of(parts)


def palette(colours: Colours) -> bytes:
    """256 colours from quiet to loud, three bytes each."""
    stops = np.array(STOPS[colours], dtype=float)
    places = np.linspace(0, len(stops) - 1, 256)
    table = np.stack([np.interp(places, np.arange(len(stops)), stops[:, k]) for k in range(3)], axis=1)
    return np.rint(table).astype(np.uint8).tobytes()


class Kept:
    """Pictures that were made, the ones used last; for several threads."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most, self._bytes, self._lock = most_bytes, 0, threading.Lock()
        self._held: OrderedDict[Any, bytes] = OrderedDict()

    def get(self, key: Any) -> bytes | None:
        """The picture, if it is there."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: Any, picture: bytes) -> None:
        """Keep a picture."""
        with self._lock:
            if key not in self._held:
                self._held[key] = picture
                self._bytes += len(picture)
            while self._bytes > self._most:
                self._bytes -= len(self._held.popitem(last=False)[1])
