"""Miniatures of the data sets."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("miniatures", Path(__file__).with_name("miniatures.py"))
miniatures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(miniatures)


@pytest.fixture
def miniature(tmp_path: Path) -> Callable[[str], Path]:
    """Make the data set of that name and return its root."""

    def make(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        miniatures.MINIATURES[name](root)
        return root

    return make


@pytest.fixture
def midi() -> Callable[..., Path]:
    """Write notes as a MIDI file."""
    return miniatures.midi


@pytest.fixture
def sound() -> Callable[..., Path]:
    """Write a short tone."""
    return miniatures.sound
