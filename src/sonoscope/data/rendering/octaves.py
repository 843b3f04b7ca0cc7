"""Which octave a sound font's program is heard in: organs with a 16' stop, guitar harmonics.

The labels of a rendered note are those of its key. Where a program sounds an octave below its keys, as most drawbar
organs of sound fonts do, nothing in the sound tells the key, and a network that has to say it anyway learns to doubt
every octave. :func:`heard` measures a note that is played alone, and :func:`as_heard` moves notes accordingly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sonoscope.data.rendering.compositions import as_score
from sonoscope.data.rendering.music import NoteEvent, Score
from sonoscope.data.rendering.synth import Synth

#: The partial an octave below the key counts if it is no further than this below all harmonics together.
_BELOW_DB = -15.0
#: A pitch is not heard if its odd harmonics lie further than this below the even ones.
_ABOVE_DB = -20.0
_HARMONICS = 8
_NOTE_S = (0.1, 1.6)
_JUDGED_S = (0.25, 1.25)


def octave_of(samples: np.ndarray, sample_rate: int, pitch: float) -> int:
    """-12, 0, 12 or 24: where a steady note of this key, shape (n,), is heard. Silence gives 0."""
    if not samples.size or float(np.abs(samples).max()) < 1e-5:
        return 0
    size = 1 << max(16, int(np.ceil(np.log2(samples.size))))
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size), size)) ** 2
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)

    def level(frequency: float) -> float:
        low, high = (int(frequency * f * size / sample_rate) for f in (0.975, 1.025))
        return float(power[low : high + 2].max()) if high + 2 < power.size else 0.0

    parts = np.array([level(k * hz) for k in range(1, _HARMONICS + 1)])
    if level(hz / 2.0) > 10.0 ** (_BELOW_DB / 10.0) * parts.sum():
        return -12
    for octave in (0, 12):
        if parts[0::2].sum() >= 10.0 ** (_ABOVE_DB / 10.0) * parts[1::2].sum():
            return octave
        parts = parts[1::2]
    return 24


def alone(pitch: int) -> Score:
    """A score of one long note, by which :func:`judged` can tell the octave."""
    return as_score([NoteEvent(*_NOTE_S, pitch, 90)], (), 1.7)


def judged(samples: np.ndarray, sample_rate: int, pitch: int) -> int:
    """Semitones from the key to what is heard, of the sound of :func:`alone`."""
    first, last = (round(t * sample_rate) for t in _JUDGED_S)
    return octave_of(samples[first:last], sample_rate, pitch)


def heard(synth: Synth, program: int, pitch: int) -> int:
    """Semitones from the key to what is heard when a program plays it alone."""
    return judged(synth.render(alone(pitch), program), synth.sample_rate, pitch)


def as_heard(notes: np.ndarray, octaves: Mapping[int, int]) -> np.ndarray:
    """Notes (rows of onset, offset, pitch, velocity) moved by the semitones given for their keys."""
    moved = notes.copy()
    for row in moved:
        row[2] += octaves.get(int(row[2]), 0)
    return moved
