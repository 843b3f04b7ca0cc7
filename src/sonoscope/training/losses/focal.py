"""Focal loss: what is already right counts less (Lin et al. 2017, arXiv:1708.02002, eq. 4–5).

``-alpha_t (1 - p_t)^gamma log p_t``, where ``p_t`` is the probability of what is *true*: ``p`` for a positive and
``1 - p`` for a negative. An easy negative (``p`` near 0) has ``p_t`` near 1 and weighs little; with ``(1 - p)^gamma``
for both, it would weigh most. ``gamma=0`` without ``alpha`` is binary cross-entropy.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from sonoscope.training.losses.cells import judged_mean, smooth


def focal(
    logits: torch.Tensor,
    targets: torch.Tensor,
    judged: torch.Tensor,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
    positive_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over the judged cells of the focal loss.

    Parameters
    ----------
    logits, targets, judged, smoothing, weights, positive_weights
        As in :func:`~sonoscope.training.losses.bce.masked_bce`; soft targets mix both terms.
    gamma : float
        At least 0.
    alpha : float, optional
        Weight of positives, in 0..1; negatives weigh ``1 - alpha``. ``None``: both weigh 1.

    Raises
    ------
    ValueError
        If ``gamma`` or ``alpha`` is out of range.
    """
    if gamma < 0:
        raise ValueError(f"gamma={gamma} must be at least 0")
    if alpha is not None and not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha={alpha} must lie in 0..1")
    aims = smooth(targets, smoothing)
    log_p, log_not_p = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    # Powers through logarithms: the gradient stays finite where a probability is 0 and gamma below 1.
    positive = -torch.exp(gamma * log_not_p) * log_p
    negative = -torch.exp(gamma * log_p) * log_not_p
    if alpha is not None:
        positive, negative = alpha * positive, (1.0 - alpha) * negative
    if positive_weights is not None:
        positive = positive_weights * positive
    return judged_mean(aims * positive + (1.0 - aims) * negative, judged, weights)
