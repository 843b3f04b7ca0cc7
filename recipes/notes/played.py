"""Struck bars, plucked strings, winds, bows and voices by addition, and speech: what sound fonts teach badly.

A sound font has one marimba, whose bar has its partials where that bar has them, and every note of a font that is let
go dies away slowly. Here each piece has a player of its own: bars whose partials stand where those of marimbas,
vibraphones, xylophones, glockenspiels or kalimbas do, give or take; strings with the stiffness, the place of the
plectrum and the damping of anything between a banjo and a harp; tones that are held, with vibrato, scoops, breath;
voices with formants that glide from note to note. All are damped within hundredths of a second where their notes
end, and are struck from very softly to very hard.

Speech is spoken by espeak-ng, if that is installed, and holds no notes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sonoscope.audio import decode
from sonoscope.data import damage, rooms
from sonoscope.data.mix.bank import Stem
from sonoscope.data.rendering import render

#: Partials of bars over the first: tuned to two octaves and a third decade, tuned to a twelfth, free, clamped.
BARS: dict[str, tuple[tuple[float, ...], float, float]] = {
    "marimba": ((1.0, 3.95, 9.6, 17.0, 26.0), 0.9, 0.035),
    "vibraphone": ((1.0, 4.0, 10.0, 18.0), 4.0, 0.02),
    "xylophone": ((1.0, 3.0, 6.1, 10.5, 15.5), 0.45, 0.03),
    "glockenspiel": ((1.0, 2.756, 5.404, 8.933), 3.0, 0.02),
    "kalimba": ((1.0, 6.0, 16.5), 1.2, 0.12),
}
#: Bars whose third partial is tuned too, to three octaves and a third: it can be as loud as the first.
TUNED_BARS: dict[str, tuple[tuple[float, ...], float, float]] = {
    "concert marimba": ((1.0, 4.0, 10.0, 17.5, 26.5), 1.6, 0.012),
    "concert vibraphone": ((1.0, 4.0, 10.0, 18.0), 5.0, 0.012),
    "concert xylophone": ((1.0, 3.0, 6.0, 10.0), 0.6, 0.015),
}
#: Bars of which no two have the same partials: ranges of those of the lowest bar over its first (each instrument draws
#: its own; a carver tunes the second, and the third where there is wood enough), and how long the first rings (s).
CARVED_BARS: dict[str, tuple[tuple[tuple[float, float], ...], float]] = {
    "carved marimba": (((3.9, 4.05), (8.7, 10.6), (15.0, 20.5), (23.0, 31.0), (33.0, 43.0)), 1.4),
    "carved vibraphone": (((3.95, 4.05), (9.0, 10.6), (16.0, 19.5), (25.0, 30.0)), 4.5),
    "carved xylophone": (((2.95, 3.05), (5.6, 6.6), (9.0, 12.0), (14.0, 18.0), (20.0, 26.0)), 0.6),
    "balafon": (((2.6, 4.2), (5.2, 10.6), (9.0, 20.0), (14.0, 30.0), (22.0, 42.0)), 0.8),
}
#: Lowest and highest pitch of a kind, and how many notes at once its pieces have at most.
RANGES = {
    "marimba": (41, 98), "vibraphone": (50, 91), "xylophone": (60, 108), "glockenspiel": (72, 108), "kalimba": (55, 90),
    "string": (36, 98), "wind": (34, 96), "voice": (43, 84),
    "concert marimba": (36, 96), "concert vibraphone": (48, 89), "concert xylophone": (58, 106),
    "carved marimba": (36, 96), "carved vibraphone": (53, 89), "carved xylophone": (60, 108), "balafon": (43, 96),
}  # fmt: skip
#: How often the kinds are drawn.
KINDS = {
    "marimba": 8, "vibraphone": 3, "xylophone": 2, "glockenspiel": 2, "kalimba": 2,
    "string": 18, "wind": 14, "voice": 9,
}  # fmt: skip
#: The same of pieces on tuned bars.
TUNED_KINDS = {"concert marimba": 6, "concert vibraphone": 2, "concert xylophone": 2}
#: The same of pieces on bars that differ.
CARVED_KINDS = {"carved marimba": 6, "carved vibraphone": 2, "carved xylophone": 1, "balafon": 2}
#: Formants of vowels (Hz) of a large and a small throat, and their widths.
_VOWELS = (
    (730, 1090, 2440, 3400), (270, 2290, 3010, 3700), (300, 870, 2240, 3300), (530, 1840, 2480, 3500),
    (570, 840, 2410, 3300),
)  # fmt: skip
_WIDTHS = (90.0, 110.0, 170.0, 250.0)
#: A note that died away by so much is over, whoever still holds it.
_OVER_DB = 32.0
#: Languages and speakers of espeak-ng, and what they say.
_TONGUES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "nl", "pl", "sv", "pt-br")
_SPEAKERS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "croak", "whisper", "Alex", "Andrea",
    "Annie", "Denis", "Linda", "Michael",
)  # fmt: skip
_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "seventeen", "house",
    "river", "window", "garden", "yesterday", "nobody", "answered", "morning", "paper", "station", "where", "never",
    "always", "coffee", "please", "listen", "quiet", "open", "table", "mountain", "people", "under", "again", "water",
    "hello", "animal", "telephone", "orange", "because", "into", "music", "number", "summer", "winter", "letter",
)  # fmt: skip


@dataclass(frozen=True)
class Played:
    """A note of a piece: when (s), which pitch, how hard (1..127)."""

    start_s: float
    end_s: float
    pitch: float
    velocity: int


def phrase(rng: np.random.Generator, low: int, high: int, voices: int, duration_s: float) -> list[Played]:
    """Lines of notes, legato or apart, long or short, in steps and leaps; a pitch sounds once at a time."""
    found: list[Played] = []
    base, spread = rng.uniform(30, 110), rng.uniform(4, 30)
    shortest, longest = 0.08 if rng.random() < 0.4 else 0.15, float(rng.choice([0.4, 0.8, 1.3, 2.5]))
    legato, together = float(rng.choice([0.0, 0.5, 0.9])), rng.random() < 0.4
    seed = int(rng.integers(2**31))
    for voice in range(voices):
        beat = np.random.default_rng((seed, 0 if together else voice))  # chords, or lines of their own
        at, pitch = float(beat.uniform(0.05, 0.6)), int(rng.integers(low, high + 1))
        while at < duration_s - 0.3:
            held = float(np.exp(beat.uniform(np.log(shortest), np.log(longest))))
            held = min(held, duration_s - 0.1 - at)
            same = [note for note in found if note.pitch == pitch]
            if held > 0.06 and all(n.end_s <= at - 0.03 or n.start_s >= at + held for n in same):
                loud = int(np.clip(round(rng.normal(base, spread)), 8, 127))
                found.append(Played(at, at + held, pitch, loud))
            at += held if beat.random() < legato else held + float(beat.uniform(0.03, 0.5))
            step = int(rng.integers(-5, 6)) if rng.random() < 0.6 else int(rng.integers(-14, 15))
            pitch = pitch + step if low <= pitch + step <= high else int(rng.integers(low, high + 1))
    return sorted(found, key=lambda n: (n.start_s, n.pitch))


def _hz(pitch: float) -> float:
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def _dying(
    hz: np.ndarray, gain: np.ndarray, t60_s: np.ndarray, n: int, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Partials that die away, each at its own pace, (n,) float64."""
    kept = (hz < 0.46 * rate) & (gain > 1e-5)
    time_s = np.arange(n) / rate
    out = np.zeros(n)
    for f, a, t in zip(hz[kept], gain[kept], t60_s[kept], strict=True):
        heard = min(n, int(t * rate) + 1)  # after that it lies 60 dB lower
        span = time_s[:heard]
        out[:heard] += (
            a * np.exp(-6.9078 / t * span) * np.sin(2 * np.pi * f * span + rng.uniform(0, 2 * np.pi))
        )
    return out


