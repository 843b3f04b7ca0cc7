"""Random erasing: rectangles of the features replaced by noise (Z. Zhong et al., "Random erasing", 2020)."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachPicture, Spread, spread
from sonoscope.training.augment.spec_augment import inside


class RandomErase(EachPicture):
    """Replace rectangles by noise of the picture's own mean and deviation.

    Parameters
    ----------
    count : int
        Rectangles.
    area : float or pair
        Of each, as a share of the picture; every doubling is as likely.
    aspect : float or pair
        Its share of the frames over its share of the bins; every doubling is as likely.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, count: int = 1, area: Spread = (0.02, 0.2),
        aspect: Spread = (0.3, 3.3),
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        if count < 1:
            raise ValueError(f"count={count} must be at least 1")
        self.count, self.area = count, spread("area", area, 1e-4, 1.0)
        self.aspect = spread("aspect", aspect, 0.01, 100.0)

    def draw(self, rows: int, t: int, n_bins: int, rng: torch.Generator) -> Draws:
        shape = rows, self.count
        area = self.logarithmic(rows * self.count, *self.area, rng).view(shape)
        aspect = self.logarithmic(rows * self.count, *self.aspect, rng).view(shape)
        drawn = {"noise": torch.randn(rows, t, n_bins, generator=rng)}
        for name, size, share in (
            ("time", t, (area * aspect).sqrt()), ("frequency", n_bins, (area / aspect).sqrt())
        ):  # fmt: skip
            width = torch.round(share.clamp(max=1.0) * size).long().clamp(min=1)
            first = (torch.rand(shape, generator=rng) * (size - width + 1)).long()
            drawn[name] = torch.stack([first, first + width], dim=-1)
        return drawn

    def change(self, rows: torch.Tensor, drawn: Draws) -> torch.Tensor:
        mean = rows.mean(dim=(1, 2), keepdim=True)
        noise = (
            mean
            + drawn["noise"].to(rows.dtype) * (rows - mean).square().mean(dim=(1, 2), keepdim=True).sqrt()
        )
        for k in range(self.count):
            frames = inside(drawn["time"][:, k : k + 1], rows.shape[1])[:, :, None]
            rows = torch.where(
                frames & inside(drawn["frequency"][:, k : k + 1], rows.shape[2])[:, None], noise, rows
            )
        return rows
