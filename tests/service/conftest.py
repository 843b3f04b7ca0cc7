"""A real service on a free port, started once for all tests of a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from sonoscope.notes.sonify import sonify
from sonoscope.values import Event

pytest.importorskip("fastapi")


@dataclass
class Served:
    """A running ``sonoscope serve``: its process, address and folders."""

    process: subprocess.Popen[str]
    url: str
    state: Path
    root: Path

    def kill(self) -> None:
        """End it as the system would."""
        self.process.kill()
        self.process.wait()


def start(folder: Path, *options: str) -> Served:
    """``sonoscope serve`` on a free port, ready to answer."""
    root = folder / "data"
    root.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "sonoscope", "serve", "--port", "0", "--state", str(folder / "state"),
         "--data-root", str(root), "--workers", "1", *options],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://"), "it did not start"
    return Served(process, url.rstrip("/"), folder / "state", root)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = start(tmp_path_factory.mktemp("service"), "--max-upload", "3M", "--max-duration", "60")
    yield found
    found.kill()


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: a full-scale sine of 1000 Hz for two, then silence."""
    rate = 16_000
    t = np.arange(4 * rate) / rate
    sound = np.where(t < 2, np.sin(2 * np.pi * 1000 * t), 0.0) * 0.999
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, sound, rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def melody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of five notes that the model hears."""
    notes = [Event(0.5 * k, 0.5 * k + 0.4, "note", 1.0, pitch=pitch, velocity=90) for k, pitch in
             enumerate((72, 74, 76, 79, 77))]  # fmt: skip
    path = tmp_path_factory.mktemp("melody") / "melody.wav"
    soundfile.write(path, sonify(notes, 44_100, 3.0), 44_100, subtype="PCM_16")
    return path
