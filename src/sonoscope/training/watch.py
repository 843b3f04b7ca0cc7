"""How a training is watched and stopped: history, a line an epoch, and Ctrl-C."""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from sonoscope.errors import Stopped, UsageError
from sonoscope.training.rundir import BEST, LAST, Abandoned, Diverged
from sonoscope.writing import told_of

Say = Callable[[str], None]
#: Told an epoch's number and the monitored figure; whether the training is to be given up.
Judge = Callable[[int, float], bool]
#: Batches after which the weights are looked at again. What is no number stays so, and looking takes a moment.
LOOKS_EVERY = 50


class Watch(Callback):
    """Writes ``history.csv``, an epoch a line, and says how it goes."""

    def __init__(self, path: Path, say: Say, going_on: bool) -> None:
        self.path, self.say, self._began = path, say, time.process_time()
        self._rate = 0.0
        if not going_on:
            self.path.unlink(missing_ok=True)

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        # At the end of an epoch the optimiser has the rate of the next step, which may be another phase's.
        self._rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.world_size > 1:  # an interruption reaches one process before another; they stop together
            trainer.should_stop = trainer.strategy.reduce_boolean_decision(trainer.should_stop, all=False)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        measured = trainer.callback_metrics.items()
        # Where an epoch is not validated, figures of an earlier one are still there.
        here = is_validated(trainer)
        found = {name: float(value) for name, value in measured if here or not name.startswith("val_")}
        row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": self._rate,
            "cpu_s": round(time.process_time() - self._began, 1),
            **{name: round(value, 6) for name, value in sorted(found.items())},
        }
        self._write(row, trainer.current_epoch)
        if trainer.logger is not None:
            own = {name: row[name] for name in ("learning_rate", "cpu_s")}
            trainer.logger.log_metrics(own, step=trainer.global_step)
        shown = "  ".join(
            f"{name} {found[name]:.3f}"
            for name in ("loss", "val_loss", "val_map", "val_micro_f1", "val_ap", "val_onset_f1")
            if name in found
        )
        self.say(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {shown}")

    def _write(self, row: dict[str, float], epoch: int) -> None:
        lines = list(csv.DictReader(self.path.open(newline=""))) if self.path.is_file() else []
        kept = [line for line in lines if int(line["epoch"]) <= epoch]
        columns = list(dict.fromkeys([*(kept[0] if kept else ()), *row]))
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
            writer.writeheader()
            writer.writerows([*kept, row])


def is_validated(trainer: lightning.Trainer) -> bool:
    """Whether the present epoch is one of those that are validated."""
    return (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0


class Keep(Callback):
    """Writes a checkpoint after every epoch, and keeps that of the best validated one; of equal ones the latest.

    An epoch that was cut short leaves none: what goes on from there repeats it whole. The first one leaves
    ``best.ckpt``, since its weights are all there is; nothing goes on from it.

    Parameters
    ----------
    folder : Path
    monitor : str
        A figure of the validation; what ends in ``loss`` is best where it is least.
    patience : int, optional
        Epochs without a better one after which training ends.
    judge : callable, optional
        May give the training up after any epoch.

    Raises
    ------
    Abandoned
        Where the judge says so.
    Diverged
        Where weights, or the loss of the validation, are no numbers: such an epoch is never the best.
    """

    def __init__(
        self, folder: Path, monitor: str, patience: int | None = None, judge: Judge | None = None
    ) -> None:
        self.folder, self.monitor, self.patience, self.judge = folder, monitor, patience, judge
        self.best: float | None = None
        self.waited = 0
        self._batches = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.waited = state_dict["best"], state_dict["waited"]

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._batches = 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any
    ) -> None:
        self._batches += 1
        if self._batches % LOOKS_EVERY == 0 or self._batches == trainer.num_training_batches:
            _look_at(module, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if self._batches < trainer.num_training_batches:
            return
        if not is_validated(trainer):
            self.waited += 1
            self._save(trainer, LAST)
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise UsageError(f"training.monitor={self.monitor!r} was not measured. Measured: {known}.")
        if not bool(torch.isfinite(trainer.callback_metrics.get("val_loss", torch.zeros(())))):
            raise Diverged(f"epoch {trainer.current_epoch + 1}: answers to the validation part are")
        value = float(trainer.callback_metrics[self.monitor])
        sign = -1.0 if self.monitor.endswith("loss") else 1.0
        better = self.best is None or sign * value > sign * self.best
        equal = value == self.best
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best = value
        if better or equal:
            self._save(trainer, BEST)
        self._save(trainer, LAST)
        if self.patience is not None and self.waited >= self.patience:
            trainer.should_stop = True
        if self.judge is not None and self.judge(trainer.current_epoch, value):
            raise Abandoned(f"given up after epoch {trainer.current_epoch + 1}: {self.monitor} {value:.4f}")

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if not any((self.folder / name).is_file() for name in (BEST, LAST)):
            self._save(trainer, BEST)

    def _save(self, trainer: lightning.Trainer, name: str) -> None:
        """Beside it and moved into place, so that what is there is whole."""
        made = self.folder / f".{name}"
        with told_of(self.folder / name, made):
            try:
                trainer.save_checkpoint(made)
            except OSError:
                made.unlink(missing_ok=True)
                raise
            if trainer.is_global_zero:
                made.replace(self.folder / name)


def _look_at(module: lightning.LightningModule, epoch: int) -> None:
    """Raise ``Diverged`` if a weight is no number: of processes that train together all see the same."""
    if not all(bool(torch.isfinite(weights).all()) for weights in module.parameters()):
        raise Diverged(f"epoch {epoch + 1}: weights of the network are")


@contextmanager
def told_of_memory() -> Iterator[None]:
    """Say what to do where a batch does not fit into the memory of the device.

    Raises
    ------
    Stopped
        Of an allocation that failed: torch has an error for GPUs, and words for the rest.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise Stopped(
            "a batch does not fit into the memory: a smaller training.batch_size, a shorter data.window_s or a smaller "
            "network needs less, and on a GPU training.precision=bf16"
        ) from None


@contextmanager
def interruptible(trainer: lightning.Trainer, say: Say) -> Iterator[list[bool]]:
    """Ctrl-C once ends the training after the batch at hand, and what follows is done; twice stops at once.

    Yields a list that is empty as long as nobody interrupted.

    Raises
    ------
    Stopped
        After the second interruption, or when the process is to be terminated.
    """
    times: list[bool] = []

    def heard(_number: int, _frame: FrameType | None) -> None:
        times.append(True)
        if len(times) > 1:
            raise Stopped("interrupted twice: nothing more was done. --resume goes on from the last epoch.")
        say("interrupted: it ends here and is tested now; once more stops at once")
        trainer.should_stop = True

    try:
        before = signal.signal(signal.SIGINT, heard)
    except ValueError:  # not in the main thread, where nobody presses Ctrl-C
        yield times
        return
    try:
        yield times
    except SIGTERMException:  # Lightning's, which would end the process with 0
        raise Stopped("terminated: nothing more was done. --resume goes on from the last epoch.") from None
    finally:
        signal.signal(signal.SIGINT, before)
