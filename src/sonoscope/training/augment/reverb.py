"""A room: synthetic impulse responses of noise that dies away, sooner for high frequencies than for low ones.

The direct sound stays where it is. After a gap the reverberation begins: white noise, of which a low and a high part
fall by 60 dB in times of their own (J.-D. Polack's model of late reverberation), at a drawn ratio of direct to
reverberant energy. The whole has the energy of the direct sound alone, so that rooms are not louder than none.
"""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread

#: Where the low part of the noise ends and the high part begins, in Hz.
CROSSOVER_HZ = 2000.0
#: After this many decibels the reverberation is cut.
HEARD_DB = 50.0


class Reverb(EachRow):
    """Put rows into rooms.

    Parameters
    ----------
    rt60_s : pair
        Seconds in which the reverberation falls by 60 dB; every doubling is as likely. It is heard for 5/6 of them.
    ratio_db : float or pair
        Energy of the direct sound over that of the reverberation: 15 is near, -5 far away.
    damping : float or pair
        The time of high frequencies (above 2 kHz) over that of low ones, in 0.05..1.
    gap_s : float or pair
        Between the direct sound and the reverberation.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, rt60_s: Spread = (0.15, 0.9),
        ratio_db: Spread = (-3.0, 15.0), damping: Spread = (0.3, 0.9), gap_s: Spread = (0.001, 0.03),
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        self.rt60_s = spread("rt60_s", rt60_s, 0.01, 20.0)
        self.ratio_db = spread("ratio_db", ratio_db)
        self.damping, self.gap_s = spread("damping", damping, 0.05, 1.0), spread("gap_s", gap_s, 0.0, 1.0)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        rt60_s, damping = self.logarithmic(rows, *self.rt60_s, rng), self.uniform(rows, *self.damping, rng)
        gap_s, ratio_db = self.uniform(rows, *self.gap_s, rng), self.uniform(rows, *self.ratio_db, rng)
        longest = self.gap_s[1] + self.rt60_s[1] * HEARD_DB / 60.0
        length = max(min(math.ceil(longest * self.sample_rate), n), 2)
        noise = torch.randn(2, rows, length, generator=rng)
        return {"impulse": room(noise, rt60_s, damping, gap_s, ratio_db, self.sample_rate)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return filtering.convolved(samples, drawn["impulse"])


def room(
    noise: torch.Tensor, rt60_s: torch.Tensor, damping: torch.Tensor, gap_s: torch.Tensor,
    ratio_db: torch.Tensor, sample_rate: int,
) -> torch.Tensor:  # fmt: skip
    """Impulse responses of rooms, (rows, length): energy 1, the direct sound first.

    ``noise`` (2, rows, length) is white; the others are (rows,).
    """
    length = noise.shape[-1]
    time = torch.arange(length) / sample_rate - gap_s[:, None]
    # 60 dB are a factor of 1000 in amplitude.
    fall = math.log(1000.0) / rt60_s[:, None]
    # One pole splits the noise; what it leaves of one noise and lets pass of the other are independent.
    pole = torch.tensor([math.exp(-2 * math.pi * min(CROSSOVER_HZ / sample_rate, 0.5))])
    kept = filtering.impulses([filtering.section((1 - pole, 0.0, 0.0), (1.0, -pole, 0.0))], 128)
    low = filtering.convolved(noise[0], kept)
    high = noise[1] - filtering.convolved(noise[1], kept)
    tail = low * torch.exp(-fall * time) + high * torch.exp(-fall * time / damping[:, None])
    tail = tail * ((time >= 0) & (time * fall < math.log(10.0 ** (HEARD_DB / 20.0))))
    energy = tail.square().sum(dim=1, keepdim=True).clamp(min=1e-20)
    found = tail * (10.0 ** (-ratio_db[:, None] / 20.0) / energy.sqrt())
    found[:, 0] += 1.0
    return found / found.square().sum(dim=1, keepdim=True).sqrt()
