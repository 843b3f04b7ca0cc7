"""Integrated gradients: what each cell contributed to the difference between the window and a quiet one.

Sundararajan, Taly, Yan 2017 (arXiv:1703.01365), eq. 1: ``(x - x') ∫ ∂f(x' + a (x - x')) / ∂x da`` over ``a`` from 0 to
1. The contributions sum to ``f(x) - f(x')`` (their completeness, proposition 1). The integral is taken by Gauss and
Legendre's rule, with twice as many points until the sum is right to 1 % of the difference; ``details`` say how right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.explain.protocol import BATCH, Case, Found, Method

#: Share of the difference that the sum may be wrong by, and the difference below which that is not asked.
CLOSE, SMALL = 0.01, 0.05
MOST_POINTS = 512


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Parameters: points of the integral that are tried first (2 to 512)."""

    name: ClassVar[str] = "integrated"
    signed: ClassVar[bool] = True
    reads: ClassVar[str] = "integrated gradients; they sum to the score's rise (Sundararajan 2017)"

    points: int = 64

    def __post_init__(self) -> None:
        if not 2 <= self.points <= MOST_POINTS:
            raise UsageError(f"points={self.points} must lie in 2..{MOST_POINTS}")

    def __call__(self, case: Case) -> Found:
        import torch

        start, end = (torch.from_numpy(part) for part in (case.window.baseline, case.window.cells))
        with torch.no_grad():
            low, high = (float(case.logit(part[None])[0]) for part in (start, end))
        points = self.points
        while True:
            values = ((end - start) * self._mean_gradient(case, start, end, points)).double().numpy()
            missed = abs(values.sum() - (high - low))
            if missed <= CLOSE * max(abs(high - low), SMALL) or points >= MOST_POINTS:
                details = {"difference": np.array(high - low), "missed": np.array(missed)}
                return Found(values, details=details)
            points = min(2 * points, MOST_POINTS)

    @staticmethod
    def _mean_gradient(case: Case, start, end, points: int):
        """The mean of the gradient on the way, (time, frequency)."""
        import torch

        places, weights = np.polynomial.legendre.leggauss(points)
        mean = torch.zeros_like(end)
        for first in range(0, points, BATCH):
            some = slice(first, first + BATCH)
            at = torch.from_numpy(((places[some] + 1) / 2).astype(np.float32))[:, None, None]
            way = (start + at * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(case.logit(way).sum(), way)
            share = torch.from_numpy((weights[some] / 2).astype(np.float32))
            mean += (share[:, None, None] * gradient).sum(dim=0)
        return mean
