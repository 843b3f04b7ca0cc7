"""Classical trainings from a folder of sounds to a bundle, for every model of the table and every kind of feature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

pytest.importorskip("onnx")
pytest.importorskip("sklearn")

import sonoscope
from sonoscope.audio import decode
from sonoscope.errors import UnknownName, UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.training import classical, rundir
from sonoscope.training.classical import MODELS, ensemble, store
from sonoscope.training.config import Config, compose

pytestmark = pytest.mark.train

RATE = 8000
TONES = {"low": 220.0, "middle": 700.0, "high": 2200.0}
EMBEDDING = "{name: embedding, model: instruments}"


def configured(sounds: Path, model: str, *words: str) -> Config:
    kind = "classical" if model not in MODELS or MODELS[model].listens else "dummy"
    # Prepared sound and vectors are shared by the models, as they are in use.
    folder = sounds.parent / f"prepared-{kind}-{'scores' if model == 'mean' else abs(hash(words)) % 1000}"
    return compose(
        {
            "name": "tones",
            "kind": kind,
            "model": model,
            "data": {"train": [str(sounds)], "window_s": 1.0, "validation_share": 0.2, "test_share": 0.2,
                     "folder": str(folder)},
        },
        words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of every model of the table; the ensemble is of the SVM and of k-NN."""
    root = tmp_path_factory.mktemp("runs")
    for name in sorted(MODELS, key=lambda name: name == "mean"):
        words = ()
        if name == "mean":
            parts = ", ".join(f"{{name: scores, model: {root / run / 'bundle'}}}" for run in ("svm", "knn"))
            words = (f"features=[{parts}]",)
        classical.fit(
            configured(sounds, name, *words), root / name, say=lambda _: None, pictures=name == "svm"
        )
    return {name: root / name for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_a_run_leaves_what_was_promised(name: str, runs: dict[str, Path]) -> None:
    run, metrics = runs[name], rundir.read_metrics(runs[name])
    for file in ("config.yaml", "manifest.csv", "split.json", "test.npz", "validation.npz", "model.npz",
                 "hyperparameters.json", "bundle/README.md"):  # fmt: skip
        assert (run / file).is_file(), file
    assert metrics["certificate"].startswith("groups shared: 0")
    assert metrics["dummies"]["ones"]["micro_recall"] == 1
    answers = rundir.read_answers(run / "test.npz")
    assert answers.scores.shape == (metrics["fitted"]["clips"], 3)
    told = json.loads((run / "hyperparameters.json").read_text())
    assert told["labels"] == sorted(TONES) and told["settings"] == metrics["hyperparameters"]
    spec = json.loads((run / "bundle" / "bundle.json").read_text())
    assert spec["export_difference"] <= 1e-4
    if MODELS[name].listens:
        assert metrics["fitted"]["map"] > 0.95


def test_each_machine_has_its_picture(runs: dict[str, Path]) -> None:
    pictures = sorted((runs["svm"] / "plots").glob("*.png"))
    assert [path.name for path in pictures] == ["00_high.png", "01_low.png", "02_middle.png"]
    from matplotlib.image import imread

    for path in pictures:
        shown = imread(path)[..., :3]
        assert shown.shape[0] > 300 and len(np.unique(shown[::5, ::5].reshape(-1, 3), axis=0)) > 50, (
            "panels are drawn"
        )
    assert not (runs["zeros"] / "plots").exists(), "a dummy decides nothing"


def test_dummies_have_the_figures_of_theory(runs: dict[str, Path]) -> None:
    figures = {name: rundir.read_metrics(runs[name])["fitted"] for name in ("zeros", "ones", "prior")}
    share = 1 / 3  # each clip has one of three labels
    assert figures["zeros"]["hamming"] == pytest.approx(1 - share, abs=1e-4)
    assert figures["ones"]["micro_recall"] == 1
    assert figures["ones"]["micro_f1"] == pytest.approx(2 * share / (1 + share), abs=1e-4)
    assert figures["prior"]["map"] == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "random"])
def test_the_bundle_says_what_the_run_said(name: str, runs: dict[str, Path], sounds: Path) -> None:
    """The files themselves, decoded anew, against the answers on prepared sound of 16 bits."""
    answers = rundir.read_answers(runs[name] / "test.npz")
    model = sonoscope.load(runs[name] / "bundle")
    for clip, expected in zip(answers.names, answers.scores, strict=True):
        scores = model.analyze(sounds / clip.rpartition("@")[0], hop=1.0).scores
        slope, offset = model.bundle.calibration.T
        said = 1 / (1 + np.exp(-(slope * scores.logits.mean(axis=0) + offset)))
        np.testing.assert_allclose(said, expected, atol=0.02)


def test_random_names_labels_and_says_the_same_again(runs: dict[str, Path], sounds: Path) -> None:
    model = sonoscope.load(runs["random"] / "bundle")
    said = [model.analyze(sounds / "low" / f"{k}.wav", hop=0.25).scores.probabilities > 0.5 for k in range(4)]
    assert all(set(each.sum(axis=1)) <= {2, 3} for each in said), "two, three, or all that there are"
    assert len({row.tobytes() for each in said for row in each}) > 1
    again = model.analyze(sounds / "low" / "0.wav", hop=0.25).scores.probabilities > 0.5
    np.testing.assert_array_equal(said[0], again)


