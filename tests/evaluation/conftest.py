"""Clips of tones and noise with a manifest, for whatever is judged on recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 24_000
#: File -> labels, group, split, seconds.
CLIPS = {
    "a/one.wav": ("piano", "p1", "test", 2.0),
    "a/two.wav": ("piano;voice", "p1", "test", 2.4),
    "b/one.wav": ("flute", "p2", "test", 1.6),
    "b/three.wav": ("flute;piano", "p3", "test", 0.7),
    "c/four.wav": ("piano", "p4", "val", 2.0),
    "c/five.wav": ("flute", "p5", "val", 1.5),
    "c/six.wav": ("voice", "p6", "val", 1.5),
}


@pytest.fixture(scope="package")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips and ``manifest.csv``."""
    root = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(3)
    lines = ["path,labels,group,split,duration_s"]
    for k, (path, (labels, group, split, seconds)) in enumerate(CLIPS.items()):
        time = np.arange(int(RATE * seconds)) / RATE
        sound = 0.2 * np.sin(2 * np.pi * 220 * (k + 1) * time) + 0.02 * rng.standard_normal(time.size)
        (root / path).parent.mkdir(exist_ok=True)
        soundfile.write(root / path, sound.astype(np.float32), RATE)
        lines.append(f"{path},{labels},{group},{split},{seconds}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root
