"""The Lightning module of a pre-training: rows through a pretext to a loss, and what the loss is worth."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from sonoscope.networks.build import Network
from sonoscope.training import phases
from sonoscope.training.batch import Batch, Rows
from sonoscope.training.config import Config
from sonoscope.training.frontend import Frontend
from sonoscope.training.pretrain.protocol import Pretext, Told

#: Steps of validation draw from numbers that no step of a training draws from.
_VALIDATING = -1


class PretextTask(lightning.LightningModule):
    """A network, a pretext, and windows whose labels nobody looks at.

    Parameters
    ----------
    network, frontend, pretext
    config : Config
    steps_per_epoch : int
    """

    def __init__(
        self, network: Network, frontend: Frontend, pretext: Pretext, config: Config, *, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.network, self.frontend, self.pretext, self.config = network, frontend, pretext, config
        self.plan = phases.Plan(config.training, steps_per_epoch)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Rows:
        """Rows of features, computed where the batch now is."""
        held = Batch(*batch)
        rows = held.samples if held.samples.ndim == 3 else self.frontend(held.samples)[0]
        return Rows(rows, None, held.targets, held.judged, held.clips)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(self._number(self.trainer.global_step))  # of dropout

    def _number(self, *place: int) -> int:
        return hash((self.config.training.seed, self.global_rank, *place)) & (1 << 62) - 1

    def _told(self, rows: torch.Tensor, *place: int) -> Told:
        chance = torch.Generator().manual_seed(self._number(*place))
        told: Told = self.pretext(self.network, rows, chance)
        return told

    def training_step(self, batch: Rows, _: int) -> torch.Tensor:
        told = self._told(batch.rows, self.trainer.global_step)
        self.log("loss", told.loss, on_step=False, on_epoch=True, batch_size=len(batch.rows), sync_dist=True)
        return told.loss

    def validation_step(self, batch: Rows, number: int) -> None:
        told = self._told(batch.rows, number, _VALIDATING)
        figures = {"val_loss": told.loss, "val_trivial": told.trivial}
        figures |= {f"val_{name}": value for name, value in told.figures.items()}
        self.log_dict(figures, batch_size=batch.counting, sync_dist=True)

    test_step = validation_step

    def on_train_epoch_start(self) -> None:
        phases.apply(self.network, self.plan.at(self.current_epoch).phase)
        phases.hold_still(self.network)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, schedule = phases.optimizer(
            self.network, self.pretext.parameters(), self.plan, self.config.training
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