@dataclass(frozen=True)
class Bars:
    """Tuned bars under mallets: partials over the first, how long the first rings at middle C, how hard the mallets."""

    ratios: tuple[float, ...]
    ring_s: float
    hardness_db: float
    tremolo_hz: float
    partials_db: tuple[float, ...] = ()

    def note(self, one: Played, rate: int, rng: np.random.Generator) -> np.ndarray:
        """The sound of a note that nobody damps."""
        ring = self.ring_s * 2.0 ** (-(one.pitch - 60) / 18.0) * rng.uniform(0.8, 1.25)
        ratios = np.array(self.ratios) * np.append(1.0, 1 + rng.normal(0, 0.006, len(self.ratios) - 1))
        hard = self.hardness_db - (127 - one.velocity) / 127 * 12
        level = hard * np.arange(len(ratios)) ** 0.7 if hard < 0 else np.full(len(ratios), hard)
        level = np.where(np.arange(len(ratios)) == 0, 0.0, level) + rng.normal(0, 4, len(ratios)) * (
            ratios > 1
        )
        if self.partials_db:
            level += self.partials_db
        t60 = ring / ratios ** rng.uniform(0.5, 1.1)
        n = int(min(ring * 1.1 + 0.1, one.end_s - one.start_s + 0.2) * rate)
        sound = _dying(_hz(one.pitch) * ratios, 10 ** (level / 20), t60, n, rate, rng)
        if self.tremolo_hz:
            sound *= 1 + 0.4 * np.sin(2 * np.pi * self.tremolo_hz * np.arange(n) / rate)
        return sound + _knock(n, rate, 10 ** (rng.uniform(-45, -18) / 20), rng)


