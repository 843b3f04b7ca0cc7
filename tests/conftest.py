"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from sonoscope import features, models
from sonoscope.features.notefreq import NoteFreq
from sonoscope.labels import PITCHES
from sonoscope.models.bundle import Bundle, sha256_of

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

#: Of the hand-written bundle of notes.
FIELD, AHEAD, KEYS = 15, 4, 88
RULES = {"onset": 0.5, "onset_low": 0.2, "sustain": 0.5, "sustain_low": 0.4, "soft_length_s": None}


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


# ---- a model of notes ------------------------------------------------------------------------------------------


def write_graph(path: Path, feature: NoteFreq) -> None:
    """Onset where the short spectrum of a key rises by 12 dB in 60 ms, sustain where both spectra are above -44 dB."""
    onnx = pytest.importorskip("onnx")
    from sonoscope.networks.writer import Writer

    graph = Writer()
    middle = FIELD - 1 - AHEAD
    keys = {
        name: graph.constant(3 * np.arange(KEYS) + first)
        for name, first in (("long", 0), ("short", feature.n_pitches))
    }

    def at(row: int, part: str) -> str:
        """That part of the rows ``row`` after the first of each field, (batch, time, 88)."""
        picked = graph.node("Gather", "frames", keys[part], axis=2)
        last = row - FIELD + 1
        ends = graph.numbers(last if last else np.iinfo(np.int64).max)
        return graph.node("Slice", picked, graph.numbers(row), ends, graph.numbers(1))

    def scaled(name: str, offset: float, width: float) -> str:
        moved = graph.node("Add", name, graph.constant(np.float32(offset)))
        return graph.node("Sigmoid", graph.node("Div", moved, graph.constant(np.float32(width))))

    # The row that is farthest ahead counts too, a little: a graph that was fed too early would give other scores.
    farthest = scaled(at(FIELD - 1, "long"), 70.0, 20.0)
    loud = graph.node(
        "Mul", scaled(at(middle + 2, "long"), 44.0, 6.0), scaled(at(middle + 1, "short"), 44.0, 6.0)
    )
    rise = scaled(graph.node("Sub", at(middle + 1, "short"), at(middle - 2, "short")), -12.0, 6.0)
    onset = graph.node("Mul", graph.node("Mul", rise, farthest), scaled(at(middle + 2, "long"), 44.0, 6.0))
    shape: list[int | str] = ["batch", "frames", KEYS]
    model = graph.model(
        {"frames": ["batch", "time", feature.n_bins]},
        {"onset": (onset, shape), "sustain": (loud, shape), "velocity": (farthest, shape)},
    )
    onnx.save(model, str(path))


@pytest.fixture(scope="session")
def notes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with one named ``notes``, whose graph is written by hand.

    It hears the fundamentals of pure tones, and when they rise: what a network has learnt is not needed to test
    what is done with what it says.
    """
    folder = tmp_path_factory.mktemp("models") / "notes"
    folder.mkdir()
    feature = NoteFreq()
    write_graph(folder / "model.onnx", feature)
    frame = {"stride": 1, "hop": feature.hop_samples, "receptive_field": FIELD, "look_ahead": AHEAD}
    labels = [
        {"id": label.id, "name": label.name, "group": "pitch", "kind": "event", "midi": midi}
        for midi, label in list(PITCHES.items())[:KEYS]
    ]
    spec = {
        "schema": "1.0", "name": "notes", "version": "0.1.0", "task": "notes", "labels": labels,
        "sample_rate": feature.sample_rate, "licence": "MIT",
        "input": {"name": "frames", "kind": "feature", "feature": features.to_dict(feature)},
        "outputs": {name: {"name": name, **frame} for name in ("onset", "sustain", "velocity")},
        "states": [], "look_ahead": AHEAD * feature.hop_samples + feature.right_context,
        "decision": {"rules": RULES, "origin": "by hand"},
        "checksums": {"model.onnx": sha256_of(folder / "model.onnx")},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(spec))
    (folder / "README.md").write_text("# notes\n")
    return folder.parent


@pytest.fixture(scope="session")
def notes(notes_folder: Path) -> Bundle:
    return models.load(notes_folder / "notes")


def pure_tones(notes: list[tuple[float, float, int]], seconds: float, sample_rate: int) -> np.ndarray:
    """Pure tones from begin to end at MIDI pitches, each at -18 dB, float32; ends fade for 10 ms."""
    sound = np.zeros(round(seconds * sample_rate))
    for begin, end, pitch in notes:
        first, count = round(begin * sample_rate), round((end - begin) * sample_rate)
        t = np.arange(count) / sample_rate
        fade = np.minimum(1.0, (end - begin - t) / 0.01)
        sound[first : first + count] += 0.125 * fade * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    return sound.astype(np.float32)


@pytest.fixture(scope="session")
def tones() -> Callable[..., np.ndarray]:
    """``tones([(0.5, 0.9, 72)], seconds, sample_rate)``: pure tones, which the hand-written bundle hears."""
    return pure_tones
