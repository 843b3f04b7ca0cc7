"""A small loudspeaker, a wall between: only a band around a drawn frequency is left."""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread


class BandPass(EachRow):
    """Leave a band: two second-order filters, a high-pass below it and a low-pass above.

    Parameters
    ----------
    centre_hz : pair
        Middle of the band; every octave is as likely.
    octaves : float or pair
        Its width, where it is 3 dB down.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        share: float = 0.5,
        centre_hz: Spread = (400.0, 4000.0),
        octaves: Spread = (1.5, 4.0),
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.centre_hz = spread("centre_hz", centre_hz, 50.0)
        self.octaves = spread("octaves", octaves, 0.1, 12.0)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        centre = self.logarithmic(rows, *self.centre_hz, rng).double()
        half = 2.0 ** (self.uniform(rows, *self.octaves, rng).double() / 2.0)
        flat = torch.tensor(math.sqrt(0.5))
        low, high = (
            2 * math.pi * (hz / self.sample_rate).clamp(1e-3, 0.49) for hz in (centre / half, centre * half)
        )
        sections = [
            filtering.high_pass(low, filtering.alpha_of_q(low, flat)),
            filtering.low_pass(high, filtering.alpha_of_q(high, flat)),
        ]
        return {"impulse": filtering.impulses(sections, filtering.ring(self.sample_rate))}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return filtering.convolved(samples, drawn["impulse"])
