"""Random pixels: single values of the features lost, each for itself."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachPicture, Spread, spread


class RandomPixels(EachPicture):
    """Replace single values by the mean of their picture.

    Parameters
    ----------
    lost : float or pair
        Share of the values of a picture, in 0..1.
    """

    def __init__(self, *, sample_rate: int, share: float = 0.5, lost: Spread = (0.01, 0.15)) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.lost = spread("lost", lost, 0.0, 1.0)

    def draw(self, rows: int, t: int, n_bins: int, rng: torch.Generator) -> Draws:
        lost = self.uniform(rows, *self.lost, rng)[:, None, None]
        return {"lost": torch.rand(rows, t, n_bins, generator=rng) < lost}

    def change(self, rows: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return torch.where(drawn["lost"], rows.mean(dim=(1, 2), keepdim=True), rows)
