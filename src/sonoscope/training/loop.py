"""Fitting a network on mixed windows with Lightning: AdamW, one cycle, averaged weights.

One thread and ``channels_last`` on a CPU (half again as fast as the default layout); the weights that are
kept are an exponential moving average over the run, which generalises better to unheard libraries than the
last step's.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.utils.data import DataLoader, IterableDataset

from sonoscope.data.mix.powermix import PowerMix
from sonoscope.networks.build import Network
from sonoscope.training.averaging import averaged_copy
from sonoscope.training.losses import LOSSES


@dataclass(frozen=True)
class TrainSpec:
    """How a network is fitted.

    Attributes
    ----------
    steps, batch_size : int
    learning_rate, weight_decay : float
        Of AdamW; the rate is the peak of the cycle.
    smoothing : float
        Label smoothing.
    loss : str
        A key of ``LOSSES``.
    average : float
        Decay of the moving average of the weights per step.
    precision : str
        Lightning's: ``bf16-mixed`` takes half as long on a processor with AMX, and longer on one without.
    seed : int
    """

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    smoothing: float = 0.02
    loss: str = "bce"
    average: float = 0.998
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    seed: int = 0


class Windows(IterableDataset):
    """The batches of a ``PowerMix`` as tensors from the ``first`` on; each loader worker draws its own."""

    def __init__(self, mix: PowerMix, spec: TrainSpec, first: int = 0) -> None:
        self.mix, self.spec, self.first = mix, spec, first

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        worker = torch.utils.data.get_worker_info()
        seed = self.spec.seed * 1009 + (worker.id if worker else 0)
        for batch in self.mix.batches(seed, self.spec.batch_size, first=self.first):
            yield tuple(torch.from_numpy(array) for array in batch)


class WindowTask(lightning.LightningModule):
    """A network on windows with weak labels."""

    def __init__(self, network: Network, spec: TrainSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        self.averaged = averaged_copy(network, spec.average)

    def training_step(self, batch: tuple[torch.Tensor, ...], _: int) -> torch.Tensor:
        frames, targets, judged = batch
        logits = self.network.window_logits(frames).float()
        loss = LOSSES[self.spec.loss](logits, targets, judged, smoothing=self.spec.smoothing)
        self.log("loss", loss, prog_bar=False)
        return loss

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Step, then average: at once, so that no checkpoint has one without the other."""
        super().optimizer_step(*arguments, **named)
        self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": self.spec.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=self.spec.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.spec.learning_rate, total_steps=self.spec.steps + 1, pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class History(Callback):
    """Writes ``history.csv``: step, loss (mean since the last row), learning rate, CPU seconds."""

    def __init__(self, folder: Path, every: int = 50) -> None:
        self.path, self.every = folder / "history.csv", every
        self.losses: list[float] = []

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        rows = self.path.read_text().splitlines()[1:] if trainer.global_step and self.path.is_file() else []
        kept = [row for row in rows if int(row.split(",")[0]) <= trainer.global_step]
        self.path.write_text("\n".join(["step,loss,learning_rate,cpu_s", *kept, ""]))

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_idx) -> None:
        self.losses.append(float(outputs["loss"]))
        if trainer.global_step % self.every == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            with open(self.path, "a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(
                    (
                        trainer.global_step,
                        f"{np.mean(self.losses):.5f}",
                        f"{rate:.6f}",
                        f"{time.process_time():.1f}",
                    )
                )
            self.losses.clear()


def fit(network: Network, mix: PowerMix, spec: TrainSpec, folder: str | Path, *, threads: int = 1) -> Network:
    """Fit ``network`` in place and return its averaged copy; checkpoints in ``folder`` make it resumable."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    last = folder / "last.ckpt"
    # Batches and dropout go on where they were, they do not begin again.
    first = torch.load(last, weights_only=True)["global_step"] if last.is_file() else 0
    lightning.seed_everything(spec.seed + first, verbose=False)
    cast(Any, network).to(memory_format=torch.channels_last)
    task = WindowTask(network, spec)
    checkpoints = ModelCheckpoint(
        folder, filename="last", every_n_train_steps=500, enable_version_counter=False
    )
    trainer = lightning.Trainer(
        max_steps=spec.steps,
        precision=spec.precision,
        accelerator="auto",
        devices=1,
        logger=False,
        callbacks=[History(folder), checkpoints],
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=5.0,
    )
    loader = DataLoader(Windows(mix, spec, first), batch_size=None)
    trainer.fit(task, loader, ckpt_path=str(last) if first else None, weights_only=True)
    trainer.save_checkpoint(last)
    averaged = cast(Network, task.averaged.module.cpu().eval())
    torch.save(averaged.state_dict(), folder / "averaged.pt")
    return averaged


def statistics(mix: PowerMix, seed: int = 0, windows: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per bin over drawn windows, each (n_bins,) float32."""
    frames, _, _ = next(mix.batches(seed, windows))
    flat = frames.reshape(-1, frames.shape[-1])
    return flat.mean(axis=0), flat.std(axis=0)
