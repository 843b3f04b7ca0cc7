"""What losses on cells (a row and a class) share: smoothing, and the mean over what is judged."""

from __future__ import annotations

import torch


def smooth(targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Targets moved ``smoothing / 2`` towards one half.

    Raises
    ------
    ValueError
        If ``smoothing`` is not in 0..1.
    """
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"smoothing={smoothing} must lie in 0..1")
    return targets * (1.0 - smoothing) + 0.5 * smoothing


def judged_mean(
    losses: torch.Tensor, judged: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean of the judged cells' losses, each weighed; 0 where nothing is judged.

    Parameters
    ----------
    losses, judged : Tensor of one shape
    weights : Tensor that broadcasts to it, or None
        The sum is divided by the judged cells' weights, so that scaling all weights changes nothing.
    """
    share = judged.to(losses.dtype)
    if weights is not None:
        share = share * weights
    total = share.sum()
    # ``where`` rather than a product: an unknown cell may hold what is not finite.
    kept = torch.where(share != 0, losses, torch.zeros_like(losses))
    return (kept * share).sum() / torch.where(total > 0, total, torch.ones_like(total))
