"""Fitting a network as a configuration says, from DATA to a bundle, in a folder that can be resumed."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from sonoscope.data import badrows, certificate, manifest
from sonoscope.errors import UsageError
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.networks.export import write_bundle
from sonoscope.training import adapters, augment, describe, rundir
from sonoscope.training.begin import begin_with
from sonoscope.training.classical import baselines
from sonoscope.training.config import Config
from sonoscope.training.loader import EpochLoader
from sonoscope.training.losses.objective import Objective
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
from sonoscope.training.task import Task
from sonoscope.training.watch import Keep, Watch, interruptible

PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def fit(
    config: Config, folder: Path, *, resume: bool = False, quick: bool = False, say: Say = print
) -> Outcome:
    """Fit a network, test it, and write everything into ``folder``.

    Raises
    ------
    UsageError
        If the configuration cannot be meant, or the folder holds another run.
    Stopped
        If it was interrupted twice.
    """
    folder = Path(folder)
    opened(folder, config, resume=resume)
    quieten()
    began, cpu = time.monotonic(), time.process_time()
    training = config.training
    torch.set_num_threads(training.threads)
    lightning.seed_everything(training.seed, verbose=False)
    setting = Setting(config, folder, quick=quick, say=say)
    written(setting)
    last = folder / rundir.LAST
    going_on = resume and last.is_file()
    if not going_on:
        setting.normalise()
        if config.network.init_from:
            begin_with(setting.network, config.network.init_from, say, setting.data.labels)
    if config.network.adapters:
        say(adapters.attach(setting.network.backbone, config.network.adapters).text())
    task = task_of(setting)
    watch = Watch(folder / rundir.HISTORY, say, going_on)
    trainer = trainer_of(setting, watch)
    batches = setting.train_loader()
    if going_on and isinstance(batches, EpochLoader):
        batches.epoch = int(torch.load(last, weights_only=True)["epoch"]) + 1
    say(opening(setting, task))
    with interruptible(trainer, say) as interrupted:
        path = str(last) if going_on else None
        trainer.fit(task, batches, setting.loader_of(VALIDATION), ckpt_path=path, weights_only=True)
    epochs = trainer.current_epoch
    keep_best(task, folder)
    metrics = concluded(setting, task, trainer)
    metrics["cost"] = {
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    metrics["epochs"] = epochs
    rundir.write_metrics(folder, metrics)
    return Outcome(folder, metrics, bool(interrupted))


def quieten() -> None:
    """No advertisements and no remarks on hardware from Lightning: what matters is said here."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")


def opened(folder: Path, config: Config, *, resume: bool) -> None:
    """Make the folder, or check that it holds this very run."""
    if (folder / rundir.CONFIG).is_file():
        if not resume:
            raise UsageError(
                f"{folder} holds a training already: --resume goes on with it, -o names another folder"
            )
        held = rundir.read_config(folder)
        if held != config:
            raise UsageError(f"{folder} holds a training with another configuration: see its {rundir.CONFIG}")
    folder.mkdir(parents=True, exist_ok=True)
    rundir.write_config(folder, config)


def written(setting: Setting) -> None:
    """Leave manifest, certificate and bad rows in the run's folder."""
    folder = setting.folder
    manifest.copy_into(setting.data.shards.manifest, folder, name=rundir.MANIFEST)
    certificate.write(setting.data.certificate, folder / rundir.SPLIT)
    if setting.data.problems:
        badrows.write(setting.data.problems, folder / "bad_rows.csv")
        setting.say(
            f"{len(setting.data.problems)} rows cannot be used and were left out: {folder / 'bad_rows.csv'}"
        )


def task_of(setting: Setting) -> Task:
    """The module that Lightning fits."""
    config, network = setting.config, setting.network
    if config.training.channels_last:
        cast(Any, network).to(memory_format=torch.channels_last)
    objective = Objective(list(config.losses), dim=network.backbone.dim, n_classes=len(setting.data.labels))
    on_samples, on_rows = augment.build(config.augment, setting.rate, setting.feature)
    rows = setting.data.shards.rows
    return Task(
        network, setting.frontend, objective, config,
        steps_per_epoch=setting.steps_per_epoch(), labels=setting.data.labels,
        groups=tuple(row.group or row.path for row in rows),
        names=tuple(f"{row.path}@{row.start_s:g}" for row in rows),
        augment=on_samples, augment_rows=on_rows, class_weights=setting.class_weights(),
    )  # fmt: skip


