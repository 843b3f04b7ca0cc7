"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of labelled recordings beside the project (``SONOSCOPE_DATA`` or ``../shared/data``), or a skip."""
    root = Path(os.environ.get("SONOSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "manifest.csv").is_file():
        pytest.skip(f"no labelled recordings at {root}")
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Children can be interrupted, also where the tests run in the background of a shell, which ignores SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
