"""Organs by addition: drawbars, pipes, reeds and electronic ones, played from scores.

Sound fonts hold a handful of organs, all of them sampled with one registration. Here every piece has an organ of
its own: ranks of stops (16', 8', 4', 2 2/3', 2', 1 3/5', 1 1/3', 1' and mixtures that break back), each with its
harmonics, its loudness and a tuning that is a little off; key click or chiff, a tremulant or a rotating speaker, no
decay while a key is held.

A note is labelled by what is heard: an organ whose lowest stop is a 16' sounds an octave below its keys, one that
has only 4' and higher an octave above (:attr:`Organ.octave`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data.rendering.music import NoteEvent, Score

#: Samples of a period of a rank's wave.
_TABLE = 4096
#: Harmonics end here, re the sample rate.
_HIGHEST = 0.47
#: Speed of a stop over the key's pitch: 8' is 1.
FEET = {16.0: 0.5, 8.0: 1.0, 16 / 3: 1.5, 4.0: 2.0, 8 / 3: 3.0, 2.0: 4.0, 1.6: 5.0, 4 / 3: 6.0, 1.0: 8.0}


@dataclass(frozen=True)
class Rank:
    """One stop.

    Attributes
    ----------
    ratio : float
        Frequency over that of the key's pitch: 1 for 8', 0.5 for 16'.
    gain : float
        Amplitude.
    cents : float
        Off the tuning of the others.
    harmonics : tuple of float
        Amplitudes of the rank's own harmonics, the first 1.
    breaks : bool
        A mixture's rank: it drops by octaves so as not to sound above 5 kHz.
    """

    ratio: float
    gain: float
    cents: float = 0.0
    harmonics: tuple[float, ...] = (1.0,)
    breaks: bool = False


@dataclass(frozen=True)
class Organ:
    """An organ with its stops drawn.

    Attributes
    ----------
    ranks : tuple of Rank
    attack_s, release_s : float
        How long a note at middle C takes to speak and to stop; lower ones take longer where ``slow_bass``.
    noise_db : float
        Level of the click or chiff against the note; -inf for none.
    noise_s : float
        Its length.
    tremulant_hz, tremulant_cents, tremulant_depth : float
        Rate, and what pitch and amplitude do; depth 0..1.
    """

    ranks: tuple[Rank, ...]
    attack_s: float
    release_s: float
    noise_db: float
    noise_s: float
    tremulant_hz: float = 6.0
    tremulant_cents: float = 0.0
    tremulant_depth: float = 0.0
    slow_bass: bool = False

    @property
    def octave(self) -> int:
        """Semitones from key to what is heard: -12, 0 or 12, by the lowest stop of an octave that is drawn."""
        lowest = min(rank.ratio for rank in self.ranks if not rank.breaks)
        return -12 if lowest < 0.75 else 0 if lowest < 1.75 else 12


def draw_organ(rng: np.random.Generator) -> Organ:
    """Draw the kind of an organ and its registration."""
    kind = str(rng.choice(["drawbars", "pipes", "reeds", "electronic"], p=[0.4, 0.38, 0.1, 0.12]))
    organ = {"drawbars": _drawbars, "pipes": _pipes, "reeds": _reeds, "electronic": _electronic}[kind](rng)
    if rng.random() < 0.45:
        organ = replace(
            organ,
            tremulant_hz=float(rng.choice([rng.uniform(0.6, 1.0), rng.uniform(5.0, 7.5)], p=[0.2, 0.8])),
            tremulant_cents=float(rng.uniform(0.0, 14.0)),
            tremulant_depth=float(rng.uniform(0.0, 0.4)),
        )
    return organ


def _drawbars(rng: np.random.Generator) -> Organ:
    """Nine drawbars in steps of 3 dB, each a sine; the 16' is out or clearly in, so that what is heard is clear."""
    feet = list(FEET)
    steps = dict(zip(feet, rng.integers(0, 9, len(feet)).tolist(), strict=True))
    steps[8.0] = int(rng.integers(6, 9))
    if rng.random() < 0.35:
        steps[16.0] = 8
    else:  # without it a fifth below the unison would still be heard as its third harmonic
        steps[16.0] = steps[16 / 3] = 0
    for foot in feet[3:]:
        if rng.random() < 0.35:
            steps[foot] = 0
    purity = float(rng.uniform(0.0, 0.06))
    harmonics = (1.0, purity, purity / 2)
    ranks = tuple(
        Rank(FEET[foot], 10.0 ** (3.0 * (step - 8) / 20.0), float(rng.normal(0, 0.7)), harmonics)
        for foot, step in steps.items()
        if step
    )
    return Organ(
        ranks, float(rng.uniform(0.001, 0.006)), float(rng.uniform(0.002, 0.02)),
        float(rng.uniform(-34, -12)), float(rng.uniform(0.002, 0.008)),
    )  # fmt: skip


