"""Simulated seasons, the recipe that measures intervals on them, and a folder of results with sites and starts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from sonoscope import runs
from sonoscope.outputs.tables import FilesRow, read_files, write_files

RECIPES = Path(__file__).parents[2] / "recipes" / "field"


def _module(name: str) -> ModuleType:
    """A file of recipes/field as a module."""
    # Only what other recipes import keeps its bare name: some names are packages' elsewhere.
    known = name if name == "seasons" else f"field_{name}"
    spec = importlib.util.spec_from_file_location(known, RECIPES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def seasons() -> ModuleType:
    return _module("seasons")


@pytest.fixture(scope="session")
def coverage(seasons: ModuleType) -> ModuleType:
    return _module("interval_coverage")


@pytest.fixture(scope="session")
def walk() -> ModuleType:
    return _module("walk")


def tune(rng: np.random.Generator, seconds: float = 12.0, rate: int = 22_050) -> np.ndarray:
    """Notes with harmonics over faint noise: something for a model of instruments to score."""
    time = np.arange(round(seconds * rate)) / rate
    sound = 0.003 * rng.standard_normal(len(time))
    for start in np.arange(0.0, seconds, 1.5):
        pitch = 110.0 * 2 ** (rng.integers(0, 24) / 12)
        on = (time >= start) & (time < start + 1.2)
        decay = np.exp(-2.5 * (time - start))
        sound += on * decay * sum(0.3 / k * np.sin(2 * np.pi * k * pitch * time) for k in range(1, 8))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def dated(out: Path, start: Callable[[FilesRow, int], FilesRow]) -> None:
    """Rewrite ``files.csv`` of a folder of results, row by row."""
    file = out / "files.csv"
    with open(file, encoding="utf-8", newline="") as handle:
        rows = [start(row, place) for place, row in enumerate(read_files(handle))]
    with open(file, "w", encoding="utf-8", newline="") as handle:
        write_files(rows, handle)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results beside ``recordings``: six recordings of 12 s at two sites, hours apart."""
    folder = tmp_path_factory.mktemp("season")
    rng = np.random.default_rng(7)
    for site in ("north", "south"):
        (folder / "recordings" / site).mkdir(parents=True)
        for hour in (8, 9, 21):
            soundfile.write(folder / "recordings" / site / f"2025-06-01_{hour:02d}.flac", tune(rng), 22_050)
    out = folder / "out"
    runs.run(runs.RunSpec((str(folder / "recordings"),), str(out), workers=1))

    def row(found: FilesRow, _: int) -> FilesRow:
        site, _, name = found.file.partition("/")
        hour = name[11:13]
        return FilesRow(
            **{
                **vars(found),
                "site": site,
                "start_datetime": f"2025-06-01T{hour}:00:00+02:00",
                "recorder": "",
            }
        )

    dated(out, row)
    return out
