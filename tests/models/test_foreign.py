"""Graphs that others made become bundles: BirdNET, Perch and YAMNet in small, and rows of our features in any order."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoscope import features, models, pipeline
from sonoscope.errors import BadBundle, UnknownName, UsageError
from sonoscope.models.foreign import Wish, import_graph
from sonoscope.models.runtime import Runtime
from sonoscope.values import Label

pytest.importorskip("onnx")
pytest.importorskip("torch")
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.train

RATE, N = 8000, 800
LABELS = (Label("one"), Label("two"), Label("three"))
RNG = np.random.default_rng(5)
#: What the toys know: (samples, embedding) and (embedding, labels).
INNER = (RNG.standard_normal((N, 4)) / np.sqrt(N)).astype(np.float32)
OUTER = (RNG.standard_normal((4, 3)) * 8).astype(np.float32)


def toy(
    path: Path,
    nodes: list[Any],
    shape: list[Any],
    outputs: dict[str, list[Any]],
    opset: int = 17,
    **held: Any,
) -> Path:
    """A graph on ``wave``; constants by name."""
    values = [numpy_helper.from_array(np.asarray(array), name) for name, array in held.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()]
    wave = helper.make_tensor_value_info("wave", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "toy", [wave], ends, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def birdnet(folder: Path) -> Path:
    """One window at a time: samples (1, n) to logits (1, labels) and an embedding."""
    nodes = [node("MatMul", "wave inner", "embeds"), node("MatMul", "embeds outer", "logits")]
    return toy(
        folder / "birdnet.onnx", nodes, [1, N], {"logits": [1, 3], "embeds": [1, 4]}, inner=INNER, outer=OUTER
    )


def perch(folder: Path) -> Path:
    """Any number of windows: samples (batch, n)."""
    nodes = [node("MatMul", "wave inner", "embedding"), node("MatMul", "embedding outer", "label")]
    ends = {"embedding": ["batch", 4], "label": ["batch", 3]}
    return toy(folder / "perch.onnx", nodes, ["batch", N], ends, opset=13, inner=INNER, outer=OUTER)


def yamnet(folder: Path) -> Path:
    """A signal of any length: samples (n) to probabilities (frames, labels), a frame for each 100 samples."""
    nodes = [
        node("Reshape", "wave rows", "framed"), node("MatMul", "framed short", "inside"),
        node("MatMul", "inside outer", "logits"), node("Sigmoid", "logits", "predictions"),
    ]  # fmt: skip
    ends = {"predictions": ["frames", 3], "inside": ["frames", 4]}
    return toy(
        folder / "yamnet.onnx", nodes, ["n"], ends, rows=np.array([-1, 100]), short=INNER[:100], outer=OUTER
    )


def rows_of_logmel(folder: Path) -> Path:
    """Pictures (batch, 1, bins, time)."""
    nodes = [
        node("ReduceMean", "wave", "mean", axes=[1, 3], keepdims=0), node("MatMul", "mean inner", "embeds"),
        node("MatMul", "embeds outer", "logits"),
    ]  # fmt: skip
    inner = (RNG.standard_normal((20, 4)) / 200).astype(np.float32)
    ends = {"logits": ["batch", 3], "embeds": ["batch", 4]}
    return toy(folder / "mel.onnx", nodes, ["batch", 1, 20, "time"], ends, inner=inner, outer=OUTER)


LOGMEL = features.LogMel(RATE, 256, 80, 20, 60.0, 4000.0)


def wish(**changes: Any) -> Wish:
    return Wish(**{"labels": LABELS, "sample_rate": RATE, "window_s": N / RATE, **changes})


def music(n: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(1).standard_normal(n)).astype(np.float32)


def windows(samples: np.ndarray, hop: int = N) -> np.ndarray:
    count = 1 + max(-(-(samples.size - N) // hop), 0)
    padded = np.pad(samples, (0, N))
    return np.stack([padded[k * hop : k * hop + N] for k in range(count)])


def scored(folder: Path, samples: np.ndarray) -> Any:
    bundle = models.load(folder)
    return pipeline.score_samples(
        samples, RATE, bundle, Runtime(bundle), embeddings=bool(bundle.embedding_size)
    ).scores


def test_one_window_at_a_time(tmp_path: Path) -> None:
    bundle, told = import_graph(birdnet(tmp_path), tmp_path / "b", wish(embedding="embeds", hop_s=0.05))
    assert bundle.spec["input"]["batch"] == 1 and bundle.embedding_size == 4
    assert any("windows are run 1 at a time" in line for line in told)
    samples = music(5 * N + 17)
    found, given = scored(tmp_path / "b", samples), windows(samples, N // 2)
    np.testing.assert_allclose(found.logits, given @ INNER @ OUTER, atol=6e-4)
    np.testing.assert_allclose(found.embeddings, given @ INNER, atol=1e-5)


def test_any_number_of_windows(tmp_path: Path) -> None:
    bundle, told = import_graph(
        perch(tmp_path), tmp_path / "b", wish(embedding="embedding", licence="Apache-2.0")
    )
    assert "batch" not in bundle.spec["input"] and bundle.licence == "Apache-2.0"
    assert any("taken as logit (--scale probability if that is wrong)" in line for line in told)
    samples = music(11 * N)
    np.testing.assert_allclose(
        scored(tmp_path / "b", samples).logits, windows(samples) @ INNER @ OUTER, atol=6e-4
    )


def test_frames_of_probabilities_are_averaged(tmp_path: Path) -> None:
    bundle, told = import_graph(yamnet(tmp_path), tmp_path / "b", wish(embedding="inside"))
    assert bundle.spec["outputs"]["clip"] == {
        "name": "predictions",
        "axes": ["time", "label"],
        "scale": "probability",
    }
    assert any("taken as probability" in line for line in told)
    samples = music(3 * N)
    framed = windows(samples).reshape(3, 8, 100) @ INNER[:100]
    p = (1 / (1 + np.exp(-(framed @ OUTER)))).mean(axis=1)
    found = scored(tmp_path / "b", samples)
    np.testing.assert_allclose(found.probabilities, p, atol=2e-4)
    np.testing.assert_allclose(found.embeddings, framed.mean(axis=1), atol=1e-5)


def test_rows_of_our_features_in_another_order(tmp_path: Path) -> None:
    bundle, told = import_graph(
        rows_of_logmel(tmp_path), tmp_path / "b", wish(feature=LOGMEL, embedding="embeds")
    )
    assert bundle.spec["input"]["axes"] == ["batch", "channel", "bin", "time"] and bundle.window_frames == 11
    assert "takes rows of logmel as wave (batch, 1, 20, time): batch, channel, bin, time" in told
    samples = music(4 * N)
    assert scored(tmp_path / "b", samples).logits.shape == (4, 3)
    assert np.ptp(scored(tmp_path / "b", samples).logits) > 0.1


def test_windows_that_change_each_other_are_run_one_by_one(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", "wave", "mean", axes=[0], keepdims=1), node("Sub", "wave mean", "apart"),
        node("MatMul", "apart inner", "embeds"), node("MatMul", "embeds outer", "logits"),
    ]  # fmt: skip
    graph = toy(tmp_path / "g.onnx", nodes, ["batch", N], {"logits": ["batch", 3]}, inner=INNER, outer=OUTER)
    bundle, told = import_graph(graph, tmp_path / "b", wish())
    assert bundle.spec["input"]["batch"] == 1
    assert any("windows in one batch change each other's scores" in line for line in told)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (perch, {"window_s": 0.2}, r"takes 800 samples, and --window 0.2 s at 8000 Hz are 1600: --window 0.1"),
        (perch, {"labels": LABELS[:2]}, "no output is as wide as there are labels, 2; the outputs are embedding"),
        (perch, {"scores": "labl"}, r"'labl': the outputs are embedding \(3, 4\), label \(3, 3\)\. Did you"),
        (perch, {"scores": "embedding"}, r"'embedding' has shape \(3, 4\) and there are 3 labels"),
        (perch, {"embedding": "x"}, "--embedding 'x': the outputs are"),
        (perch, {"hop_s": 0.3}, "--hop 0.3 s must be above 0 and at most the window, 0.1 s"),
        (perch, {"sample_rate": 0}, "--sample-rate 0"),
        (perch, {"scale": "odds"}, "unknown scale 'odds'"),
        (perch, {"feature": LOGMEL}, r"has shape \(batch, 800\); rows of logmel come as \(batch, time, 20\)"),
        (perch, {"feature": LOGMEL, "sample_rate": 4000}, "differs from the feature's sample_rate=8000"),
        (rows_of_logmel, {}, r"has shape \(batch, 1, 20, time\); samples come as .* --set n_mels=20$"),
        (lambda f: f / "none.onnx", {}, "there is no such file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_there_is(make, changes, message: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, UnknownName), match=message):
        import_graph(make(tmp_path), tmp_path / "b", wish(**changes))
    assert not (tmp_path / "b").exists() and not list(tmp_path.glob(".b*"))


def test_other_graphs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"no graph")
    with pytest.raises(BadBundle, match=r"text\.onnx cannot be run .* save them in one"):
        import_graph(tmp_path / "text.onnx", tmp_path / "b", wish())
    nodes = [node("MatMul", "wave inner", "logits"), node("Add", "logits place", "moved")]
    graph = toy(tmp_path / "two.onnx", nodes, ["batch", N], {"moved": ["batch", 3]}, inner=(INNER @ OUTER))
    model = helper.make_tensor_value_info("place", TensorProto.FLOAT, ["batch", 3])
    import onnx

    held = onnx.load(graph)
    held.graph.input.append(model)
    onnx.save(held, graph)
    with pytest.raises(
        UsageError, match=r"takes wave \(batch, 800\), place \(batch, 3\); one input is needed"
    ):
        import_graph(graph, tmp_path / "b", wish())
    import_graph(perch(tmp_path), tmp_path / "b", wish())
    with pytest.raises(UsageError, match="is there already"):
        import_graph(perch(tmp_path), tmp_path / "b", wish())


# ---- what can be done with one -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [birdnet, perch, yamnet])
def test_one_graph_from_samples_to_scores(make, tmp_path: Path) -> None:
    from sonoscope.networks.fused import write_fused

    bundle, _ = import_graph(make(tmp_path), tmp_path / "b", wish(hop_s=0.05))
    assert write_fused(bundle, tmp_path / "fused.onnx") <= 1e-4


@pytest.mark.parametrize(("make", "output"), [(birdnet, "embeds"), (perch, "embedding"), (yamnet, "inside")])
def test_its_embedding_is_a_frozen_backbone(make, output: str, tmp_path: Path) -> None:
    import torch

    from sonoscope.networks import backbones

    import_graph(make(tmp_path), tmp_path / "b", wish(embedding=output))
    backbone = backbones.build({"name": "bundle", "model": str(tmp_path / "b")}, 1)
    assert (backbone.dim, backbone.wants.kind, backbone.wants.sample_rate) == (4, "samples", RATE)
    assert (backbone.shortest, backbone.wants.longest) == (N, N)
    samples = music(5 * N).reshape(5, N)
    vectors = backbone(torch.from_numpy(samples))
    expected = scored(tmp_path / "b", samples.reshape(-1)).embeddings
    np.testing.assert_allclose(vectors[:, 0].numpy(), expected, atol=1e-5)


def test_a_head_on_its_embedding_is_a_bundle_again(tmp_path: Path) -> None:
    from sonoscope.networks.asking import asked
    from sonoscope.networks.writer import Writer

    samples = windows(music(6 * N))
    for make, output in ((birdnet, "embeds"), (yamnet, "inside"), (perch, "embedding")):
        folder = tmp_path / make.__name__
        bundle, _ = import_graph(make(tmp_path), folder, wish(embedding=output))
        writer = Writer()
        logits, vectors = asked(writer, bundle, "samples", ["clip", "embedding"])
        model = writer.model(
            {"samples": ["batch", N]}, {"y": (logits, ["batch", 3]), "v": (vectors, ["batch", 4])}
        )
        import onnxruntime

        got = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"samples": samples})
        expected = Runtime(bundle).windows(samples, embeddings=True)
        np.testing.assert_allclose(got[0], expected[0], atol=1e-4)
        np.testing.assert_allclose(got[1], expected[1], atol=1e-5)


def test_the_command_imports_and_the_model_analyses(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    from sonoscope.cli import main

    with open(tmp_path / "classes.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("index", "mid", "display_name"), *((k, f"/m/{k}", f"Name {k}") for k in range(3))]
        )
    soundfile.write(tmp_path / "a.wav", music(RATE), RATE)
    words = ["--labels", str(tmp_path / "classes.csv"), "--sample-rate", str(RATE), "--window", "0.1"]
    graph = str(perch(tmp_path))
    assert (
        main(["models", "import", graph, *words, "-o", str(tmp_path / "own"), "--embedding", "embedding"])
        == 0
    )
    out, err = capfd.readouterr()
    assert out.strip() == str(tmp_path / "own") and "embeddings are embedding (3, 4)" in err
    bundle = models.load(tmp_path / "own")
    assert bundle.name == "own" and [label.id for label in bundle.labels] == ["Name 0", "Name 1", "Name 2"]
    assert bundle.labels[1].audioset_mid == "/m/1"
    assert (
        main(["analyze", str(tmp_path / "a.wav"), "-m", str(tmp_path / "own"), "-o", str(tmp_path / "a.csv")])
        == 0
    )
    assert main(["models", "check", str(tmp_path / "own")]) == 0
    assert "own: whole" in capfd.readouterr().out
    assert main(["models", "import", graph, *words, "-o", str(tmp_path / "x"), "--set", "n_mels=3"]) == 2
    (tmp_path / "l.txt").write_text("a\nb\nc\n")
    assert (
        main(
            [
                "models",
                "import",
                graph,
                "--labels",
                str(tmp_path / "l.txt"),
                *words[2:],
                "-o",
                str(tmp_path / "y"),
            ]
        )
        == 0
    )
    assert [
        entry["id"] for entry in json.loads((tmp_path / "y" / "bundle.json").read_text())["labels"]
    ] == list("abc")
