"""The tempo of a piece: how far apart its onsets like to be.

Onset strength is the rise of a mel spectrogram from frame to frame; its autocorrelation, weighted with how often
people tap at a tempo (a bell curve over the logarithm, 120 beats a minute in its middle), has its highest peak at
the beat (Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007). Multiples of the
beat make the value finer than a frame.

What sounds too short or without repetition has no tempo. A tempo twice or half as fast is often as true; who
measures accuracy counts it apart (Gouyon et al. 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sonoscope.features.logmel import mel_filterbank
from sonoscope.features.timbre import decibels, magnitudes

#: Distance between frames of onset strength, in seconds, and their length.
HOP_S, FRAME_S = 0.01, 0.046
N_MELS = 40
#: Tempos that are looked for, beats a minute.
SLOWEST, FASTEST = 40.0, 240.0
#: Middle of the bell curve in beats a minute, and its standard deviation in octaves.
CENTRE, OCTAVES = 120.0, 1.0
#: At least so much sound is needed: four beats at the middle tempo would be half of it.
SHORTEST_S = 4.0


@dataclass(frozen=True)
class Tempo:
    """Beats a minute, and how much of the onsets' energy comes back a beat later (0..1)."""

    beats_per_minute: float
    strength: float


def onset_strength(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """How much louder each frame is than the one before, in dB, as the mean over mel bands.

    Returns
    -------
    strength : np.ndarray, shape (1 + n // hop,)
    frames_per_second : float
    """
    hop = max(1, round(HOP_S * sample_rate))
    n_fft = 1 << round(math.log2(FRAME_S * sample_rate))
    power = np.square(magnitudes(samples, n_fft=n_fft, hop_samples=hop))
    levels = decibels(power @ _bank(sample_rate, n_fft).T)
    strength = np.zeros(len(levels))
    strength[1:] = np.maximum(np.diff(levels, axis=0), 0.0).mean(axis=1)
    return strength, sample_rate / hop


@lru_cache(maxsize=4)
def _bank(sample_rate: int, n_fft: int) -> np.ndarray:
    return mel_filterbank(sample_rate, n_fft, N_MELS, 30.0, min(8000.0, sample_rate / 2))


def tempo(samples: np.ndarray, sample_rate: int) -> Tempo | None:
    """The tempo of a stretch of music; None if it is shorter than :data:`SHORTEST_S`, or nothing begins again
    in it.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
    sample_rate : int
    """
    if samples.size < SHORTEST_S * sample_rate:
        return None
    return tempo_of(*onset_strength(samples, sample_rate))


def tempo_of(strength: np.ndarray, frames_per_second: float) -> Tempo | None:
    """The tempo in an onset strength, None if nothing in it comes back; see :func:`tempo`."""
    # What rises above its surroundings of a second: a crescendo is no beat.
    wide = max(3, round(frames_per_second))
    pulse = np.maximum(strength - np.convolve(strength, np.ones(wide) / wide, mode="same"), 0.0)
    if pulse.size < 2 or not pulse.any():
        return None
    pulse = pulse - pulse.mean()
    size = 1 << (2 * pulse.size - 1).bit_length()
    spectrum = np.fft.rfft(pulse, size)
    repeated = np.fft.irfft(np.square(np.abs(spectrum)), size)[: pulse.size]
    # Fewer frames meet at longer distances.
    repeated /= repeated[0] * (1 - np.arange(pulse.size) / pulse.size)
    # Onsets are not exact to a frame.
    smooth = np.convolve(repeated, [0.25, 0.5, 0.25], mode="same")
    first, last = (round(60 * frames_per_second / bpm) for bpm in (FASTEST, SLOWEST))
    lags = np.arange(first, min(last, pulse.size * 3 // 4) + 1)
    # At an end of the range only what is a peak there counts, not the slope of one beyond.
    lags = lags[(smooth[lags] >= smooth[lags - 1]) & (smooth[lags] >= smooth[lags + 1]) & (smooth[lags] > 0)]
    if not lags.size:
        return None
    bpm = 60 * frames_per_second / lags
    liked = np.exp(-0.5 * (np.log2(bpm / CENTRE) / OCTAVES) ** 2)
    lag = int(lags[np.argmax(smooth[lags] * liked)])
    return Tempo(60 * frames_per_second / _refined(smooth, lag), float(np.clip(smooth[lag], 0.0, 1.0)))


def _refined(repeated: np.ndarray, lag: int) -> float:
    """A lag in fractions of a frame: the peaks at its multiples, as far as half the signal, divided by their number."""
    found = float(lag)
    for multiple in range(1, 9):
        middle = round(found * multiple)
        reach = max(1, round(0.04 * lag))
        low, high = middle - reach, middle + reach
        if low < 1 or high + 1 >= repeated.size // 2 + 1:
            break
        best = low + int(np.argmax(repeated[low : high + 1]))
        if repeated[best] < 0.5 * repeated[lag]:
            break
        left, top, right = repeated[best - 1], repeated[best], repeated[min(best + 1, repeated.size - 1)]
        bend = left - 2 * top + right
        found = (best + (0.5 * (left - right) / bend if bend < 0 else 0.0)) / multiple
    return found
