"""Binary cross-entropy with label smoothing and a mask for labels nobody judged."""

from __future__ import annotations

import torch
from torch.nn import functional


def masked_bce(
    logits: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor, *, smoothing: float = 0.0
) -> torch.Tensor:
    """Mean over the judged cells of the cross-entropy with targets moved ``smoothing / 2`` towards one half.

    Parameters
    ----------
    logits, targets, judged : Tensor, shape (batch, c)
        ``judged`` is 1 where the target counts, 0 where it is unknown.
    smoothing : float
        In 0..1.
    """
    softened = targets * (1.0 - smoothing) + 0.5 * smoothing
    losses = functional.binary_cross_entropy_with_logits(logits, softened, reduction="none")
    return (losses * judged).sum() / judged.sum().clamp(min=1.0)
