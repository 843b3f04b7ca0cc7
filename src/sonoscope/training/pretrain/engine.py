"""Pre-training as a configuration says: from DATA without labels to the weights of a backbone, in a resumable folder.

What is left is what a training leaves (``rundir.py``), without answers and a bundle: nothing can be named yet. Instead
there is ``backbone.safetensors``: the backbone, and mean and standard deviation of its rows, under the names that they
have in a network.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file

from sonoscope.errors import UsageError
from sonoscope.training import engine, pretrain, rundir
from sonoscope.training.begin import BACKBONE, begin_with
from sonoscope.training.config import Config
from sonoscope.training.loader import EpochLoader
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.pretrain.task import PretextTask
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
from sonoscope.training.watch import Keep, Watch, interruptible

#: What is monitored where the configuration names a figure of labels.
MONITOR = "val_loss"


def fit(
    config: Config, folder: Path, *, resume: bool = False, quick: bool = False, say: Say = print
) -> Outcome:
    """Pre-train a backbone, measure its pretext on what it never heard, and write everything into ``folder``.

    Raises
    ------
    UsageError
        If the configuration cannot be meant, or the folder holds another run.
    Stopped
        If it was interrupted twice.
    """
    folder = Path(folder)
    _check(config)
    engine.opened(folder, config, resume=resume)
    engine.quieten()
    began, cpu = time.monotonic(), time.process_time()
    torch.set_num_threads(config.training.threads)
    lightning.seed_everything(config.training.seed, verbose=False)
    setting = Setting(_without_labels(config), folder, quick=quick, say=say)
    engine.written(setting)
    last = folder / rundir.LAST
    going_on = resume and last.is_file()
    if not going_on:
        setting.normalise()
        if config.network.init_from:
            begin_with(setting.network, config.network.init_from, say)
    task = task_of(setting)
    watch = Watch(folder / rundir.HISTORY, say, going_on)
    trainer = _trainer_of(setting, watch)
    batches = setting.train_loader()
    if going_on and isinstance(batches, EpochLoader):
        batches.epoch = int(torch.load(last, weights_only=True)["epoch"]) + 1
    say(_opening(setting, task))
    with interruptible(trainer, say) as interrupted:
        path = str(last) if going_on else None
        trainer.fit(task, batches, setting.loader_of(VALIDATION), ckpt_path=path, weights_only=True)
    epochs = trainer.current_epoch
    _keep_best(task, folder)
    write_backbone(folder / BACKBONE, setting)
    metrics = _measured(setting, task)
    metrics |= {
        "epochs": epochs,
        "cost": {
            "wall_s": round(time.monotonic() - began, 1), "cpu_s": round(time.process_time() - cpu, 1),
        },
    }  # fmt: skip
    rundir.write_metrics(folder, metrics)
    return Outcome(folder, metrics, bool(interrupted))


def _check(config: Config) -> None:
    if config.pretext is None:
        raise UsageError(
            f"pre-training needs a pretext, such as pretext=masked. Known: {', '.join(pretrain.PRETEXTS)}."
        )
    if config.data.window_s is None:
        raise UsageError("pre-training is shown windows: set data.window_s, such as data.window_s=3")
    if config.network.adapters:
        raise UsageError("network.adapters adapt a pre-trained backbone: leave them out of kind=pretrain")


def _without_labels(config: Config) -> Config:
    """The configuration with nothing in it that asks for labels."""
    return replace(
        config,
        data=replace(config.data, sampler="all", labels=None),
        training=replace(config.training, class_weights=False),
        augment=(),
    )


def task_of(setting: Setting) -> PretextTask:
    """The module that Lightning fits."""
    config, network = setting.config, setting.network
    assert config.pretext is not None
    if config.training.channels_last:
        cast(Any, network).to(memory_format=torch.channels_last)
    frames = setting.frames
    if frames is None:
        raise UsageError(
            "pretexts are tasks about rows of a feature: choose one (features=logmel), not samples"
        )
    made = pretrain.build(config.pretext, network, frames)
    return PretextTask(network, setting.frontend, made, config, steps_per_epoch=setting.steps_per_epoch())


def _trainer_of(setting: Setting, watch: Watch) -> lightning.Trainer:
    training = setting.config.training
    monitor = MONITOR if training.monitor == type(training).monitor else training.monitor
    callbacks: list[Callback] = [watch, Keep(setting.folder, monitor, training.patience)]
    return lightning.Trainer(
        max_epochs=training.epochs, accelerator="auto",
        devices=int(training.devices) if training.devices.isdigit() else training.devices,
        num_nodes=training.nodes, strategy=training.strategy,
        precision=cast(Any, engine.PRECISION[training.precision]),
        logger=engine.loggers(setting.folder), callbacks=callbacks, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, gradient_clip_val=training.gradient_clip,
        limit_train_batches=setting.steps_per_epoch(),
        limit_val_batches=training.validate_share if training.validate_share < 1 else 1.0,
        num_sanity_val_steps=0, use_distributed_sampler=False,
    )  # fmt: skip


def _keep_best(task: PretextTask, folder: Path) -> None:
    """Take the weights of the best epoch, where one was kept."""
    best = folder / rundir.BEST
    if best.is_file():
        held = torch.load(best, weights_only=True, map_location="cpu")
        task.load_state_dict(held["state_dict"], strict=False)


def write_backbone(path: Path, setting: Setting) -> None:
    """The backbone and the statistics of its rows, in full precision; the head, which learned nothing, stays out."""
    kept = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in setting.network.state_dict().items()
        if not name.startswith("head.")
    }
    save_file(kept, path)
    path.chmod(0o644)


def _measured(setting: Setting, task: PretextTask) -> dict[str, Any]:
    """The pretext's figures on validation and test: its loss, that of a trivial answer, and others."""
    found: dict[str, Any] = {
        "pretext": (setting.config.pretext or {})["name"],
        "parameters": sum(p.numel() for p in setting.network.backbone.parameters()),
        "certificate": setting.data.certificate.line,
    }
    for part in (VALIDATION, TEST):
        if setting.has(part):
            tester = lightning.Trainer(
                accelerator="auto", devices=1, logger=False, enable_progress_bar=False,
                enable_model_summary=False, enable_checkpointing=False,
            )  # fmt: skip
            told = tester.test(task, setting.loader_of(part), verbose=False)
            figures = {name.removeprefix("val_"): round(float(value), 5) for name, value in told[0].items()}
            found["validation" if part == VALIDATION else part] = figures
    return found


def _opening(setting: Setting, task: PretextTask) -> str:
    """What a person wants to know before it begins."""
    rows = setting.data.shards.rows
    counts = {part: sum(row.split == part for row in rows) for part in (TRAIN, VALIDATION, TEST)}
    backbone, pretext = (
        sum(p.numel() for p in part.parameters()) for part in (setting.network.backbone, task.pretext)
    )
    config = setting.config
    return (
        f"{counts[TRAIN]} clips to learn from, {counts[VALIDATION]} to validate, {counts[TEST]} to test, "
        f"labels are not looked at; {setting.data.certificate.line}\n"
        f"{config.network.backbone['name']} with {backbone:,} parameters by {(config.pretext or {})['name']} "
        f"({pretext:,} more), {task.plan.stretches[-1].end} epochs of {setting.steps_per_epoch()} batches"
    )