#: Families of pipes: how fast their harmonics fall (dB per octave), and by how much the even ones lie lower (dB).
_PIPES = {
    "principal": (9.0, 0.0),
    "flute": (20.0, 3.0),
    "stopped": (13.0, 24.0),
    "string": (5.0, 0.0),
    "reed": (3.5, 0.0),
}


def _harmonics(rng: np.random.Generator, family: str) -> tuple[float, ...]:
    """Amplitudes of a pipe's harmonics."""
    slope, even = _PIPES[family]
    order = np.arange(1, 33)
    level = -slope * rng.uniform(0.8, 1.25) * np.log2(order) - np.where(order % 2 == 0, even, 0.0)
    level[1:] += rng.normal(0.0, 3.0, 31)
    return tuple((10.0 ** (level / 20.0)).tolist())


def _pipes(rng: np.random.Generator) -> Organ:
    """A few stops over an 8' (seldom over a 4'), a 16' below a fifth of the time, a mixture a third of the time."""
    ranks = []

    def stop(foot: float, low_db: float, high_db: float, breaks: bool = False) -> None:
        family = str(rng.choice(list(_PIPES), p=[0.4, 0.22, 0.15, 0.1, 0.13])) if not breaks else "principal"
        gain = 10.0 ** (rng.uniform(low_db, high_db) / 20.0)
        for side in (-1, 1) if rng.random() < 0.12 else (0,):  # a celeste: two ranks that beat
            cents = float(rng.normal(0, 2.0) + side * rng.uniform(3, 9))
            ranks.append(Rank(FEET[foot], float(gain), cents, _harmonics(rng, family), breaks))

    only_high = rng.random() < 0.06
    if not only_high:
        stop(8.0, -3, 0)
        if rng.random() < 0.4:
            stop(8.0, -8, 0)
        if rng.random() < 0.2:
            stop(16.0, -4, 0)
    if only_high or rng.random() < 0.65:
        stop(4.0, -9, 0)
    for foot, share in ((8 / 3, 0.25), (2.0, 0.45), (1.6, 0.12), (4 / 3, 0.1), (1.0, 0.08)):
        if rng.random() < share:
            stop(foot, -14, -2)
    if rng.random() < 0.33:
        for foot in (2.0, 4 / 3, 1.0):
            stop(foot, -15, -5, breaks=True)
    return Organ(
        tuple(ranks), float(rng.uniform(0.008, 0.045)), float(rng.uniform(0.02, 0.12)),
        float(rng.uniform(-40, -16)), float(rng.uniform(0.02, 0.07)), slow_bass=True,
    )  # fmt: skip


def _reeds(rng: np.random.Generator) -> Organ:
    """A harmonium or an accordion: one to three reeds, some of which beat."""
    wide = float(rng.choice([0.0, rng.uniform(2, 8), rng.uniform(10, 22)]))
    tone = _harmonics(rng, "reed")
    ranks = [Rank(1.0, 1.0, 0.0, tone)]
    ranks += [
        Rank(1.0, float(rng.uniform(0.5, 1)), side * wide, tone) for side in (-1, 1) if rng.random() < 0.5
    ]
    if rng.random() < 0.3:
        ranks.append(Rank(0.5, float(rng.uniform(0.7, 1)), float(rng.normal(0, 2)), tone))
    if rng.random() < 0.2:
        ranks.append(Rank(2.0, float(rng.uniform(0.2, 0.7)), float(rng.normal(0, 2)), tone))
    return Organ(
        tuple(ranks), float(rng.uniform(0.02, 0.09)), float(rng.uniform(0.02, 0.09)),
        float(rng.uniform(-45, -28)), 0.02,
    )  # fmt: skip


def _electronic(rng: np.random.Generator) -> Organ:
    """A transistor organ: squares or saws through a low-pass, in octaves that are locked to each other."""
    order = np.arange(1, 65)
    wave = np.where(order % 2 == 1, 1.0 / order, 0.0) if rng.random() < 0.5 else 1.0 / order
    wave = wave / (1.0 + (order / rng.uniform(2.0, 16.0)) ** 2)
    tone = tuple((wave / wave[0]).tolist())
    ranks = [Rank(1.0, 1.0, 0.0, tone)]
    ranks += [
        Rank(ratio, float(rng.uniform(0.3, 1.0)), 0.0, tone)
        for ratio, share in ((0.5, 0.2), (2.0, 0.6), (4.0, 0.4))
        if rng.random() < share
    ]
    return Organ(
        tuple(ranks), float(rng.uniform(0.001, 0.02)), float(rng.uniform(0.003, 0.05)),
        float(rng.uniform(-40, -18)), 0.004,
    )  # fmt: skip


def heard(score: Score, organ: Organ) -> Score:
    """The score with the pitches that are heard, for its labels."""
    moved = tuple(replace(note, pitch=note.pitch + organ.octave) for note in score.notes)
    return replace(score, notes=moved)


