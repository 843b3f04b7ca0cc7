"""The Lightning module: a batch of samples through augmentation, features and network to a loss, and validation."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from sonoscope.errors import count
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.networks.build import Network
from sonoscope.training import beside, phases
from sonoscope.training.augment import Chain
from sonoscope.training.averaging import averaged_copy
from sonoscope.training.batch import Batch, Rows
from sonoscope.training.beside import Known
from sonoscope.training.config import Config
from sonoscope.training.frontend import Frontend
from sonoscope.training.losses.objective import Objective
from sonoscope.training.rundir import Diverged


class Task(lightning.LightningModule):
    """A network on windows with weak labels.

    Parameters
    ----------
    network, frontend, objective
    config : Config
    steps_per_epoch : int
    labels : tuple of str
    groups, names : tuple of str
        Of the validation clips, by number.
    augment, augment_rows : Chain, optional
        Of the samples of a batch, and of the rows computed from them; training only.
    class_weights : Tensor of shape (classes,), optional
    genres : Tensor of shape (clips,), optional
        Of all clips by number, negative where unknown: for losses whose margin grows with the genre.
    known : dict, optional
        Of all clips by number, what the head is told beside the sound.
    learning_frontend : Frontend, optional
        Of the batches to learn from, where they are whole clips and others windows.
    """

    def __init__(
        self,
        network: Network,
        frontend: Frontend,
        objective: Objective,
        config: Config,
        *,
        steps_per_epoch: int,
        labels: tuple[str, ...],
        groups: tuple[str, ...],
        names: tuple[str, ...],
        augment: Chain | None = None,
        augment_rows: Chain | None = None,
        class_weights: torch.Tensor | None = None,
        genres: torch.Tensor | None = None,
        known: Known | None = None,
        learning_frontend: Frontend | None = None,
    ) -> None:
        super().__init__()
        self.known = known or {}
        self.network, self.objective = network, objective
        self.frontend, self.learning_frontend = frontend, learning_frontend or frontend
        self.config, self.labels = config, labels
        self.plan = phases.Plan(config.training, steps_per_epoch)
        self.augment, self.augment_rows = augment, augment_rows
        self.weights: torch.Tensor | None
        self.register_buffer("weights", class_weights, persistent=False)
        self.genres: torch.Tensor | None
        self.register_buffer("genres", genres, persistent=False)
        decay = config.training.average
        self.averaged = None if decay is None else averaged_copy(network, decay)
        if self.averaged is not None:
            self.averaged.requires_grad_(False)  # it follows, it does not learn
        self._groups, self._names = groups, names
        self._said: list[tuple[np.ndarray, ...]] = []

    @property
    def best(self) -> Network:
        """The network that is judged and kept: the averaged one where weights are averaged."""
        return self.network if self.averaged is None else self.averaged.module  # type: ignore[return-value]

    # ---- a batch -------------------------------------------------------------------------------------------

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Rows:
        """Augment and compute features where the batch now is; normalisation follows in the network."""
        batch = Batch(*batch)
        learning = self.trainer.training
        if learning and self.augment is not None:
            batch = self.augment(batch, self._chance(1))
        if batch.samples.ndim == 3:  # the feed has computed features already
            rows, lengths = batch.samples, None
        else:
            frontend = self.learning_frontend if learning else self.frontend
            whole = batch.samples.shape[1] - frontend.before - frontend.after
            equal = bool((batch.lengths == whole).all())
            rows, lengths = frontend(batch.samples, None if equal else batch.lengths)
        if learning and self.augment_rows is not None:
            rows = self.augment_rows(rows, self._chance(2))
        return Rows(rows, lengths, batch.targets, batch.judged, batch.clips)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(self._number(0))  # of dropout

    def _chance(self, stream: int) -> torch.Generator:
        """Random numbers of this step alone, so that a training that goes on draws what it would have drawn."""
        return torch.Generator().manual_seed(self._number(stream))

    def _number(self, stream: int) -> int:
        numbers = self.config.training.seed, self.trainer.global_step, self.global_rank, stream
        return hash(numbers) & (1 << 62) - 1

    def training_step(self, batch: Rows, _: int) -> torch.Tensor:
        told = beside.drawn(self.known, batch.clips, self._chance(3)) if self.known else None
        logits, embeddings = self.network.answers(batch.rows, batch.lengths, told)
        loss = self._loss(batch, logits, embeddings)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.rows), sync_dist=True)
        return loss

    def _loss(self, batch: Rows, logits: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        genres = None if self.genres is None else self.genres[batch.clips]
        return self.objective(
            logits, batch.targets, batch.judged, embeddings=embeddings, weights=self.weights, genres=genres
        )

    def on_train_epoch_start(self) -> None:
        for chain in (self.augment, self.augment_rows):
            if chain is not None:
                chain.epoch = self.current_epoch
        self.objective.begin_epoch(self.current_epoch)
        phases.apply(self.network, self.plan.at(self.current_epoch).phase)
        phases.hold_still(self.network)

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Step, then average: at once, so that no checkpoint has one without the other."""
        super().optimizer_step(*arguments, **named)
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, schedule = phases.optimizer(
            self.network, self.objective.parameters(), self.plan, self.config.training
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ---- validation and test -------------------------------------------------------------------------------

    def validation_step(self, batch: Rows, _: int) -> None:
        logits, embeddings = self.best.answers(batch.rows, batch.lengths)
        loss = self._loss(batch, logits, embeddings)
        self.log("val_loss", loss, batch_size=batch.counting, sync_dist=True)
        if not batch.counting:
            return
        kept = (batch.clips, logits.float(), batch.targets, batch.judged)
        self._said.append(tuple(part.cpu().numpy() for part in kept))

    def _gather(self) -> None:
        """Give every process what all of them have said."""
        everyone: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(everyone, self._said)
        self._said = [batch for said in everyone for batch in said]

    def on_validation_epoch_end(self) -> None:
        if self.trainer.world_size > 1:
            self._gather()
        answers = self.answers()
        if answers is not None:
            found = tagging.measured(answers, 0.5)
            self.log_dict({f"val_{name}": value for name, value in found.items() if np.isfinite(value)})

    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        """Answers are taken with :meth:`answers` by whoever tests."""

    def on_validation_epoch_start(self) -> None:
        self._said.clear()

    on_test_epoch_start = on_validation_epoch_start

    def answers(self, *, logits: bool = False) -> Answers | None:
        """What was said of each clip since validation or test began: the mean over its windows.

        Probabilities (or with ``logits`` the logits) in the order of clips' numbers; None where nothing was said.

        Raises
        ------
        Diverged
            If what was said are no numbers.
        """
        if not self._said:
            return None
        clips, said, targets, judged = (np.concatenate(column) for column in zip(*self._said, strict=True))
        numbers, place, counts = np.unique(clips, return_inverse=True, return_counts=True)
        sums = np.zeros((len(numbers), said.shape[1]))
        np.add.at(sums, place, said)
        mean = sums / counts[:, None]
        if (wrong := numbers[~np.isfinite(mean).all(axis=1)]).size:
            # Ranked like numbers, they would have figures.
            raise Diverged(f"answers to {count(wrong.size, 'clip')} (the first: {self._names[wrong[0]]}) are")
        first = np.unique(place, return_index=True)[1]
        softmax = self.config.data.task == "multiclass" and not logits
        scores = (
            mean if logits else _softmax(mean) if softmax else 1.0 / (1.0 + np.exp(-np.clip(mean, -60, 60)))
        )
        return Answers(
            targets[first], judged[first] > 0, scores, self.labels,
            tuple(self._groups[k] for k in numbers), tuple(self._names[k] for k in numbers),
        )  # fmt: skip


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
