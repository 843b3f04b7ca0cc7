"""The command run in this process, on a few seconds of sound made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main
from sonoscope.cli.demo import SAMPLE_RATE, beat, organ, plucked_string


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Sonoscope = Callable[..., Ran]


@pytest.fixture
def sonoscope(capfdbinary: pytest.CaptureFixture[bytes]) -> Sonoscope:
    """``sonoscope("analyze", file)`` as the shell would run it, without the cost of a new interpreter."""

    def run(*words: object) -> Ran:
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode("utf-8"), err.decode("utf-8"))

    return run


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An organ (WAV), a beat (FLAC) and, one level down, a plucked string (left channel only), 4 s each."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "sub").mkdir()
    string = plucked_string(np.random.default_rng(1))
    soundfile.write(folder / "organ.wav", organ(), SAMPLE_RATE)
    soundfile.write(folder / "beat.flac", beat(np.random.default_rng(1)), SAMPLE_RATE)
    soundfile.write(
        folder / "sub" / "string.wav", np.column_stack([string, np.zeros_like(string)]), SAMPLE_RATE
    )
    return folder


@pytest.fixture(scope="session")
def organ_wav(recordings: Path) -> Path:
    return recordings / "organ.wav"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file that is no sound, whatever its name says."""
    file = tmp_path / "broken.wav"
    file.write_text("this is text")
    return file
