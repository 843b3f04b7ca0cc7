"""Pre-trainings from sounds without labels: they solve their pretext, leave a backbone, and go on where they were."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402

import sonoscope  # noqa: E402
from sonoscope import models  # noqa: E402
from sonoscope.cli import main  # noqa: E402
from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.training import engine, pretrain, rundir  # noqa: E402
from sonoscope.training.config import Config, Phase, compose  # noqa: E402

pytestmark = pytest.mark.train

RATE = 8000
#: The command where torch cannot be imported.
WITHOUT = "import sys; sys.modules['torch'] = None; from sonoscope.cli import main; sys.exit(main())"
VIT = {"name": "vit", "patch": [5, 6], "dim": 32, "depth": 2, "heads": 2}
CNN = {"name": "small_cnn", "stages": [8, 16], "dim": 24}
#: Pretexts that a few seconds suffice for, a backbone for each, and how many batches.
CASES = {
    "masked": ({"name": "masked", "share": 0.5, "dim": 32, "depth": 1, "heads": 2}, VIT, 300),
    "masked_convolution": (
        {"name": "masked_convolution", "share": 0.4, "patch": [5, 6], "width": 12},
        CNN,
        50,
    ),
    "shuffled": ({"name": "shuffled", "grid": [8, 8], "share": 0.3}, CNN, 150),
    "shuffled patches": ({"name": "shuffled", "grid": [8, 4], "share": 0.3}, VIT, 150),
    "contrastive": ({"name": "contrastive", "level": 0.1, "stripe": 0.0}, CNN, 50),
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty gliding tones with partials, and a manifest that says nothing of what they are."""
    root = tmp_path_factory.mktemp("unlabelled")
    rng = np.random.default_rng(7)
    lines = ["path,labels,group"]
    for number in range(40):
        time = np.arange(RATE) / RATE
        low, high = rng.uniform(150, 900, size=2)
        phase = 2 * np.pi * (low * time + (high - low) * time**2 / 2)
        weights = rng.uniform(0.05, 0.3, size=4)
        sound = sum(w * np.sin(k * phase) for k, w in enumerate(weights, start=1))
        sound = sound + 0.003 * rng.standard_normal(time.size)
        soundfile.write(root / f"{number}.wav", (0.5 * sound).astype(np.float32), RATE)
        lines.append(f"{number}.wav,,group{number}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def configured(sounds: Path, case: str, *words: str) -> Config:
    pretext, backbone, batches = CASES[case]
    return compose(
        {
            "kind": "pretrain",
            "pretext": pretext,
            "data": {"train": [str(sounds)], "window_s": 1.0, "validation_share": 0.2, "test_share": 0.2,
                     "folder": str(sounds.parent / "prepared")},
            "features": [{"name": "logmel", "sample_rate": RATE, "n_fft": 512, "hop_samples": 200, "n_mels": 24,
                          "f_min_hz": 50.0, "f_max_hz": 4000.0}],
            "network": {"backbone": backbone, "head": "linear"},
            "training": {"epochs": 2, "epoch_batches": batches // 2, "batch_size": 16, "learning_rate": 0.004},
        },
        words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrained")


@pytest.mark.parametrize("case", CASES)
def test_a_pretext_is_solved_better_than_trivially_on_sounds_that_were_not_heard(
    case: str, sounds: Path, runs: Path
) -> None:
    outcome = pretrain.fit(configured(sounds, case), runs / case, say=lambda _: None)
    for part in ("validation", "test"):
        figures = outcome.metrics[part]
        assert figures["loss"] < 0.95 * figures["trivial"], figures
    assert outcome.metrics["certificate"].startswith("groups shared: 0")
    kept = load_file(runs / case / "backbone.safetensors")
    assert {"mean", "std"} < set(kept) and not any(name.startswith("head.") for name in kept)
    history = (runs / case / "history.csv").read_text().splitlines()
    assert len(history) == 3 and "val_trivial" in history[0]


def labelled(sounds: Path, folder: Path, case: str, begin: Path, **network: object) -> Config:
    """A short training with two labels on the backbone of ``case``, beginning with a pre-training."""
    rows = (sounds / "manifest.csv").read_text().splitlines()
    named = [
        f"{sounds}/{row.split(',')[0]},{'ab'[n % 2]},{row.split(',')[2]}" for n, row in enumerate(rows[1:])
    ]
    (folder / "labelled.csv").write_text("\n".join([rows[0], *named]) + "\n")
    plain = configured(sounds, case).to_dict()
    plain |= {"kind": "network", "pretext": None}
    plain["data"] |= {"train": [str(folder / "labelled.csv")], "folder": None}
    plain["network"] |= {"init_from": str(begin), **network}
    plain["training"] |= {"epochs": 1, "epoch_batches": 2}
    return compose(plain)


def pretrained(sounds: Path, runs: Path, case: str) -> Path:
    """The run of the test above, or a shorter one where that did not run."""
    if not (runs / case / rundir.METRICS).is_file():
        pretrain.fit(configured(sounds, case, "training.epochs=1"), runs / case, say=lambda _: None)
    return runs / case


def test_a_training_with_labels_begins_with_it(sounds: Path, runs: Path, tmp_path: Path) -> None:
    begin = pretrained(sounds, runs, "contrastive")
    config = labelled(sounds, tmp_path, "contrastive", begin)
    config = replace(config, training=replace(config.training, phases=(Phase(train="head"),)))
    said: list[str] = []
    engine.fit(config, tmp_path / "run", say=said.append)
    report = "\n".join(said)
    assert "backbone.safetensors" in report and "2 missing in the file: head.logits" in report
    # The head alone learned, so the trunk is still the one that was pre-trained.
    held = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in load_file(begin / "backbone.safetensors").items():
        assert torch.equal(held[f"network.{name}"], value), name


def test_adapters_on_a_pretrained_trunk_end_in_a_bundle_without_them(
    sounds: Path, runs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    begin = pretrained(sounds, runs, "masked")
    said: list[str] = []
    config = labelled(sounds, tmp_path, "masked", begin, adapters={"name": "lora", "rank": 2})
    engine.fit(config, tmp_path / "run", say=said.append)
    assert "lora on 8 linear maps: 2,048 of" in "\n".join(said)  # two blocks, 2 * (4 + 2 + 5 + 5) * 32 each
    held = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    own = {name.replace(".base_layer", ""): value for name, value in held.items() if "lora" not in name}
    theirs = load_file(begin / "backbone.safetensors")
    for name, value in theirs.items():
        assert torch.equal(own[f"network.{name}"], value), name
    kept = load_file(tmp_path / "run" / "bundle" / "model.safetensors")
    assert set(theirs) < set(kept) and not any("lora" in name for name in kept)
    scores = sonoscope.load(tmp_path / "run" / "bundle").analyze(sounds / "0.wav").scores
    assert np.isfinite(scores.logits).all() and scores.logits.shape[1] == 2


VALID = {"name": "valid_cnn", "width": 0.25, "dim": 12}


@pytest.mark.parametrize("backbone", [VALID, CNN], ids=["frames", "windows"])
def test_it_ends_as_a_bundle_that_gives_embeddings_where_there_is_no_torch(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], backbone: dict[str, object]
) -> None:
    words = ("training.epochs=1", "training.epoch_batches=4", "features.0.hop_samples=100", "name=trunk")
    config = configured(sounds, "contrastive", *words)
    config = replace(config, network=replace(config.network, backbone=backbone))
    said: list[str] = []
    pretrain.fit(config, tmp_path / "run", say=said.append)
    assert not any("no bundle" in line for line in said)
    place = tmp_path / "run" / "bundle"
    bundle = models.load(place, labels=False)
    assert bundle.task == "embedding" and bundle.label_ids == () and bundle.spec["export_difference"] <= 1e-4
    assert bundle.poolable == (backbone is VALID) and bundle.spec["metrics"]["pretext"] == "contrastive"

    command = [
        "embed",
        str(sounds / "0.wav"),
        "-m",
        str(place),
        "-o",
        str(tmp_path / "all.npz"),
        "--hop",
        "0.5",
    ]
    subprocess.run([sys.executable, "-c", WITHOUT, *command], check=True, capture_output=True)
    vectors = np.load(tmp_path / "all.npz")["vector"]
    assert vectors.shape == (1, bundle.embedding_size)
    network = Network(**bundle.spec["network"]).eval()
    network.load_state_dict(load_file(tmp_path / "run" / "backbone.safetensors"), strict=False)
    samples, _ = soundfile.read(sounds / "0.wav", dtype="float32")
    rows = bundle.feature(torch.from_numpy(samples)[None])[:, : bundle.window_frames]
    with torch.no_grad():
        np.testing.assert_allclose(vectors[0], network.answers(rows)[1][0].numpy(), atol=1e-3)

    assert main(["models", "check", str(place)]) == 0
    assert main(["models", "show", str(place)]) == 0
    shown = capsys.readouterr().out
    assert "It names nothing: it gives embeddings" in shown
    assert f"embeddings of {bundle.embedding_size}" in shown.splitlines()[-1]
    for verb in (["analyze", str(sounds / "0.wav"), "-m", str(place)], ["evaluate", str(place), str(sounds)]):
        assert main(verb) == 2
        assert "names nothing, it only gives embeddings: train a head on it" in capsys.readouterr().err
    heard = sonoscope.load(place).analyze(sounds / "0.wav", hop=0.5, embeddings=True)
    assert heard.events == () and np.array_equal(heard.embeddings, vectors)


def test_a_head_on_it_is_a_bundle_and_its_weights_are_begun_with(sounds: Path, tmp_path: Path) -> None:
    config = configured(sounds, "contrastive", "training.epochs=1", "training.epoch_batches=4")
    pretrain.fit(config, tmp_path / "pretrained", say=lambda _: None)
    place = tmp_path / "pretrained" / "bundle"
    begun = labelled(sounds, tmp_path, "contrastive", place)
    frozen = replace(begun.network, init_from=None, backbone={"name": f"bundle:{place}"})
    atop = replace(begun, network=frozen)
    with pytest.raises(UsageError, match=r"data.window_s=2: .* windows of one length: data.window_s=1"):
        longer = replace(atop, data=replace(atop.data, window_s=2.0))
        engine.fit(longer, tmp_path / "no", say=lambda _: None)
    engine.fit(atop, tmp_path / "head", say=lambda _: None)
    shutil.move(place, tmp_path / "moved")
    scores = sonoscope.load(tmp_path / "head" / "bundle").analyze(sounds / "0.wav").scores
    assert scores.logits.shape[1] == 2 and np.isfinite(scores.logits).all()
    with pytest.raises(
        UsageError, match=r"head is a head on the finished model model, .*network.backbone=bundle:"
    ):
        engine.fit(
            replace(begun, network=replace(begun.network, init_from=str(tmp_path / "head"))), tmp_path / "no",
            say=lambda _: None,
        )  # fmt: skip
    said: list[str] = []
    whole = replace(begun.network, init_from=str(tmp_path / "moved"))
    engine.fit(replace(begun, network=whole), tmp_path / "whole", say=said.append)
    assert "moved/model.safetensors: " in said[0] and "2 left out: head." in said[0]
    assert not any("begins anew" in line for line in said)


def test_it_goes_on_to_the_same_weights(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonoscope.training import watch

    class Cut(Exception):
        pass

    config = configured(sounds, "masked_convolution", "training.epochs=3", "training.epoch_batches=2")
    pretrain.fit(config, tmp_path / "whole", say=lambda _: None)
    original = watch.Watch.on_train_epoch_end

    def cut(self, trainer, module):
        if trainer.current_epoch == 1:
            raise Cut
        original(self, trainer, module)

    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_epoch_end", cut)
        with pytest.raises(Cut):
            pretrain.fit(config, tmp_path / "parts", say=lambda _: None)
    pretrain.fit(config, tmp_path / "parts", resume=True, say=lambda _: None)
    one, other = (load_file(tmp_path / name / "backbone.safetensors") for name in ("whole", "parts"))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert rundir.read_config(tmp_path / "parts") == config


def test_what_cannot_be_meant_is_refused(sounds: Path, tmp_path: Path) -> None:
    for word, message in (
        ("data.window_s=null", "set data.window_s"),
        ("network.adapters=lora", "leave them out of kind=pretrain"),
        ("pretext=masked", "for convolutions there is pretext=masked_convolution"),
    ):
        with pytest.raises(UsageError, match=message):
            pretrain.fit(configured(sounds, "contrastive", word), tmp_path / message[:9], say=lambda _: None)
        assert not (tmp_path / message[:9] / "backbone.safetensors").exists()
