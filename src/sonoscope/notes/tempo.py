"""Which of a tempo, its half, its quarter and its double is the beat: what listeners would tap to.

How far apart onsets like to be leaves the octave open (``features.tempo``). What tells is how fast the beat would be,
how many onsets it would hold, and how much of all onsets, and of the lowest, comes back after a quarter of it, a half,
one, two and four. :data:`WEIGHTS` were fitted on songs and made pieces by ``recipes/notes/tempo.py``, which says how
often that is right on others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sonoscope.values import Event

#: Distance between moments in which onsets are counted.
STEP_S = 0.01
#: What is asked about each tempo, and what the answer counts: a scalar product, the highest wins.
WEIGHTS: dict[str, float] = {
    "beat": 0.646, "beat squared": -1.589, "onsets": -0.561, "onsets squared": -0.428,
    "quarter": 0.585, "half": 2.018, "one": 3.29, "two": -5.394, "four": 3.319,
    "low half": -3.14, "low one": -0.942, "low two": 3.475, "as heard": 0.427,
}  # fmt: skip
#: Tempos over the one that was heard.
OCTAVES = (0.25, 0.5, 1.0, 2.0)
#: Beats a minute that are not told.
SLOWEST, FASTEST = 35.0, 260.0
#: In the middle of what is played: beats a minute, onsets a beat.
_BEAT, _ONSETS = 90.0, 2.5
#: Onsets closer than this are one.
_TOGETHER_S = 0.04
#: A note is low if hardly any of so many before and after it is lower.
_NEIGHBOURS, _LOW = 12, 2.0
_LONGEST_S = 2.0


def strength(start_s: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How much begins every :data:`STEP_S`, each onset shared between the two moments that it lies between."""
    place = start_s / STEP_S
    first = np.floor(place).astype(int)
    counted = np.zeros(int(first.max(initial=0)) + 2)
    np.add.at(counted, first, weight * (1 - (place - first)))
    np.add.at(counted, first + 1, weight * (place - first))
    return counted


def octave(notes: Sequence[Event], heard: float) -> float:
    """The beats a minute among :data:`OCTAVES` of what was ``heard`` that notes are likeliest to be counted in."""
    asked = [heard * factor for factor in OCTAVES if SLOWEST <= heard * factor <= FASTEST] or [heard]
    weights = np.array(list(WEIGHTS.values()))
    return asked[int(np.argmax(evidence(notes, asked, heard) @ weights))]


def evidence(notes: Sequence[Event], tempos: Sequence[float], heard: float) -> np.ndarray:
    """What is known of each tempo (beats a minute): shape (tempos, weights), in the order of :data:`WEIGHTS`."""
    ordered = sorted(notes, key=lambda note: note.start_s)
    start_s = np.array([note.start_s for note in ordered])
    pitch = np.array([note.pitch or 0.0 for note in ordered])
    weight = np.array([(64 if note.velocity is None else note.velocity) / 127 for note in ordered])
    length_s = np.array([note.end_s - note.start_s for note in ordered])
    low = pitch <= _lowest_near(pitch) + _LOW
    apart = 1 + int((np.diff(start_s) > _TOGETHER_S).sum())
    each_s = max(float(start_s[-1] - start_s[0]), 1e-3) / apart
    comes_back = _comes_back(strength(start_s, weight))
    low_back = _comes_back(strength(start_s[low], (weight * np.minimum(length_s, _LONGEST_S))[low]))
    rows = []
    for tempo in tempos:
        beat_s = 60 / tempo
        fast, many = math.log2(tempo / _BEAT), math.log2(beat_s / each_s / _ONSETS)
        rows.append(
            [fast, fast**2, many, many**2]
            + [_at(comes_back, beat_s * beats) for beats in (0.25, 0.5, 1, 2, 4)]
            + [_at(low_back, beat_s * beats) for beats in (0.5, 1, 2)]
            + [float(tempo == heard)]
        )
    return np.array(rows)


def _lowest_near(pitch: np.ndarray) -> np.ndarray:
    """The lowest pitch among each note's neighbours in time."""
    wide = np.pad(pitch, _NEIGHBOURS, constant_values=np.inf)
    return np.lib.stride_tricks.sliding_window_view(wide, 2 * _NEIGHBOURS + 1).min(axis=1)


def _comes_back(counted: np.ndarray) -> np.ndarray:
    """The share of what begins that begins again after each distance, in steps."""
    wide = round(1 / STEP_S)
    pulse = np.maximum(counted - np.convolve(counted, np.ones(wide) / wide, mode="same")[: counted.size], 0.0)
    pulse = np.convolve(pulse, [0.25, 0.5, 0.25], mode="same")
    pulse -= pulse.mean()
    size = 1 << (2 * pulse.size - 1).bit_length()
    found = np.fft.irfft(np.square(np.abs(np.fft.rfft(pulse, size))), size)[: pulse.size]
    return found / (found[0] + 1e-12) / (1 - np.arange(pulse.size) / pulse.size)


def _at(comes_back: np.ndarray, distance_s: float) -> float:
    """The highest near a distance; 0 beyond three quarters of the recording, where too little meets."""
    step = round(distance_s / STEP_S)
    if step + 2 >= comes_back.size * 0.75:
        return 0.0
    return float(comes_back[max(step - 2, 0) : step + 3].max())
