"""Where a sound has its peaks, as hashes that survive gain, MP3, resampling, an offset and a cut.

Sound at 8 kHz is looked at through frames of 128 ms, 16 ms apart. Two maps of it are searched for local maxima: the
square root of the magnitude, and how much that rises within 48 ms (attacks: a steady tone has its only certain
instant there). A maximum is the highest point within ±:data:`REACH_FRAMES` and ±:data:`REACH_BINS`, so which points
are found depends on nothing but the sound around them: not on the level, and not on where a clip begins. Each is
joined with the next :data:`FAN` in time, and a hash is the map, the two frequencies and the time between them. Two
clips of one sound share many hashes, all with the same difference in time (after Wang, An Industrial-Strength Audio
Search Algorithm, ISMIR 2003, with neighbourhoods in place of his density criterion, and rises).

A second of sound gives about 260 hashes. What is alike but not the same (the same note played again) shares some too:
hashes find candidates, :mod:`~sonoscope.data.duplicates` compares the waveforms.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import maximum_filter

from sonoscope.features.frames import frame

SAMPLE_RATE = 8_000
#: Samples between frames: 16 ms, the unit of a hash's time.
HOP = 128
_LENGTH = 1024
#: Bins that are looked at: 62 Hz to 3.5 kHz, which telephone bandwidth and MP3 leave alone.
_BINS = slice(8, 450)
#: A maximum is the highest within these: ±192 ms, ±78 Hz.
REACH_FRAMES, REACH_BINS = 12, 10
#: Nothing below this part of the clip's highest value (of the square root: -61 dB).
_LEAST = 0.03
#: The rise is over so many frames.
_RISE = 3
#: Partners of each maximum, and how far they may be, in frames (6 bits).
FAN, _FARTHEST = 5, 63
#: Frames that are transformed at a time, so that an hour takes no more memory than a minute.
_BLOCK = 4_096
_WINDOW = np.hanning(_LENGTH).astype(np.float32)


def hashes(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of a sound and when they begin.

    Parameters
    ----------
    samples : np.ndarray, shape (n,), float32
        Mono at :data:`SAMPLE_RATE`.

    Returns
    -------
    hashes : np.ndarray, shape (k,), uint32
        25 bits: map, lower frequency, upper frequency, frames between.
    frames : np.ndarray, shape (k,), int32
        Frames of :data:`HOP` samples from the start. Both are empty for silence.
    """
    found = [_joined(kind, *points) for kind, points in enumerate(_maxima(samples))]
    return np.concatenate([h for h, _ in found]), np.concatenate([t for _, t in found])


def _joined(kind: int, times: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every maximum with its next partners; ``times`` ascend."""
    made, when = [np.zeros(0, np.uint32)], [np.zeros(0, np.int32)]
    for step in range(1, min(FAN, times.size - 1) + 1):
        between = times[step:] - times[:-step]
        near = between <= _FARTHEST
        hashed = (kind << 24) | (bins[:-step] << 15) | (bins[step:] << 6) | between
        made.append(hashed[near].astype(np.uint32))
        when.append(times[:-step][near].astype(np.int32))
    return np.concatenate(made), np.concatenate(when)


def _maxima(samples: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames and bins of the local maxima of both maps, by time."""
    padded = np.pad(samples, _LENGTH // 2)
    n = 1 + samples.size // HOP
    margin = REACH_FRAMES + _RISE
    found: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[], []]
    for first in range(0, n, _BLOCK):
        begin, stop = max(first - margin, 0), min(first + _BLOCK + margin, n)
        level = _level(padded[begin * HOP : (stop - 1) * HOP + _LENGTH])
        rise = np.zeros_like(level)
        np.maximum(level[_RISE:] - level[:-_RISE], 0, out=rise[_RISE:])
        for kind, values in enumerate((level, rise)):
            highest = maximum_filter(values, size=(2 * REACH_FRAMES + 1, 2 * REACH_BINS + 1))
            times, bins = np.nonzero((values == highest) & (values > 0))
            own = (times >= first - begin) & (times < first - begin + _BLOCK)
            found[kind].append((times[own] + begin, bins[own], values[times[own], bins[own]]))
    return [_loud(parts) for parts in found]


def _loud(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    times, bins, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    loud = values > _LEAST * values.max(initial=0.0)
    return times[loud], bins[loud]


def _level(padded: np.ndarray) -> np.ndarray:
    """The square root of the magnitude, shape (frames, bins)."""
    frames = frame(padded, _LENGTH, HOP) * _WINDOW
    return np.sqrt(np.abs(rfft(frames, axis=1)[:, _BINS]))
