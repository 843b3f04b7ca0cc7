"""Options of a training that nothing else switches on: what each does to the trainer, to batches and to weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

from sonoscope.training import phases, rundir  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.engine import fit, task_of  # noqa: E402
from sonoscope.training.prepare import TRAIN  # noqa: E402
from sonoscope.training.setting import Setting  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of prepared sound that the trainings here share."""
    return str(tmp_path_factory.mktemp("prepared") / "data")


def trained(
    config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, dict[str, Any], list[str]]:
    """Lightning's trainer of a training, the figures it ended with, and what it said."""
    seen: list[Any] = []
    said: list[str] = []
    original = lightning.Trainer.fit

    def watched(self: Any, *given: Any, **named: Any) -> None:
        seen.append(self)
        original(self, *given, **named)

    monkeypatch.setattr(lightning.Trainer, "fit", watched)
    fit(config, folder, say=said.append)
    return seen[0], rundir.read_metrics(folder), said


def test_it_ends_early_where_nothing_gets_better(tones: Tones, prepared: str, tmp_path: Path):
    """The number of clips is as good in the first epoch as in any: patience waits for two more."""
    words = (
        "training.monitor=val_clips",
        "training.epochs=8",
        "training.epoch_batches=2",
        "training.patience=2",
    )
    fit(tones(*words, f"data.folder={prepared}"), tmp_path / "run", say=lambda _: None)
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 1 + 3
    assert rundir.finished(tmp_path / "run")


HALF = ("16-mixed", torch.float16) if torch.cuda.is_available() else ("bf16-mixed", torch.bfloat16)


@pytest.mark.parametrize("clip", ["5", "null"])
@pytest.mark.parametrize(
    ("precision", "plugin", "dtype"),
    [("bf16", "bf16-mixed", torch.bfloat16), ("16", *HALF), ("32", "32-true", torch.float32)],
)
def test_networks_compute_in_the_precision_asked_and_keep_their_weights_in_full(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: str, precision: str,
    plugin: str, dtype: torch.dtype,
):  # fmt: skip
    kinds: set[Any] = set()
    original = torch.nn.Conv2d.forward

    def watched(self: Any, maps: Any) -> Any:
        out = original(self, maps)
        if torch.is_grad_enabled():
            kinds.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.Conv2d, "forward", watched)
    words = (f"training.precision={precision}", f"training.gradient_clip={clip}", "training.epochs=2")
    trainer, metrics, said = trained(tones(*words, f"data.folder={prepared}"), tmp_path / "run", monkeypatch)
    assert trainer.precision == plugin and kinds == {dtype}
    assert metrics["fitted"]["map"] > 0.9 and (tmp_path / "run" / "bundle" / "model.onnx").is_file()
    held = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    assert {value.dtype for value in held.values() if value.is_floating_point()} == {torch.float32}
    told = [line for line in said if line.startswith("training.precision=16 is for GPUs")]
    assert bool(told) == (precision == "16" and not torch.cuda.is_available())


@pytest.mark.parametrize(
    ("name", "kind", "momentum"),
    [("adamw", torch.optim.AdamW, None), ("adam", torch.optim.Adam, None), ("sgd", torch.optim.SGD, 0.7)],
)
def test_the_optimizer_is_the_one_asked_for(tones: Tones, name: str, kind: type, momentum: float | None):
    from sonoscope.networks.build import Network

    training = tones(
        f"training.optimizer={name}", "training.momentum=0.7", "training.weight_decay=0.25"
    ).training
    network = Network(24, 3, backbone={"name": "valid_cnn", "width": 0.25}, head="linear")
    made, _ = phases.optimizer(network, [], phases.Plan(training, 3), training)
    assert type(made) is kind
    for group in made.param_groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] == 0.25}, (
            "vectors are not decayed"
        )
    assert {group["weight_decay"] for group in made.param_groups} == {0.25, 0.0}
    assert momentum is None or {group["momentum"] for group in made.param_groups} == {momentum}


def test_classes_weigh_by_how_rare_they_are(tones: Tones, prepared: str, tmp_path: Path):
    words = ("training.class_weights=true", f"data.folder={prepared}")
    setting = Setting(tones(*words), tmp_path, quick=False, say=lambda _: None)
    counts = setting.learned()[0].sum(dim=0).numpy()
    weights = task_of(setting).weights.numpy()
    np.testing.assert_allclose(weights * counts, (weights * counts)[0], rtol=1e-6)
    assert weights.mean() == pytest.approx(1.0)
    plain = Setting(tones(f"data.folder={prepared}"), tmp_path, quick=False, say=lambda _: None)
    assert task_of(plain).weights is None


def test_the_layout_of_weights_is_the_one_asked_for(tones: Tones, prepared: str, tmp_path: Path):
    for last in (True, False):
        words = (f"training.channels_last={str(last).lower()}", f"data.folder={prepared}")
        setting = Setting(tones(*words), tmp_path, quick=False, say=lambda _: None)
        maps = [p for p in task_of(setting).network.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
        assert maps and all(p.is_contiguous(memory_format=torch.channels_last) == last for p in maps)


def test_the_loader_computes_features_where_it_is_asked_to(tones: Tones, prepared: str, tmp_path: Path):
    """Clip by clip or in the batch: the same rows, and workers give the same batches."""
    batches = []
    for words in (
        ("feature_on=device",),
        ("feature_on=loader",),
        ("feature_on=loader", "training.loader_workers=1"),
    ):
        setting = Setting(tones(*words, f"data.folder={prepared}"), tmp_path, quick=False, say=lambda _: None)
        batch = next(iter(setting.train_loader()))
        rows = batch.samples if batch.samples.ndim == 3 else setting.frontend(batch.samples, None)[0]
        batches.append((rows, batch.targets))
    for rows, targets in batches[1:]:
        torch.testing.assert_close(rows, batches[0][0], atol=1e-3, rtol=0)
        assert torch.equal(targets, batches[0][1])


def test_the_gradient_is_clipped_and_threads_are_as_many_as_asked(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = torch.get_num_threads()
    words = (
        "training.gradient_clip=0.125",
        "training.threads=2",
        "training.epochs=1",
        "training.epoch_batches=2",
    )
    try:
        trainer, _, _ = trained(tones(*words, f"data.folder={prepared}"), tmp_path / "run", monkeypatch)
        assert trainer.gradient_clip_val == 0.125 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fold_is_tested_on_and_every_group_once(tones: Tones, tmp_path: Path):
    tested: list[str] = []
    for fold in range(3):
        words = ("data.folds=3", f"data.fold={fold}", f"data.folder={tmp_path / str(fold)}")
        setting = Setting(tones(*words), tmp_path, quick=False, say=lambda _: None)
        here = {row.group for row in setting.data.shards.rows if row.split == "test"}
        assert here and not here & {row.group for row in setting.data.shards.rows if row.split == TRAIN}
        tested += sorted(here)
    assert len(tested) == len(set(tested)) == 6
