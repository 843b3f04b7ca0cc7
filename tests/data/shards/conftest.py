"""A labelled folder of short sounds, made here, and how to prepare it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.rows import Manifest, Row

RATE = 8000


def sound(seed: int, seconds: float) -> np.ndarray:
    """A loud tone in noise, int16, shape (n,): what a 16-bit file holds to the last bit."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    tone = 0.5 * np.sin(2 * np.pi * (200 + 100 * seed) * np.arange(n) / RATE)
    return np.rint((tone + 0.1 * rng.standard_normal(n)).clip(-1, 1) * 32_767).astype(np.int16)


@pytest.fixture
def labelled(tmp_path: Path) -> Manifest:
    """Five rows of four 16-bit files at 8 kHz: two of them parts of one file, and three splits and labels."""
    root = tmp_path / "sounds"
    (root / "deep").mkdir(parents=True)
    for seed, (name, seconds) in enumerate(
        {"a.wav": 2.0, "b.flac": 0.7, "deep/c.wav": 3.3, "d.wav": 1.0}.items()
    ):
        soundfile.write(root / name, sound(seed, seconds), RATE)
    rows = (
        Row("a.wav", labels=("piano",), split="train", group="one"),
        Row("b.flac", labels=("violin",), split="train", group="two"),
        Row("deep/c.wav", 0.5, 1.25, labels=("piano", "violin"), split="test", group="three"),
        Row("deep/c.wav", 2.0, None, absent=("piano",), unknown=("violin",), split="test", group="three"),
        Row("d.wav", split="val", group="one"),
    )
    return Manifest(rows, root, ("piano", "violin"))
