"""Louder or quieter: every row by its own gain."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, decibels, spread


class Gain(EachRow):
    """Multiply rows by a gain.

    Parameters
    ----------
    gain_db : float or pair
    """

    def __init__(self, *, sample_rate: int, share: float = 0.5, gain_db: Spread = (-12.0, 6.0)) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.gain_db = spread("gain_db", gain_db)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {"gain_db": self.uniform(rows, *self.gain_db, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return samples * decibels(drawn["gain_db"])[:, None]
