"""Earlier or later: rows moved in time, what leaves at one end coming in at the other."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread
from sonoscope.training.augment.rolling import looped, windows


class TimeShift(EachRow):
    """Move rows in time.

    Parameters
    ----------
    shift_s : float or pair
        Seconds; positive is later. It is taken of the row's own length where that is shorter.
    wrap : bool
        Whether what leaves comes in at the other end; else there is silence.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, shift_s: Spread = (-0.5, 0.5), wrap: bool = True
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.shift_s, self.wrap = spread("shift_s", shift_s), wrap

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {"shift": torch.round(self.uniform(rows, *self.shift_s, rng) * self.sample_rate).long()}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return shifted(samples, real, drawn["shift"], wrap=self.wrap)


def shifted(samples: torch.Tensor, real: torch.Tensor, shift: torch.Tensor, *, wrap: bool) -> torch.Tensor:
    """Rows later by ``shift`` (rows,) samples, each within its real ones."""
    n = samples.shape[1]
    begin = (-shift).remainder(real)
    moved = windows(looped(samples, real, 2 * n), begin, n)
    if wrap:
        return moved
    then = torch.arange(n, device=samples.device) - shift[:, None]
    return moved * ((then >= 0) & (then < real[:, None]))
