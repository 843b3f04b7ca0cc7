"""The course of a fitting, with or without labels: a folder that is opened, gone on with, watched and closed."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment

from sonoscope.data import badrows, certificate, manifest
from sonoscope.networks.checkpoints import LoadReport
from sonoscope.training import adapters, atop, ranks, rundir
from sonoscope.training.begin import begin_with, take_shape
from sonoscope.training.config import Config
from sonoscope.training.gradients import Gradients
from sonoscope.training.loader import EpochLoader
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
from sonoscope.training.watch import Judge, Keep, Watch, interruptible, told_of_memory

PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


class Begun:
    """A fitting whose folder is open, whose data are prepared, and whose network has the weights it begins with.

    Parameters
    ----------
    config : Config
        What is written into the folder.
    folder : Path
    resume, quick : bool
    say : callable
    learns_from : Config, optional
        What data and network are made of, where that is not ``config``.
    check : callable
        Refuses what cannot be meant, before any sound is decoded.

    Where several processes train together, each has one of these; only the first (``leads``) writes and speaks.

    Raises
    ------
    UsageError
        If the folder holds another training, or there is nothing to learn from.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        resume: bool,
        quick: bool,
        say: Say,
        learns_from: Config | None = None,
        check: Callable[[Setting], Any] = lambda _setting: None,
    ) -> None:
        quieten()
        self.leads = ranks.rank(config.training) == 0
        say = say if self.leads else _silent
        config = atop.fitted(config)
        learns_from = None if learns_from is None else atop.fitted(learns_from)
        self.config, self.folder, self.say = config, folder, say
        if self.leads:
            rundir.open_for(folder, config, resume=resume)
        else:
            ranks.wait(config.training)
        self._began, self._cpu = time.monotonic(), time.process_time()
        torch.set_num_threads(config.training.threads)
        lightning.seed_everything(config.training.seed, verbose=False)
        self.setting = Setting(learns_from or config, folder, quick=quick, say=say)
        self._last = folder / rundir.LAST
        self._going_on = resume and self._last.is_file()
        self._epochs, self._interrupted = 0, False
        normalised = self._weights()
        check(self.setting)
        if config.training.milestones and config.training.schedule != "multi-step":
            say(
                f"training.milestones count for training.schedule=multi-step; it is {config.training.schedule}"
            )
        if self.leads:  # the first that asks for sound: from here on it is decoded
            written(self.setting)
            self._announced = ranks.announce(config.training)
        if not (self._going_on or normalised):
            self.setting.normalise()
        self._watch = Watch(folder / rundir.HISTORY, say, self._going_on or not self.leads)

    def _weights(self) -> bool:
        """Give the network what it begins with, and its adapters; whether mean and standard deviation came along."""
        net, network = self.config.network, self.setting.network
        loaded: tuple[str, ...] = ()
        if not self._going_on:
            for report in _reports(network.backbone):
                self.say(report.text())
        if net.init_from:
            take_shape(network, net.init_from, self.say)
            if not self._going_on:
                loaded = begin_with(network, net.init_from, self.say, self.setting.labels).loaded
        if net.adapters:
            self.say(adapters.adapt(network, net.adapters).text())
        return {"mean", "std"} <= set(loaded)

    def trainer(self, monitor: str | None = None, judge: Judge | None = None) -> lightning.Trainer:
        """What fits; ``monitor`` is the figure that the best epoch is chosen by, by default the configuration's."""
        training = self.config.training
        monitor = monitor or training.monitor
        scheduler = ranks.scheduled()
        made = lightning.Trainer(
            max_epochs=training.epochs,
            accelerator="auto",
            devices=int(training.devices) if training.devices.isdigit() else training.devices,
            num_nodes=training.nodes,
            strategy=ranks.strategy(training),
            plugins=None if scheduler is None else [scheduler],
            precision=cast(Any, PRECISION[training.precision]),
            logger=loggers(self.folder),
            callbacks=[self._watch, Keep(self.folder, monitor, training.patience, judge), Gradients()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            gradient_clip_val=training.gradient_clip,
            limit_train_batches=self.setting.steps_per_epoch(),
            num_sanity_val_steps=training.sanity_steps,
            check_val_every_n_epoch=training.validate_every,
            use_distributed_sampler=False,
        )
        if made.precision != PRECISION[training.precision]:
            self.say(f"training.precision={training.precision} is for GPUs; here it is {made.precision}")
        return made

    def fit(self, trainer: lightning.Trainer, task: lightning.LightningModule, opening: str) -> None:
        """Fit, or go on from the last epoch."""
        batches = self.setting.train_loader()
        if self._going_on and isinstance(batches, EpochLoader):
            batches.epoch = int(torch.load(self._last, weights_only=True)["epoch"]) + 1
        self.say(opening)
        path = str(self._last) if self._going_on else None
        with interruptible(trainer, self.say) as interrupted, told_of_memory():
            trainer.fit(task, batches, self.setting.validation_loader(), ckpt_path=path, weights_only=True)
        self._epochs, self._interrupted = trainer.current_epoch, bool(interrupted)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def left(self) -> Outcome:
        """What there is to say where another process leads, or nothing is to be tested: no figures."""
        return Outcome(self.folder, {}, self._interrupted)

    def ended(self, metrics: dict[str, Any]) -> Outcome:
        """Write the figures, with what they cost."""
        metrics["cost"] = {
            "wall_s": round(time.monotonic() - self._began, 1),
            "cpu_s": round(time.process_time() - self._cpu, 1),
        }
        metrics["epochs"] = self._epochs
        if self._interrupted:
            metrics["interrupted"] = True
        rundir.write_metrics(self.folder, metrics)
        return Outcome(self.folder, metrics, self._interrupted)


def tester(precision: Any = "32-true") -> lightning.Trainer:
    """What runs a network over a part, in one process, wherever that is."""
    return lightning.Trainer(
        accelerator="auto", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, precision=precision, plugins=[LightningEnvironment()],
    )  # fmt: skip


def _silent(_line: str) -> None:
    """What other processes than the first have to say."""


def quieten() -> None:
    """No advertisements and no remarks on hardware from Lightning: what matters is said here."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")


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


def loggers(folder: Path) -> Any:
    """TensorBoard where it is installed; ``history.csv`` is always written."""
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError:
        return False


def keep_best(task: lightning.LightningModule, folder: Path) -> None:
    """Take the weights of the best epoch, where one was kept."""
    best = folder / rundir.BEST
    if best.is_file():
        held = torch.load(best, weights_only=True, map_location="cpu")
        task.load_state_dict(held["state_dict"], strict=False)


def _reports(backbone: torch.nn.Module) -> tuple[LoadReport, ...]:
    """What became of the published weights that a backbone was made with: of each file, or each part of it."""
    whole = getattr(backbone, "report", None)
    return getattr(backbone, "reports", ()) if whole is None else (whole,)
