"""A telephone, a cheap recorder, a low bit rate: a narrow band, and few steps of amplitude.

The sound is cut above a drawn frequency and rounded to a drawn number of bits on the mu-law scale of telephones
(ITU-T G.711, mu = 255), relative to its own peak; what the rounding adds is heard as the grain that codecs leave.
"""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.low_pass import butterworth
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread

MU = 255.0


class Codec(EachRow):
    """Make rows sound like a poor channel.

    Parameters
    ----------
    cutoff_hz : pair
        Where the band ends; every octave is as likely.
    bits : pair of int
        Of a sample; 8 are a telephone's.
    order : int
        Of the filter.
    """

    rounds = True

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, cutoff_hz: Spread = (3000.0, 11_000.0),
        bits: Spread = (5, 10), order: int = 8,
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        if order < 2 or order % 2:
            raise ValueError(f"order={order} must be an even number, at least 2")
        self.cutoff_hz, self.order = spread("cutoff_hz", cutoff_hz, 100.0), order
        self.bits = spread("bits", bits, 2, 16)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        hz = self.logarithmic(rows, *self.cutoff_hz, rng)
        bits = self.whole(rows, math.ceil(self.bits[0]), math.floor(self.bits[1]), rng)
        return {
            "impulse": butterworth(hz, self.order, self.sample_rate),
            "steps": 2.0 ** (bits - 1).float(),
        }

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        narrow = filtering.convolved(samples, drawn["impulse"])
        return mu_law_rounded(narrow, drawn["steps"])


def mu_law_rounded(samples: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Rows on a mu-law scale of ``steps`` (rows,) to each side of zero, relative to their peaks."""
    peak = samples.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)
    scale = steps[:, None] / math.log1p(MU)
    rounded = torch.round(torch.log(samples.abs() * (MU / peak) + 1.0) * scale)
    return torch.copysign((torch.exp(rounded / scale) - 1.0) * (peak / MU), samples)
