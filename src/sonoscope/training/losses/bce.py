"""Binary cross-entropy with label smoothing, positive weights and a mask for labels nobody judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from sonoscope.training.losses.cells import judged_mean, smooth


def masked_bce(
    logits: torch.Tensor,
    targets: torch.Tensor,
    judged: torch.Tensor,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
    positive_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over the judged cells of the cross-entropy with targets moved ``smoothing / 2`` towards one half.

    Parameters
    ----------
    logits, targets, judged : Tensor, shape (batch, c) or (batch, frames, c)
        ``judged`` is 1 where the target counts, 0 where it is unknown.
    smoothing : float
        In 0..1.
    weights : Tensor, optional
        Of classes (c,), rows (batch, 1) or cells.
    positive_weights : Tensor of shape (c,), optional
        What a positive counts against a negative: :func:`balance` gives the even ones.
    """
    losses = functional.binary_cross_entropy_with_logits(
        logits, smooth(targets, smoothing), pos_weight=positive_weights, reduction="none"
    )
    return judged_mean(losses, judged, weights)


def balance(targets: torch.Tensor, judged: torch.Tensor, *, limit: float = 50.0) -> torch.Tensor:
    """Judged negatives for each judged positive of every class, (c,), at most ``limit``; 1 without positives."""
    positives = (targets * judged).sum(dim=0)
    negatives = ((1.0 - targets) * judged).sum(dim=0)
    ratio = negatives / positives.clamp(min=1e-12)
    return torch.where(positives > 0, ratio.clamp(max=limit), torch.ones_like(ratio))


#: For ``positive_weights`` in a configuration: those of :func:`balance` for the rows that are learned from.
BALANCED = "balanced"


def with_positive_weights(
    terms: Sequence[Mapping[str, Any]], learned: Callable[[], tuple[torch.Tensor, torch.Tensor]]
) -> list[dict[str, Any]]:
    """Terms whose ``positive_weights`` are numbers; ``learned`` gives targets and judged of the training rows."""
    found = [dict(term) for term in terms]
    for term in found:
        if term.get("positive_weights") == BALANCED:
            term["positive_weights"] = balance(*learned()).tolist()
    return found