def _knock(n: int, rate: int, gain: float, rng: np.random.Generator) -> np.ndarray:
    """A mallet, a finger or a plectrum: some hundredths of a second of noise."""
    out = np.zeros(n)
    length = min(n, int(rng.uniform(0.004, 0.04) * rate))
    noise = rng.standard_normal(length)
    if rng.random() < 0.7:
        noise = np.convolve(noise, np.ones(6) / 2.4, mode="same")
    out[:length] = gain * noise * np.exp(-5 * np.arange(length) / max(length, 1))
    return out


def draw_bars(kind: str, rng: np.random.Generator) -> Bars:
    """Bars of a kind, their partials moved a little, and soft or hard mallets.

    Of tuned bars, each has its own partials that ring out: where it is struck and how it was carved say which.
    """
    tuned = kind in TUNED_BARS
    ratios, ring_s, off = (TUNED_BARS if tuned else BARS)[kind]
    moved = np.array(ratios) * np.append(1.0, np.exp(rng.normal(0, off, len(ratios) - 1)))
    tremolo = float(rng.uniform(2, 8)) if kind == "vibraphone" and rng.random() < 0.5 else 0.0
    return Bars(
        tuple(moved.tolist()),
        ring_s * float(np.exp(rng.normal(0, 0.4))),
        float(rng.uniform(-26, -1)),
        tremolo,
        (0.0, *rng.normal(5, 9, len(ratios) - 1).tolist()) if tuned else (),
    )


@dataclass(frozen=True)
class Carved:
    """Bars of one instrument, each with partials, levels and damping of its own, over tubes or not.

    ``sinks``: how far partials fall from the lowest bar to the highest (natural logarithm): short bars are thick.
    """

    number: int
    low: int
    high: int
    ratios: tuple[float, ...]
    sinks: tuple[float, ...]
    ring_s: float
    damping: float
    mallet_hz: float
    tilt_db: float
    tube_db: float

    def note(self, one: Played, rate: int, rng: np.random.Generator) -> np.ndarray:
        """The sound of a note that nobody damps."""
        pitch = round(one.pitch)
        bar = np.random.default_rng((self.number, pitch))
        height, n_modes = (pitch - self.low) / (self.high - self.low), len(self.ratios)
        off = np.array([0.012, *np.linspace(0.02, 0.035, n_modes - 1)])
        bent = np.array(self.ratios) * np.exp(
            -height * np.array(self.sinks) + bar.normal(0, 1, n_modes) * off
        )
        twisted = np.exp(bar.uniform(np.log(1.5), np.log(14), 2))
        ratios = np.concatenate([[1.0], bent, twisted])
        order = np.arange(1, n_modes + 2)
        place = np.pi * order * rng.normal(0, 0.11)  # from the middle, where every second mode has a node
        shape = np.abs(np.where(order % 2, np.cos(place), np.sin(place))) + 0.05
        level = 20 * np.log10(np.concatenate([shape, 0.05 + 0.1 * bar.random(2)]))
        hz = _hz(one.pitch) * ratios
        cut = self.mallet_hz * (0.5 + one.velocity / 127)  # how short a mallet touches
        level += -10 * np.log10(1 + (hz / cut) ** 4) + self.tilt_db * np.log2(ratios)
        level += bar.normal(0, 5, ratios.size) + rng.normal(0, 1.5, ratios.size)
        level[0] += self.tube_db
        level = np.minimum(level - level[0], rng.uniform(0, 8))
        ring = self.ring_s * 2.0 ** (-(one.pitch - 60) / 16.0) * np.exp(bar.normal(0, 0.15))
        t60 = ring / ratios**self.damping * np.exp(bar.normal(0, 0.25, ratios.size))
        n = int(min(ring * 1.3 + 0.1, one.end_s - one.start_s + 0.2) * rate)
        return _dying(hz, 10 ** (level / 20), t60, n, rate, rng) + _knock(
            n, rate, 10 ** (rng.uniform(-45, -18) / 20), rng
        )


