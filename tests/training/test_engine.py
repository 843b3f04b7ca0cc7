"""Trainings from a folder of sounds to a bundle: what is left, that it goes on, and that only what should learns."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import sonoscope  # noqa: E402
from sonoscope.cli import main  # noqa: E402
from sonoscope.errors import BadBundle, SonoscopeError, Stopped, UsageError  # noqa: E402
from sonoscope.training import phases, rundir, watch  # noqa: E402
from sonoscope.training.config import Config, compose  # noqa: E402
from sonoscope.training.course import Begun  # noqa: E402
from sonoscope.training.engine import fit  # noqa: E402
from sonoscope.training.setting import Setting  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
LABELS = ("low", "middle", "high")


CNN14 = "network.backbone={name: cnn14, width: 0.0625}"
AST = (
    "network.backbone={name: ast, longest: 32, hidden_size: 48, num_hidden_layers: 1, num_attention_heads: 2, "
    "intermediate_size: 64}"
)
SMALL_CNN = ("network.backbone=small_cnn", "network.backbone.stages=[8, 8]", "network.head=linear")


@pytest.fixture(scope="module")
def run(tones: Tones, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tones"
    fit(tones(), folder, say=lambda _: None)
    return folder


def test_it_learns_and_leaves_all_that_was_promised(run: Path, tones: Tones):
    metrics = rundir.read_metrics(run)
    assert metrics["fitted"]["map"] > 0.95 and metrics["fitted"]["clips"] >= 3
    assert metrics["certificate"].startswith("groups shared: 0")
    assert rundir.read_config(run) == tones()
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 5 and history[0].startswith("epoch,learning_rate,cpu_s")
    answers = rundir.read_answers(run / "test.npz")
    assert answers.scores.shape == (metrics["fitted"]["clips"], 3)
    for name in ("manifest.csv", "split.json", "best.ckpt", "last.ckpt", "bundle/README.md"):
        assert (run / name).is_file(), name
    assert json.loads((run / "metrics.json").read_text())["interval_95"]["map"][0] <= metrics["fitted"]["map"]


def test_tensorboard_has_what_the_history_has(run: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) - {"epoch"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("gradient_norm/head")) == len(rows), "one an epoch"
    assert any(name.startswith("gradient/") and "backbone" in name for name in events.Tags()["histograms"])
    for name in ("learning_rate", "loss", "val_map"):
        logged = [event.value for event in events.Scalars(name)]
        assert logged == pytest.approx([float(row[name]) for row in rows], abs=1e-5), name


def test_the_parts_share_no_recordist(run: Path):
    from sonoscope.data import manifest

    rows = manifest.read(run / "manifest.csv").rows
    of = {part: {row.group for row in rows if row.split == part} for part in ("train", "val", "test")}
    assert all(of.values())
    assert not of["train"] & of["val"] and not of["train"] & of["test"] and not of["val"] & of["test"]


def test_the_bundle_analyses_without_torch_what_it_was_trained_on(run: Path, sounds: Path):
    model = sonoscope.load(run / "bundle")
    for label in LABELS:
        result = model.analyze(sounds / label / "0.wav")
        assert result.scores.probabilities.mean(axis=0).argmax() == sorted(LABELS).index(label)


@pytest.mark.parametrize("words", [(), SMALL_CNN], ids=["valid", "padded"])
def test_what_is_trained_is_what_is_run(
    run: Path, sounds: Path, tones: Tones, tmp_path: Path, words: tuple[str, ...]
):
    """Validation in torch and the bundle in ONNX Runtime give the same scores for the same clips."""
    folder = run
    if words:
        folder = tmp_path / "run"
        fit(tones("training.epochs=1", *words), folder, say=lambda _: None)
    answers = rundir.read_answers(folder / "test.npz")
    model = sonoscope.load(folder / "bundle")
    for name, expected in zip(answers.names, answers.scores, strict=True):
        path = name.rpartition("@")[0]
        scores = model.analyze(sounds / path, hop=1.0).scores
        logits = scores.logits.mean(axis=0)
        slope, offset = model.bundle.calibration.T
        np.testing.assert_allclose(1 / (1 + np.exp(-(slope * logits + offset))), expected, atol=5e-3)


def test_it_goes_on_where_it_was_to_the_same_weights(tones: Tones, tmp_path: Path, monkeypatch):
    whole = tmp_path / "whole"
    fit(tones(), whole, say=lambda _: None)
    from sonoscope.training import watch

    class Cut(Exception):
        pass

    original = watch.Watch.on_train_epoch_end

    def cut(self, trainer, module):
        if trainer.current_epoch == 2:
            raise Cut
        original(self, trainer, module)

    parts = tmp_path / "parts"
    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_epoch_end", cut)
        with pytest.raises(Cut):
            fit(tones(), parts, say=lambda _: None)
    fit(tones(), parts, resume=True, say=lambda _: None)
    one, other = (torch.load(f / "last.ckpt", weights_only=True)["state_dict"] for f in (whole, parts))
    for name in one:
        assert torch.equal(one[name], other[name]), name
    assert len((parts / "history.csv").read_text().splitlines()) == 5


def test_ctrl_c_cuts_an_epoch_which_is_repeated_whole(
    run: Path, tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Interrupted in the third epoch, it ends in order; what goes on comes to the weights of the run above."""
    from sonoscope.training import watch

    original = watch.Watch.on_train_batch_end

    def pressed(self, trainer, *rest):
        if trainer.global_step == 2 * 12 + 5:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, trainer, *rest)

    folder = tmp_path / "run"
    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_batch_end", pressed)
        cut = fit(tones(), folder, say=said.append)
    assert cut.interrupted and any(line.startswith("interrupted: it ends here") for line in said)
    assert (folder / "bundle" / "model.onnx").is_file() and not rundir.finished(folder)
    assert not fit(tones(), folder, resume=True, say=lambda _: None).interrupted
    assert rundir.finished(folder)
    one, other = (torch.load(f / "last.ckpt", weights_only=True)["state_dict"] for f in (run, folder))
    for name in one:
        assert torch.equal(one[name], other[name]), name
    assert len((folder / "history.csv").read_text().splitlines()) == 5


