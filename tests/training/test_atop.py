"""Heads on finished models: the input is the model's own, and what comes out is one bundle that needs nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
onnx = pytest.importorskip("onnx")

import sonoscope  # noqa: E402
from sonoscope import models  # noqa: E402
from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.training import atop, rundir  # noqa: E402
from sonoscope.training.config import Config, compose  # noqa: E402
from sonoscope.training.engine import fit  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
#: No module of this name can be imported any more.
WITHOUT = (
    "import sys; sys.modules['torch'] = sys.modules['onnx'] = None; "
    "from sonoscope.cli import main; sys.exit(main())"
)
QUICK = ("training.epochs=2", "training.epoch_batches=8", "training.learning_rate=0.02")
HEAR = """
import torch

class Model(torch.nn.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = 8000, 6, 6
    def __init__(self):
        super().__init__()
        self.frames = torch.nn.Linear(400, 6)

def load_model(path=""):
    torch.manual_seed(0)
    return Model()

def get_timestamp_embeddings(audio, model):
    frames = torch.nn.functional.pad(audio, (200, 200)).unfold(1, 400, 200)
    stamps = (torch.arange(frames.shape[1]) * 25.0).expand(len(audio), -1)
    return {answer}, stamps

def get_scene_embeddings(audio, model):
    return get_timestamp_embeddings(audio, model)[0].mean(dim=1)
"""


@pytest.fixture(scope="module")
def base(tones: Tones, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small network that tells the tones apart."""
    folder = tmp_path_factory.mktemp("runs") / "base"
    fit(tones("name=base", *QUICK), folder, say=lambda _: None)
    return folder / "bundle"


def shown(sounds: Path, *words: str) -> Config:
    """A configuration that says nothing of features."""
    data = {"train": [str(sounds)], "window_s": 1.0, "validation_share": 0.2, "test_share": 0.2}
    return compose({"data": data, "training": {"batch_size": 8}}, [*QUICK, *words])


def scores_without_torch(bundle: Path, recording: Path, out: Path) -> np.ndarray:
    """Mean probabilities of a recording's windows, by the command, where torch cannot be imported."""
    command = ["analyze", str(recording), "-m", str(bundle), "-o", str(out), "--scores", "--hop", "1"]
    subprocess.run([sys.executable, "-c", WITHOUT, *command], check=True, capture_output=True)
    table = np.loadtxt(next(out.glob("*.scores.csv")), delimiter=",", skiprows=1, ndmin=2)
    return table[:, 2:]


def test_a_head_on_a_bundle_is_a_bundle_of_its_own(sounds: Path, base: Path, tmp_path: Path):
    """Trained on somebody's bundle, which is then thrown away: it is analysed with where there is no torch."""
    beneath = shutil.copytree(base, tmp_path / "beneath")
    slowly = "training.learning_rate=0.003"  # far from the 32.767 at which logits of results end
    config = shown(
        sounds, f"network.backbone={{name: bundle, model: {beneath}}}", "network.head=linear", slowly
    )
    said: list[str] = []
    fit(config, tmp_path / "run", say=said.append)
    assert not any("no bundle" in line for line in said)
    written = rundir.read_config(tmp_path / "run")
    assert written.features[0] == json.loads((base / "bundle.json").read_text())["input"]["feature"]
    shutil.rmtree(beneath)
    bundle = models.load(tmp_path / "run" / "bundle")
    assert bundle.spec["export_difference"] <= 1e-4 and bundle.poolable
    assert bundle.spec["provenance"]["backbone"]["name"] == "base"
    assert "Only its head was trained: before it stands the model base 1.0.0" in bundle.card.read_text()
    answers = rundir.read_answers(tmp_path / "run" / "test.npz")
    model = sonoscope.load(bundle.path)
    slope, offset = bundle.calibration.T
    for name, expected in zip(answers.names, answers.scores, strict=True):
        logits = model.analyze(sounds / name.rpartition("@")[0], hop=1.0).scores.logits.mean(axis=0)
        np.testing.assert_allclose(1 / (1 + np.exp(-(slope * logits + offset))), expected, atol=5e-3)
    recording = sounds / "high" / "0.wav"
    found = scores_without_torch(bundle.path, recording, tmp_path / "out")
    np.testing.assert_allclose(found, model.analyze(recording, hop=1.0).scores.probabilities, atol=1e-4)


def test_a_head_that_pools_is_one_too(sounds: Path, base: Path, tmp_path: Path):
    words = (f"network.backbone=bundle:{base}", "network.head={name: mlp, layers: [8], over: mean+max}")
    fit(shown(sounds, *words), tmp_path / "run", say=lambda _: None)
    bundle = models.load(tmp_path / "run" / "bundle")
    assert "clip" in bundle.spec["outputs"] and bundle.spec["export_difference"] <= 1e-4
    # A head on that head: a graph that answers once for a window, whose length is taken from it.
    again = compose(
        {"data": {"train": [str(sounds)], "validation_share": 0.2, "test_share": 0.2}, "training": {"batch_size": 8}},
        [*QUICK, f"network.backbone=bundle:{bundle.path}", "network.head=linear"],
    )  # fmt: skip
    fit(again, tmp_path / "again", say=lambda _: None)
    assert rundir.read_config(tmp_path / "again").data.window_s == 1.0
    found = scores_without_torch(tmp_path / "again" / "bundle", sounds / "low" / "0.wav", tmp_path / "out")
    assert found.shape[1] == 3 and found.std() > 0


def test_a_head_on_a_classical_model_is_shown_as_many_rows_as_that(sounds: Path, base: Path, tmp_path: Path):
    from sonoscope.training import classical

    words = ("kind=classical", "model=logistic", f"features=[{{name: embedding, model: {base}}}]")
    classical.fit(shown(sounds, *words), tmp_path / "beneath", say=lambda _: None)
    beneath = models.load(tmp_path / "beneath" / "bundle")
    assert beneath.window_frames == 40, "one fewer than networks that see whole windows have"
    words = (f"network.backbone=bundle:{beneath.path}", "network.head=linear")
    fit(shown(sounds, *words), tmp_path / "run", say=lambda _: None)
    bundle = models.load(tmp_path / "run" / "bundle")
    assert bundle.window_frames == 40 and bundle.spec["export_difference"] <= 1e-4


def test_a_head_on_anybodys_graph_is_a_bundle(sounds: Path, base: Path, tones: Tones, tmp_path: Path):
    graph = shutil.copyfile(base / "model.onnx", tmp_path / "theirs.onnx")
    words = (
        f"network.backbone={{name: onnx, path: {graph}, output_name: frame_embedding}}",
        "network.head=linear",
    )
    fit(tones(*QUICK, *words), tmp_path / "run", say=lambda _: None)
    graph.unlink()
    bundle = models.load(tmp_path / "run" / "bundle")
    assert bundle.spec["export_difference"] <= 1e-4
    assert bundle.spec["provenance"]["backbone"]["graph"] == "theirs.onnx"
    found = scores_without_torch(bundle.path, sounds / "high" / "0.wav", tmp_path / "out")
    assert found.mean(axis=0).argmax() == sorted(("low", "middle", "high")).index("high")


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("model.frames(frames)", True),
        ("model.frames(frames if audio.abs().max() > 0.1 else 2 * frames)", False),
    ],
    ids=["a graph", "what it does depends on what it hears"],
)
def test_a_hear_module_is_a_bundle_where_torch_can_write_it(
    sounds: Path, tones: Tones, tmp_path: Path, answer: str, written: bool
):
    module = tmp_path / "embedder.py"
    module.write_text(HEAR.format(answer=answer))
    words = (
        f"network.backbone=hear:{module}",
        "features=[{name: samples, sample_rate: 8000}]",
        "network.head=linear",
    )
    said: list[str] = []
    fit(tones(*QUICK, *words), tmp_path / "run", say=said.append)
    if written:
        module.unlink()
        bundle = models.load(tmp_path / "run" / "bundle")
        assert bundle.spec["export_difference"] <= 1e-4 and bundle.spec["input"]["batch"] == 1
        found = scores_without_torch(bundle.path, sounds / "high" / "0.wav", tmp_path / "out")
        assert found.shape[1] == 3 and found.std() > 0
    else:
        assert not (tmp_path / "run" / "bundle").exists() and (tmp_path / "run" / "metrics.json").is_file()
        assert said[-1].startswith("no bundle: model.onnx cannot be written: torch's exporter says")
        assert f"'hear:{module}' is code of others" in said[-1]


def test_the_input_is_that_of_the_model(tones: Tones):
    config = atop.fitted(compose({}, ["network.backbone=bundle:field"]))
    field = models.load("field")
    assert config.features == (field.spec["input"]["feature"],) and config.data.window_s == 3.0
    assert atop.fitted(config) == config
    assert atop.fitted(tones()) == tones()
    with pytest.raises(
        UsageError, match=r"features: the model 'field' takes \{name: logmel, sample_rate: 24000, .*out"
    ):
        atop.fitted(tones("network.backbone=bundle:field"))
    with pytest.raises(UsageError, match=r"unknown model 'fiedl'\. Did you mean 'field'"):
        atop.fitted(compose({}, ["network.backbone=bundle:fiedl"]))
