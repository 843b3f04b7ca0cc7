"""Cross-entropy of one class among many, for rows whose targets sum to something.

A row's targets are brought to sum to 1 (two labels: one half each). Classes that nobody judged are left out of the
row's softmax: they neither gain nor lose. Rows without any judged positive say nothing of which class it is, and do not
count.
"""

from __future__ import annotations

import torch

from sonoscope.training.losses.cells import judged_mean


def cross_entropy(
    logits: torch.Tensor,
    targets: torch.Tensor,
    judged: torch.Tensor,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over the rows of ``-sum_c t_c log softmax(l)_c``.

    Parameters
    ----------
    logits, targets, judged : Tensor, shape (batch, c) or (batch, frames, c)
    smoothing : float
        Share of the target that is spread over the judged classes, in 0..1.
    weights : Tensor, optional
        Of classes (c,), rows (batch, 1) or cells: each class's term is weighed, and the mean with it (as in torch).

    Raises
    ------
    ValueError
        If ``smoothing`` is not in 0..1.
    """
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"smoothing={smoothing} must lie in 0..1")
    known = judged > 0
    wanted = torch.where(known, targets, torch.zeros_like(targets))
    total = wanted.sum(dim=-1, keepdim=True)
    counts = total > 0
    classes = known.sum(dim=-1, keepdim=True).clamp(min=1)
    share = wanted / torch.where(counts, total, torch.ones_like(total))
    share = torch.where(known, share * (1.0 - smoothing) + smoothing / classes, torch.zeros_like(share))
    # Finite, so that a class without share adds 0 and not 0 times infinity.
    reduced = logits.masked_fill(~known, torch.finfo(logits.dtype).min / 4)
    terms = -torch.log_softmax(reduced, dim=-1)
    cells = (share * counts).to(logits.dtype)
    return judged_mean(terms, cells, weights)
