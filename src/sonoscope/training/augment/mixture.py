"""What the augmentations that mix rows of a batch share: partners, and what becomes of targets."""

from __future__ import annotations

from abc import abstractmethod

import torch

from sonoscope.data.mix.combine import unite
from sonoscope.training.augment.protocol import (
    Draws,
    OfSamples,
    check_samples,
    full_precision,
    on,
    only_real,
    real_samples,
)
from sonoscope.training.batch import Batch

#: What rows of a batch become: samples, targets, judged.
Mixed = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Mixing(OfSamples):
    """Mixes the chosen rows with others of the batch as it was; a batch of one row stays as it is."""

    #: Partners that a row has at most.
    partners = 1

    @torch.no_grad()
    def __call__(self, batch: Batch, rng: torch.Generator) -> Batch:
        check_samples(batch, self)
        rows = self.picked(len(batch.samples), rng)
        others = partners_of(rows, len(batch.samples), self.partners, rng)
        if not others.numel():
            return batch
        drawn = {"partners": others, **self.draw(others.shape[0], others.shape[1], rng)}
        device = batch.samples.device
        with full_precision(device):
            where = rows.to(device)
            samples, targets, judged = self.mix(batch, where, on(drawn, device))
            samples = only_real(samples, real_samples(batch)[where])
            return batch._replace(
                samples=batch.samples.index_copy(0, where, samples),
                targets=batch.targets.index_copy(0, where, targets.to(batch.targets.dtype)),
                judged=batch.judged.index_copy(0, where, judged.to(batch.judged.dtype)),
            )

    @abstractmethod
    def draw(self, rows: int, partners: int, rng: torch.Generator) -> Draws:
        """The numbers for ``rows`` rows that have ``partners`` each, on the CPU."""

    @abstractmethod
    def mix(self, batch: Batch, rows: torch.Tensor, drawn: Draws) -> Mixed:
        """What ``rows`` (k,) of a batch become with their ``partners`` (k, m)."""


def partners_of(rows: torch.Tensor, batch: int, count: int, rng: torch.Generator) -> torch.Tensor:
    """Other rows for each row, (rows, count), no row twice; fewer where the batch has not as many others."""
    keys = torch.rand(len(rows), batch, generator=rng)
    keys[torch.arange(len(rows)), rows] = 2.0  # itself comes last, and is never taken
    return keys.argsort(dim=1)[:, : min(count, batch - 1)]


def group(rows: torch.Tensor, drawn: Draws) -> torch.Tensor:
    """The row itself and its partners, (rows, 1 + partners)."""
    return torch.cat([rows[:, None], drawn["partners"]], dim=1)


def used(drawn: Draws) -> torch.Tensor:
    """Which of a row and its partners are in the mixture, bool (rows, 1 + partners): the first ``count``."""
    count = drawn["count"][:, None]
    return torch.arange(1 + drawn["partners"].shape[1], device=count.device) < count


def united(batch: Batch, sounds: torch.Tensor, taken: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and judged of sounds (rows, k) of which those ``taken`` are in the mixture."""
    heard = batch.targets[sounds] * taken[..., None]
    known = (batch.judged[sounds] > 0) | ~taken[..., None]
    return unite(heard, known)


def counts(name: str, value: object, most: int = 16) -> tuple[int, int]:
    """How many sounds a mixture may have: a number, or the least and the greatest.

    Raises
    ------
    ValueError
        If they are not whole numbers in order, in 2..``most``.
    """
    low, high = (value, value) if isinstance(value, int) else tuple(value)  # type: ignore[arg-type]
    if not (isinstance(low, int) and isinstance(high, int) and 2 <= low <= high <= most):
        raise ValueError(f"{name}={value!r} must be a whole number or two ascending ones in 2..{most}")
    return low, high
