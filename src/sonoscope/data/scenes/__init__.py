"""Synthesised field sounds and scenes: insects, birds, weather, machines, household things, on backgrounds at a ratio.

One function and one line of :data:`SOUNDS` add a sound. What is made here is made, not recorded: manifests say
``synthetic`` as their source, and figures on it are told apart from those on recordings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sonoscope.data.scenes import birds, insects, machines, objects, weather
from sonoscope.data.scenes.noises import levelled
from sonoscope.data.scenes.speech import speech
from sonoscope.errors import UsageError, lookup

Maker = Callable[[np.random.Generator, float, int], np.ndarray]


@dataclass(frozen=True)
class Sound:
    """A kind of sound: the field class it belongs to (empty: none of them), and how one is made."""

    label: str
    make: Maker


SOUNDS: dict[str, Sound] = {
    "wing_beat": Sound("insect_buzz", insects.wing_beat),
    "swarm": Sound("insect_buzz", insects.swarm),
    "cricket": Sound("", insects.cricket),
    "cicada": Sound("", insects.cicada),
    "bird_song": Sound("bird", birds.song),
    "bird_trill": Sound("bird", birds.trill),
    "bird_call": Sound("bird", birds.harsh_call),
    "rain": Sound("rain", weather.rain),
    "wind": Sound("wind", weather.wind),
    "thunder": Sound("", weather.thunder),
    "water": Sound("", weather.water),
    "engine": Sound("engine", machines.engine),
    "propeller": Sound("engine", machines.propeller),
    "jet": Sound("engine", machines.jet),
    "tool": Sound("", machines.tool),
    "speech": Sound("speech", speech),
    "blow": Sound("", objects.blow),
    "rattle": Sound("", objects.rattle),
    "scrape": Sound("", objects.scrape),
    "crumple": Sound("", objects.crumple),
    "electronic": Sound("", objects.electronic),
    "interference": Sound("", objects.interference),
}  # fmt: skip


def make(name: str, seed: int, duration_s: float, sample_rate: int) -> np.ndarray:
    """One sound of a kind, (n,) float32 at -23 dB; the same arguments give the same samples.

    Raises
    ------
    UnknownName
        If there is no such kind.
    UsageError
        If the duration or the rate is too small for it: 0.2 s, 8 kHz.
    """
    sound = lookup(SOUNDS, name, "synthesised sound")
    if not 0.2 <= duration_s <= 3600 or not 8000 <= sample_rate <= 192_000:
        raise UsageError(
            f"{duration_s:g} s at {sample_rate} Hz: a sound lasts 0.2 to 3600 s at 8000 to 192000 Hz"
        )
    rng = np.random.default_rng([seed, list(SOUNDS).index(name)])
    return levelled(sound.make(rng, duration_s, sample_rate), sample_rate)
