"""A note network becomes a bundle that hears what the network says."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonoscope import models  # noqa: E402
from sonoscope.errors import BadBundle  # noqa: E402
from sonoscope.features.notefreq import NoteFreq  # noqa: E402
from sonoscope.models.notes import NoteScorer  # noqa: E402
from sonoscope.models.runtime import Runtime  # noqa: E402
from sonoscope.networks import notes as networks  # noqa: E402
from sonoscope.networks.noteexport import write_note_bundle  # noqa: E402
from sonoscope.notes.scores import LEAST, concatenate  # noqa: E402

RECIPE = Path(__file__).parents[2] / "recipes" / "notes"
TINY = networks.NoteSpec(first=2, channels=4, dilations=(1, 12), centred=1)
ABOUT = {
    "name": "notes", "version": "0.1.0", "licence": "MIT", "decision": {"rules": {"onset": 0.6}, "origin": "nowhere"},
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> networks.NoteNetwork:
    torch.manual_seed(0)
    return networks.build(TINY).eval()


@pytest.fixture(scope="module")
def folder(network: networks.NoteNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_note_bundle(
        network, tmp_path_factory.mktemp("models") / "notes", ABOUT, feature=NoteFreq(), card="# Notes\n"
    )


def test_what_is_written(folder: Path, network: networks.NoteNetwork) -> None:
    assert sorted(f.name for f in folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "model.onnx",
        "model.safetensors",
    ]
    bundle = models.load(folder)
    assert (bundle.task, bundle.rules.onset, bundle.receptive_field, bundle.look_ahead_frames) == (
        "notes",
        0.6,
        9,
        3,
    )
    assert bundle.spec["look_ahead"] == 3 * 480 + 2048 and bundle.spec["export_difference"] < 1e-4
    assert networks.build(bundle.spec["network"]).spec == network.spec


def test_it_hears_what_the_network_says(folder: Path, network: networks.NoteNetwork) -> None:
    feature, runtime = NoteFreq(), Runtime(models.load(folder))
    sound = np.random.default_rng(0).standard_normal(24_000).astype(np.float32) * 0.1
    rows = np.pad(feature(sound)[:50], ((5, 0), (0, 0)), constant_values=feature.silence)
    with torch.no_grad():
        _, sustain, _ = (logits.sigmoid().numpy()[0] for logits in network(torch.from_numpy(rows)[None]))
    scorer = NoteScorer(runtime)
    heard = concatenate([*scorer.push(sound), *scorer.close()])
    said = np.where(sustain < LEAST, 0.0, sustain)
    assert np.abs(heard.sustain[: len(said)] - said).max() < 1e-3


def test_a_description_that_contradicts_itself_leaves_the_older_bundle(
    folder: Path, network: networks.NoteNetwork
) -> None:
    before = (folder / "bundle.json").read_bytes()
    wrong = {**ABOUT, "decision": {"rules": {"onset": 7}}}
    with pytest.raises(BadBundle, match="onset=7 must be a probability"):
        write_note_bundle(network, folder, wrong, feature=NoteFreq(), card="")
    assert (folder / "bundle.json").read_bytes() == before
    assert [f.name for f in folder.parent.iterdir()] == ["notes"]


def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """recipes/notes/bundle.py as a module."""
    monkeypatch.syspath_prepend(str(RECIPE))
    for name in ("bundle", "card", "settings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("bundle", RECIPE / "bundle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules.pop("card", None)
    return module


def test_the_recipe_makes_a_bundle_with_its_card(
    network: networks.NoteNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, work = tmp_path / "train-tiny", tmp_path
    trained.mkdir()
    (trained / "network.json").write_text(json.dumps(network.config))
    torch.save(network.state_dict(), trained / "averaged.pt")
    (trained / "history.csv").write_text("step,loss,learning_rate,cpu_s\n25,0.5,0.001,7200.0\n")
    group = {"recordings": 3, "onset_f1": 0.5, "offset_f1": 0.4, "late_ms": 1.0}
    rules = {"onset": 0.45, "onset_low": 0.2, "soft_length_s": None}
    (trained / "rules.json").write_text(
        json.dumps({"rules": rules, "reached": {"before": 0.4, "after": 0.5}, "groups": {"violin": group}})
    )
    row = {"recordings": 60, "f1": 0.9, "precision": 0.91, "recall": 0.89, "f1_offsets": 0.5, "late_s": -0.0001,
           "f1_interval": [0.88, 0.92], "frame_f1": 0.7}  # fmt: skip
    (trained / "validation.json").write_text(
        json.dumps({"groups": {"flute": row, "nc_maps": row}, "files": []})
    )
    (work / "bank-stems").mkdir()
    (work / "bank-stems" / "bank.json").write_text(json.dumps({"n_frames": 180_000}))
    (work / "bank-stems" / "items.csv").write_text(
        "key,name\nfluidr3/a.flac,piano\ncompositions/b.flac,piano_composition\nc,damaged_piano_composition\n"
    )
    module = recipe(monkeypatch)
    settings = module.read(RECIPE / "recipe.yaml")
    made = module.make(trained, work, tmp_path / "out" / "notes", version="1.2.3", recipe=settings)
    bundle = models.load(made)
    assert (bundle.version, bundle.rules.onset, bundle.rules.soft_length_s) == ("1.2.3", 0.45, None)
    assert bundle.spec["training_data"] | {"soundfonts": []} == {
        "stems": 3, "compositions": 1, "hours": 1.0, "soundfonts": [], "held_out": "timgm6mb", "steps": 25,
        "batch_size": settings["train"]["batch_size"], "cpu_hours": 2.0,
    }  # fmt: skip
    card = bundle.card.read_text()
    lines = card.splitlines()
    assert "| flute | 60 | 0.900 | 0.880–0.920 | 0.910 | 0.890 | 0.500 | 0 ms |" in lines
    # What the world knows comes first.
    piano = next(k for k, line in enumerate(lines) if "MAPS" in line and line.startswith("|"))
    assert piano < lines.index("| flute | 60 | 0.900 | 0.880–0.920 | 0.910 | 0.890 | 0.500 | 0 ms |")
    assert "Fitted on 3 recordings" in card and "| `soft_length_s` | none |" in lines
    own = {"onset_f1": 0.8123, "onset_f1_interval": [0.8, 0.83], "precision": 0.9, "recall": 0.7, "offset_f1": 0.6,
           "late_ms": 1.5}  # fmt: skip
    entry = {"recordings": 9, "systems": {"ours": own}}
    names = ("nc_maps: pianos", "timgm6mb: flute", "timgm6mb: all instruments", "timgm6mb: organ, by key",
             "real notes: flute", "real notes: all instruments")  # fmt: skip
    (tmp_path / "compared.json").write_text(
        json.dumps({"ours": "ours", "groups": dict.fromkeys(names, entry)})
    )
    module.tell(made, tmp_path / "compared.json")
    told = [line for line in models.load(made).card.read_text().splitlines() if "| 9 | 0.812 |" in line]
    assert [line.split("|")[1].split()[0] for line in told] == ["piano:", "recorded", "flute"]
    module.keep_results(trained, tmp_path / "results")
    assert sorted(f.name for f in (tmp_path / "results").iterdir()) == [
        "history.csv",
        "rules.json",
        "validation.json",
    ]
