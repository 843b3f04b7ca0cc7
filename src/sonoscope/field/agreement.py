"""How far reviewers agree: Cohen's kappa for two, Fleiss' kappa for any number.

A verdict is *yes* or *not yes* (``no``, ``other``); ``unsure`` is left out. Kappa is the agreement beyond what chance
gives, over the most there could be: 1 is perfect, 0 what guessing would give (Cohen 1960; Fleiss 1971, here for any
number of ratings of a clip, as Gwet 2014 has it). Intervals are the middle 95 % of 2000 draws of clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sonoscope.evaluation.result import Figure

DRAWS = 2000


@dataclass(frozen=True)
class Agreement:
    """Of one pair of reviewers, or of all: on so many clips they agree to a share, and kappa."""

    reviewers: tuple[str, ...]
    clips: int
    agree: Figure
    kappa: Figure


def compare(reviewers: Mapping[str, Mapping[str, str]], seed: int = 0) -> list[Agreement]:
    """Agreement of every two reviewers, and of all if there are more.

    Returns
    -------
    list of Agreement
        Pairs in order of names, then all.
    """
    names = sorted(reviewers)
    found = []
    for pair in combinations(names, 2):
        shared = sorted(set(_sure(reviewers[pair[0]])) & set(_sure(reviewers[pair[1]])))
        table = np.array([[reviewers[name][clip] == "yes" for name in pair] for clip in shared], dtype=bool)
        found.append(_agreement(pair, table.reshape(-1, 2), cohen, seed))
    if len(names) > 2:
        ratings = [_sure(reviewers[name]) for name in names]
        clips = sorted({clip for rated in ratings for clip in rated})
        counts = [
            (sum(r[c] == "yes" for r in ratings if c in r), sum(c in r for r in ratings)) for c in clips
        ]
        counts = [(yes, of) for yes, of in counts if of > 1]
        found.append(_agreement(tuple(names), np.array(counts, dtype=int).reshape(-1, 2), fleiss, seed))
    return found


def disagreements(reviewers: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Clips on which those who are sure do not agree."""
    votes: dict[str, set[bool]] = {}
    for verdicts in reviewers.values():
        for clip, verdict in _sure(verdicts).items():
            votes.setdefault(clip, set()).add(verdict == "yes")
    return sorted(clip for clip, said in votes.items() if len(said) > 1)


def _sure(verdicts: Mapping[str, str]) -> dict[str, str]:
    return {clip: verdict for clip, verdict in verdicts.items() if verdict != "unsure"}


def cohen(table: np.ndarray) -> tuple[float, float]:
    """Share that agrees, and Cohen's kappa, of yes or no by two, bool (clips, 2); nan where all say the same."""
    agree = float(np.mean(table[:, 0] == table[:, 1]))
    one, two = table.mean(axis=0)
    chance = float(one * two + (1 - one) * (1 - two))
    return agree, (agree - chance) / (1 - chance) if chance < 1 else float("nan")


def fleiss(counts: np.ndarray) -> tuple[float, float]:
    """Share that agrees, and Fleiss' kappa, of (yes, ratings) for each clip, (clips, 2), at least two ratings each."""
    yes, of = counts[:, 0].astype(float), counts[:, 1].astype(float)
    agree = float(np.mean((yes * (yes - 1) + (of - yes) * (of - yes - 1)) / (of * (of - 1))))
    share = float(np.mean(yes / of))
    chance = share**2 + (1 - share) ** 2
    return agree, (agree - chance) / (1 - chance) if chance < 1 else float("nan")


def _agreement(
    names: tuple[str, ...], table: np.ndarray, measure: Callable[[np.ndarray], tuple[float, float]], seed: int
) -> Agreement:
    if not len(table):
        nothing = Figure(None, why="no clip was judged by more than one")
        return Agreement(names, 0, nothing, nothing)
    rng = np.random.default_rng(seed)
    draws = np.array([measure(table[rng.integers(len(table), size=len(table))]) for _ in range(DRAWS)])
    figures = []
    for place, value in enumerate(measure(table)):
        if np.isnan(value):
            figures.append(Figure(None, why="all verdicts are the same"))
            continue
        finite = draws[np.isfinite(draws[:, place]), place]
        low, high = np.percentile(finite, (2.5, 97.5)).tolist() if len(finite) else (value, value)
        figures.append(Figure(value, min(low, value), max(high, value)))
    return Agreement(names, len(table), *figures)
