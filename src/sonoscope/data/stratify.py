"""Sharing out groups so that every part gets its share of every label: iterative stratification with groups.

After Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, ECML PKDD 2011: the label of which
least is left is dealt with first, and what has it goes to the part that is furthest from its share of it, here in
proportion to that share. What is dealt are groups, which cannot be cut and weigh what their rows last, the heaviest
first. Then single groups are moved, or two exchanged, as long as that brings the parts nearer to their shares, since a
greedy deal of a few large groups seldom ends well. Of several deals, which differ in how ties are broken, the best is
kept.
"""

from __future__ import annotations

import numpy as np

#: Deals that are tried, fewer for many groups, which come out well anyway.
DEALS, MOST_DEALT = 6, 10_000
#: Groups up to which moves and exchanges are looked for, and how many are made at most.
MOST_REFINED, MOST_STEPS = 3_000, 400
#: Groups whose exchanges are all tried.
_EXCHANGED = 120
#: What a part without a label costs, against the squared relative error of shares.
_ABSENT = 4.0


def deal(
    weights: np.ndarray,
    shares: np.ndarray,
    rng: np.random.Generator,
    *,
    fixed: np.ndarray | None = None,
) -> np.ndarray:
    """The part of every group.

    Parameters
    ----------
    weights : np.ndarray, shape (groups, 1 + labels), float64
        What each group weighs in all, and of each label.
    shares : np.ndarray, shape (parts,), float64
        Positive, summing to 1.
    rng : np.random.Generator
    fixed : np.ndarray, shape (groups,), int64, optional
        The part of groups that have one already, -1 for the others.

    Returns
    -------
    np.ndarray, shape (groups,), int64
    """
    fixed = np.full(len(weights), -1) if fixed is None else fixed
    goal = _Goal(weights, shares)
    best, least = fixed, float("inf")
    for _ in range(int(np.clip(MOST_DEALT // max(len(weights), 1), 1, DEALS))):
        parts = _dealt(weights, shares, fixed, rng)
        if len(weights) <= MOST_REFINED:
            parts = _refined(goal, weights, parts, fixed < 0)
        cost = float(goal.cost(goal.held(parts)))
        if cost < least - 1e-12:
            best, least = parts, cost
    return best


class _Goal:
    """How far parts are from their shares: the mean over labels of Σ (share − wanted)² / wanted, and what is absent."""

    def __init__(self, weights: np.ndarray, shares: np.ndarray) -> None:
        self.weights, self.shares = weights, shares
        self.total = np.maximum(weights.sum(axis=0), 1e-12)
        self.possible = (weights > 0).sum(axis=0) >= len(shares)
        # The whole counts as much as all labels together.
        labels = max(weights.shape[1] - 1, 1)
        self.importance = np.r_[1.0, np.full(weights.shape[1] - 1, 1.0 / labels)]

    def held(self, parts: np.ndarray) -> np.ndarray:
        """What each part has of each column, shape (parts, 1 + labels)."""
        held = np.zeros((len(self.shares), self.weights.shape[1]))
        np.add.at(held, parts, self.weights)
        return held

    def cost(self, held: np.ndarray) -> np.ndarray:
        """Of held weights of shape (..., parts, columns), shape (...)."""
        error = ((held / self.total - self.shares[:, None]) ** 2 / self.shares[:, None]).sum(axis=-2)
        absent = ((held <= 1e-9) & self.possible).sum(axis=-2)
        return ((error + _ABSENT * absent) * self.importance).sum(axis=-1)


def _dealt(
    weights: np.ndarray, shares: np.ndarray, fixed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    parts = fixed.copy()
    due = np.maximum(shares[:, None] * weights.sum(axis=0), 1e-12)
    wanted = due.copy()
    np.subtract.at(wanted, parts[parts >= 0], weights[parts >= 0])
    luck = rng.random(len(weights))
    is_free = parts < 0
    left = (weights[is_free] > 0).sum(axis=0).astype(np.int64)
    while is_free.any():
        labels = np.flatnonzero(left[1:] > 0) + 1
        # What has no label at all is dealt last, by its weight.
        label = int(labels[np.argmin(left[labels])]) if labels.size else 0
        having = np.flatnonzero(is_free & ((weights[:, label] > 0) if labels.size else True))
        for group in having[np.lexsort((luck[having], -weights[having, label]))]:
            nearest = np.arange(len(shares))
            for column in (label, 0):
                # What would be left to get, against what is due: so that parts fill up side by side, and long clips
                # do not all go to the largest.
                need = (wanted[nearest, column] - weights[group, column]) / due[nearest, column]
                nearest = nearest[need >= need.max() - 1e-9]
            part = int(nearest[int(luck[group] * len(nearest))])
            parts[group] = part
            wanted[part] -= weights[group]
            left -= weights[group] > 0
            is_free[group] = False
    return parts


def _refined(goal: _Goal, weights: np.ndarray, parts: np.ndarray, is_free: np.ndarray) -> np.ndarray:
    """Make the best move or exchange again and again, until none helps."""
    parts = parts.copy()
    free = np.flatnonzero(is_free)
    held = goal.held(parts)
    cost = float(goal.cost(held))
    for _ in range(MOST_STEPS):
        moves = _moves(goal, weights, parts, free, held)
        chosen, lowest = [(int(free[moves[0]]), moves[1])] if moves else [], moves[2] if moves else np.inf
        if free.size <= _EXCHANGED and lowest >= cost - 1e-12:
            first, second, lowest = _exchange(goal, weights, parts, free, held)
            chosen = [(first, int(parts[second])), (second, int(parts[first]))]
        if lowest >= cost - 1e-12:
            break
        for group, part in chosen:
            parts[group] = part
        held = goal.held(parts)
        cost = float(goal.cost(held))
    return parts


def _moves(
    goal: _Goal, weights: np.ndarray, parts: np.ndarray, free: np.ndarray, held: np.ndarray
) -> tuple[int, int, float] | None:
    """The best single move: which of ``free``, to which part, and the cost then."""
    best: tuple[int, int, float] | None = None
    for part in range(len(goal.shares)):
        after = np.repeat(held[None], free.size, axis=0)
        after[np.arange(free.size), parts[free]] -= weights[free]
        after[:, part] += weights[free]
        costs = goal.cost(after)
        if costs.size and (best is None or costs.min() < best[2]):
            best = int(np.argmin(costs)), part, float(costs.min())
    return best


def _exchange(
    goal: _Goal, weights: np.ndarray, parts: np.ndarray, free: np.ndarray, held: np.ndarray
) -> tuple[int, int, float]:
    """The best exchange of two groups of different parts, and the cost then."""
    best = (0, 0, np.inf)
    for first in free:
        others = free[(free > first) & (parts[free] != parts[first])]
        if not others.size:
            continue
        after = np.repeat(held[None], others.size, axis=0)
        difference = weights[others] - weights[first]
        after[:, parts[first]] += difference
        after[np.arange(others.size), parts[others]] -= difference
        costs = goal.cost(after)
        place = int(np.argmin(costs))
        if costs[place] < best[2]:
            best = int(first), int(others[place]), float(costs[place])
    return best
