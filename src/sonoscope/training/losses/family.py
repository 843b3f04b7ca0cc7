"""Cross-entropy of the labels and of their families: a cello taken for a violin is less wrong than for a flute.

A family sounds where any of its members does. From the members' logits, with independent members,
``P(family) = 1 - prod_c (1 - p_c)``; its logit is ``log(exp(s) - 1)`` with ``s = sum_c softplus(l_c)``, so a family of
one has its member's logit. The loss is ``BCE(labels) + weight * BCE(families)``; without families it is BCE.

A family is known to sound where a judged member does, and known not to where all its members are judged and none does;
members that nobody judged have no part in its logit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from sonoscope.data.mix.pool import FAMILIES
from sonoscope.errors import UsageError, nearest
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


def with_families(terms: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Terms whose families are numbers of classes.

    Families may name labels (``families: [[cello, violin], [flute]]``). Where a term grows with families and names
    none, those of the instruments that come with the package are taken (strings, winds, …).

    Parameters
    ----------
    terms : sequence of mappings
        Losses of a configuration.
    labels : sequence of str
        The classes, in order.

    Raises
    ------
    UsageError
        If a family names something that is no label, or none is known for any label.
    """
    return [_numbered(dict(term), labels) for term in terms]


def _numbered(term: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    given = term.get("families")
    if given is None and (term["name"] == "family" or term.get("family_margin")):
        known = families_of([FAMILIES.get(label, "") for label in labels])
        if not known:
            raise UsageError(
                f"the loss {term['name']!r} needs families, and none is known for the labels {', '.join(labels)}: "
                "families: [[LABEL, LABEL], [LABEL]]"
            )
        return {**term, "families": known}
    if not given:
        return term
    return {**term, "families": [[_class_of(member, labels) for member in members] for members in given]}


def _class_of(member: int | str, labels: Sequence[str]) -> int:
    if isinstance(member, str):
        if member not in labels:
            raise UsageError(
                f"families: {member!r} is no label.{nearest(member, labels)} Known: {', '.join(labels)}."
            )
        return labels.index(member)
    if not 0 <= member < len(labels):
        raise UsageError(f"families: class {member} must lie in 0..{len(labels) - 1}, or be a label")
    return member


def families_of(names: Sequence[str]) -> list[list[int]]:
    """Class numbers of each family from each class's family name; classes with an empty name are in none."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(i)
    return list(found.values())
