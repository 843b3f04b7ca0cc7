"""Mixup: a share of one row and the rest of another, and their targets in the same shares.

H. Zhang et al., "mixup: beyond empirical risk minimization", 2018. The share of the row itself is drawn from
Beta(alpha, alpha) and is at least a half. A label that nobody judged in either of the two is not judged in the mixture.
"""

from __future__ import annotations

import torch
from scipy.special import betaincinv

from sonoscope.training.augment.mixture import Draws, Mixed, Mixing
from sonoscope.training.batch import Batch


class Mixup(Mixing):
    """Mix rows by shares, targets too.

    Parameters
    ----------
    alpha : float
        Greater mixes more evenly; small leaves most rows almost as they are.
    """

    def __init__(self, *, sample_rate: int, share: float = 0.5, alpha: float = 0.4) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        if not alpha > 0:
            raise ValueError(f"alpha={alpha} must be greater than 0")
        self.alpha = alpha

    def draw(self, rows: int, partners: int, rng: torch.Generator) -> Draws:
        uniform = torch.rand(rows, generator=rng, dtype=torch.float64)
        share = torch.from_numpy(betaincinv(self.alpha, self.alpha, uniform.numpy())).float()
        return {"own": torch.maximum(share, 1.0 - share)}

    def mix(self, batch: Batch, rows: torch.Tensor, drawn: Draws) -> Mixed:
        own, other = drawn["own"][:, None], drawn["partners"][:, 0]
        samples, targets = (
            own * part[rows] + (1.0 - own) * part[other] for part in (batch.samples, batch.targets)
        )
        return samples, targets, batch.judged[rows] * batch.judged[other]
