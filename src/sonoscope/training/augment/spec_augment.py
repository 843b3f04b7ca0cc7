"""SpecAugment: bands of frequency and stretches of time taken out of the features.

D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", 2019, without time
warping. What is taken out becomes the mean of the picture, so that it carries nothing and moves no statistics.
"""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachPicture


class SpecAugment(EachPicture):
    """Mask frames and bins.

    Parameters
    ----------
    time_masks, frequency_masks : int
        How many of each; they may overlap.
    time_share, frequency_share : float
        The widest mask, of the frames and of the bins, in 0..1; widths are drawn from 0 to that.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, time_masks: int = 2, frequency_masks: int = 2,
        time_share: float = 0.15, frequency_share: float = 0.15,
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        for name, value in (("time_masks", time_masks), ("frequency_masks", frequency_masks)):
            if value < 0:
                raise ValueError(f"{name}={value} must be at least 0")
        for name, part in (("time_share", time_share), ("frequency_share", frequency_share)):
            if not 0 <= part <= 1:
                raise ValueError(f"{name}={part} must lie in 0..1")
        self.time_masks, self.frequency_masks = time_masks, frequency_masks
        self.time_share, self.frequency_share = time_share, frequency_share

    def draw(self, rows: int, t: int, n_bins: int, rng: torch.Generator) -> Draws:
        return {
            "time": stretches(rows, self.time_masks, t, self.time_share, rng),
            "frequency": stretches(rows, self.frequency_masks, n_bins, self.frequency_share, rng),
        }

    def change(self, rows: torch.Tensor, drawn: Draws) -> torch.Tensor:
        hidden = (
            inside(drawn["time"], rows.shape[1])[:, :, None]
            | inside(drawn["frequency"], rows.shape[2])[:, None]
        )
        return torch.where(hidden, rows.mean(dim=(1, 2), keepdim=True), rows)


def stretches(rows: int, count: int, size: int, share: float, rng: torch.Generator) -> torch.Tensor:
    """First place and the one after the last of ``count`` stretches for each row, int64 (rows, count, 2)."""
    width = (torch.rand(rows, count, generator=rng) * (int(share * size) + 1)).long()
    first = (torch.rand(rows, count, generator=rng) * (size - width + 1)).long()
    return torch.stack([first, first + width], dim=-1)


def inside(stretches: torch.Tensor, size: int) -> torch.Tensor:
    """Which of ``size`` places are in any of a row's stretches, bool (rows, size)."""
    place = torch.arange(size, device=stretches.device)
    return ((place >= stretches[..., :1]) & (place < stretches[..., 1:])).any(dim=1)
