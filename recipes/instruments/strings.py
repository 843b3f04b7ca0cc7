"""Guitars that are drawn at random and played by addition: what fonts and a few recorded guitars lack.

A plucked string is a sum of decaying partials. Where it is plucked and where it is listened to take partials out;
what follows tells the kinds apart: an electric guitar is a magnetic pickup with a resonance, then an amplifier (from
clean to distorted), a loudspeaker and effects; an acoustic guitar is a box with modes, heard through the air. Both
play what :mod:`sonoscope.data.rendering.music` composes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal

from sonoscope.data import rooms
from sonoscope.data.mix.bank import Stem
from sonoscope.data.rendering import music, orchestra, render

#: Seconds of a stem.
SECONDS = 9.0
#: Partials above this are not played.
_HIGHEST_HZ = 9_000.0
_PARTIALS = 36


@dataclass(frozen=True, eq=False)
class Guitar:
    """One guitar and how it is played and recorded. Positions are shares of the string from the bridge.

    Attributes
    ----------
    electric : bool
    plucked, listened : float
        Where the string is plucked, and where the pickup is.
    stiffness : float
        Inharmonicity at 100 Hz; grows with the square of the frequency.
    ring_s, damping : float
        Decay time (60 dB) of the lowest partial at 100 Hz, and how much faster high ones decay.
    softness : float
        Exponent with which partials fall.
    thump : float
        Of the box or the plectrum, against the string.
    modes : np.ndarray, shape (k, 3)
        Frequency (Hz), width (Hz) and gain of resonances: of the box, or of the pickup.
    drive_db : float
        Gain into the amplifier; 0 is none.
    cabinet : tuple of float
        Low cut and high cut (Hz) of the loudspeaker; zeros: recorded direct.
    tremolo, chorus : float
        Depths, 0 to 1.
    """

    electric: bool
    plucked: float
    listened: float
    stiffness: float
    ring_s: float
    damping: float
    softness: float
    thump: float
    modes: np.ndarray
    drive_db: float
    cabinet: tuple[float, float]
    tremolo: float
    chorus: float


def draw_guitar(rng: np.random.Generator, *, electric: bool) -> Guitar:
    """A guitar at random."""
    if electric:
        modes = np.array([[rng.uniform(2_000, 5_500), rng.uniform(800, 2_500), rng.uniform(0.5, 3.0)]])
    else:
        k = int(rng.integers(5, 12))
        hz = np.sort(
            np.concatenate([[rng.uniform(90, 125), rng.uniform(170, 240)], rng.uniform(250, 1_500, k)])
        )
        modes = np.stack([hz, hz * rng.uniform(0.04, 0.15, k + 2), rng.uniform(0.5, 3.0, k + 2)], axis=1)
    muted = rng.random() < 0.12
    ring = rng.uniform(0.15, 0.5) if muted else rng.uniform(3.0, 9.0) if electric else rng.uniform(1.2, 4.5)
    return Guitar(
        electric=electric,
        plucked=float(rng.uniform(0.05, 0.35)),
        listened=float(rng.uniform(0.04, 0.27)),
        stiffness=float(10.0 ** rng.uniform(-5.0, -3.9)),
        ring_s=float(ring),
        damping=float(rng.uniform(0.05, 0.35) if electric else rng.uniform(0.15, 0.6)),
        softness=float(rng.uniform(0.4, 1.4)),
        thump=float(
            10.0 ** (rng.uniform(-45, -22) / 20) if electric else 10.0 ** (rng.uniform(-32, -10) / 20)
        ),
        modes=modes,
        drive_db=float(rng.uniform(3.0, 45.0)) if electric and rng.random() < 0.55 else 0.0,
        cabinet=(float(rng.uniform(60, 130)), float(rng.uniform(3_000, 6_500)))
        if electric and rng.random() < 0.7
        else (0.0, 0.0),
        tremolo=float(rng.uniform(0.2, 0.7)) if electric and rng.random() < 0.12 else 0.0,
        chorus=float(rng.uniform(0.2, 0.8)) if electric and rng.random() < 0.25 else 0.0,
    )


def note(
    guitar: Guitar, pitch: int, velocity: int, held_s: float, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """One plucked note, float64, of the length for which it is heard."""
    f0 = 440.0 * 2.0 ** ((pitch - 69 + rng.normal(0.0, 0.06)) / 12.0)
    n = np.arange(1, _PARTIALS + 1)
    hz = n * f0 * np.sqrt(1.0 + guitar.stiffness * (f0 / 100.0) ** 2 * n**2)
    n, hz = n[hz < _HIGHEST_HZ], hz[hz < _HIGHEST_HZ]
    hard = 0.5 * (1.0 - velocity / 127.0)
    level = np.abs(np.sin(np.pi * n * guitar.plucked)) / n ** (guitar.softness + hard)
    if guitar.electric:
        level = level * np.abs(np.sin(np.pi * n * guitar.listened)) * n**0.5
    level = level * _resonance(guitar, hz)
    ring_s = guitar.ring_s * (100.0 / f0) ** 0.4 / (1.0 + guitar.damping * (n - 1) * (f0 / 100.0) ** 0.5)
    count = int(rate * min(held_s + 0.12, 1.2 * ring_s.max() + 0.1))
    impulse = np.zeros(count)
    impulse[0] = 1.0
    out = np.zeros(count)
    for amplitude, frequency, seconds in zip(level, hz, ring_s, strict=True):
        # A pair a fraction of a hertz apart: the string's two directions, which beat.
        for share, detune in ((1.0, 0.0), (rng.uniform(0.1, 0.5), rng.uniform(-0.4, 0.4))):
            w = 2.0 * np.pi * (frequency + detune) / rate
            r = 10.0 ** (-3.0 / (seconds * rate))
            out += scipy.signal.lfilter(
                [0.0, share * amplitude * np.sin(w)], [1.0, -2.0 * r * np.cos(w), r * r], impulse
            )
    strike = rng.standard_normal(count) * np.exp(-np.arange(count) / rate / rng.uniform(0.003, 0.02))
    out += guitar.thump * np.abs(out).max() * scipy.signal.lfilter([0.3], [1.0, -0.7], strike)
    released = np.clip((held_s + 0.12 - np.arange(count) / rate) / 0.1, 0.0, 1.0)
    return out * released * (velocity / 127.0) ** 1.5 * (f0 / 200.0) ** -0.2


def _resonance(guitar: Guitar, hz: np.ndarray) -> np.ndarray:
    """Gain of the pickup (flat below its resonance, nothing far above) or of the box."""
    centre, width, gain = guitar.modes.T
    peaks = gain / (1.0 + ((hz[:, None] - centre) / width) ** 2)
    if guitar.electric:
        return (1.0 + peaks[:, 0]) / (1.0 + (hz / (1.3 * centre[0])) ** 4)
    return (0.35 + peaks.sum(axis=1)) / (1.0 + (60.0 / hz) ** 4)


def play(guitar: Guitar, score: music.Score, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A score on a guitar, through its amplifier, float32 of peak 0.5."""
    out = np.zeros(int((SECONDS + 0.5) * rate))
    for event in score.notes:
        start = int(event.onset_s * rate)
        sound = note(guitar, event.pitch, event.velocity, event.offset_s - event.onset_s, rate, rng)
        out[start : start + sound.size] += sound[: max(out.size - start, 0)]
    out /= np.abs(out).max() + 1e-9
    if guitar.drive_db:
        drive, bias = 10.0 ** (guitar.drive_db / 20.0), rng.uniform(0.0, 0.3)
        tight = scipy.signal.butter(1, rng.uniform(60, 400), "highpass", fs=rate, output="sos")
        out = np.tanh(drive * scipy.signal.sosfilt(tight, out) + bias) - np.tanh(bias)
    if guitar.cabinet[0]:
        sos = scipy.signal.butter(2, guitar.cabinet[0], "highpass", fs=rate, output="sos")
        out = scipy.signal.sosfilt(sos, out)
        out = scipy.signal.sosfilt(scipy.signal.butter(3, guitar.cabinet[1], fs=rate, output="sos"), out)
    time_s = np.arange(out.size) / rate
    if guitar.chorus:
        late = (0.012 + 0.003 * np.sin(2 * np.pi * rng.uniform(0.3, 2.0) * time_s)) * rate
        out = out + guitar.chorus * np.interp(np.arange(out.size) - late, np.arange(out.size), out)
    out = out * (1.0 - guitar.tremolo * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(3.0, 8.0) * time_s)))
    if rng.random() < (0.5 if guitar.electric else 0.75):
        out = rooms.reverberated(out.astype(np.float32), rooms.response(rooms.draw_room(rng), rate, rng))
    return (0.5 * out / (np.abs(out).max() + 1e-9)).astype(np.float32)


def stems(out: Path, count: int, rate: int) -> Iterator[Stem]:
    """``count`` stems of each kind, rendered if they are not there."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(2 * count):
        name = ("electric_guitar", "acoustic_guitar")[number % 2]
        sound = out / f"{name}-{number // 2:04d}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((31, number))
            guitar = draw_guitar(rng, electric=name == "electric_guitar")
            score = music.compose(orchestra.find(name), rng, SECONDS)
            render.write_sound(sound, play(guitar, score, rate, rng), rate)
        yield Stem(sound, f"strings/{sound.name}", (name,), (), f"drawn_{name}", "drawn_guitars", "", False)