def test_a_bundle_runs_without_torch_and_scikit_learn(runs: dict[str, Path], sounds: Path) -> None:
    program = (
        "import sys, sonoscope\n"
        f"model = sonoscope.load({str(runs['svm'] / 'bundle')!r})\n"
        f"print(model.analyze({str(sounds / 'high' / '0.wav')!r}).scores.probabilities.mean(axis=0).argmax())\n"
        "print(*{'torch', 'sklearn', 'onnx', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(sorted(TONES).index("high"))]


def test_fitting_loads_no_torch(runs: dict[str, Path]) -> None:
    program = "import sys; import sonoscope.training.classical; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "features",
    [f"[{EMBEDDING}]", f"[{EMBEDDING}, {{name: statistics, n_fft: 400, frame_hop: 400}}]",
     "[{name: mfcc, sample_rate: 16000, hop_samples: 400, f_max_hz: 8000}]",
     "[{name: embedding, model: instruments, pool: max}]"],
    ids=["embedding", "embedding and statistics", "mfcc", "maxima"],
)  # fmt: skip
def test_heads_on_embeddings_and_joined_features(features: str, sounds: Path, tmp_path: Path) -> None:
    config = configured(sounds, "logistic", f"features={features}", "model.c=0.1")
    found = classical.fit(config, tmp_path / "run", say=lambda _: None, pictures=False)
    assert found.metrics["fitted"]["map"] > 0.95
    model = sonoscope.load(tmp_path / "run" / "bundle")
    for label in TONES:
        scores = model.analyze(sounds / label / "3.wav", hop=0.37).scores
        assert scores.probabilities.mean(axis=0).argmax() == sorted(TONES).index(label)
    if "instruments" in features:
        asked = json.loads((tmp_path / "run" / "bundle" / "bundle.json").read_text())["built_on"]
        assert asked[0]["sha256"] == sonoscope.load("instruments").bundle.sha256


def test_an_embedding_in_company_is_the_embedding_alone(sounds: Path, tmp_path: Path) -> None:
    """Beside the classical vector a window is alone, so only what lies around it differs: here nothing does."""
    found = {}
    for name, features in {"alone": EMBEDDING, "both": f"{EMBEDDING}, {{name: statistics}}"}.items():
        config = configured(sounds, "logistic", f"features=[{features}]", "model.c=0.1")
        classical.fit(config, tmp_path / name, quick=True, say=lambda _: None, pictures=False)
        model = sonoscope.load(tmp_path / name / "bundle")
        samples, _ = soundfile.read(sounds / "low" / "0.wav", frames=RATE, dtype="float32")
        from sonoscope import pipeline
        from sonoscope.models.runtime import Runtime

        scores = pipeline.score_samples(
            samples, RATE, model.bundle, Runtime(model.bundle), embeddings=True
        ).scores
        found[name] = scores.embeddings
    width = found["alone"].shape[1]
    np.testing.assert_allclose(found["both"][:, :width], found["alone"], atol=1e-3)


