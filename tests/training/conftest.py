"""Sounds that a training learns in seconds, and the configuration of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8000
#: Label -> Hz.
TONES = {"low": 220.0, "middle": 700.0, "high": 2200.0}


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of three classes; clips of six recordists, whom ``manifest.csv`` names."""
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(4)
    lines = ["path,labels,group"]
    for label, hertz in TONES.items():
        (root / label).mkdir()
        for number in range(12):
            time = np.arange(int(RATE * rng.uniform(1.1, 1.9))) / RATE
            tone = np.sin(2 * np.pi * hertz * rng.uniform(0.95, 1.05) * time)
            sound = 0.2 * tone + 0.02 * rng.standard_normal(time.size)
            soundfile.write(root / label / f"{number}.wav", sound.astype(np.float32), RATE)
            lines.append(f"{label}/{number}.wav,{label},recordist{number % 6}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def tones(sounds: Path) -> Callable[..., object]:
    """``tones("training.epochs=1", …)`` is the configuration of a small network on ``sounds``."""
    from sonoscope.training.config import compose

    values = {
        "name": "tones",
        "data": {"train": [str(sounds)], "window_s": 1.0, "validation_share": 0.2, "test_share": 0.2},
        "features": [{"name": "logmel", "sample_rate": RATE, "n_fft": 512, "hop_samples": 200, "n_mels": 24,
                      "f_min_hz": 50.0, "f_max_hz": 4000.0}],
        "network": {"backbone": {"name": "valid_cnn", "width": 0.25, "dim": 16}},
        "training": {"epochs": 4, "epoch_batches": 12, "batch_size": 8, "learning_rate": 0.01},
    }  # fmt: skip
    return lambda *words: compose(values, words)
