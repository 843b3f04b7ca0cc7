"""Several rows one after another, in the time of one, with the labels of all (``data/mix/combine.py::concat_n``).

Weak labels say that something sounds somewhere in a row; what is cut off of a sound is taken to be like what is left.
"""

from __future__ import annotations

import torch

from sonoscope.training.augment.mixture import Mixed, Mixing, counts, group, united, used
from sonoscope.training.augment.protocol import Draws, real_samples
from sonoscope.training.augment.rolling import looped
from sonoscope.training.batch import Batch


class ConcatN(Mixing):
    """Put parts of other rows after a part of a row.

    Sound ``j`` of ``k`` has the time from ``j / k`` to ``(j + 1) / k`` of the row, beginning at a place of its own and
    going round where it ends.

    Parameters
    ----------
    count : int or pair
        Sounds in a row, its own included.
    starts : bool
        Whether each begins at a random place; else with its first sample.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        share: float = 0.5,
        count: int | tuple[int, int] = 2,
        starts: bool = True,
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.count, self.starts = counts("count", count), starts
        self.partners = self.count[1] - 1

    def draw(self, rows: int, partners: int, rng: torch.Generator) -> Draws:
        starts = torch.rand(rows, 1 + partners, generator=rng)
        return {"count": self.whole(rows, *self.count, rng), "starts": starts * self.starts}

    def mix(self, batch: Batch, rows: torch.Tensor, drawn: Draws) -> Mixed:
        sounds, taken = group(rows, drawn), used(drawn)
        real = real_samples(batch)
        n, own = batch.samples.shape[1], real[rows]
        count = drawn["count"].clamp(max=sounds.shape[1])
        source = looped(batch.samples, real, 2 * n)
        now = torch.arange(n, device=rows.device)
        samples = batch.samples[rows]
        for j in range(sounds.shape[1]):
            # The others begin at the time of their piece: the sound is taken from so much before its start.
            edge = torch.round(j * own / count).long()
            whole = real[sounds[:, j]]
            begin = (drawn["starts"][:, j] * whole).long() - edge
            piece = source.view(-1).unfold(0, n, 1)[sounds[:, j] * 2 * n + begin.remainder(whole)]
            here = (now >= edge[:, None]) & taken[:, j, None]
            samples = torch.where(here, piece, samples)
        return samples, *united(batch, sounds, taken)
