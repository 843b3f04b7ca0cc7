"""Too loud for the recorder: samples beyond a drawn level are cut off, or bent round it."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, decibels, spread


class Clipping(EachRow):
    """Limit rows to a level below their own peak.

    Parameters
    ----------
    below_db : float or pair
        How far below the peak of the row.
    soft : float
        Share of the changed rows that are bent (``level * tanh(x / level)``) instead of cut, in 0..1.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, below_db: Spread = (0.0, 12.0), soft: float = 0.5
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        if not 0 <= soft <= 1:
            raise ValueError(f"soft={soft} must lie in 0..1")
        self.below_db, self.soft = spread("below_db", below_db, 0.0), soft

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        bent = torch.rand(rows, generator=rng) < self.soft
        return {"below_db": self.uniform(rows, *self.below_db, rng), "bent": bent}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        level = samples.abs().amax(dim=1, keepdim=True) * decibels(-drawn["below_db"])[:, None]
        level = level.clamp(min=1e-9)
        cut = torch.maximum(torch.minimum(samples, level), -level)
        return torch.where(drawn["bent"][:, None], level * torch.tanh(samples / level), cut)
