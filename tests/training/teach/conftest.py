"""A base that is a toy: the powers of 24 bands of a quarter of a second; tones at sites that hum, as what is taught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("onnx")

from sonoscope.models import cache, foreign
from sonoscope.networks.writer import Writer
from sonoscope.values import Label

RATE, WINDOW, FRAME, BANDS = 8000, 2000, 200, 24
#: Backgrounds that are quick to make.
FEW = ("rain", "water", "thunder", "cricket", "cicada", "bird_song", "bird_trill", "bird_call", "engine", "propeller",
       "jet", "tool", "speech")  # fmt: skip


def write_graph(path: Path) -> None:
    """Samples (batch, n) to log powers (batch, 24) as ``vector``, and two logits of them."""
    graph = Writer()
    hertz = np.geomspace(100.0, 3800.0, BANDS)
    turns = 2 * np.pi * hertz * np.arange(FRAME)[:, None] / RATE
    hann = np.hanning(FRAME)[:, None]
    frames = graph.node("Reshape", "x", graph.numbers(-1, WINDOW // FRAME, FRAME))
    parts = [
        graph.node("MatMul", frames, graph.constant((wave(turns) * hann).astype(np.float32)))
        for wave in (np.cos, np.sin)
    ]
    power = graph.node("Add", *(graph.node("Mul", part, part) for part in parts))
    mean = graph.node("ReduceMean", power, graph.numbers(1), keepdims=0)
    vector = graph.node("Log", graph.node("Add", mean, graph.constant(np.float32(1e-3))))
    scores = graph.node("MatMul", vector, graph.constant(np.eye(BANDS, 2, dtype=np.float32)))
    model = graph.model(
        {"x": ["batch", WINDOW]}, {"vector": (vector, ["batch", BANDS]), "scores": (scores, ["batch", 2])}
    )
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy as somebody would import it."""
    folder = tmp_path_factory.mktemp("toy")
    write_graph(folder / "toy.onnx")
    wish = foreign.Wish((Label("a", "A"), Label("b", "B")), RATE, WINDOW / RATE, embedding="vector")
    foreign.import_graph(folder / "toy.onnx", folder / "toy", wish)
    return folder / "toy"


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Backgrounds are kept for these tests, and nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.CACHE, str(tmp_path_factory.mktemp("cache")))
        yield


def tone(
    rng: np.random.Generator, hertz: float, seconds: float, hum: float = 0.0, loud: float = 0.1
) -> np.ndarray:
    """A tone that wavers in pitch, over noise and a hum of its place."""
    t = np.arange(round(seconds * RATE)) / RATE
    sound = loud * np.sin(2 * np.pi * hertz * rng.uniform(0.97, 1.03) * t + rng.uniform(0, 6))
    if hum:
        sound += 0.05 * np.sin(2 * np.pi * hum * t)
    return (sound + 0.01 * rng.standard_normal(t.size)).astype(np.float32)


@pytest.fixture(scope="session")
def snippets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve snippets of ``low`` and of ``high`` from four sites, some shorter and some longer than the window."""
    root, rng = tmp_path_factory.mktemp("teach") / "snippets", np.random.default_rng(3)
    for label, hertz in (("low", 300.0), ("high", 1500.0)):
        for number in range(12):
            site = "ABCD"[number % 4]
            place = root / label / site
            place.mkdir(parents=True, exist_ok=True)
            seconds = (0.12, 0.3, 1.0)[number % 3]
            soundfile.write(
                place / f"{number}.wav", tone(rng, hertz, seconds, 60.0 * "ABCD".index(site)), RATE
            )
    return root
