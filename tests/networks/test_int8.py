"""Eight bits behind a gate: kept if it still says what it said, refused with figures if not; and the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import api, models
from sonoscope.cli import main
from sonoscope.data import sources
from sonoscope.errors import UsageError
from sonoscope.models.runtime import Runtime

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
import onnx

from sonoscope.networks import int8
from sonoscope.networks.fused import sounding

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def bundle():
    return models.load("instruments")


@pytest.fixture(scope="module")
def made(bundle, tmp_path_factory: pytest.TempPathFactory):
    """The shipped model in 8 bits, the verdict, and what was said."""
    said: list[str] = []
    folder = tmp_path_factory.mktemp("int8") / "small"
    found, verdict = int8.quantise(bundle, folder, int8.generated(bundle), say=said.append)
    return found, verdict, said


def test_it_is_a_bundle_that_says_nearly_the_same(bundle, made) -> None:
    found, verdict, _ = made
    assert (
        found.version == f"{bundle.version}-int8"
        and found.graph.stat().st_size < 0.5 * bundle.graph.stat().st_size
    )
    samples = sounding(np.random.default_rng(9), 6 * bundle.sample_rate, bundle.sample_rate)
    tables = [
        api.Model(each).analyze(samples, sample_rate=bundle.sample_rate).scores.probabilities
        for each in (bundle, found)
    ]
    difference = np.abs(tables[0] - tables[1])
    assert 0 < difference.mean() < 0.02 and difference.max() < 0.2
    assert (
        verdict.figure == "agreement" and 0.99 <= verdict.after <= 1.0 and verdict.loss == 1.0 - verdict.after
    )
    assert verdict.speed > 0


def test_what_was_found_stands_in_bundle_and_card(bundle, made) -> None:
    found, verdict, said = made
    gate = found.spec["quantised"]["gate"]
    assert found.spec["quantised"]["from"] == bundle.sha256 and gate["after"] == pytest.approx(
        verdict.after, abs=1e-5
    )
    assert said == [verdict.text()] and verdict.text() in found.card.read_text()
    assert "network" not in found.spec and set(found.spec["checksums"]) == {"model.onnx"}
    assert main(["models", "check", str(found.path)]) == 0


def test_the_first_and_the_last_layers_stay(bundle, made) -> None:
    kept = int8.ends(bundle.graph)
    nodes = {node.name: node for node in onnx.load(str(bundle.graph)).graph.node}
    convolutions = [name for name, node in nodes.items() if node.op_type == "Conv"]
    products = [name for name, node in nodes.items() if node.op_type == "MatMul"]
    members = bundle.spec["network"]["backbone"].get("members", 1)
    firsts = convolutions[:: len(convolutions) // members]
    assert sorted(kept) == sorted([*firsts, *products[-2:]])
    held = [
        entry.data_type for entry in onnx.load(str(made[0].graph)).graph.initializer if len(entry.dims) == 4
    ]
    assert sorted(held) == sorted(
        [onnx.TensorProto.FLOAT] * members + [onnx.TensorProto.INT8] * (len(convolutions) - members)
    )


@pytest.mark.slow
def test_too_large_a_loss_is_refused_with_the_figures_and_leaves_nothing(bundle, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"loses too much: agreement 1\.0000 -> .* The limit is -1 \(--max-loss\)"
    ):
        int8.quantise(bundle, tmp_path / "x", int8.generated(bundle), max_loss=-1.0)
    assert not list(tmp_path.iterdir())
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        int8.quantise(bundle, tmp_path / "there", int8.generated(bundle))


def test_where_labels_are_known_the_figure_is_map(bundle, made) -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(1)
    clips = tuple(sounding(rng, bundle.sample_rate * 2, bundle.sample_rate) for _ in range(12))
    truth = (rng.random((12, 14)) < 0.4).astype(np.float32)
    known = rng.random((12, 14)) < 0.8
    truth[:, 3] = 0.0
    verdict = int8.judge(bundle, made[0], int8.Sound(clips, truth, known), [])
    for each, value in ((bundle, verdict.before), (made[0], verdict.after)):
        runtime = Runtime(each)
        means = np.stack([int8.probabilities(runtime, clip).mean(axis=0) for clip in clips])
        heard = [k for k in range(14) if truth[known[:, k], k].any()]
        expected = np.mean(
            [average_precision_score(truth[known[:, k], k], means[known[:, k], k]) for k in heard]
        )
        assert value == pytest.approx(expected, abs=1e-6)
    assert verdict.figure == "mAP" and verdict.labels == len(heard) == 13
    assert verdict.loss == pytest.approx(verdict.before - verdict.after)


@pytest.mark.slow
def test_notes_agree_in_what_one_or_the_other_hears(tmp_path: Path) -> None:
    from sklearn.metrics import f1_score

    original = models.load("notes")
    clips = int8.generated(original).clips[:4]
    made, verdict = int8.quantise(original, tmp_path / "notes", int8.Sound(clips), max_loss=1.0)
    limits = np.repeat([original.rules.onset, original.rules.sustain], 88)
    heard = [
        np.concatenate([int8.probabilities(Runtime(each), clip) >= limits for clip in clips[1::2]]).ravel()
        for each in (original, made)
    ]
    assert verdict.after == pytest.approx(f1_score(*heard)) and 0.9 < verdict.after < 1.0


@pytest.fixture(scope="module")
def recordings(bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of two labels, four clips in each."""
    root, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(3)
    for label in ("violin", "flute"):
        (root / label).mkdir()
        for k in range(4):
            soundfile.write(root / label / f"{k}.wav", sounding(rng, 3 * 8000, 8000), 8000)
    return root


