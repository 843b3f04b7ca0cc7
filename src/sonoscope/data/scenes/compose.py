"""Scenes: events on a background at stated ratios, with the truth of when each sounds.

A scene's background is one or two long sounds (wind, rain, water, insects' songs, noise); events come as a Poisson
process, each at a signal-to-noise ratio drawn from a range: its loudness against that of the background **under it**.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sonoscope.data.mix.levels import Levels, loudness_db
from sonoscope.data.scenes import SOUNDS, make
from sonoscope.data.scenes.noises import coloured, faded, levelled
from sonoscope.errors import UsageError, lookup
from sonoscope.values import Event

#: Backgrounds and how often each is the first of a scene.
BACKGROUNDS: dict[str, float] = {
    "noise": 4.0,
    "wind": 3.0,
    "rain": 1.0,
    "water": 1.0,
    "cricket": 1.0,
    "cicada": 0.5,
}
#: A sound made for a scene: ``(seed, seconds, sample rate) -> samples``.
Draw = Callable[[int, float, int], np.ndarray]


@dataclass(frozen=True)
class SceneSpec:
    """What scenes hold.

    Attributes
    ----------
    duration_s : float
    sample_rate : int
    events : mapping
        Kinds of sounds (``SOUNDS``, or keys of ``further``) and how many of each an hour.
    event_s : (float, float)
        Their lengths, uniform.
    snr_db : Levels
    background_db : (float, float)
        Loudness of the background.
    """

    duration_s: float = 60.0
    sample_rate: int = 24_000
    events: dict[str, float] = field(
        default_factory=lambda: {"wing_beat": 120.0, "bird_song": 60.0, "engine": 20.0}
    )
    event_s: tuple[float, float] = (0.5, 4.0)
    snr_db: Levels = field(default_factory=lambda: Levels("uniform", (0.0, 20.0)))
    background_db: tuple[float, float] = (-60.0, -35.0)

    def __post_init__(self) -> None:
        if not 1.0 <= self.duration_s <= 86_400.0:
            raise UsageError(f"duration {self.duration_s:g} s must lie in 1..86400")
        low, high = self.event_s
        if not 0.2 <= low <= high < self.duration_s:
            raise UsageError(
                f"events of {low:g} to {high:g} s must last at least 0.2 s and fit into the scene"
            )
        for name, rate in self.events.items():
            if not 0.0 <= rate <= 3600.0:
                raise UsageError(f"{name}: {rate:g} events an hour must lie in 0..3600")


@dataclass(frozen=True)
class Placed:
    """An event of a scene: its kind, its class (empty: none), when, and at what ratio."""

    kind: str
    label: str
    start_s: float
    end_s: float
    snr_db: float

    @property
    def event(self) -> Event:
        """The event as annotations hold it, labelled with its class, or its kind where it has none."""
        return Event(self.start_s, self.end_s, self.label or self.kind, 1.0)


@dataclass(frozen=True)
class Scene:
    """Sound, (n,) float32, what its background is, and its events in order."""

    samples: np.ndarray
    background: tuple[str, ...]
    events: tuple[Placed, ...]


def compose(spec: SceneSpec, seed: int, *, further: dict[str, tuple[str, Draw]] | None = None) -> Scene:
    """One scene; the same arguments give the same samples.

    ``further`` adds kinds of sounds to ``SOUNDS``, each with its class: recordings, speech.

    Raises
    ------
    UnknownName
        If a kind of event is not known.
    """
    rng = np.random.default_rng([seed, 77])
    kinds: dict[str, tuple[str, Draw]] = {
        name: (sound.label, _maker(name)) for name, sound in SOUNDS.items()
    } | (further or {})
    names, sound = _background(rng, spec)
    placed = []
    for kind, rate in sorted(spec.events.items()):
        label, draw = lookup(kinds, kind, "kind of event")
        for _ in range(int(rng.poisson(rate * spec.duration_s / 3600.0))):
            length_s = float(rng.uniform(*spec.event_s))
            samples = draw(int(rng.integers(1 << 31)), length_s, spec.sample_rate)
            placed.append(_place(rng, sound, samples, spec, kind, label))
    peak = float(np.abs(sound).max(initial=0.0))
    scaled = (sound / max(1.0, peak)).astype(np.float32)
    return Scene(scaled, names, tuple(sorted(placed, key=lambda event: event.start_s)))


def _maker(name: str) -> Draw:
    return lambda seed, seconds, rate: make(name, seed, seconds, rate)


def _background(rng: np.random.Generator, spec: SceneSpec) -> tuple[tuple[str, ...], np.ndarray]:
    """One or two long sounds, float64."""
    count = round(spec.duration_s * spec.sample_rate)
    weight = np.array(list(BACKGROUNDS.values()))
    number = 1 + int(rng.random() < 0.4)
    names = rng.choice(list(BACKGROUNDS), size=number, replace=False, p=weight / weight.sum())
    level_db = float(rng.uniform(*spec.background_db))
    total = np.zeros(count)
    for position, name in enumerate(names):
        if name == "noise":
            raw = coloured(rng, count, float(rng.uniform(-6.0, 0.0)), sample_rate=spec.sample_rate)
        else:
            raw = SOUNDS[name].make(rng, spec.duration_s, spec.sample_rate)
        total += levelled(raw, spec.sample_rate, level_db - 6.0 * position * rng.random())
    return tuple(str(name) for name in names), total


def _place(
    rng: np.random.Generator, sound: np.ndarray, samples: np.ndarray, spec: SceneSpec, kind: str, label: str
) -> Placed:
    """Add one event to ``sound`` in place, at its ratio to what is there."""
    rate = spec.sample_rate
    samples = faded(samples[: sound.size].astype(np.float64), rate)
    first = int(rng.integers(0, sound.size - samples.size + 1))
    under = sound[first : first + samples.size]
    snr_db = spec.snr_db.draw(rng)
    gain_db = max(loudness_db(under, rate), -90.0) + snr_db - loudness_db(samples, rate)
    sound[first : first + samples.size] += samples * 10.0 ** (gain_db / 20.0)
    return Placed(kind, label, first / rate, (first + samples.size) / rate, round(snr_db, 2))


def kinds_of(label: str) -> Sequence[str]:
    """The synthesised kinds of a class."""
    return [name for name, sound in SOUNDS.items() if sound.label == label]
