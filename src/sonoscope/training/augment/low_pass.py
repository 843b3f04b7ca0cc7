"""What a lower sampling rate or a lossy codec leaves: nothing above a drawn frequency."""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.filtering import Section
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread

#: A cut above this share of the rate is none.
HIGHEST = 0.49


class LowPass(EachRow):
    """Cut what is above a frequency, by a Butterworth filter.

    Parameters
    ----------
    cutoff_hz : pair
        Where it is 3 dB down; every octave is as likely.
    order : int
        Poles, an even number: 6 dB an octave each.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, cutoff_hz: Spread = (2000.0, 10_000.0), order: int = 8
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        if order < 2 or order % 2:
            raise ValueError(f"order={order} must be an even number, at least 2")
        self.cutoff_hz, self.order = spread("cutoff_hz", cutoff_hz, 100.0), order

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        hz = self.logarithmic(rows, *self.cutoff_hz, rng)
        return {"impulse": butterworth(hz, self.order, self.sample_rate)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return filtering.convolved(samples, drawn["impulse"])


def butterworth(hz: torch.Tensor, order: int, sample_rate: int) -> torch.Tensor:
    """Impulse responses (rows, length) of low-passes of ``order`` poles at ``hz`` (rows,)."""
    w = 2 * math.pi * (hz.double() / sample_rate).clamp(max=HIGHEST)
    sections: list[Section] = []
    for k in range(order // 2):
        # Poles lie evenly on a half circle; each pair is a section of its own quality.
        q = torch.tensor(1.0 / (2.0 * math.sin(math.pi * (2 * k + 1) / (2 * order))), dtype=torch.float64)
        sections.append(filtering.low_pass(w, filtering.alpha_of_q(w, q)))
    return filtering.impulses(sections, filtering.ring(sample_rate))
