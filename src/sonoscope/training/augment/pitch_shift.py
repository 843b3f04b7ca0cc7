"""Higher or lower at the same tempo. Pitch is part of what some labels mean: draw from a range that keeps them true."""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread
from sonoscope.training.augment.stretching import resampled, stretched


class PitchShift(EachRow):
    """Move the pitch of rows.

    Parameters
    ----------
    semitones : float or pair
        In -24..24.
    """

    def __init__(self, *, sample_rate: int, share: float = 0.5, semitones: Spread = (-2.0, 2.0)) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.semitones = spread("semitones", semitones, -24.0, 24.0)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {"semitones": self.uniform(rows, *self.semitones, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        highest = 2.0 ** (self.semitones[1] / 12.0)
        return pitched(samples, real, drawn["semitones"], self.sample_rate, highest)


def pitched(
    samples: torch.Tensor, real: torch.Tensor, semitones: torch.Tensor, sample_rate: int, highest: float
) -> torch.Tensor:
    """Rows higher by semitones (rows,): stretched, then played faster. ``highest`` is the greatest ratio drawn."""
    n = samples.shape[1]
    ratio = 2.0 ** (semitones.double() / 12.0)
    slow = stretched(samples, real, 1.0 / ratio, sample_rate, math.ceil(n * max(highest, 1.0)) + 4)
    return resampled(slow, ratio, n)
