"""Samples in, scores out: one graph, equal to the pipeline at any length."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sonoscope import features
from sonoscope.errors import BadBundle, UsageError
from sonoscope.models.bundle import Bundle, open_bundle, sha256_of
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
import onnxruntime  # noqa: E402

from sonoscope.networks import fused, notes  # noqa: E402
from sonoscope.networks.noteexport import write_note_bundle  # noqa: E402
from sonoscope.networks.plain import Plain, framed, rfft  # noqa: E402
from sonoscope.networks.writer import Writer  # noqa: E402

pytestmark = pytest.mark.train

RATE = 8000
TINY_NOTES = features.NoteFreq(
    sample_rate=RATE, hop_samples=160, before_samples=1536, after_samples=512, short_samples=512,
    n_pitches=264, f_min_hz=16.0,
)  # fmt: skip


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def music(n: int, seed: int = 0) -> np.ndarray:
    return fused.sounding(np.random.default_rng(seed), n, RATE)


# ---- spectra as products -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 256, 400, 551, 1103, 2048, 8192])
def test_the_transform_is_an_fft(n: int) -> None:
    frames = torch.randn(3, 2, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    expected = torch.fft.rfft(frames)
    got = rfft(frames)
    assert got.real.shape == expected.shape
    torch.testing.assert_close(got.real, expected.real, atol=1e-9, rtol=0)
    torch.testing.assert_close(got.imag, expected.imag, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("length", "hop"), [(8, 8), (8, 3), (10, 4), (5, 7), (1, 1)])
def test_frames_are_those_of_unfold(length: int, hop: int) -> None:
    samples = torch.arange(2 * 61.0).reshape(2, 61)
    assert torch.equal(framed(samples, length, hop), samples.unfold(-1, length, hop))


def test_inside_features_are_what_they_are_outside_and_other_transforms_are_refused() -> None:
    samples = torch.from_numpy(music(4000)[None])
    feature = features.LogMel(
        sample_rate=RATE, n_fft=512, hop_samples=80, n_mels=20, f_min_hz=60.0, f_max_hz=4000.0
    )
    outside = feature.valid(samples)
    with Plain():
        torch.testing.assert_close(feature.valid(samples), outside, atol=2e-3, rtol=0)
        with pytest.raises(UsageError, match=r"torch\.fft\.ifft has no form as products"):
            torch.fft.ifft(samples)


# ---- models of windows -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fused_file(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fused") / "tiny.onnx"
    assert fused.write_fused(bundle, path) <= 1e-4
    assert list(path.parent.iterdir()) == [path]
    return path


@pytest.mark.parametrize("n", [1, 100, 1600, 3199, 3200, 3201, 16_000, 40_123])
def test_scores_logits_and_embeddings_are_the_pipelines(fused_file: Path, bundle: Bundle, n: int) -> None:
    samples = music(n)
    scores, logits, vectors = session(fused_file).run(["scores", "logits", "embedding"], {"samples": samples})
    scorer = Runtime(bundle).scorer(bundle.hop_samples, embeddings=True)
    parts = [scorer.push(samples), scorer.close()]
    expected, embeddings = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert logits.shape == expected.shape
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    np.testing.assert_allclose(vectors, embeddings, atol=1e-3)
    np.testing.assert_allclose(
        scores, fused.expected_scores(Runtime(bundle), samples, bundle.hop_samples), atol=1e-4
    )


def test_silence_is_scored(fused_file: Path, bundle: Bundle) -> None:
    samples = np.zeros(9000, dtype=np.float32)
    (scores,) = session(fused_file).run(["scores"], {"samples": samples})
    np.testing.assert_allclose(
        scores, fused.expected_scores(Runtime(bundle), samples, bundle.hop_samples), atol=1e-4
    )


def test_the_file_says_what_it_is(fused_file: Path, bundle: Bundle) -> None:
    about = json.loads(session(fused_file).get_modelmeta().custom_metadata_map["sonoscope"])
    assert [label["id"] for label in about["labels"]] == list(bundle.label_ids)
    assert (about["sample_rate"], about["window"], about["hop"]) == (RATE, 3200, 1600)
    assert about["sha256"] == bundle.sha256 and about["licence"] == "MIT"
    assert set(about["decision"]["labels"]) == set(bundle.label_ids)


def test_windows_off_the_grid_of_the_trunk_are_cut_first(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    fused.write_fused(bundle, path, hop_samples=777)
    samples = music(9001)
    (scores,) = session(path).run(["scores"], {"samples": samples})
    np.testing.assert_allclose(scores, fused.expected_scores(Runtime(bundle), samples, 777), atol=1e-4)


def sample_bundle(folder: Path) -> Bundle:
    """A graph that takes windows of 100 samples and answers with their mean and their energy."""
    writer = Writer()
    mean = writer.node("ReduceMean", "wave", writer.numbers(1), keepdims=1)
    energy = writer.node("ReduceMean", writer.node("Mul", "wave", "wave"), writer.numbers(1), keepdims=1)
    logits = writer.node("Concat", mean, energy, axis=1)
    model = writer.model({"wave": ["batch", 100]}, {"out": (logits, ["batch", 2])})
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    spec = {
        "schema": "1.0", "name": "wave", "version": "1", "task": "tagging",
        "labels": [{"id": "mean"}, {"id": "energy"}], "sample_rate": RATE, "window": 100, "hop": 50, "licence": "MIT",
        "input": {"name": "wave", "kind": "samples", "axes": ["batch", "sample"]},
        "outputs": {"clip": {"name": "out", "axes": ["batch", "label"]}},
        "calibration": {"mean": {"slope": 2.0, "offset": 0.1}, "energy": {"slope": 1.0, "offset": 0.0}},
        "decision": {"labels": {i: {"threshold": 0.5, "low_threshold": 0.4} for i in ("mean", "energy")}},
        "checksums": {"model.onnx": sha256_of(folder / "model.onnx")},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(spec))
    return open_bundle(folder)


def test_a_graph_on_samples_gets_its_windows(tmp_path: Path) -> None:
    made = sample_bundle(tmp_path / "wave")
    path = tmp_path / "wave.onnx"
    fused.write_fused(made, path)
    samples = music(433)
    (scores,) = session(path).run(["scores"], {"samples": samples})
    padded = np.pad(samples, (0, 100))
    windows = [padded[first : first + 100] for first in range(0, 351, 50)]
    logits = np.array([[w.mean(), (w * w).mean()] for w in windows]) * [2.0, 1.0] + [0.1, 0.0]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_what_cannot_be_one_graph_is_refused_with_the_reason(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match=r"hop_samples=0 must lie in 1\.\.3200"):
        fused.Plan(bundle, 0)
    hpss = SimpleNamespace(feature=features.Hpss(), name="h", spec={"input": {}}, task="tagging")
    stacked = features.Channels((features.LogMel(22_050, hop_samples=256, f_max_hz=11_025.0), features.Cqt()))
    for feature, reason in (
        (features.Morlet(), "as long as the sound"),
        (stacked, "every octave halves a length"),
    ):
        made = SimpleNamespace(feature=feature, name="x", spec={"input": {}}, task="tagging")
        with pytest.raises(UsageError, match=f"cannot be part of a graph: .*{reason}"):
            fused.Plan(made, 10)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'hpss' computes on NumPy arrays only"):
        fused.Plan(hpss, 10)  # type: ignore[arg-type]


def test_a_graph_that_differs_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, expected = sample_bundle(tmp_path / "wave"), fused.expected_scores
    monkeypatch.setattr(fused, "expected_scores", lambda *arguments: expected(*arguments) + 2e-3)
    with pytest.raises(BadBundle, match=r"differs from the pipeline by 2\.\d\de-03 \(limit 1e-04\)"):
        fused.write_fused(made, tmp_path / "wave.onnx")
    assert [entry.name for entry in tmp_path.iterdir()] == ["wave"]


# ---- fronts of other features, and notes -------------------------------------------------------------------


@pytest.mark.parametrize(
    "feature",
    [
        features.Stft(sample_rate=RATE, n_fft=256, hop_samples=80),
        features.Multiband(sample_rate=RATE, hop_samples=64, bands=((0, 1000, 256), (1000, 4000, 128))),
        features.Fbank(sample_rate=RATE),
    ],
    ids=lambda feature: feature.name,
)
def test_rows_of_other_features_are_theirs(feature: features.Feature, tmp_path: Path) -> None:
    plan = SimpleNamespace(
        feature=feature, shared=True, hop=0, shortest=feature.left_context + feature.right_context
    )
    fused.write_front(plan, tmp_path / "front.onnx", 18)  # type: ignore[arg-type]
    run = session(tmp_path / "front.onnx").run
    for n in (plan.shortest, plan.shortest + 1, 5000):
        samples = music(n)
        np.testing.assert_allclose(run(None, {"samples": samples})[0][0], feature.valid(samples), atol=5e-3)


@pytest.mark.slow
def test_notes_are_those_of_the_pipeline(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = notes.build(notes.NoteSpec(first=4, channels=4, dilations=(1,), centred=1, n_pitches=264))
    with torch.no_grad():
        network.answer.weight.mul_(30.0)
        network.answer.bias.zero_()
    about = {"name": "n", "version": "1", "licence": "MIT", "decision": {"rules": {}, "origin": "none"}}
    write_note_bundle(network.eval(), tmp_path / "notes", about, feature=TINY_NOTES, card="")
    made, path = open_bundle(tmp_path / "notes"), tmp_path / "notes.onnx"
    assert fused.write_fused(made, path) <= 1e-4
    samples = music(RATE + 77)
    got = session(path).run(["onset", "sustain", "velocity"], {"samples": samples})
    scorer = NoteScorer(Runtime(made), frames=16)
    blocks = [*scorer.push(samples), *scorer.close()]
    expected = np.concatenate([block.sustain for block in blocks])
    assert [table.shape for table in got] == [expected.shape] * 3
    heard = expected > 0
    assert heard.any()
    np.testing.assert_allclose(got[1][heard], expected[heard], atol=1e-4)
