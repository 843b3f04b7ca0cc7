"""The key of a piece, from how strongly its twelve pitch classes sound.

Spectral peaks are counted by pitch class, after the tuning of the recording has been measured; the profile that
results is correlated with the 24 profiles that major and minor have on each tonic (Krumhansl and Schmuckler). The
profiles are those that listeners gave (Krumhansl and Kessler 1982, in Krumhansl, "Cognitive Foundations of Musical
Pitch", 1990) and Temperley's revision ("What's key for key?", Music Perception 17, 1999).

The estimate is about a stretch of music in one key. A single note, a drum, a voice that speaks have no key: how sure
the estimate is, ``Key.correlation`` and ``Key.margin`` say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sonoscope.errors import lookup
from sonoscope.features.timbre import bins_hz, magnitudes
from sonoscope.labels import TONES

MODES = ("major", "minor")

#: Strength of the twelve degrees from the tonic on, in major and in minor.
PROFILES: Mapping[str, np.ndarray] = MappingProxyType(
    {
        "krumhansl": np.array(
            [
                [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
                [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
            ]
        ),
        "temperley": np.array(
            [
                [5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0],
                [5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0],
            ]
        ),
    }
)

#: Length of a frame and distance between frames, in seconds: long enough to tell A1 from A sharp.
FRAME_S, HOP_S = 0.37, 0.19
#: Peaks between these frequencies count: fundamentals and the partials that are nearest to them.
F_MIN_HZ, F_MAX_HZ = 55.0, 2000.0
#: A peak counts if it is at most this much below the strongest of its frame.
PEAK_RANGE_DB = 40.0
#: Frames this far below the loudest one are pauses.
PAUSE_DB = 50.0


@dataclass(frozen=True)
class Key:
    """A key and how sure it is.

    Attributes
    ----------
    tonic : int
        Pitch class, 0 is C.
    mode : str
        ``major`` or ``minor``.
    correlation : float
        Of the pitch classes with the profile of this key, -1..1.
    margin : float
        How much higher that is than the second best key's.
    """

    tonic: int
    mode: str
    correlation: float
    margin: float

    def __str__(self) -> str:
        return f"{TONES[self.tonic]} {self.mode}"


@dataclass(frozen=True)
class Tuning:
    """How far a recording is tuned from A4 = 440 Hz.

    ``cents`` lies in -50..50; ``agreement`` says how much the peaks share one tuning, from 0 (spread over the
    semitone: speech, noise, gliding voices) to 1.
    """

    cents: float
    agreement: float


def tuning(samples: np.ndarray, sample_rate: int) -> Tuning | None:
    """The tuning of a stretch of music; None if nothing sounds. Parameters and errors as :func:`pitch_classes`."""
    pitch, weight = _pitches(samples, sample_rate)
    if not weight.sum() > 0:
        return None
    turn = np.sum(weight * np.exp(2j * np.pi * pitch)) / weight.sum()
    return Tuning(float(100 * np.angle(turn) / (2 * np.pi)), float(np.abs(turn)))


def pitch_classes(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """How strongly each pitch class sounds, from C on.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
    sample_rate : int
        At least 4000 Hz.

    Returns
    -------
    np.ndarray, shape (12,), float64
        Sums to 1; zeros if nothing sounds.

    Raises
    ------
    ValueError
        If the rate is too low for :data:`F_MAX_HZ`.
    """
    pitch, weight = _pitches(samples, sample_rate)
    if not weight.sum() > 0:
        return np.zeros(12)
    # The mean of angles, as pitches half a semitone flat and sharp are the same.
    turn = np.sum(weight * np.exp(2j * np.pi * pitch))
    tuned = pitch - np.angle(turn) / (2 * np.pi)
    near = np.rint(tuned)
    # Full weight in the middle of a semitone, none at its edge.
    weight = weight * np.cos(np.pi * (tuned - near)) ** 2
    found = np.bincount(near.astype(int) % 12, weights=weight, minlength=12)
    return np.asarray(found / found.sum())


def _pitches(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """MIDI pitch and weight of every spectral peak of a signal."""
    if sample_rate < 2 * F_MAX_HZ:
        raise ValueError(f"sample_rate={sample_rate} must be at least {2 * F_MAX_HZ:g}")
    n_fft = 1 << round(np.log2(FRAME_S * sample_rate))
    magnitude = magnitudes(samples, n_fft=n_fft, hop_samples=max(1, round(HOP_S * sample_rate)))
    return _peaks(magnitude, bins_hz(magnitude.shape[-1], sample_rate))


def _peaks(magnitude: np.ndarray, hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MIDI pitch and weight of the peaks of spectra: magnitude beside the strongest of the frame, so
    that quiet moments count as loud ones do."""
    first, last = np.searchsorted(hz, [F_MIN_HZ, F_MAX_HZ])
    log = np.log(np.maximum(magnitude[:, max(first - 1, 0) : last + 1], 1e-9))
    middle, below, above = log[:, 1:-1], log[:, :-2], log[:, 2:]
    strongest = middle.max(axis=1, keepdims=True)
    loud = strongest > max(strongest.max(initial=-np.inf) - PAUSE_DB * np.log(10) / 20, np.log(1e-6))
    is_peak = (middle > below) & (middle >= above) & loud
    is_peak &= middle > strongest - PEAK_RANGE_DB * np.log(10) / 20
    frames, places = np.nonzero(is_peak)
    left, top, right = below[is_peak], middle[is_peak], above[is_peak]
    # The top of the parabola through three logarithms (Smith and Serra 1987).
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-9)
    frequency = hz[1] * (max(first, 1) + places + shift)
    weight = np.exp(top - 0.25 * (left - right) * shift - strongest[frames, 0])
    return 69 + 12 * np.log2(frequency / 440.0), weight


def key_of(classes: np.ndarray, *, profiles: str = "temperley") -> Key | None:
    """The key whose profile resembles the strengths of twelve pitch classes most; None if all are alike.

    Parameters
    ----------
    classes : np.ndarray, shape (12,)
    profiles : {"temperley", "krumhansl"}

    Raises
    ------
    UnknownName
        If there are no such profiles.
    """
    table = lookup(PROFILES, profiles, "key profiles")
    if not np.ptp(classes) > 0:
        return None
    turned = np.stack([np.roll(table, tonic, axis=1) for tonic in range(12)]).reshape(24, 12)
    found = np.corrcoef(classes, turned)[0, 1:]
    best, second = np.argsort(-found, kind="stable")[:2]
    return Key(int(best) // 2, MODES[int(best) % 2], float(found[best]), float(found[best] - found[second]))


def key(samples: np.ndarray, sample_rate: int, *, profiles: str = "temperley") -> Key | None:
    """The key of a stretch of music; None if nothing sounds. See :func:`pitch_classes` and :func:`key_of`."""
    return key_of(pitch_classes(samples, sample_rate), profiles=profiles)