def draw_carved(kind: str, rng: np.random.Generator) -> Carved:
    """An instrument of a kind, and what it is struck with."""
    ranges, ring_s = CARVED_BARS[kind]
    low, high = RANGES[kind]
    sinks = (rng.uniform(0, 0.12), *rng.uniform(0, 0.3, len(ranges) - 1))
    return Carved(
        number=int(rng.integers(2**31)), low=low, high=high,
        ratios=tuple(float(rng.uniform(*span)) for span in ranges), sinks=tuple(map(float, sinks)),
        ring_s=ring_s * float(np.exp(rng.normal(0, 0.4))), damping=float(rng.uniform(0.4, 1.3)),
        mallet_hz=float(np.exp(rng.uniform(np.log(400), np.log(8000)))), tilt_db=float(rng.uniform(-1, 5)),
        tube_db=float(rng.uniform(0, 10)),
    )  # fmt: skip


@dataclass(frozen=True)
class Strings:
    """Strings that are plucked or struck: stiffness, where, how bright, how long they ring, courses of how many."""

    stiffness: float
    place: float
    slope_db: float
    ring_s: float
    damping: float
    courses: int
    beat_cents: float
    body: tuple[tuple[float, float, float], ...]
    knock_db: float

    def note(self, one: Played, rate: int, rng: np.random.Generator) -> np.ndarray:
        """The sound of a note that nobody damps."""
        first = _hz(one.pitch)
        order = np.arange(1, max(2, min(int(0.46 * rate / first), 40)) + 1)
        soft = (127 - one.velocity) / 127 * 6
        level = -(self.slope_db + soft) * np.log2(order)
        level += 20 * np.log10(np.abs(np.sin(np.pi * order * self.place)) + 0.03)
        hz = first * order * np.sqrt((1 + self.stiffness * order**2) / (1 + self.stiffness))
        for centre, width, gain_db in self.body:
            level += gain_db * np.exp(-0.5 * (np.log2(hz / centre) / width) ** 2)
        ring = self.ring_s * 2.0 ** (-(one.pitch - 60) / 20.0) * rng.uniform(0.75, 1.3)
        t60 = ring / (1 + self.damping * (order - 1)) * rng.uniform(0.7, 1.4, order.size)
        n = int(min(ring * 1.1 + 0.1, one.end_s - one.start_s + 0.2) * rate)
        sound = np.zeros(n)
        for _ in range(self.courses):
            cents = rng.normal(0, self.beat_cents) if self.courses > 1 else 0.0
            gain = 10 ** ((level + rng.normal(0, 2, order.size)) / 20)
            sound += _dying(hz * 2 ** (cents / 1200), gain, t60, n, rate, rng)
        return sound + _knock(n, rate, 10 ** (self.knock_db / 20), rng)


