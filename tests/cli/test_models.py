"""``sonoscope models``: the table, the card, and damage of every kind found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sonoscope import models

from .conftest import Sonoscope


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped model that may be damaged."""
    return Path(shutil.copytree(models.load("instruments").path, tmp_path / "models" / "mine"))


def change(bundle: Path, **values: object) -> None:
    described = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(described | values))


def test_list_is_a_table_of_the_models_that_can_be_named(sonoscope: Sonoscope, bundle: Path, monkeypatch):
    monkeypatch.setenv("SONOSCOPE_MODELS", str(bundle.parent))
    ran = sonoscope("models", "list")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.code == 0 and lines[0] == ["name", "task", "classes", "window", "size", "licence"]
    assert {line[0] for line in lines[1:]} >= {"instruments", "mine"}
    loaded = models.load("instruments")
    row = next(line for line in lines if line[0] == "instruments")
    assert row[1:3] == [loaded.task, str(len(loaded.labels))]
    assert row[3] == f"{loaded.window_samples / loaded.sample_rate:g}" and loaded.licence in row


def test_a_damaged_model_is_listed_on_stderr_beside_the_others(
    sonoscope: Sonoscope, bundle: Path, monkeypatch
):
    monkeypatch.setenv("SONOSCOPE_MODELS", str(bundle.parent))
    change(bundle, schema="9.0")
    ran = sonoscope("models", "list")
    assert ran.code == 2 and "instruments" in ran.out
    assert "mine: " in ran.err and "schema 9.0" in ran.err


def test_show_is_the_card_and_the_thresholds(sonoscope: Sonoscope, bundle: Path):
    (bundle / "README.md").write_text("# The card\n")
    ran = sonoscope("models", "show", bundle)
    assert ran.code == 0 and ran.out.startswith("# The card\n")
    loaded = models.load(bundle)
    for label in loaded.labels:
        line = next(line for line in ran.out.splitlines() if line.startswith(f"{label.id} "))
        assert label.name in line and f"{loaded.thresholds[label.id]:.2f}" in line


def test_show_of_an_unknown_model_names_the_nearest(sonoscope: Sonoscope):
    ran = sonoscope("models", "show", "instrument")
    assert ran.code == 2 and "Did you mean 'instruments'?" in ran.err


def test_check_finds_a_whole_bundle_whole(sonoscope: Sonoscope, bundle: Path):
    for named in ("instruments", bundle):
        ran = sonoscope("models", "check", named)
        assert ran.code == 0 and ran.out.splitlines()[-1] == "instruments: whole"
        assert all(line.startswith("ok ") for line in ran.out.splitlines()[:-1])


def test_check_finds_every_damage(sonoscope: Sonoscope, bundle: Path):
    graph = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(graph[: len(graph) // 2])
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 2
    assert "BAD   checksums: " in ran.out and "is not the file that bundle.json describes" in ran.out
    assert "BAD   graph: " in ran.out and "BAD   noise: " in ran.out
    assert "BAD   streamed: " in ran.out and "BAD   weights: " in ran.out
    assert ran.out.splitlines()[-1] == "instruments: 5 checks failed"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: (b / "model.safetensors").unlink(missing_ok=True), "model.safetensors is missing"),
        (lambda b: change(b, checksums={}), "model.onnx"),
        (lambda b: change(b, decision=_below_low(b)), "low_threshold=1.0 and threshold=0.5"),
        (lambda b: change(b, outputs=_renamed(b)), "lacks"),
    ],
)
def test_check_names_the_damage(damage, message, sonoscope: Sonoscope, bundle: Path):
    damage(bundle)
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 2 and message in ran.out + ran.err


def _below_low(bundle: Path) -> dict:
    decision = json.loads((bundle / "bundle.json").read_text())["decision"]
    first = next(iter(decision["labels"].values()))
    first["low_threshold"] = 1.0
    first["threshold"] = 0.5
    return decision


def _renamed(bundle: Path) -> dict:
    declared = json.loads((bundle / "bundle.json").read_text())["outputs"]
    declared["frame"]["name"] = "something_else"
    return declared


@pytest.mark.train
def test_check_compares_the_weights_with_the_graph(sonoscope: Sonoscope, bundle: Path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    from sonoscope.models.bundle import sha256_of

    file = bundle / "model.safetensors"
    held = load_file(file)
    held["head.logits.bias"] = held["head.logits.bias"] + torch.tensor(3.0, dtype=torch.float16)
    save_file(held, file)
    change(bundle, checksums={"model.onnx": sha256_of(bundle / "model.onnx"), file.name: sha256_of(file)})
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 2 and "is not what the graph was made of: answers differ by" in ran.out
    assert ran.out.splitlines()[-1] == "instruments: 1 check failed"
    change(bundle, network={"n_bins": 96, "n_classes": 14, "backbone": "mobile", "head": "linear"})
    assert "does not fit the network that bundle.json describes" in sonoscope("models", "check", bundle).out


def test_check_finds_a_field_that_is_not_the_graphs(sonoscope: Sonoscope, bundle: Path):
    outputs = json.loads((bundle / "bundle.json").read_text())["outputs"]
    outputs["frame"]["receptive_field"] = 27
    change(bundle, outputs=outputs)
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 2 and "BAD   streamed: windows alone differ by" in ran.out


def test_check_passes_over_what_cannot_be_compared(sonoscope: Sonoscope, bundle: Path):
    (bundle / "model.safetensors").unlink()
    checksums = json.loads((bundle / "bundle.json").read_text())["checksums"]
    change(bundle, checksums={"model.onnx": checksums["model.onnx"]})
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 0 and "--    weights: the bundle has none beside its graph" in ran.out


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx"])
def test_check_of_what_is_no_bundle_is_an_error(name: str, sonoscope: Sonoscope, bundle: Path):
    (bundle / name).unlink()
    ran = sonoscope("models", "check", bundle)
    assert ran.code == 2 and f"holds no {name}" in ran.err