def test_a_first_epoch_that_is_cut_short_keeps_its_weights_and_is_repeated(
    run: Path, tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """There is no other copy of them if no bundle can be written."""
    original = watch.Watch.on_train_batch_end

    def pressed(self, trainer, *rest):
        if trainer.global_step == 5:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, trainer, *rest)

    def refused(*_: object, **__: object) -> None:
        raise BadBundle("not today")

    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_batch_end", pressed)
        patched.setattr("sonoscope.training.engine.write_bundle", refused)
        assert fit(tones(), folder, say=lambda _: None).interrupted
    assert not (folder / "bundle").exists() and not (folder / "last.ckpt").exists()
    kept = torch.load(folder / "best.ckpt", weights_only=True)
    assert kept["global_step"] == 5
    fit(tones(), folder, resume=True, say=lambda _: None)
    one, other = (torch.load(f / "last.ckpt", weights_only=True)["state_dict"] for f in (run, folder))
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_what_ended_early_is_not_finished_by_its_exit_code(
    tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Of three seeds the first is cut short, tested and shown; nobody may think that there are three."""
    original = watch.Watch.on_train_batch_end

    def pressed(self, trainer, *rest):
        os.kill(os.getpid(), signal.SIGINT)
        original(self, trainer, *rest)

    monkeypatch.setattr(watch.Watch, "on_train_batch_end", pressed)
    (tmp_path / "tones.yaml").write_text(tones("training.epochs=1").to_yaml())
    assert main(["train", str(tmp_path / "tones.yaml"), "--seeds", "3", "-o", str(tmp_path / "run")]) == 3
    shown = capsys.readouterr()
    assert "ended early. The same command with --resume goes on" in shown.err
    assert shown.out.splitlines()[1].split()[:2] == ["tones", "1"]


def test_a_terminated_training_is_not_finished(tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def terminated(self, trainer, *rest):
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_batch_end", terminated)
        with pytest.raises(Stopped, match=r"terminated.*--resume goes on") as stopped:
            fit(tones("training.epochs=1"), tmp_path / "run", say=lambda _: None)
    assert stopped.value.exit_code == 3
    assert fit(tones("training.epochs=1"), tmp_path / "run", resume=True, say=lambda _: None).metrics


def test_a_folder_with_another_run_is_refused(run: Path, tones: Tones):
    with pytest.raises(UsageError, match="holds a training already"):
        fit(tones(), run)
    with pytest.raises(UsageError, match="another configuration"):
        fit(tones("training.epochs=9"), run, resume=True)


def test_weights_move_only_when_they_should_and_rates_change(tones: Tones, tmp_path: Path, monkeypatch):
    """Head first, then everything from a named layer on: frozen weights stay bit for bit, running means too."""
    words = (
        "training.phases=[{epochs: 1, train: head, learning_rate: 0.01}, {train: from conv4, layer_decay: 0.5}]",
        "training.epochs=2", "training.learning_rate=0.002", "training.warm_up=0",
    )  # fmt: skip
    folder = tmp_path / "run"
    seen: list[dict[str, torch.Tensor]] = []
    rates: list[dict[str, float]] = []
    from sonoscope.training import watch

    class Spy(watch.Watch):
        def on_train_start(self, trainer, module):
            seen.append({k: v.clone() for k, v in module.network.state_dict().items()})

        def on_train_batch_start(self, trainer, module, batch, number):
            rates.append({g["name"]: g["lr"] for g in trainer.optimizers[0].param_groups})

        def on_train_epoch_end(self, trainer, module):
            seen.append({k: v.clone() for k, v in module.network.state_dict().items()})

    from sonoscope.training import course

    monkeypatch.setattr(course, "Watch", Spy)
    fit(tones(*words), folder, say=lambda _: None)
    start, after_head, end = seen
    layer_of = {}
    setting = Setting(tones(*words), tmp_path / "again", quick=False, say=lambda _: None)
    named = dict(setting.network.named_parameters())
    for layer, parameters in setting.network.backbone.groups().items():
        for name, parameter in named.items():
            if any(parameter is p for p in parameters):
                layer_of[name] = layer
    moved = {name: not torch.equal(start[name], after_head[name]) for name in start}
    assert all(moved[name] == name.startswith("head.") for name in named)
    assert not any(moved[name] for name in start if "running" in name)
    frozen = [name for name in named if layer_of.get(name) in ("conv1", "conv2", "conv3")]
    learning = [name for name in named if name not in frozen and not name.startswith("head.attention")]
    assert frozen and all(torch.equal(start[name], end[name]) for name in frozen)
    assert all(not torch.equal(after_head[name], end[name]) for name in learning)
    # Batch normalisation that learns (again) counts its batches again, and its running means follow.
    counted = {name: int(end[name]) for name in end if name.endswith("num_batches_tracked")}
    assert sorted(set(counted.values())) == [0, 12] and sum(map(bool, counted.values())) == 3
    first, second = rates[0], rates[12]
    assert first["head 0.01"] == pytest.approx(0.01) and second["head 0.01"] == pytest.approx(0.002)
    assert {first[name] for name in first if name.startswith(("conv", "embed"))} == {0.0}
    assert second["embed 0.01"] == pytest.approx(0.001) and second["conv6 0.01"] == pytest.approx(0.0005)
    assert second["conv3 0.01"] == 0.0


def test_an_unknown_layer_names_those_there_are(tones: Tones, tmp_path: Path):
    with pytest.raises(UsageError, match=r"unknown layer 'conv9'.*conv1, conv2"):
        fit(tones("training.phases=[{train: from conv9}]"), tmp_path / "run", say=lambda _: None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("losses=focla",), "unknown loss 'focla'. Did you mean 'focal'"),
        (("losses=bce", "losses.0.gama=1"), "unknown parameter 'gama' of this loss"),
        (("losses=bce", "losses.0.logits=1"), "'logits' of this loss follows from the rest"),
        (("losses=bce", "losses.0.weight=much"), "the loss 'bce': weight='much' must be a number"),
        (("augment=gian",), "unknown augmentation 'gian'. Did you mean 'gain'"),
        (("augment=gain", "augment.0.sample_rate=1"), "'sample_rate' of this augmentation follows"),
        (("network.head.dim=3",), "'dim' of this head follows from the rest"),
        (("network.backbone.n_bins=3",), "'n_bins' of this backbone follows from the rest"),
        (("training.monitor=val_mapp",), "training.monitor='val_mapp' is unknown. Did you mean 'val_map'"),
        (("training.phases.0.epochs=9",), "training.phases last 9 epochs"),
        (("training.strategy=dpp",), "training.strategy='dpp' is unknown. Did you mean 'ddp'"),
        (
            ("features.0.n_mels=many",),
            "feature 'logmel': n_mels='many' must be a whole number, such as n_mels=96",
        ),
        (
            ("network.backbone.width=abc",),
            "network.backbone.width='abc' must be a number above 0, such as network.backbone.width=1.0",
        ),
        (("network.backbone.width=-1",), "network.backbone.width=-1 must be a number above 0"),
        (
            ("network.backbone.dim=0",),
            "network.backbone.dim=0 must be a whole number of at least 1, such as network.backbone.dim=192",
        ),
        (
            ("network.head.dropout=[0.1]",),
            "network.head.dropout=[0.1] must be a number in 0..1, such as network.head.dropout=0.2",
        ),
        (
            ("network.head=mlp", "network.head.layers=many"),
            "network.head.layers='many' must be a list of whole numbers of at least 1, such as "
            "network.head.layers=[512]",
        ),
        (
            ("losses=focal", "losses.0.gamma=much"),
            "losses.0.gamma='much' must be a number, such as losses.0.gamma=2.0",
        ),
        (
            ("augment=gain", "augment.0.share=half"),
            "augment.0.share='half' must be a number, such as augment.0.share=0.5",
        ),
        (("augment=background",), "the augmentation 'background' needs the parameter 'folder'"),
        (("augment=time_mask", "augment.0.count=2.5"), "augment.0.count=2.5 must be a whole number"),
        (("network.backbone.widht=2",), "unknown parameter 'widht' of this backbone. Did you mean 'width'?"),
    ],
)
def test_names_are_looked_up_before_anything_is_decoded(
    tones: Tones, tmp_path: Path, words: tuple[str, ...], message: str
):
    with pytest.raises(UsageError) as refused:
        Setting(tones(*words), tmp_path, quick=True, say=lambda _: None)
    assert message in str(refused.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("training.phases=[{train: from conv9}]",), "unknown layer 'conv9'. Did you mean 'conv6'"),
        (("network.init_from=nowhere",), "nowhere: no such checkpoint"),
        (("network.init_from=EMPTY",), "holds no weights: neither a bundle, nor a run"),
        (("network.init_from=TEXT",), "text.pt: cannot be read as weights only"),
        (("network.init_from=OTHER",), "not one of its weights fits the backbone of this network"),
        ((CNN14, "features.0.n_mels=32", "network.backbone.weights=nowhere"), "nowhere: no such checkpoint"),
        ((CNN14, "features.0.n_mels=32", "network.backbone.weights=OTHER"), "the checkpoint does not fit CNN14"),
        (("network.backbone=onnx",), "the backbone 'onnx' needs the parameter 'path'"),
        (("network.backbone=bundle:nowhere",), "unknown model 'nowhere'"),
        (("network.backbone={name: onnx, path: TEXT}",), "cannot be run by ONNX Runtime"),
        (
            ("data.window_s=null", "feature_on=loader", "network.backbone=crnn"),
            "feature_on=loader computes windows: to learn from whole clips leave feature_on=device",
        ),
        (("data.shown=clips", "feature_on=loader"), "feature_on=loader computes windows"),
        (("network.adapters={name: bottleneck, layers: [conv9]}",), "unknown layer 'conv9'"),
        (("data.window_s=0.5",), "'valid_cnn' needs at least 31"),
        ((AST, "network.normalise=level"), "is 41 input steps, and the backbone 'ast' takes at most 32: use shorter"),
        (("kind=pretrain", "pretext=masked"), "the pretext 'masked' hides patches"),
        (("kind=pretrain", "pretext=contrastive", "features=logmel", "network.backbone=bundle:field"), "is finished"),
        (("kind=notes", "network.backbone=local_transformer", "data.window_s=0.5"), "fewer than the 43"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_anything_is_decoded(
    tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
):
    from safetensors.torch import save_file

    from sonoscope.data import shards
    from sonoscope.training import start

    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pt").write_text("nothing")
    save_file({"theirs.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    places = {"EMPTY": "empty", "TEXT": "text.pt", "OTHER": "other.safetensors"}
    for word, name in places.items():
        words = tuple(each.replace(word, str(tmp_path / name)) for each in words)
    decoded: list[object] = []
    monkeypatch.setattr(shards, "build", lambda *given, **_: decoded.append(given))
    with pytest.raises(SonoscopeError) as refused:
        start.fit(tones(*words), tmp_path / "run", say=lambda _: None)
    assert message in str(refused.value)
    assert not decoded and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("losses=focal", "losses.0.gamma=-1"), "losses: gamma=-1 must be at least 0"),
        (
            ("losses=bce", "losses.0.positive_weights=many"),
            "positive_weights='many' must be balanced, or a list",
        ),
        (("losses.0=bce", "losses.1=arcface", "losses.1.margin=2"), "losses: margin=2 must lie in"),
        (("losses=cross_entropy", "losses.0.smoothing=3"), "losses: smoothing=3 must lie in"),
        (
            ("network.backbone.stages=[16, 32]",),
            "network: stages holds 16: each must be [channels, kernel, stride], such as [16, [5, 5], [1, 2]]",
        ),
    ],
)
def test_values_that_cannot_be_are_told_before_the_first_batch(
    tones: Tones, tmp_path: Path, words: tuple[str, ...], message: str
):
    with pytest.raises(UsageError) as refused:
        fit(tones("data.folder=null", *words), tmp_path / "run", quick=True, say=lambda _: None)
    assert message in str(refused.value) and not (tmp_path / "run" / "history.csv").exists()


def test_a_batch_that_does_not_fit_says_what_needs_less(
    tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 32768000000 bytes."
        )

    monkeypatch.setattr("lightning.Trainer.fit", full)
    with pytest.raises(Stopped, match=r"does not fit into the memory: a smaller training\.batch_size"):
        fit(tones(), tmp_path / "run", quick=True, say=lambda _: None)
    with pytest.raises(Stopped), watch.told_of_memory():
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="something else"), watch.told_of_memory():
        raise RuntimeError("something else")


def test_the_history_has_the_rate_that_an_epoch_learned_with(tones: Tones, tmp_path: Path):
    words = (
        "training.schedule=multi-step",
        "training.milestones=1",
        "training.gamma=0.1",
        "training.warm_up=0",
    )
    fit(
        tones(*words, "training.learning_rate=0.01", "training.epochs=2", "training.epoch_batches=2"),
        tmp_path / "run",
        say=lambda _: None,
    )
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([0.01, 0.001])


def test_what_became_of_published_weights_is_told(tones: Tones, tmp_path: Path):
    words = (CNN14, "features.0.n_mels=32", "data.window_s=1.5", "network.head=linear")
    with_head = Setting(tones(*words), tmp_path / "made", quick=True, say=lambda _: None).network
    state = with_head.backbone.state_dict()
    del state["conv_block3.conv2.weight"]
    state["conv_block2.conv1.weight"] = torch.zeros(2, 2, 3, 3)
    torch.save({"model": state}, tmp_path / "file.pth")
    said: list[str] = []
    laxly = (f"network.backbone.weights={tmp_path / 'file.pth'}", "network.backbone.strict=false")
    Begun(tones(*words, *laxly), tmp_path / "run", resume=False, quick=True, say=said.append)
    (told,) = [line for line in said if "tensors loaded" in line]
    assert told.startswith(str(tmp_path / "file.pth"))
    assert "1 missing in the file: conv_block3.conv2.weight" in told
    assert "1 of another shape: conv_block2.conv1.weight (2, 2, 3, 3) in the file" in told


def test_phases_add_up():
    with pytest.raises(UsageError, match=r"last 3 epochs, training.epochs=2"):
        phases.Plan(compose({}, ["training.epochs=2", "training.phases=[{epochs: 3}]"]).training, 5)


@pytest.mark.parametrize("name", ["cosine", "one-cycle", "multi-step", "constant"])
def test_schedules_are_theirs(name: str):
    training = compose(
        {}, [f"training.schedule={name}", "training.epochs=10", "training.milestones=[4, 8]", "training.warm_up=0.1",
             "training.learning_rate=1.0"]
    ).training  # fmt: skip
    plan = phases.Plan(training, 10)
    rates = [plan.rate(step, None, 3) for step in range(100)]
    assert max(rates) == pytest.approx(1.0, abs=0.02) and rates[0] < 0.2
    if name == "cosine":
        parameter = torch.nn.Parameter(torch.zeros(1))
        reference = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([parameter], lr=1.0), T_max=90)
        for step in range(10, 100):
            assert rates[step] == pytest.approx(reference.get_last_lr()[0], abs=1e-6)
            reference.optimizer.step()
            reference.step()
    elif name == "multi-step":
        assert (rates[39], rates[40], rates[79], rates[80]) == (1.0, *map(pytest.approx, (0.1, 0.1, 0.01)))
    elif name == "constant":
        assert set(rates[10:]) == {1.0}
    else:
        assert rates[0] == pytest.approx(1 / 25) and rates[-1] < 0.001


def test_whole_clips_of_different_lengths_do_not_depend_on_their_padding(tones: Tones, tmp_path: Path):
    words = ("data.window_s=null", "network.backbone=crnn", "network.head=linear", "training.epochs=1")
    config = tones(*words)
    setting = Setting(config, tmp_path / "run", quick=False, say=lambda _: None)
    setting.network.eval()
    batch = next(iter(setting.loader_of("train")))
    assert len(set(batch.lengths.tolist())) > 1
    rows, lengths = setting.frontend(batch.samples, batch.lengths)
    together = setting.network.window_logits(rows, lengths)
    for k, length in enumerate(batch.lengths.tolist()):
        alone, _ = setting.frontend(batch.samples[k : k + 1, :length])
        torch.testing.assert_close(setting.network.window_logits(alone)[0], together[k], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_whole_clips_are_learned_from_and_windows_analysed(tones: Tones, tmp_path: Path):
    """A label of a clip need not sound all along: training sees all of it, validation, test and the bundle windows."""
    config = tones(
        "data.shown=clips", "training.epochs=6", "training.epoch_batches=12", "augment=[{name: gain}]"
    )
    setting = Setting(config, tmp_path / "seen", quick=False, say=lambda _: None)
    shown = [batch.lengths for batch in setting.train_loader()]
    clips = setting.data.shards.lengths[[row.split == "train" for row in setting.data.shards.rows]]
    assert sorted(torch.cat(shown).tolist()) == sorted(clips.tolist())
    assert {batch.samples.shape[1] for batch in setting.loader_of("val")} == {
        setting.window + setting.frontend.before + setting.frontend.after
    }
    fit(config, tmp_path / "run", say=lambda _: None)
    assert rundir.read_metrics(tmp_path / "run")["fitted"]["map"] > 0.9
    model = sonoscope.load(str(tmp_path / "run" / "bundle"))
    assert model.bundle.window_samples == setting.window
    fit(config, tmp_path / "again", say=lambda _: None)
    one, again = (rundir.read_answers(tmp_path / name / "test.npz").scores for name in ("run", "again"))
    assert np.array_equal(one, again)


@pytest.mark.parametrize("window_s", ["5.0", "null"])
def test_a_clip_shorter_than_a_window_ends_in_silence(tones: Tones, tmp_path: Path, window_s: str):
    config = tones("data.shown=clips", f"data.window_s={window_s}", "features.0.hop_samples=500")
    setting = Setting(config, tmp_path / "run", quick=False, say=lambda _: None)
    least = setting.shortest()
    assert least == (5 * setting.rate if window_s == "5.0" else setting.network.backbone.shortest * 500)
    real = setting.data.shards.lengths
    assert real.min() < least
    for batch in setting.train_loader():
        for samples, length, clip in zip(batch.samples, batch.lengths, batch.clips, strict=True):
            assert length == max(int(real[clip]), least)
            assert samples[: int(real[clip])].any() and not samples[int(real[clip]) :].any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("feature_on=loader",), "feature_on=loader computes windows"),
        (("data.cache=features",), "whole clips are read as samples"),
        (("kind=classical", "model=svm"), "data.shown=clips is for networks"),
    ],
)
def test_whole_clips_cannot_be_everything(tones: Tones, tmp_path: Path, words: tuple[str, ...], message: str):
    with pytest.raises(UsageError, match=message):
        Setting(tones("data.shown=clips", *words), tmp_path / "run", quick=False, say=lambda _: None)


def test_augmentations_know_the_epoch(tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From no share at first to all of it: a progressive schedule is heard by the chain."""
    from sonoscope.training.augment import gain

    shares: list[float] = []
    original = gain.Gain.__call__

    def spied(self, batch, rng):
        shares.append(self.share)
        return original(self, batch, rng)

    monkeypatch.setattr(gain.Gain, "__call__", spied)
    words = "augment=[{name: gain, share: 0.8, from_epoch: 1, full_epoch: 3}]"
    fit(
        tones(words, "training.epoch_batches=2", "training.sanity_steps=2"),
        tmp_path / "run",
        say=lambda _: None,
    )
    assert len(shares) == 8 and shares[:2] == [0.0, 0.0] and shares[-1] == pytest.approx(0.8)
    assert shares == sorted(shares) and 0 < shares[4] < 0.8


def test_three_seconds_at_ten_milliseconds_are_301_frames_to_learn_from_and_to_test(
    tones: Tones, tmp_path: Path
):
    words = ("data.window_s=3.0", "features.0.hop_samples=80", "training.batch_size=4", *SMALL_CNN)
    setting = Setting(tones(*words), tmp_path / "run", quick=False, say=lambda _: None)
    for part in ("train", "val", "test"):
        batches = setting.train_loader() if part == "train" else setting.loader_of(part)
        rows, _ = setting.frontend(next(iter(batches)).samples)
        assert tuple(rows.shape) == (4, 301, 24), part


def test_normalisation_comes_after_augmentation(
    tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Sounds 20 dB louder: the network gets rows 20 dB higher, and takes its statistics of plain ones from them."""
    from sonoscope.networks.build import Network

    seen: list[tuple[bool, float, float]] = []
    original = Network.maps

    def spied(self, rows):
        found = original(self, rows)
        seen.append((self.training, float((rows - self.mean).mean()), float(found[:, 0].mean())))
        return found

    monkeypatch.setattr(Network, "maps", spied)
    words = (
        "augment=[{name: gain, gain_db: 20, share: 1.0}]",
        "training.epochs=1",
        "training.epoch_batches=3",
    )
    fit(tones(*words), tmp_path / "run", say=lambda _: None, conclude=False)
    louder, plain = ([each for each in seen if each[0] is learning] for learning in (True, False))
    assert all(abs(above - 20) < 4 and level > 0.5 for _, above, level in louder) and louder
    assert all(above < 8 for _, above, _ in plain) and plain


def test_a_part_of_validation_and_five_clips_are_enough_to_try(tones: Tones, tmp_path: Path):
    """``limit_val_batches`` and ``--quick`` of other systems' quick experiments: it runs, and ends with a bundle."""
    words = (
        "training.validate_share=0.5",
        "training.batch_size=1",
        "training.epoch_batches=2",
        "training.epochs=1",
    )
    setting = Setting(tones(*words), tmp_path / "half", quick=False, say=lambda _: None)
    whole, half = (len(list(batches)) for batches in (setting.loader_of("val"), setting.validation_loader()))
    assert half == -(-whole // 2) and whole > 2
    done = fit(tones(*words), tmp_path / "run", quick=True, say=lambda _: None)
    parts = [line.split(",") for line in (done.folder / "manifest.csv").read_text().splitlines()]
    column = parts[0].index("split")
    assert [row[column] for row in parts[1:]].count("train") == 5
    assert (done.folder / "bundle" / "model.onnx").is_file()


def test_from_one_label_a_clip_to_several(sounds: Path, tones: Tones, tmp_path: Path):
    """Trained on single labels by cross-entropy, tested on clips with two, then trained on with two."""
    lines = (sounds / "manifest.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    for number, row in enumerate(rows):
        row.append("test" if row[2] == "recordist0" else "val" if row[2] == "recordist1" else "train")
        if row[3] == "test" and number % 4 == 0:
            row[1] += ";high" if row[1] != "high" else ";low"
    text = "\n".join(",".join(row) for row in [["path", "labels", "group", "split"], *rows])
    (sounds / "several.csv").write_text(text + "\n")
    (sounds / "all-several.csv").write_text(text.replace(",low,", ",low;high,") + "\n")
    short = ("training.epochs=2", "training.epoch_batches=6")
    single = fit(
        tones(f"data.train={sounds / 'several.csv'}", "data.task=multiclass", "losses=cross_entropy", *short),
        tmp_path / "single", say=lambda _: None,
    )  # fmt: skip
    answers = rundir.read_answers(single.folder / "test.npz")
    assert answers.truth.sum(axis=1).max() == 2 and 0 < single.metrics["fitted"]["map"] <= 1
    said: list[str] = []
    words = (f"data.train={sounds / 'all-several.csv'}", f"network.init_from={single.folder}", *short)
    fit(tones(*words), tmp_path / "several", say=said.append, conclude=False)
    told = "\n".join(said)
    assert "tensors loaded" in told and "begins anew" not in told and "missing" not in told


def test_features_may_be_computed_once(tones: Tones, tmp_path: Path):
    """Frames kept on the disk are those that are computed anew for every batch, up to the rounding of float16."""
    anew = Setting(tones(), tmp_path / "anew", quick=False, say=lambda _: None)
    once = Setting(tones("data.cache=features"), tmp_path / "once", quick=False, say=lambda _: None)
    assert once.data.shards.feature == once.feature and once.steps_per_epoch() == anew.steps_per_epoch()
    for plain, kept in zip(anew.loader_of("val"), once.loader_of("val"), strict=True):
        rows, _ = anew.frontend(plain.samples)
        assert rows.shape == kept.samples.shape and torch.equal(plain.targets, kept.targets)
        torch.testing.assert_close(rows, kept.samples, atol=0.04, rtol=0)


def test_a_training_on_kept_features_is_analysed_with_like_any_other(
    sounds: Path, tones: Tones, tmp_path: Path
):
    slowly = "training.learning_rate=0.001"  # far from the 32.767 at which logits of results end
    words = ("data.cache=features", "training.epochs=2", "training.validate_every=2", slowly, *SMALL_CNN)
    done = fit(tones(*words), tmp_path / "run", say=lambda _: None)
    with open(done.folder / "history.csv", newline="") as file:
        first, last = csv.DictReader(file)
    assert first["val_map"] == "" and float(last["val_map"]) >= 0 and float(first["loss"]) > 0
    answers = rundir.read_answers(done.folder / "test.npz")
    model = sonoscope.load(done.folder / "bundle")
    slope, offset = model.bundle.calibration.T
    for name, expected in zip(answers.names, answers.scores, strict=True):
        logits = model.analyze(sounds / name.rpartition("@")[0], hop=1.0).scores.logits.mean(axis=0)
        np.testing.assert_allclose(1 / (1 + np.exp(-(slope * logits + offset))), expected, atol=2e-2)


def test_a_window_that_the_backbone_cannot_see_is_refused_at_once(tones: Tones, tmp_path: Path):
    with pytest.raises(
        UsageError, match=r"data.window_s=0.5 is 20 input steps, .*'valid_cnn' needs at least 31"
    ):
        Setting(tones("data.window_s=0.5"), tmp_path / "run", quick=False, say=lambda _: None)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("augment=[{name: noise}, {name: spec_augment}]",), r"augmentations change samples \(noise\)"),
        (("data.window_s=null", "network.backbone=crnn"), "whole clips are read as samples"),
        (
            ("data.window_s=0.99",),
            "must be a multiple of the feature's hop of 0.025 s for data.cache=features",
        ),
        (("features=[samples]", "network.backbone=wav2vec2"), "this network takes samples"),
    ],
)
def test_features_are_not_kept_where_samples_are_needed(
    tones: Tones, tmp_path: Path, words: tuple[str, ...], why: str
):
    with pytest.raises(UsageError, match=why):
        Setting(tones("data.cache=features", *words), tmp_path / "run", quick=False, say=lambda _: None)


def test_a_training_on_irmas_learns_its_eleven_labels(tones: Tones, tmp_path: Path):
    """Clips of one label to learn from, by the names that IRMAS gives them; excerpts with several to be tested on."""
    import soundfile

    from sonoscope import labels

    rng = np.random.default_rng(0)
    for code in (label.code for label in labels.IRMAS):
        folder = tmp_path / "irmas" / "IRMAS-TrainingData" / code
        folder.mkdir(parents=True)
        for number in range(4):
            noise = 0.1 * rng.standard_normal(12_000).astype(np.float32)
            soundfile.write(folder / f"00{number}__[{code}][nod][cla]000{number}__1.wav", noise, 8000)
    part = tmp_path / "irmas" / "IRMAS-TestingData-Part1" / "Part1"
    part.mkdir(parents=True)
    for number, codes in enumerate(("gel\nvoi", "pia", "org\nsax\nvio")):
        soundfile.write(part / f"(0{number}) song-1.wav", rng.standard_normal(40_000) / 10, 8000)
        (part / f"(0{number}) song-1.txt").write_text(codes + "\n")
    words = (f"data.train=irmas:{tmp_path / 'irmas'}", "training.epochs=1", "training.epoch_batches=2")
    done = fit(tones(*words), tmp_path / "run", say=lambda _: None)
    answers = rundir.read_answers(done.folder / "test.npz")
    assert set(answers.labels) == {label.id for label in labels.IRMAS} and len(answers.labels) == 11
    assert answers.truth.sum(axis=1).astype(int).tolist() == [2, 1, 3]
    assert sonoscope.load(done.folder / "bundle").labels == answers.labels