def draw_strings(rng: np.random.Generator) -> Strings:
    """Strings between a banjo, whose notes are over in half a second, and a harp."""
    body = tuple(
        (
            float(np.exp(rng.uniform(np.log(150), np.log(4000)))),
            float(rng.uniform(0.15, 0.8)),
            float(rng.normal(0, 7)),
        )
        for _ in range(3)
    )
    return Strings(
        stiffness=float(10 ** rng.uniform(-5.5, -3.3)), place=float(rng.uniform(0.06, 0.48)),
        slope_db=float(rng.uniform(1.0, 9.0)), ring_s=float(np.exp(rng.uniform(np.log(0.5), np.log(6.0)))),
        damping=float(10 ** rng.uniform(-2.0, -0.4)), courses=int(rng.choice([1, 1, 1, 2, 3])),
        beat_cents=float(rng.uniform(0.5, 6)), body=body, knock_db=float(rng.uniform(-40, -12)),
    )  # fmt: skip


@dataclass(frozen=True)
class Held:
    """Tones that are held: how loud each harmonic is, attack and release, vibrato, scoops, breath, how they swell."""

    level_db: tuple[float, ...]
    formants: tuple[tuple[float, float, float], ...]
    attack_s: float
    release_s: float
    vibrato_hz: float
    vibrato_cents: float
    scoop_cents: float
    breath_db: float
    swell_db: float
    glides: bool

    def note(
        self, one: Played, rate: int, rng: np.random.Generator, before: float | None = None
    ) -> np.ndarray:
        """The sound of a note; ``before`` is the pitch that a voice comes from, if it glides."""
        n = int((one.end_s - one.start_s + self.release_s) * rate)
        time_s = np.arange(n) / rate
        depth = self.vibrato_cents * np.clip((time_s - rng.uniform(0.05, 0.3)) / 0.25, 0, 1)
        cents = depth * np.sin(2 * np.pi * self.vibrato_hz * time_s + rng.uniform(0, 6.28)) + rng.normal(0, 6)
        cents += -abs(rng.normal(0, self.scoop_cents)) * np.exp(-time_s / 0.04)
        if self.glides and before is not None:
            cents += 100 * np.clip(before - one.pitch, -7, 7) * np.exp(-time_s / 0.025)
        wander = np.cumsum(rng.standard_normal(n // 480 + 2)) * 0.8
        cents += np.interp(time_s, np.arange(wander.size) * 480 / rate, wander)
        hz = _hz(one.pitch) * 2 ** (cents / 1200)
        phase = 2 * np.pi * np.cumsum(hz) / rate
        first = _hz(one.pitch)
        order = np.arange(1, max(1, min(int(0.44 * rate / first), len(self.level_db))) + 1)
        level = np.array(self.level_db[: order.size]) - (127 - one.velocity) / 127 * 5 * np.log2(order)
        for centre, width, gain_db in self.formants:
            level += gain_db * np.exp(-0.5 * (np.log2(first * order / centre) / width) ** 2)
        sound = np.zeros(n)
        for k, db in zip(order, level - level.max(), strict=True):
            if db > -70:
                sound += 10 ** (db / 20) * np.sin(k * phase + 2.4 * k * k)
        breath = rng.standard_normal(n)
        sound += (
            10 ** (self.breath_db / 20)
            * np.abs(sound).mean()
            * np.convolve(breath, np.ones(4) / 2, mode="same")
        )
        swell = self.swell_db * np.sin(np.pi * time_s / max(time_s[-1], 1e-3) * rng.uniform(0.5, 1.5))
        shape = np.sin(np.clip(time_s / self.attack_s, 0, 1) * np.pi / 2) ** 2
        return sound * shape * 10 ** (swell / 20)


def draw_wind(rng: np.random.Generator) -> Held:
    """A blown or bowed instrument: harmonics that fall more or less steeply, odd ones louder now and then."""
    order = np.arange(1, 36)
    level = rng.normal(0, 4, 35) - rng.uniform(2.5, 13) * np.log2(order)
    level[1::2] -= rng.choice([0, 0, 0, 12])
    formants = tuple(
        (
            float(np.exp(rng.uniform(np.log(250), np.log(4500)))),
            float(rng.uniform(0.2, 0.7)),
            float(rng.normal(3, 7)),
        )
        for _ in range(3)
    )
    sways = rng.random() < 0.6
    return Held(
        tuple(level.tolist()), formants, float(np.exp(rng.uniform(np.log(0.008), np.log(0.11)))),
        float(rng.uniform(0.015, 0.1)), float(rng.uniform(4, 7)), float(rng.uniform(5, 55)) if sways else 0.0,
        float(rng.choice([0, 15, 60])), float(rng.uniform(-55, -14)), float(rng.uniform(-3, 8)), rng.random() < 0.25,
    )  # fmt: skip


def draw_voice(rng: np.random.Generator) -> Held:
    """A singer on one vowel."""
    size = rng.uniform(0.85, 1.25)
    vowel = _VOWELS[int(rng.integers(len(_VOWELS)))]
    formants = tuple(
        (f * size, float(np.log2(1 + w / f)) * 1.5 + 0.05, float(rng.uniform(12, 24)))
        for f, w in zip(vowel, _WIDTHS, strict=True)
    )
    level = -rng.uniform(7, 13) * np.log2(np.arange(1, 41))
    return Held(
        tuple(level.tolist()), formants, float(rng.uniform(0.02, 0.12)), float(rng.uniform(0.03, 0.12)),
        float(rng.uniform(4.5, 7)), float(rng.choice([0, rng.uniform(10, 40), rng.uniform(40, 110)])),
        float(rng.choice([0, 40, 120])), float(rng.uniform(-50, -18)), float(rng.uniform(-2, 7)), rng.random() < 0.7,
    )  # fmt: skip


_DRAWN: dict[str, Callable[[np.random.Generator], Strings | Held]] = {
    "string": draw_strings, "wind": draw_wind, "voice": draw_voice,
}  # fmt: skip


def piece(
    kind: str, rng: np.random.Generator, duration_s: float, rate: int
) -> tuple[np.ndarray, list[tuple]]:
    """A piece of a kind: samples, and rows of onset, offset, pitch and velocity as they are heard."""
    low, high = RANGES[kind]
    reach = int(rng.integers(10, 31))
    low = int(rng.integers(low, max(high - reach, low) + 1))
    voices = 1 if kind == "voice" else int(rng.choice([1, 2, 3, 4], p=[0.5, 0.28, 0.14, 0.08]))
    notes = phrase(rng, low, min(low + reach, high), voices, duration_s)
    draw = _DRAWN.get(kind) or partial(draw_carved if kind in CARVED_BARS else draw_bars, kind)
    player = draw(rng)
    out = np.zeros(round((duration_s + 0.5) * rate))
    damped_s = float(np.exp(rng.uniform(np.log(0.012), np.log(0.12))))
    loudness = rng.uniform(0.8, 2.0)
    cents = float(rng.normal(0, 8))
    rows, before = [], None
    for one in notes:
        tuned = Played(one.start_s, one.end_s, one.pitch + cents / 100, one.velocity)
        if isinstance(player, Held):
            sound, quiet_s = player.note(tuned, rate, rng, before), player.attack_s
            gone, end_s = player.release_s, one.end_s
        else:
            sound, gone = player.note(tuned, rate, rng), damped_s
            quiet_s, end_s = 0.0, min(one.end_s, one.start_s + _rings(sound, rate))
        held = round((one.end_s - one.start_s) * rate)
        fall = round(gone * rate)
        sound = sound[: held + fall]
        if sound.size > held:
            sound[held:] *= np.linspace(1, 0, fall)[: sound.size - held] ** 1.5
        first = round(one.start_s * rate)
        peak = np.sqrt(np.mean(sound[: rate // 10] ** 2)) + 1e-9
        sound = sound / peak * (one.velocity / 127) ** loudness
        out[first : first + sound.size] += sound[: out.size - first]
        # What swells is heard once it is within 20 dB of what it will be.
        rows.append((one.start_s + 0.2 * quiet_s, end_s, one.pitch, one.velocity))
        before = one.pitch
    return out[: round(duration_s * rate)], rows


def _rings(sound: np.ndarray, rate: int) -> float:
    """How long a sound is heard."""
    step = rate // 100
    level = 10 * np.log10(np.mean(sound[: sound.size // step * step].reshape(-1, step) ** 2, axis=1) + 1e-12)
    return float((np.flatnonzero(level > level.max() - _OVER_DB)[-1] + 1) * 0.01) if level.size else 0.0


#: Kinds that are drawn, and the seed, by what the stems' bars are called.
_MADE = {"bar": (KINDS, 53), "tuned_bar": (TUNED_KINDS, 67), "carved_bar": (CARVED_KINDS, 71)}


def played_stems(out: Path, count: int, seconds: float, rate: int, *, made: str = "bar") -> Iterator[Stem]:
    """So many pieces, two of five in a room, some through a bad microphone, with noise, overloaded or coded."""
    out.mkdir(parents=True, exist_ok=True)
    drawn, seed = _MADE[made]
    kinds, shares = list(drawn), np.array(list(drawn.values()), dtype=float)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        kind = str(rng.choice(kinds, p=shares / shares.sum()))
        sound = out / f"{kind.replace(' ', '-')}-{number:04d}.flac"
        if not sound.is_file():
            samples, rows = piece(kind, rng, seconds, rate)
            samples = (samples * 0.5 / max(float(np.abs(samples).max()), 1e-9)).astype(np.float32)
            if rng.random() < 0.4:
                samples = rooms.reverberated(samples, rooms.response(rooms.draw_room(rng), rate, rng))
            if rng.random() < 0.2:
                samples = damage.apply(samples, rate, damage.choose(rng))
            table = [(f"{a:.4f}", f"{b:.4f}", p, v, kind, 1) for a, b, p, v in rows]
            render.write_csv(sound.with_suffix(".notes.csv"), render.NOTE_COLUMNS, table)
            render.write_sound(sound, samples, rate)
        group = kind if kind in _DRAWN else made
        yield Stem(sound, f"played/{sound.name}", (), (), f"played_{group}", "played", "", False)


def spoken_stems(out: Path, count: int, seconds: float, rate: int) -> Iterator[Stem]:
    """So many stretches of speech, words with pauses or sentences, in a room now and then; none without espeak-ng."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sound, rng = out / f"speech-{number:04d}.flac", np.random.default_rng((59, number))
        if not sound.is_file():
            samples = _spoken(out / "said.wav", rng, seconds, rate)
            if rng.random() < 0.4:
                samples = rooms.reverberated(samples, rooms.response(rooms.draw_room(rng), rate, rng))
            render.write_sound(sound, samples, rate)
        yield Stem(sound, f"spoken/{sound.name}", (), (), "speech", "spoken", "", False)


def _spoken(beside: Path, rng: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    """One speaker's words. Intonation is that of the program, and then played a little faster and slower by turns."""
    voice = f"{rng.choice(_TONGUES)}+{rng.choice(_SPEAKERS)}"
    out = np.zeros(0, dtype=np.float32)
    apart, pace = rng.random() < 0.5, rng.integers(110, 230)
    while out.size < seconds * rate:
        words = " ".join(str(w) for w in rng.choice(_WORDS, 1 if apart else int(rng.integers(3, 12))))
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", str(pace), "-p", str(rng.integers(10, 95)), "-w", str(beside), words],
            check=True, capture_output=True,
        )  # fmt: skip
        said, _ = decode.read(beside, sample_rate=rate)
        bends = np.exp(np.cumsum(rng.normal(0, 0.06, max(said.size // 2400, 1) + 2)) * 0.8)
        step = np.clip(np.interp(np.arange(said.size) / 2400, np.arange(bends.size), bends), 0.6, 1.7)
        place = np.cumsum(step)
        place = place[place < said.size - 1]
        said = np.interp(place, np.arange(said.size), said).astype(np.float32)
        gap = np.zeros(int(rng.uniform(0.05, 0.35) * rate), dtype=np.float32)
        out = np.concatenate([out, said, gap])
    beside.unlink(missing_ok=True)
    out = out[: round(seconds * rate)]
    return (out * np.float32(0.5 / max(float(np.abs(out).max()), 1e-6))).astype(np.float32)


#: What makes stems, by the setting that says how many.
MAKERS: dict[str, Callable[[Path, int, float, int], Iterator[Stem]]] = {
    "pieces": played_stems,
    "tuned_bars": partial(played_stems, made="tuned_bar"),
    "carved_bars": partial(played_stems, made="carved_bar"),
    "speech": spoken_stems,
}
