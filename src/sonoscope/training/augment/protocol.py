"""What an augmentation is: a batch in, a batch of the same shape out, by chance that a generator gives.

Made by ``make(*, sample_rate, **parameters)``; ``share`` is the share of the rows of a batch that it changes, each by
its own draw. Everything is done for the whole batch at once, on the device it is on. The numbers are drawn on the CPU
from ``rng``, so that they are the same on every device and do not depend on what else draws.

Drawing and applying are two methods: ``draw`` gives tensors whose first dimension counts the rows that are changed, and
``change`` uses nothing but those, so that a row of a batch is what it would be alone. Filters are designed where they
are drawn, on the CPU; only samples are touched on the device.

What is real in a row: with a batch of windows all ``n`` samples, the margins around the window included, for the
features of its first and last frames see them; with whole clips of different lengths those before the padding, which
stays zero. Both are ``n - max(lengths) + lengths``, since the longest clip of a batch has no padding.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from sonoscope.errors import UsageError
from sonoscope.training.batch import Batch

#: A number, or the least and the greatest of a range that is drawn from.
Spread = float | Sequence[float]
#: Numbers of each changed row, by name; the first dimension counts rows.
Draws = dict[str, torch.Tensor]

CPU = torch.device("cpu")


class Augmentation:
    """What both kinds share.

    Parameters
    ----------
    sample_rate : int
        Hz.
    share : float
        Of the rows of a batch, in 0..1.

    Raises
    ------
    ValueError
        If ``share`` is out of range.
    """

    #: Whether values are rounded to coarse steps: the last bit before decides on which side a sample falls.
    rounds = False

    def __init__(self, *, sample_rate: int, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share={share} must lie in 0..1")
        self.sample_rate, self.share = sample_rate, share

    def chosen(self, n: int, rng: torch.Generator, device: torch.device) -> torch.Tensor:
        """Which of ``n`` rows are changed, bool."""
        return (torch.rand(n, generator=rng) < self.share).to(device)

    def picked(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """The numbers of the rows that are changed, on the CPU: their count is known without asking the device."""
        return torch.nonzero(self.chosen(n, rng, CPU))[:, 0]

    @staticmethod
    def uniform(
        n: int, low: float, high: float, rng: torch.Generator, device: torch.device = CPU
    ) -> torch.Tensor:
        """``n`` numbers in ``low..high``, float32."""
        return (low + (high - low) * torch.rand(n, generator=rng)).to(device)

    @staticmethod
    def logarithmic(n: int, low: float, high: float, rng: torch.Generator) -> torch.Tensor:
        """``n`` numbers in ``low..high``, every octave as likely, float32."""
        return torch.exp(Augmentation.uniform(n, math.log(low), math.log(high), rng))

    @staticmethod
    def whole(n: int, low: int, high: int, rng: torch.Generator) -> torch.Tensor:
        """``n`` whole numbers in ``low..high``, both included, int64."""
        return torch.randint(low, high + 1, (n,), generator=rng)


class OfSamples(Augmentation, ABC):
    """Changes samples (batch, n), and targets where it mixes rows."""

    @abstractmethod
    def __call__(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Change what is chosen."""


class EachRow(OfSamples):
    """Changes samples of the chosen rows, each by its own numbers, and nothing else."""

    @torch.no_grad()
    def __call__(self, batch: Batch, rng: torch.Generator) -> Batch:
        check_samples(batch, self)
        count, n = batch.samples.shape
        rows = self.picked(count, rng)
        if not len(rows):
            return batch
        device = batch.samples.device
        drawn, where = on(self.draw(len(rows), n, rng), device), rows.to(device)
        with full_precision(device):
            real = real_samples(batch)
            if len(rows) == len(real):
                return batch._replace(samples=only_real(self.change(batch.samples, real, drawn), real))
            real = real[where]
            changed = only_real(self.change(batch.samples[where], real, drawn), real)
        return batch._replace(samples=batch.samples.index_copy(0, where, changed))

    @abstractmethod
    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        """The numbers for ``rows`` rows of ``n`` samples, on the CPU."""

    @abstractmethod
    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        """(rows, n) by the numbers of ``draw``; the first ``real`` (rows,) are sound, the others are zeros."""


class OfRows(Augmentation, ABC):
    """Changes rows of features (batch, t, n_bins)."""

    @abstractmethod
    def __call__(self, rows: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Change what is chosen."""


class EachPicture(OfRows):
    """Changes the features of the chosen rows of a batch, each by its own numbers."""

    @torch.no_grad()
    def __call__(self, rows: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        picked = self.picked(len(rows), rng)
        if not len(picked):
            return rows
        drawn = on(self.draw(len(picked), rows.shape[1], rows.shape[2], rng), rows.device)
        where = picked.to(rows.device)
        return rows.index_copy(0, where, self.change(rows[where], drawn))

    @abstractmethod
    def draw(self, rows: int, t: int, n_bins: int, rng: torch.Generator) -> Draws:
        """The numbers for ``rows`` pictures of ``t`` frames of ``n_bins`` values, on the CPU."""

    @abstractmethod
    def change(self, rows: torch.Tensor, drawn: Draws) -> torch.Tensor:
        """(rows, t, n_bins) by the numbers of ``draw``."""


def spread(name: str, value: Spread, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
    """A range that numbers are drawn from: two numbers, or one that always holds.

    Raises
    ------
    ValueError
        If it is not one or two numbers in order, in ``least..most``.
    """
    try:
        low, high = map(float, (value, value) if isinstance(value, int | float) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} must be a number, or two: the least and the greatest") from None
    if not least <= low <= high <= most:
        legal = f" in {least:g}..{most:g}" if math.isfinite(least) or math.isfinite(most) else ""
        raise ValueError(f"{name}={value!r} must be a number or two ascending ones{legal}")
    return low, high


def check_samples(batch: Batch, augmentation: Augmentation) -> None:
    """Refuse features where samples are to be changed.

    Raises
    ------
    UsageError
        If the feed has computed features already.
    """
    if batch.samples.ndim != 2:
        raise UsageError(
            f"augment: {type(augmentation).__name__} changes samples, and the loader computes features already: "
            "set feature_on=device"
        )


def real_samples(batch: Batch) -> torch.Tensor:
    """How many samples of each row are sound (batch,), margins included; after them there is padding."""
    return batch.samples.shape[1] - batch.lengths.max() + batch.lengths


def only_real(samples: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """The same with zeros after the first ``real`` samples of each row."""
    n = samples.shape[1]
    if bool((real == n).all()):
        return samples
    return samples * (torch.arange(n, device=samples.device) < real[:, None])


def mean_square(samples: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Of the real samples of each row, (rows, 1)."""
    return samples.square().sum(dim=1, keepdim=True) / real[:, None]


def decibels(db: torch.Tensor) -> torch.Tensor:
    """The factor of amplitudes that decibels are."""
    return 10.0 ** (db / 20.0)


def on(drawn: Draws, device: torch.device) -> Draws:
    """The numbers on a device."""
    return {name: each.to(device, non_blocking=True) for name, each in drawn.items()}


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Sound stays float32 where the network computes in bfloat16."""
    with torch.autocast(device.type, enabled=False):
        yield