def test_maxima_are_those_of_the_frames_as_a_vector_of_length_one(sounds: Path, tmp_path: Path) -> None:
    features = "features=[{name: embedding, model: field, pool: max}]"
    config = configured(sounds, "logistic", features, "model.c=10", "model.standardise=false")
    classical.fit(config, tmp_path / "run", quick=True, say=lambda _: None, pictures=False)
    taught = sonoscope.load(tmp_path / "run" / "bundle")
    base = sonoscope.load("field").bundle
    heard, _ = decode.read(sounds / "low" / "0.wav", sample_rate=base.sample_rate)
    rows = base.feature(heard)[None, : taught.bundle.window_frames].astype(np.float32)

    def embedding(bundle: Bundle) -> np.ndarray:
        name = bundle.spec["outputs"]["embedding"]["name"]
        return onnxruntime.InferenceSession(bundle.graph).run([name], {bundle.spec["input"]["name"]: rows})[0]

    highest = embedding(base)[0].max(axis=0)
    found = embedding(taught.bundle)
    np.testing.assert_allclose(found[0], highest / np.linalg.norm(highest), atol=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{name: embedding, model: field, pool: median}", "pool=median is unknown: mean or max"),
        ("{name: scores, model: field, pool: max}", "pool=max is for embeddings"),
        ("{name: embedding, pool: max}", "must have a name and a model"),
    ],
)
def test_pools_that_cannot_be_are_told(part: str, said: str, sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        classical.fit(
            configured(sounds, "logistic", f"features=[{part}]"),
            tmp_path / "run",
            quick=True,
            say=lambda _: None,
        )


def test_scores_at_two_rates_say_how_they_are_averaged(
    runs: dict[str, Path], sounds: Path, tmp_path: Path
) -> None:
    parts = f"{{name: scores, model: {runs['svm'] / 'bundle'}}}, {{name: scores, model: instruments}}"
    config = configured(sounds, "mean", f"features=[{parts}]")
    with pytest.raises(UsageError, match=r"one sample rate, got \[\d+, 24000\]. Average .*ensemble.of_runs"):
        classical.fit(config, tmp_path / "run", quick=True, say=lambda _: None)


def test_five_examples_are_enough_to_try(sounds: Path, tmp_path: Path) -> None:
    found = classical.fit(configured(sounds, "svm"), tmp_path / "run", quick=True, say=lambda _: None)
    assert found.metrics["fitted"]["clips"] <= 5
    assert (
        json.loads((tmp_path / "run" / "bundle" / "bundle.json").read_text())["training_data"]["clips"] == 5
    )


def test_runs_are_averaged_from_what_they_left(runs: dict[str, Path]) -> None:
    figures = ensemble.of_runs([runs["svm"], runs["ones"]], [3, 1])
    assert figures["fitted"]["map"] == rundir.read_metrics(runs["svm"])["fitted"]["map"]
    mean, svm, knn = (rundir.read_answers(runs[name] / "test.npz") for name in ("mean", "svm", "knn"))
    both = ensemble.averaged([svm, knn])
    assert both.names == mean.names
    # The model is calibrated on top; the order of the scores is that of the mean.
    for k in range(3):
        np.testing.assert_array_equal(
            np.argsort(mean.scores[:, k] > 0.5), np.argsort(both.scores[:, k] > 0.5)
        )


def test_hyper_parameters_and_machines_can_be_read_again(runs: dict[str, Path]) -> None:
    answerer, told = store.read(runs["svm"])
    assert told["settings"]["kernel"] == "rbf" and len(told["settings"]["tried"]) == 2
    assert set(told["settings"]["chosen"]["support_vectors"]) == set(TONES)
    assert answerer.logits(np.zeros((1, len(told["columns"])))).shape == (1, 3)


@pytest.mark.parametrize(
    ("model", "words", "message"),
    [
        ("svmm", (), r"unknown model 'svmm'\. Did you mean 'svm'"),
        ("svm", ("model.kernl=rbf",), "unknown parameter 'kernl' of this model"),
        ("zeros", ("kind=classical",), "is of kind=dummy, got kind=classical"),
        ("svm", ("data.window_s=null",), "classical models see windows"),
        ("svm", ("features=[{name: pcen}]",), "'pcen' cannot be cut into windows"),
        ("svm", ("features=[{name: statistics, sample_rate: 8000}]",), "sample_rate=8000 must be at least 12801"),
        ("svm", ("features=[{name: mfcc, hop_samples: 500}]",), "must be a multiple of the hop of 'mfcc'"),
        ("svm", (f"features=[{EMBEDDING}]", "data.window_s=0.025"), "is too short for the model 'instruments'"),
        ("svm", ("features=[{name: embedding}]",), "must have a name and a model"),
        ("mean", (), "averages scores: give features as"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_says_why(
    model: str, words: tuple[str, ...], message: str, sounds: Path, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, UnknownName), match=message):
        classical.fit(configured(sounds, model, *words), tmp_path / "run", quick=True, say=lambda _: None)


def test_what_writes_the_bundle_is_missed_before_anything_is_done(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"training needs the package onnx.*sonoscope\[teach\]"):
        classical.fit(configured(sounds, "prior"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_run_is_refused_and_one_without_an_end_is_begun_again(
    runs: dict[str, Path], sounds: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds a training already"):
        classical.fit(configured(sounds, "svm"), runs["svm"])
    with pytest.raises(UsageError, match="another configuration"):
        classical.fit(configured(sounds, "svm", "model.c=2"), runs["svm"], resume=True)
    rundir.write_config(tmp_path, configured(sounds, "prior"))
    classical.fit(configured(sounds, "prior"), tmp_path, resume=True, say=lambda _: None)
    assert rundir.read_metrics(tmp_path)["fitted"] == rundir.read_metrics(runs["prior"])["fitted"]


OWN = '''
from dataclasses import dataclass
import numpy as np
from sonoscope.training.classical.linear import Linear

@dataclass(frozen=True)
class Middle:
    """A plane between the means of those with and without."""
    name = "middle"
    listens = True
    scale: float = 1.0

    def fit(self, learned, checked, *, seed, say):
        x, y = learned.vectors.astype(float), learned.truth
        mean, std = x.mean(0), x.std(0) + 1e-6
        z = (x - mean) / std
        up, down = (np.stack([z[y[:, k] == v].mean(0) for k in range(y.shape[1])], 1) for v in (1, 0))
        weights = self.scale * (up - down)
        offset = -((up + down) / 2 * weights).sum(0)
        return Linear(mean.astype(np.float32), std.astype(np.float32), weights, offset)
'''


def test_a_model_of_ones_own_needs_no_fork(sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    config = configured(sounds, f"{tmp_path / 'mine.py'}:Middle", "model.scale=0.1")
    found = classical.fit(config, tmp_path / "run", say=lambda _: None, pictures=False)
    assert found.metrics["fitted"]["map"] > 0.9
    assert (
        sonoscope.load(tmp_path / "run" / "bundle").analyze(sounds / "low" / "0.wav").scores.logits.shape[1]
        == 3
    )
