"""Upside down: every sample times -1, which no ear hears and no network should."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow


class Polarity(EachRow):
    """Turn the sign of rows."""

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return -samples
