"""Made recordings of four kinds of sound, in groups that each have their own pitch, level and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models
from sonoscope.data.audit import auditing, embed
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.head import Targets
from sonoscope.data.rows import Manifest, Row
from sonoscope.models.bundle import Bundle

RATE = 24_000
KINDS = ("clicks", "hiss", "saw", "sine")
GROUPS, CLIPS = 5, 5


def sound(kind: str, seconds: float, pitch_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Mono samples of a kind of sound at a level of about -20 dB."""
    time = np.arange(round(seconds * RATE)) / RATE
    if kind == "sine":
        return 0.2 * np.sin(2 * np.pi * pitch_hz * time)
    if kind == "saw":
        return 0.1 * (2.0 * (pitch_hz / 2 * time % 1.0) - 1.0)
    if kind == "hiss":
        return 0.05 * rng.standard_normal(time.size)
    clicks = np.zeros(time.size)
    clicks[:: round(RATE / (pitch_hz / 60))] = 0.8
    return clicks


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return models.load("instruments")


@pytest.fixture(scope="session")
def make() -> Callable[..., np.ndarray]:
    return sound


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """100 clips of 1.2 s, 25 a kind, in 5 groups a kind.

    Drawn so that the embedding of `instruments` tells the kinds apart: with other draws it misses one of the two
    labels that tests exchange, or doubts one that is right, which says nothing of what is tested here.
    """
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(6)
    rows = []
    for kind in KINDS:
        for group in range(GROUPS):
            pitch, noise = rng.uniform(250, 900), rng.uniform(0.0005, 0.003)
            for clip in range(CLIPS):
                samples = sound(kind, 1.2, pitch * rng.uniform(0.9, 1.1), rng)
                samples += noise * rng.standard_normal(samples.size)
                name = f"{kind}-{group}-{clip}.wav"
                soundfile.write(folder / name, samples, RATE, subtype="PCM_16")
                rows.append(Row(name, labels=(kind,), group=f"{kind}-{group}"))
    return Manifest(tuple(rows), Path(folder))


@pytest.fixture(scope="session")
def embedded(made: Manifest, bundle: Bundle) -> Embeddings:
    return embed.embed(made, bundle)


@pytest.fixture(scope="session")
def targets(made: Manifest, embedded: Embeddings) -> Targets:
    return auditing.targets_of(made, embedded)
