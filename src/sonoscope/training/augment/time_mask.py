"""Silence for a while: a stretch of the samples of a row is left out."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread

#: The sound goes and comes within this time: a cut would click.
FADE_S = 0.005


class TimeMask(EachRow):
    """Silence stretches of rows.

    Parameters
    ----------
    width_s : float or pair
        Seconds of each, fades included; at most half of the row.
    count : int
        How many; they may overlap.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, width_s: Spread = (0.05, 0.4), count: int = 1
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        if count < 1:
            raise ValueError(f"count={count} must be at least 1")
        self.width_s, self.count = spread("width_s", width_s, 0.0), count

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        width = self.uniform(rows * self.count, *self.width_s, rng).view(rows, self.count)
        place = torch.rand(rows, self.count, generator=rng)
        return {"width": width * self.sample_rate, "place": place}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        now = torch.arange(samples.shape[1], device=samples.device)
        fade = max(FADE_S * self.sample_rate, 1.0)
        for k in range(self.count):
            half = torch.minimum(drawn["width"][:, k], real / 2)[:, None] / 2
            middle = half + drawn["place"][:, k, None] * (real[:, None] - 2 * half)
            samples = samples * (((now - middle).abs() - half) / fade + 1.0).clamp(0.0, 1.0)
        return samples