def play(score: Score, organ: Organ, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The sound of a score, shape (round(duration_s * sample_rate),), float32, its peak 0.5.

    A key's loudness does not depend on its velocity. ``rng`` gives phases, noises and the tuning of single pipes. Of
    the score's controls ``bend`` at the start is followed. A score without notes is silence.
    """
    n = round(score.duration_s * sample_rate)
    out = np.zeros(n + sample_rate, dtype=np.float32)
    cents = next((c.value for c in score.controls if c.kind == "bend"), 0.0)
    time_s = np.arange(out.size) / sample_rate
    sway = 2.0 * np.pi * organ.tremulant_hz * time_s
    # Where the phase of every wave is read: time, bent so that frequencies swing by the tremulant's cents.
    swing = (2.0 ** (organ.tremulant_cents / 1200.0) - 1.0) / (2.0 * np.pi * organ.tremulant_hz)
    clock = time_s + swing * np.sin(sway)
    tables: dict[tuple[tuple[float, ...], int], np.ndarray] = {}
    pipes = rng.normal(0.0, 1.0 if organ.slow_bass else 0.2, (len(organ.ranks), 128))
    for note in score.notes:
        first = round(note.onset_s * sample_rate)
        slow = float(np.clip(2.0 ** ((60 - note.pitch) / 24.0), 0.5, 2.5)) if organ.slow_bass else 1.0
        shape = _envelope(organ, note, slow, sample_rate)
        span = slice(first, min(first + shape.size, out.size))
        shape = shape[: span.stop - first]
        out[span] += shape * _tone(organ, note.pitch, cents, clock[span], pipes, tables, sample_rate, rng)
        burst = _burst(organ, note.pitch, sample_rate, rng)[: out.size - first]
        out[first : first + burst.size] += burst
    out *= (1.0 - organ.tremulant_depth * (0.5 + 0.5 * np.sin(sway + 1.0))).astype(np.float32)
    return (out * np.float32(0.5 / max(float(np.abs(out).max()), 1e-9)))[:n]


def _envelope(organ: Organ, note: NoteEvent, slow: float, sample_rate: int) -> np.ndarray:
    """A rise, a plateau, and a fall that begins where the key is released."""
    rise = max(int(organ.attack_s * slow * sample_rate), 1)
    held = max(round((note.offset_s - note.onset_s) * sample_rate), 1)
    fall = max(int(organ.release_s * slow * sample_rate), 1)
    shape = np.ones(held + fall, dtype=np.float32)
    up = np.sin(np.linspace(0.0, np.pi / 2, rise)) ** 2
    shape[:rise] = up[: shape.size]
    shape[held:] = shape[held - 1] * np.linspace(1.0, 0.0, fall) ** 2
    return shape


def _tone(
    organ: Organ,
    pitch: int,
    cents: float,
    clock: np.ndarray,
    pipes: np.ndarray,
    tables: dict[tuple[tuple[float, ...], int], np.ndarray],
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """All ranks of a key together, before its envelope."""
    total = np.zeros(clock.size, dtype=np.float32)
    for number, rank in enumerate(organ.ranks):
        off = cents + rank.cents + pipes[number, pitch]
        hz = 440.0 * 2.0 ** ((pitch - 69 + off / 100.0) / 12.0) * rank.ratio
        while rank.breaks and hz > 5_000.0:
            hz /= 2.0
        most = int(_HIGHEST * sample_rate / hz)
        if most < 1:
            continue
        key = rank.harmonics, min(most, len(rank.harmonics))
        if key not in tables:
            tables[key] = _wave(*key)
        position = clock * hz + rng.random()
        index = ((position - np.floor(position)) * _TABLE).astype(np.int32)
        total += np.float32(rank.gain) * tables[key][index]
    return total


def _wave(harmonics: Sequence[float], most: int) -> np.ndarray:
    """A period of the first ``most`` harmonics, phases spread so that no pulse stands out."""
    phase = np.arange(_TABLE + 1) * (2.0 * np.pi / _TABLE)
    parts = (a * np.sin(k * phase + 2.4 * k * k) for k, a in enumerate(harmonics[:most], start=1))
    return np.sum(list(parts), axis=0).astype(np.float32)


def _burst(organ: Organ, pitch: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The click of a contact, or the chiff of a pipe: noise that dies away, coloured by the key's harmonics."""
    level = float(np.sqrt(sum(rank.gain**2 for rank in organ.ranks))) * 10.0 ** (organ.noise_db / 20.0)
    length = max(int(4 * organ.noise_s * sample_rate), 8)
    noise = rng.standard_normal(length) * np.exp(-np.arange(length) / (organ.noise_s * sample_rate))
    if organ.slow_bass:
        hz = min(440.0 * 2.0 ** ((pitch - 69) / 12.0) * 3.0, 0.3 * sample_rate)
        noise *= np.sin(2.0 * np.pi * hz / sample_rate * np.arange(length))
    return (level * noise).astype(np.float32)
