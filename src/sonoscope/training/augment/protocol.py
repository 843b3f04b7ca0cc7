"""What an augmentation is: a batch in, a batch of the same shape out, by chance that a generator gives.

Made by ``make(*, sample_rate, **parameters)``; ``share`` is the share of the rows of a batch that it changes, each by
its own draw. Everything is done for the whole batch at once, on the device it is on. The numbers are drawn on the CPU
from ``rng``, so that they are the same on every device and do not depend on what else draws.
"""

from __future__ import annotations

import torch

from sonoscope.training.batch import Batch


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

    def __init__(self, *, sample_rate: int, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share={share} must lie in 0..1")
        self.sample_rate, self.share = sample_rate, share

    def chosen(self, n: int, rng: torch.Generator, device: torch.device) -> torch.Tensor:
        """Which of ``n`` rows are changed, bool."""
        return (torch.rand(n, generator=rng) < self.share).to(device)

    @staticmethod
    def uniform(n: int, low: float, high: float, rng: torch.Generator, device: torch.device) -> torch.Tensor:
        """``n`` numbers in ``low..high``, float32."""
        return (low + (high - low) * torch.rand(n, generator=rng)).to(device)


class OfSamples(Augmentation):
    """Changes samples (batch, n), and targets where it mixes rows."""

    def __call__(self, batch: Batch, rng: torch.Generator) -> Batch:
        raise NotImplementedError


class OfRows(Augmentation):
    """Changes rows of features (batch, t, n_bins)."""

    def __call__(self, rows: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        raise NotImplementedError
