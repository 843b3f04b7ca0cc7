"""Every row to a level: by its loudest sample, or by its mean square."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow, Spread, decibels, mean_square, spread

#: What is quieter (-100 dB) is silence, and stays as it is.
SILENT = 1e-5


class Normalise(EachRow):
    """Bring rows to a level.

    Parameters
    ----------
    level_db : float or pair
        re full scale.
    by : {"peak", "rms"}

    Raises
    ------
    ValueError
        If ``by`` is neither.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 1.0, level_db: Spread = -1.0, by: str = "peak"
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        if by not in ("peak", "rms"):
            raise ValueError(f"by={by!r} must be 'peak' or 'rms'")
        self.level_db, self.by = spread("level_db", level_db), by

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {"level_db": self.uniform(rows, *self.level_db, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        if self.by == "peak":
            level = samples.abs().amax(dim=1, keepdim=True)
        else:
            level = mean_square(samples, real).sqrt()
        wanted = decibels(drawn["level_db"])[:, None]
        return samples * torch.where(level > SILENT, wanted / level, torch.ones_like(level))
