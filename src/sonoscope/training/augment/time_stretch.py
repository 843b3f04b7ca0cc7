"""Faster or slower at the same pitch."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread
from sonoscope.training.augment.stretching import stretched


class TimeStretch(EachRow):
    """Change the tempo of rows; what is too short then begins again, what is too long is cut.

    Parameters
    ----------
    rate : float or pair
        2 is twice as fast; in 0.25..4.
    """

    def __init__(self, *, sample_rate: int, share: float = 0.5, rate: Spread = (0.85, 1.18)) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.rate = spread("rate", rate, 0.25, 4.0)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {"rate": self.logarithmic(rows, *self.rate, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return stretched(samples, real, drawn["rate"], self.sample_rate)
