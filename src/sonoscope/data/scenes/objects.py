"""Things of a household and a workshop: blows, rattles, scrapes, crumpling, electronic signals. No instruments.

A struck object is a sum of decaying sines (modal synthesis); what it is made of says how fast they decay: a mode at
``f`` falls by 60 dB in about ``2.2 / (f tan(phi))`` s, ``phi`` the internal friction (van den Doel, Kry and Pai,
"FoleyAutomatic", 2001). Rattles are many small collisions at random (Cook, "Physically informed sonic modeling", 1997).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from sonoscope.data.scenes.noises import band, coloured, drift, faded, phase

#: Internal friction tan(phi) of what things are made of, a range for each.
FRICTION: dict[str, tuple[float, float]] = {
    "metal": (0.0005, 0.004),
    "glass": (0.001, 0.008),
    "stone": (0.004, 0.02),
    "wood": (0.01, 0.06),
    "plastic": (0.03, 0.12),
    "card": (0.08, 0.3),
}


@dataclass(frozen=True)
class Body:
    """What rings: frequencies in Hz, decays in 1/s and gains of its modes, each (modes,)."""

    hertz: np.ndarray
    decay: np.ndarray
    gains: np.ndarray

    def struck(self, rng: np.random.Generator, count: int, sample_rate: int, contact_s: float) -> np.ndarray:
        """One blow, (count,) float64: where it falls changes the gains, how hard what strikes is, the brightness."""
        time_s = np.arange(count) / sample_rate
        # A contact of some length is a low-pass: half a sine of length t has its first zero at 1.5 / t.
        soft = 1.0 / (1.0 + (self.hertz * contact_s / 1.2) ** 4)
        place = np.abs(np.cos(np.pi * rng.random(self.hertz.size))) + 0.05
        sound = np.zeros(count)
        for hertz, decay, gain in zip(self.hertz, self.decay, self.gains * soft * place, strict=True):
            length = min(count, round(9.0 / decay * sample_rate) + 1)
            u = time_s[:length]
            sound[:length] += gain * np.exp(-decay * u) * np.sin(2.0 * np.pi * hertz * u)
        return sound

    def ringing(self, excitation: np.ndarray, sample_rate: int) -> np.ndarray:
        """What the body makes of a force, (n,) float64: each mode a resonance."""
        sound = np.zeros_like(excitation)
        for hertz, decay, gain in zip(self.hertz, self.decay, self.gains, strict=True):
            radius = np.exp(-decay / sample_rate)
            turn = 2.0 * np.pi * hertz / sample_rate
            sound += signal.lfilter(
                [gain * np.sin(turn)], [1.0, -2.0 * radius * np.cos(turn), radius**2], excitation
            )
        return sound


def draw_body(rng: np.random.Generator, sample_rate: int, material: str | None = None) -> Body:
    """A thing at random: a bar, a plate or a shell, of some material and size."""
    material = material or str(rng.choice(list(FRICTION), p=(0.35, 0.2, 0.1, 0.15, 0.1, 0.1)))
    lowest = float(np.exp(rng.uniform(np.log(90.0), np.log(3_500.0))))
    shape = rng.random()
    if shape < 0.25:  # a bar that is free at both ends: squares of odd numbers
        ratios = (2.0 * np.arange(1, 9) + 1.0) ** 2 / 9.0
    elif shape < 0.7:  # a plate: as many modes in each band of equal width
        ratios = 1.0 + np.cumsum(rng.exponential(float(np.exp(rng.uniform(np.log(0.08), 0.0))), 48))
        ratios[0] = 1.0
    else:  # a shell, a vessel
        ratios = np.sqrt(1.0 + np.arange(16) ** 2.0 * rng.uniform(0.3, 2.5)) * np.exp(
            rng.normal(0.0, 0.06, 16)
        )
    hertz = lowest * ratios * np.exp(rng.normal(0.0, 0.03, ratios.size))
    hertz = hertz[hertz < 0.46 * sample_rate]
    if hertz.size == 0:
        hertz = np.array([min(lowest, 0.4 * sample_rate)])
    friction = float(np.exp(rng.uniform(*np.log(FRICTION[material]))))
    # Being held or lying on something damps all modes alike.
    held = float(np.exp(rng.uniform(np.log(0.5), np.log(40.0))))
    decay = np.pi * hertz * friction * np.exp(rng.normal(0.0, 0.3, hertz.size)) + held
    gains = (hertz / hertz[0]) ** float(rng.uniform(-1.5, 0.3)) * np.exp(rng.normal(0.0, 0.7, hertz.size))
    return Body(hertz, decay, gains)


def blow(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Something is struck, closed, dropped or set down, once or a few times; what is dropped bounces."""
    count = round(duration_s * sample_rate)
    sound = np.zeros(count)
    body = draw_body(rng, sample_rate)
    contact_s = float(np.exp(rng.uniform(np.log(0.0002), np.log(0.006))))
    if rng.random() < 0.3:
        gap, at, onsets = float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.0, 0.3)), []
        while gap > 0.012 and at < duration_s:
            onsets.append(at)
            at, gap = at + gap, gap * float(rng.uniform(0.6, 0.9))
    else:
        onsets = sorted(rng.uniform(0.0, 0.9 * duration_s, int(rng.integers(1, 7))))
    strength = 1.0
    thud = float(rng.choice([0.0, rng.uniform(0.05, 0.8)]))
    dull_s = float(np.exp(rng.uniform(np.log(0.004), np.log(0.4))))
    for number, onset in enumerate(onsets):
        start = round(float(onset) * sample_rate)
        left = count - start
        part = body.struck(rng, left, sample_rate, contact_s)
        knock = band(rng.standard_normal(left), sample_rate, 40.0, float(rng.uniform(300.0, 6_000.0)))
        part += thud * np.abs(part).max() * knock * np.exp(-np.arange(left) / (dull_s * sample_rate))
        sound[start:] += strength * part
        strength = strength * 0.75 if number and len(onsets) > 6 else float(rng.uniform(0.3, 1.0))
    return sound


