"""Several rows at once, at drawn levels, with the labels of all: as mixtures on disk (``data/mix/combine.py``)."""

from __future__ import annotations

import torch

from sonoscope.data.mix.combine import protect, sum_n
from sonoscope.data.mix.levels import SILENT_DB
from sonoscope.training.augment.mixture import Mixed, Mixing, counts, group, united, used
from sonoscope.training.augment.protocol import Draws, Spread, mean_square, real_samples, spread
from sonoscope.training.batch import Batch


class SumN(Mixing):
    """Add other rows to a row. What sounds in any of them sounds in the sum; what is unknown of one stays unknown.

    Parameters
    ----------
    count : int or pair
        Sounds in a sum, the row itself included.
    levels_db : float or pair
        Of each added sound against the row (mean squares).
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        share: float = 0.5,
        count: int | tuple[int, int] = 2,
        levels_db: Spread = (-6.0, 6.0),
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.count, self.levels_db = counts("count", count), spread("levels_db", levels_db)
        self.partners = self.count[1] - 1

    def draw(self, rows: int, partners: int, rng: torch.Generator) -> Draws:
        levels = self.uniform(rows * partners, *self.levels_db, rng).view(rows, partners)
        return {"count": self.whole(rows, *self.count, rng), "levels_db": levels}

    def mix(self, batch: Batch, rows: torch.Tensor, drawn: Draws) -> Mixed:
        sounds, taken = group(rows, drawn), used(drawn)
        parts = batch.samples[sounds]
        own_db = 10.0 * torch.log10(mean_square(batch.samples, real_samples(batch)) + 1e-20)[:, 0]
        level_db = own_db[sounds]
        gains_db = level_db[:, :1] - level_db
        # Silence cannot be brought to a level: what is mixed with it, or is it, keeps its own.
        audible = level_db > SILENT_DB
        gains_db = torch.where(audible & audible[:, :1], gains_db, torch.zeros_like(gains_db))
        gains_db[:, 1:] += drawn["levels_db"]
        gains_db = gains_db.masked_fill(~taken, -torch.inf)
        return protect(sum_n(parts, gains_db))[0], *united(batch, sounds, taken)