def test_clips_of_data_come_with_what_is_known(bundle, recordings: Path, tmp_path: Path) -> None:
    sound = int8.sound_of(sources.load([str(recordings)]), bundle)
    assert len(sound.clips) == 8 and all(abs(clip.size - 3 * bundle.sample_rate) < 50 for clip in sound.clips)
    assert sound.truth is not None and sound.truth.sum(axis=0)[bundle.label_ids.index("violin")] == 4
    other = tmp_path / "unheard"
    other.mkdir()
    (recordings / "violin").rename(other / "tractor")
    try:
        assert int8.sound_of(sources.load([str(other)]), bundle).truth is None
    finally:
        (other / "tractor").rename(recordings / "violin")
    (other / "tractor").mkdir()
    soundfile.write(other / "tractor" / "one.wav", np.zeros(800), 8000)
    with pytest.raises(UsageError, match="1 of the data's 1 clips can be read"):
        int8.sound_of(sources.load([str(other)]), bundle)


@pytest.mark.slow
def test_the_command_writes_graphs_and_bundles(
    bundle, recordings: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    graph, folder = tmp_path / "one.onnx", tmp_path / "small"
    words = [
        "models",
        "export",
        "instruments",
        str(recordings),
        "-o",
        str(folder),
        "--int8",
        "--max-loss",
        "1",
    ]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert out == f"{folder}\n" and "mAP " in err and "2 labels" in err
    assert models.load(folder).spec["quantised"]
    assert main(["models", "export", str(folder), "-o", str(graph), "--hop", "0.25"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{graph}\n" and "a window every 0.25 s" in err and "of the pipeline's" in err
    assert [entry.name for entry in onnx.load(str(graph)).graph.input] == ["samples"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "x"], "a graph's name ends in .onnx; a folder is for a bundle in 8 bits (--int8)"),
        (["-o", "x.onnx", "--max-loss", "0.1"], "--max-loss is about 8 bits: add --int8"),
        (["clips", "-o", "x.onnx"], "DATA is about 8 bits: add --int8"),
        (["-o", "x", "--int8", "--max-loss", "2"], "--max-loss 2 must lie in 0..1"),
        (["-o", "x", "--int8", "--hop", "0.1"], "--hop is part of a graph"),
        (["-o", "no/x.onnx"], "there is no folder no. Make it first"),
        (["-o", "x.onnx", "--hop", "9"], "hop=9.0 s is out of range"),
    ],
)
def test_wrong_use(words: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "export", "instruments", *words]) == 2
    assert message in capfd.readouterr().err
