"""Recordings of several lengths, and looking at what a run of them left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import runs

#: Low enough that generated sounds give events whatever the model has learnt.
THRESHOLD = "0.05"
#: What differs between two runs with the same results.
OWN = ("run.json", "settings.json", "guard", "journal-", "log-", "part-", "run.lock-")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Ten tones of 1 to 4 s in two folders, and a file that is none."""
    for number in range(10):
        file = tmp_path / "recordings" / f"s{number % 2}" / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(22_050 * (1 + number % 4)) / 22_050
        soundfile.write(file, 0.3 * np.sin(2 * np.pi * (300 + 50 * number) * time), 22_050)
    (tmp_path / "recordings/z.wav").write_text("no sound")
    return tmp_path / "recordings"


@pytest.fixture
def whole(recordings: Path, tmp_path: Path) -> dict[str, bytes]:
    """What one process makes of them."""
    out = tmp_path / "whole"
    runs.run(runs.RunSpec((str(recordings),), str(out), threshold=THRESHOLD, workers=1))
    return contents(out)


def contents(out: Path) -> dict[str, bytes]:
    """Every file of results and kept scores below a folder, by its path, without what says when and where."""
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and not file.name.startswith(OWN)
    }


@pytest.fixture(name="contents")
def _contents() -> Callable[[Path], dict[str, bytes]]:
    return contents
