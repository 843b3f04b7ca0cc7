"""What answers come to that hear nothing: constants, dummies, chance. They stand in the table of every report.

A Hamming score of 0.90 on IRMAS is six points above never answering; always answering the three most frequent labels
is worth a micro-F1 of 0.44. Constants are chosen on the very clips that are reported, as nobody could: a floor should
be as high as an answer without ears can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.decisions import Decisions
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.tagging import Answers

#: Fewest and most labels of a clip that are drawn at random.
SPAN = (2, 4)
#: How often chance is tried; its figures are means.
DRAWS = 20
#: Constants of up to so many labels have a line each.
TOP = 3


@dataclass(frozen=True)
class Floor:
    """A line: what answers so, and the figures of :class:`Decisions` and :class:`Ranking` that it has."""

    name: str
    figures: dict[str, float]


def floors(answers: Answers, prior: np.ndarray | None = None, *, seed: int = 0) -> list[Floor]:
    """The lines of a set of clips, whose scores are not looked at.

    Parameters
    ----------
    answers : Answers
    prior : np.ndarray, shape (c,), optional
        The share of clips in which each label sounds where a model learned or was validated: ranks labels in
        ``prior``. Default: those of the clips themselves.
    """
    shape = answers.truth.shape
    found = [
        Floor("all zeros", _decided(answers, np.zeros(shape, dtype=bool))),
        Floor("all ones", _decided(answers, np.ones(shape, dtype=bool))),
    ]
    found += constants(answers)
    own = prior is None
    shares = share_of(answers) if prior is None else prior
    ranked = np.broadcast_to(np.nan_to_num(shares), shape)
    name = f"prior of {'these clips' if own else 'validation'}"
    found.append(Floor(name, _judged(answers, ranked, ranked >= 0.5)))
    return [*found, Floor(f"{SPAN[0]} to {SPAN[1]} labels at random", _chance(answers, seed))]


def share_of(answers: Answers) -> np.ndarray:
    """The share of clips in which each label sounds among those judged, (c,); nan where nobody judged."""
    judged = answers.known.sum(axis=0)
    sounds = ((answers.truth > 0) & answers.known).sum(axis=0)
    return np.divide(sounds, judged, out=np.full(len(judged), np.nan), where=judged > 0)


def constants(answers: Answers) -> Iterator[Floor]:
    """Always the most frequent label, the two, the three; and as many as give the best micro-F1, if others."""
    counts = ((answers.truth > 0) & answers.known).sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    # Micro-F1 of always saying the first label, the first two, …: hits, over what is said and what is there.
    said, there = np.cumsum(answers.known.sum(axis=0)[order]), counts.sum()
    best = int(np.argmax(2 * np.cumsum(counts[order]) / np.maximum(said + there, 1)))
    last = len(order) - 1
    for k in sorted({*range(min(TOP, last)), best} - {last}):
        named = (
            ", ".join(answers.labels[i] for i in order[: k + 1]) if k < TOP else f"the {k + 1} most frequent"
        )
        always = np.zeros(answers.truth.shape, dtype=bool)
        always[:, order[: k + 1]] = True
        yield Floor(f"always {named}", _decided(answers, always))


def at_random(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """1 for two to four labels of each clip, as many as there are at most, else 0; shape (n, c)."""
    least, most = (min(count, shape[1]) for count in SPAN)
    chance = rng.random(shape)
    rank = np.argsort(np.argsort(-chance, axis=1), axis=1)
    count = rng.integers(least, most + 1, (shape[0], 1))
    return (rank < count).astype(np.float64)


def _decided(answers: Answers, said: np.ndarray) -> dict[str, float]:
    return Decisions(answers, said).figures()


def _judged(answers: Answers, scores: np.ndarray, said: np.ndarray) -> dict[str, float]:
    ranking = Ranking(
        Answers(answers.truth, answers.known, scores, answers.labels, answers.groups, answers.names)
    )
    return ranking.figures() | _decided(answers, said)


def _chance(answers: Answers, seed: int) -> dict[str, float]:
    """Means over draws; labels are ranked by numbers drawn too, since what is drawn ties."""
    rng = np.random.default_rng(seed)
    shape = answers.truth.shape
    drawn = [_judged(answers, rng.random(shape), at_random(shape, rng) > 0) for _ in range(DRAWS)]
    return {name: float(np.mean([each[name] for each in drawn])) for name in drawn[0]}
