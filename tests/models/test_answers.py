"""A model that answers NaN: no silence, no empty table, and the other recordings have theirs."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from sonoscope import api, models
from sonoscope.cli import main
from sonoscope.embeddings import Embedder, Index
from sonoscope.errors import NoNumbers, UnreadableAudio
from sonoscope.live.streams import Listener
from sonoscope.models.bundle import sha256_of
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording

onnx = pytest.importorskip("onnx")

RATE = 24_000
TOLD = "answers by what is no number"


def damaged(source: Path, folder: Path, *kinds: str) -> Path:
    """A copy of a bundle whose outputs are NaN wherever a row of its features is loud (above -30 dB)."""
    shutil.copytree(source, folder)
    spec = json.loads((folder / "bundle.json").read_text())
    model = onnx.load(folder / "model.onnx")
    graph, node = model.graph, onnx.helper.make_node
    for name, value in (("limit", np.float32(-30.0)), ("zero", np.float32(0.0)), ("nan", np.float32(np.nan))):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
    made = [
        node("ReduceMax", [spec["input"]["name"]], ["loudest"], keepdims=0),
        node("Greater", ["loudest", "limit"], ["loud"]),
        node("Where", ["loud", "nan", "zero"], ["damage"]),
    ]
    for output in (spec["outputs"][kind]["name"] for kind in kinds):
        for each in graph.node:
            for names in (each.input, each.output):
                for place, name in enumerate(names):
                    if name == output:
                        names[place] = f"{output}_whole"
        made.append(node("Add", [f"{output}_whole", "damage"], [output]))
    graph.node.extend(made)
    onnx.save(model, folder / "model.onnx")
    spec["checksums"]["model.onnx"] = sha256_of(folder / "model.onnx")
    (folder / "bundle.json").write_text(json.dumps(spec | {"name": folder.name}))
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A soft recording, of which every model here has numbers, and a loud one."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, gain in (("soft", 2e-4), ("loud", 1.0)):
        sf.write(folder / f"{name}.wav", gain * loud(), RATE, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, notes_folder: Path) -> dict[str, Path]:
    """Bundles by what is NaN in them."""
    folder, field = tmp_path_factory.mktemp("broken"), models.load("field").path
    return {
        "scores": damaged(field, folder / "scores", "frame"),
        "vectors": damaged(field, folder / "vectors", "embedding"),
        "notes": damaged(notes_folder / "notes", folder / "notes", "onset", "sustain"),
    }


def loud() -> np.ndarray:
    """Three seconds at the rate of the model of notes."""
    return (0.5 * np.sin(2 * np.pi * 440.0 * np.arange(3 * RATE) / RATE)).astype(np.float32)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


@pytest.mark.parametrize("kind", ["scores", "notes"])
def test_a_run_tells_which_recording_and_completes_the_others(broken, sounds, tmp_path, capsys, kind) -> None:
    out = tmp_path / "out"
    assert main(["analyze", str(sounds), "-m", str(broken[kind]), "-o", str(out)]) == 1
    (error,) = rows(out / "errors.csv")
    assert error["file"] == "loud.wav" and TOLD in error["reason"] and "models check" in error["remedy"]
    assert {row["file"]: row["status"] for row in rows(out / "files.csv")} == {
        "loud.wav": "failed", "soft.wav": "ok",
    }  # fmt: skip
    assert "mistake of the program" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["scores", "notes"])
def test_without_a_folder_it_is_no_silence_either(broken, sounds, capsys, kind) -> None:
    assert main(["analyze", str(sounds / "loud.wav"), "-m", str(broken[kind])]) == 1
    told = capsys.readouterr()
    assert TOLD in told.err and "loud.wav" in told.err and "is heard" not in told.out


def test_embeddings_of_it_are_not_written_nor_indexed(broken, sounds, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["embed", str(sounds), "-m", str(broken["vectors"]), "-o", str(out)]) == 1
    assert TOLD in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["soft.wav.embeddings.npz"]
    index = Index(tmp_path / "index", Embedder(models.load(str(broken["vectors"]))), make=True)
    assert index.add(Recording(sounds / "soft.wav", "soft.wav")) > 0
    for asked in (index.add, index.query):
        with pytest.raises(UnreadableAudio, match=f"loud.wav: .*{TOLD}"):
            asked(Recording(sounds / "loud.wav", "loud.wav"))


def test_evaluate_leaves_the_clip_out_and_says_why(broken, sounds, tmp_path, capsys) -> None:
    manifest = tmp_path / "clips.csv"
    manifest.write_text(f"path,labels\n{sounds}/soft.wav,bird\n{sounds}/loud.wav,rain\n")
    assert main(["evaluate", str(broken["scores"]), str(manifest), "-o", str(tmp_path / "out")]) == 1
    assert TOLD in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["scores", "notes"])
def test_live(broken, kind) -> None:
    bundle = models.load(str(broken[kind]))
    decision = api.Model(bundle).decision() if kind == "scores" else None
    stream = Listener(bundle, Runtime(bundle), decision).begin(RATE)
    with pytest.raises(NoNumbers, match=TOLD):
        stream.push(loud())


def test_notes_that_cannot_be_heard_count_for_nothing(broken) -> None:
    """Of pitches above half the recording's own rate the answers are not used."""
    bundle = models.load(str(broken["notes"]))
    for rate, hears in ((50, False), (RATE, True)):
        scorer = NoteScorer(Runtime(bundle), source_rate=rate)
        scorer.push(loud())
        with pytest.raises(NoNumbers) if hears else nullcontext():
            scorer.close()