def rattle(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Many small things collide: keys, coins, pills, pebbles, chains, dishes; shaken or poured."""
    count = round(duration_s * sample_rate)
    shaken = np.clip(drift(rng, count, sample_rate, per_s=float(rng.uniform(0.5, 6.0))) + 0.5, 0.0, None)
    per_s = float(np.exp(rng.uniform(np.log(8.0), np.log(400.0))))
    hits = rng.random(count) < per_s * shaken / sample_rate
    force = np.zeros(count)
    force[hits] = rng.exponential(1.0, int(hits.sum())) * rng.choice([-1.0, 1.0], int(hits.sum()))
    material = str(rng.choice(list(FRICTION)))
    sound = np.zeros(count)
    bodies = int(rng.integers(2, 6))
    for one in range(bodies):
        share = np.where(rng.random(count) < 1.0 / bodies, force, 0.0)
        body = draw_body(rng, sample_rate, material)
        sound += Body(body.hertz * (1.0 + 0.1 * one) * 0.9, body.decay + 20.0, body.gains).ringing(
            share, sample_rate
        )
    return sound + 1e-4 * rng.standard_normal(count)


def scrape(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Something is drawn over something else: rough noise, or sticking and slipping that creaks and squeaks."""
    count = round(duration_s * sample_rate)
    speed = np.clip(drift(rng, count, sample_rate, per_s=float(rng.uniform(0.4, 3.0))) + 0.6, 0.0, None)
    body = draw_body(rng, sample_rate, str(rng.choice(["metal", "wood", "glass", "plastic"])))
    if rng.random() < 0.5:
        rate = float(np.exp(rng.uniform(np.log(15.0), np.log(900.0))))
        hertz = rate * np.exp(0.5 * drift(rng, count, sample_rate, per_s=float(rng.uniform(0.5, 4.0))))
        jitter = 0.25 * float(rng.uniform(0.0, 1.0)) * coloured(rng, count, -3.0, sample_rate=sample_rate)
        slips = np.diff(np.floor(phase(hertz, sample_rate) + jitter), prepend=0.0)
        force = slips * (speed > 0.2) * rng.exponential(1.0, count)
    else:
        grain = band(rng.standard_normal(count), sample_rate, 100.0, float(rng.uniform(1_000.0, 9_000.0)))
        force = grain * (0.2 + (drift(rng, count, sample_rate, per_s=float(rng.uniform(10.0, 80.0))) > 0.3))
    damped = Body(body.hertz, body.decay + float(rng.uniform(20.0, 400.0)), body.gains)
    sound = damped.ringing(force * speed, sample_rate)
    sound /= np.sqrt(np.mean(sound**2)) + 1e-12
    rough = band(rng.standard_normal(count), sample_rate, 500.0, 8_000.0) * speed
    return sound + float(rng.uniform(0.0, 0.4)) * rough


def crumple(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Paper, foil, cloth and hook tape: crackling at all strengths, crumpled at random or torn in one go."""
    count = round(duration_s * sample_rate)
    busy = np.clip(drift(rng, count, sample_rate, per_s=float(rng.uniform(1.0, 8.0))) + 0.4, 0.0, None)
    if rng.random() < 0.4:  # torn
        begin, last = sorted(rng.uniform(0.0, duration_s, 2))
        at = np.arange(count) / sample_rate
        busy = np.where((at >= begin) & (at <= max(last, begin + 0.15)), 1.5, 0.02)
    per_s = float(np.exp(rng.uniform(np.log(60.0), np.log(3_000.0))))
    clicks = rng.random(count) < per_s * busy / sample_rate
    force = np.zeros(count)
    force[clicks] = rng.pareto(1.6, int(clicks.sum())) * rng.choice([-1.0, 1.0], int(clicks.sum()))
    force = np.clip(force, -30.0, 30.0)
    low = float(rng.uniform(200.0, 2_500.0))
    sound = band(
        force, sample_rate, low, min(low * float(rng.uniform(3.0, 12.0)), 0.45 * sample_rate), order=1
    )
    return sound + 1e-3 * rng.standard_normal(count)


def interference(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """What cables and dusty records add: mains hum and its harmonics, a hiss, crackles."""
    count = round(duration_s * sample_rate)
    hiss = coloured(rng, count, float(rng.uniform(-9.0, 1.0)), sample_rate=sample_rate)
    sound = hiss * 10.0 ** (-float(rng.uniform(0.0, 30.0)) / 20.0)
    if rng.random() < 0.7:
        mains, numbers = float(rng.choice([50.0, 60.0])), np.arange(1, 13)
        gains = numbers ** -float(rng.uniform(0.3, 2.0)) * np.exp(rng.normal(0.0, 0.7, numbers.size))
        time_s = np.arange(count) / sample_rate
        for number, gain, start in zip(numbers, gains, rng.random(numbers.size), strict=True):
            sound += gain * np.sin(2.0 * np.pi * (mains * number * time_s + start))
    if rng.random() < 0.6:
        crackles = np.zeros(count)
        per_s = float(np.exp(rng.uniform(np.log(0.2), np.log(60.0))))
        at = rng.integers(0, count, 1 + int(per_s * duration_s))
        crackles[at] = rng.choice([-1.0, 1.0], at.size) * rng.uniform(2.0, 25.0, at.size)
        if rng.random() < 0.6:
            low = float(rng.uniform(50.0, 1_500.0))
            crackles = band(crackles, sample_rate, low, low * float(rng.uniform(3.0, 10.0)), order=1)
        sound += crackles
    return sound


def electronic(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Telephones, alarms, ovens, reversing lorries: one or two steady tones, switched on and off."""
    count = round(duration_s * sample_rate)
    at = np.arange(count) / sample_rate
    period, share = float(np.exp(rng.uniform(np.log(0.06), np.log(2.0)))), float(rng.uniform(0.3, 0.8))
    tones = np.exp(rng.uniform(np.log(350.0), np.log(4_000.0), int(rng.integers(1, 4))))
    beat = np.floor(at / period).astype(int)
    on = (at / period) % 1.0 < share
    cycles = phase(tones[beat % tones.size], sample_rate)
    if rng.random() < 0.3:  # two tones at once, as of a dialled digit
        cycles = np.stack([cycles, cycles * float(rng.uniform(1.2, 2.2))])
    wave = np.sin(2.0 * np.pi * cycles)
    if rng.random() < 0.5:  # from a small driver: odd harmonics
        wave = np.tanh(float(rng.uniform(1.0, 6.0)) * wave)
    sound = np.atleast_2d(wave).sum(axis=0) * np.convolve(on, np.full(48, 1 / 48), "same")
    ring = signal.iirpeak(float(rng.uniform(1_000.0, 3_500.0)), 1.0, fs=sample_rate)
    sound = sound + float(rng.uniform(0.0, 2.0)) * signal.lfilter(*ring, sound)
    return faded(sound, sample_rate) + 1e-4 * rng.standard_normal(count)