def trainer_of(setting: Setting, watch: Watch) -> lightning.Trainer:
    training = setting.config.training
    callbacks: list[Callback] = [watch, Keep(setting.folder, training.monitor, training.patience)]
    return lightning.Trainer(
        max_epochs=training.epochs, accelerator="auto",
        devices=int(training.devices) if training.devices.isdigit() else training.devices,
        num_nodes=training.nodes, strategy=training.strategy, precision=cast(Any, PRECISION[training.precision]),
        logger=loggers(setting.folder), callbacks=callbacks, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, gradient_clip_val=training.gradient_clip,
        limit_train_batches=setting.steps_per_epoch(),
        limit_val_batches=training.validate_share if training.validate_share < 1 else 1.0,
        num_sanity_val_steps=training.sanity_steps, use_distributed_sampler=False,
    )  # fmt: skip


def loggers(folder: Path) -> Any:
    """TensorBoard where it is installed; ``history.csv`` is always written."""
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError:
        return False


def keep_best(task: Task, folder: Path) -> None:
    """Take the weights of the best epoch, where one was kept."""
    best = folder / rundir.BEST
    if best.is_file():
        held = torch.load(best, weights_only=True, map_location="cpu")
        task.load_state_dict(held["state_dict"], strict=False)


def concluded(setting: Setting, task: Task, trainer: lightning.Trainer) -> dict[str, Any]:
    """Calibrate on validation, test, and write answers and bundle; return the figures."""
    folder = setting.folder
    validation = answers_of(setting, task, trainer, VALIDATION)
    scaled = calibrated_scores(validation)
    thresholds = tagging.fitted_thresholds(scaled)
    rundir.write_answers(folder / "validation.npz", scaled)
    metrics: dict[str, Any] = {"validation": rundir.figures(scaled, thresholds, draws=0)["fitted"]}
    if setting.has(TEST):
        tested = calibrated_scores(answers_of(setting, task, trainer, TEST), like=validation)
        rundir.write_answers(folder / "test.npz", tested)
        metrics |= rundir.figures(tested, thresholds)
        metrics["dummies"] = rundir.numbers(baselines.figures(tested))
    metrics["parameters"] = sum(p.numel() for p in setting.network.parameters())
    metrics["certificate"] = setting.data.certificate.line
    bundled(setting, task, validation, metrics)
    return metrics


def answers_of(setting: Setting, task: Task, trainer: lightning.Trainer, part: str) -> Answers:
    """The mean logits of every clip of a part."""
    tester = lightning.Trainer(
        accelerator="auto", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, precision=cast(Any, trainer.precision),
    )  # fmt: skip
    tester.test(task, setting.loader_of(part), verbose=False)
    found = task.answers(logits=True)
    assert found is not None
    return found


def calibrated_scores(logits: Answers, *, like: Answers | None = None) -> Answers:
    """Probabilities by the calibration fitted on ``like`` (default: on themselves)."""
    scaling, _ = describe.calibrated(logits if like is None else like)
    slope, offset = (np.array([scaling[name][key] for name in logits.labels]) for key in ("slope", "offset"))
    probabilities = 1.0 / (1.0 + np.exp(-np.clip(logits.scores * slope + offset, -60, 60)))
    return replace(logits, scores=probabilities)


def bundled(setting: Setting, task: Task, validation: Answers, metrics: dict[str, Any]) -> None:
    """Write the bundle, where the network can leave torch; else say why not."""
    window = setting.window
    network = adapters.merged(task.best)
    if window is None:
        setting.say("no bundle: a network of whole clips has no window; set data.window_s to analyse with it")
        return
    if not network.backbone.exportable:
        setting.say(
            f"no bundle: the backbone {network.config['backbone']['name']!r} cannot be written as a graph"
        )
        return
    hop = setting.config.data.hop_s
    learned = [i for i, row in enumerate(setting.data.shards.rows) if row.split == TRAIN]
    about = {
        "clips": len(learned),
        "hours": round(float(setting.data.shards.lengths[learned].sum()) / setting.rate / 3600, 2),
        "groups": len({setting.data.shards.rows[i].group for i in learned}),
    }
    found = describe.description(
        setting.config, sample_rate=setting.rate, window=window,
        hop=window // 2 if hop is None else round(hop * setting.rate),
        validation=validation, metrics=metrics, training_data=about,
    )  # fmt: skip
    card = describe.card(found, setting.data.certificate.text())
    write_bundle(setting.folder / rundir.BUNDLE, network, found, feature=setting.feature, card=card)


def opening(setting: Setting, task: Task) -> str:
    """What a person wants to know before it begins."""
    counts = {
        part: sum(row.split == part for row in setting.data.shards.rows) for part in (TRAIN, VALIDATION, TEST)
    }
    size = sum(p.numel() for p in setting.network.parameters())
    return (
        f"{counts[TRAIN]} clips to learn from, {counts[VALIDATION]} to validate, {counts[TEST]} to test; "
        f"{len(setting.data.labels)} labels; {setting.data.certificate.line}\n"
        f"{setting.config.network.backbone['name']} with {size:,} parameters, "
        f"{task.plan.stretches[-1].end} epochs of {setting.steps_per_epoch()} batches"
    )
