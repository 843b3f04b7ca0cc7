"""Asymmetric loss for many labels (Ridnik et al. 2021, arXiv:2009.14119, eq. 4–7).

Positives and negatives are focused apart, and negatives whose probability is below ``margin`` do not count at all:
``p_m = max(p - margin, 0)``; positive ``-(1 - p)^g_positive log p``, negative ``-p_m^g_negative log(1 - p_m)``. With
both exponents and the margin 0 it is binary cross-entropy.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from sonoscope.training.losses.cells import judged_mean, smooth


def asymmetric(
    logits: torch.Tensor,
    targets: torch.Tensor,
    judged: torch.Tensor,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
    g_positive: float = 0.0,
    g_negative: float = 4.0,
    margin: float = 0.05,
) -> torch.Tensor:
    """Mean over the judged cells of the asymmetric loss.

    Parameters
    ----------
    logits, targets, judged, smoothing, weights
        As in :func:`~sonoscope.training.losses.bce.masked_bce`.
    g_positive, g_negative : float
        Exponents, at least 0.
    margin : float
        In 0..1 (1 excluded).

    Raises
    ------
    ValueError
        If an exponent or the margin is out of range.
    """
    if min(g_positive, g_negative) < 0:
        raise ValueError(f"g_positive={g_positive} and g_negative={g_negative} must be at least 0")
    if not 0.0 <= margin < 1.0:
        raise ValueError(f"margin={margin} must lie in 0..1, below 1")
    aims = smooth(targets, smoothing)
    log_p, log_not_p = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    positive = -torch.exp(g_positive * log_not_p) * log_p
    if margin:
        # log(1 - p_m) = min(log(1 - p + margin), 0), without taking the logarithm of a difference.
        log_rest = torch.logaddexp(log_not_p, torch.full_like(log_not_p, math.log(margin))).clamp(max=0.0)
        shifted = (torch.sigmoid(logits) - margin).clamp(min=torch.finfo(logits.dtype).tiny)
        focus = shifted**g_negative
    else:
        log_rest, focus = log_not_p, torch.exp(g_negative * log_p)
    return judged_mean(aims * positive - (1.0 - aims) * focus * log_rest, judged, weights)
