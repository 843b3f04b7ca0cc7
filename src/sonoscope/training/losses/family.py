"""Cross-entropy of the labels and of their families: a cello taken for a violin is less wrong than for a flute.

A family sounds where any of its members does. From the members' logits, with independent members,
``P(family) = 1 - prod_c (1 - p_c)``; its logit is ``log(exp(s) - 1)`` with ``s = sum_c softplus(l_c)``, so a family of
one has its member's logit. The loss is ``BCE(labels) + weight * BCE(families)``; without families it is BCE.

A family is known to sound where a judged member does, and known not to where all its members are judged and none does;
members that nobody judged have no part in its logit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from sonoscope.training.losses.bce import masked_bce
from sonoscope.training.losses.cells import judged_mean, smooth


def family(
    logits: torch.Tensor,
    targets: torch.Tensor,
    judged: torch.Tensor,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
    families: Sequence[Sequence[int]] = (),
    family_weight: float = 0.3,
) -> torch.Tensor:
    """Cross-entropy of labels plus ``family_weight`` times that of families.

    Parameters
    ----------
    logits, targets, judged, smoothing, weights
        As in :func:`~sonoscope.training.losses.bce.masked_bce`; weights of rows (batch, 1) weigh the
        families too, those of classes only the labels.
    families : sequence of sequences of int
        Members of each family by class number (:func:`families_of`); a class may be in none.
    family_weight : float
        At least 0.

    Raises
    ------
    ValueError
        If ``family_weight`` is negative.
    """
    if family_weight < 0:
        raise ValueError(f"family_weight={family_weight} must be at least 0")
    own = masked_bce(logits, targets, judged, smoothing=smoothing, weights=weights)
    if not families or not family_weight:
        return own
    known = torch.where(judged > 0, targets, torch.zeros_like(targets))
    scores, aims, certain = [], [], []
    for members in families:
        index = torch.as_tensor(list(members), device=logits.device)
        is_judged = judged.index_select(-1, index) > 0
        scores.append(family_logit(logits.index_select(-1, index), is_judged))
        aim = known.index_select(-1, index).amax(dim=-1)
        aims.append(aim)
        certain.append((aim > 0) | is_judged.all(dim=-1))
    stacked = torch.stack(scores, dim=-1)
    losses = functional.binary_cross_entropy_with_logits(
        stacked, smooth(torch.stack(aims, dim=-1), smoothing), reduction="none"
    )
    rows = weights if weights is not None and weights.ndim and weights.shape[-1] == 1 else None
    certainty = torch.stack(certain, dim=-1).to(logits.dtype)
    return own + family_weight * judged_mean(losses, certainty, rows)


def family_logit(logits: torch.Tensor, judged: torch.Tensor | None = None) -> torch.Tensor:
    """Logit of "any of them", (..., members) to (...); members that nobody judged have no part in it."""
    parts = functional.softplus(logits)
    if judged is not None:
        parts = torch.where(judged, parts, torch.zeros_like(parts))
    s = parts.sum(dim=-1).clamp(min=torch.finfo(logits.dtype).tiny)
    # log(exp(s) - 1), written so that neither large nor small s overflows.
    return s + torch.log(-torch.expm1(-s))


def families_of(names: Sequence[str]) -> list[list[int]]:
    """Class numbers of each family from each class's family name; classes with an empty name are in none."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(i)
    return list(found.values())
