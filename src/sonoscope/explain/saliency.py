"""Saliency: how strongly each cell would move the score, smoothed over a little noise.

Simonyan, Vedaldi, Zisserman 2014 (arXiv:1312.6034), section 3: the absolute gradient of the logit. One gradient jumps
from cell to cell; the mean over windows with noise of a tenth of the range does not (SmoothGrad, Smilkov et al. 2017,
arXiv:1706.03825). ``draws=1`` is the plain gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.explain.protocol import BATCH, Case, Found, Method


@dataclass(frozen=True)
class Saliency(Method):
    """Parameters.

    Parameters
    ----------
    draws : int
        Windows with noise; 1: the window itself.
    noise : float
        Standard deviation, as a share of the range of the window's cells; 0 or more.
    """

    name: ClassVar[str] = "saliency"
    reads: ClassVar[str] = "the gradient's size, over noise (Simonyan 2014, Smilkov 2017)"

    draws: int = 32
    noise: float = 0.1

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise UsageError(f"draws={self.draws} must be at least 1")
        if not 0 <= self.noise < float("inf"):
            raise UsageError(f"noise={self.noise} must be 0 or more")

    def __call__(self, case: Case) -> Found:
        import torch

        cells = case.window.cells
        rng = np.random.default_rng(0)
        away = np.abs(
            cells - case.window.baseline
        ).max()  # gains are all alike, and only their way down has a length
        width = self.noise * (np.ptp(cells) or away) if self.draws > 1 else 0
        total = np.zeros(cells.shape)
        for first in range(0, self.draws, BATCH):
            count = min(BATCH, self.draws - first)
            noisy = cells + width * rng.standard_normal((count, *cells.shape))
            tensor = torch.from_numpy(noisy.astype(np.float32)).requires_grad_()
            (gradient,) = torch.autograd.grad(case.logit(tensor).sum(), tensor)
            total += gradient.double().numpy().sum(axis=0)
        return Found(np.abs(total) / self.draws)
