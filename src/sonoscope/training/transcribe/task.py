"""The Lightning module of a network of notes: rows to onset, sustain and velocity of every key, and their loss."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from sonoscope.networks.framenotes import FrameNotes
from sonoscope.training import phases
from sonoscope.training.batch import Batch, Rows
from sonoscope.training.config import Config
from sonoscope.training.frontend import Frontend
from sonoscope.training.notes import NoteTrainSpec, note_loss
from sonoscope.training.rundir import Diverged
from sonoscope.training.transcribe.counted import LEVELS, Figures, counted

#: What is counted of each batch of a validation, in this order.
ONSET, SUSTAIN = 0, 1


class NoteTask(lightning.LightningModule):
    """A network on windows with notes.

    Parameters
    ----------
    notes : FrameNotes
    frontend : Frontend
    config : Config
    steps_per_epoch : int
    """

    def __init__(
        self, notes: FrameNotes, frontend: Frontend, config: Config, *, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.notes, self.network, self.frontend, self.config = notes, notes.network, frontend, config
        self.plan = phases.Plan(config.training, steps_per_epoch)
        self.weights = NoteTrainSpec()
        self.counts: torch.Tensor
        self.register_buffer("counts", torch.zeros(2, 2, LEVELS, dtype=torch.float64), persistent=False)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Rows:
        """Rows of features, computed where the batch now is; targets are what is true of the judged ones."""
        held = Batch(*batch)
        rows = held.samples if held.samples.ndim == 3 else self.frontend(held.samples)[0]
        return Rows(rows, None, held.targets, held.judged, held.clips)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        numbers = self.config.training.seed, self.trainer.global_step, self.global_rank
        torch.manual_seed(hash(numbers) & (1 << 62) - 1)  # of dropout

    def training_step(self, batch: Rows, _: int) -> torch.Tensor:
        loss = note_loss(self.notes(batch.rows), batch.targets, self.weights)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.rows), sync_dist=True)
        return loss

    def on_train_epoch_start(self) -> None:
        phases.apply(self.network, self.plan.at(self.current_epoch).phase)
        phases.hold_still(self.network)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, schedule = phases.optimizer(self.network, [], self.plan, self.config.training)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ---- validation and test -------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.counts.zero_()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Rows, _: int) -> None:
        logits, found = self.notes(batch.rows), batch.targets
        loss = note_loss(logits, found, self.weights)
        self.log("val_loss", loss, batch_size=batch.counting, sync_dist=True)
        if not batch.counting:
            return
        if not bool(torch.isfinite(loss)):
            raise Diverged("answers to held-out clips are")
        for part in (ONSET, SUSTAIN):
            self.counts[part] += counted(logits[part].sigmoid(), found[:, part])

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(self.counts)
        onset, sustain = self.figures()
        self.log_dict(
            {
                "val_ap": sustain.average_precision,
                "val_f1": sustain.f1,
                "val_onset_ap": onset.average_precision,
                "val_onset_f1": onset.f1,
            }
        )

    def on_test_epoch_end(self) -> None:
        """Counts are taken by whoever tests."""

    def counts_now(self) -> np.ndarray:
        """What was counted since validation or test began: onset and sustain, (2, 2, LEVELS)."""
        return self.counts.cpu().numpy().copy()

    def figures(self) -> tuple[Figures, Figures]:
        """Of onsets, and of what sounds."""
        onset, sustain = self.counts_now()
        return Figures.of(onset), Figures.of(sustain)
