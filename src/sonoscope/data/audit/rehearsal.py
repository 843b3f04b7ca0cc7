"""How far can the audit of this data set be trusted? Known errors are put in, and looked for.

In a share of the rows one right label is exchanged for a wrong one, drawn evenly from the others; the audit runs as it
would, and what it flags and how it ranks is compared with what was exchanged. Errors that were in the data before count
as false alarms, so the precision is a lower bound; and exchanges at random are easier to find than the mistakes that
people make, who confuse what sounds alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sonoscope.data.audit import head, intervals, suspects
from sonoscope.data.audit.head import Targets
from sonoscope.errors import UsageError

REPEATS = 5


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval (groups are drawn)."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Rehearsal:
    """What the audit found of ``wrong`` labels exchanged in ``rows`` rows, over ``repeats`` repetitions.

    ``rows`` counts rows that could be judged, ``groups`` what they belong to; ``one_each`` is the kind of head.
    """

    share: float
    repeats: int
    rows: int
    groups: int
    wrong: int
    figures: tuple[Figure, ...]


def exchange(targets: Targets, share: float, rng: np.random.Generator) -> tuple[Targets, np.ndarray]:
    """Put errors into a share of the rows that have a label.

    Returns
    -------
    targets : Targets
    wrong : np.ndarray, shape (r,), bool
        Which rows have an error now.
    """
    sounds = targets.sounds.copy()
    possible = np.flatnonzero(sounds.any(axis=1))
    chosen = rng.permutation(possible)[: round(share * len(possible))]
    wrong = np.zeros(len(sounds), dtype=bool)
    for row in chosen:
        others = np.flatnonzero(~sounds[row] & targets.known[row])
        if others.size:
            sounds[row, rng.choice(np.flatnonzero(sounds[row]))] = False
            sounds[row, rng.choice(others)] = True
            wrong[row] = True
    return Targets(targets.labels, sounds, targets.known, targets.groups), wrong


def rehearse(
    vectors: np.ndarray,
    targets: Targets,
    *,
    share: float,
    repeats: int = REPEATS,
    folds: int = head.FOLDS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Rehearsal:
    """Exchange labels, audit, and count; several times with other errors and other folds.

    Parameters
    ----------
    vectors : np.ndarray, shape (r, d)
    targets : Targets
    share : float
        Of rows to put an error into, in (0, 0.5].

    Raises
    ------
    UsageError
        If ``share`` is out of range, or nothing could be judged.
    """
    if not 0.0 < share <= 0.5:
        raise UsageError(f"a share of errors of {share:g} must lie in (0, 0.5]")
    wrongs, flags, scores, groups, rights = [], [], [], [], []
    for repeat in range(repeats):
        noisy, wrong = exchange(targets, share, np.random.default_rng([seed, repeat]))
        unheard = head.unheard(vectors, noisy, folds=folds, seed=seed + repeat)
        judged = suspects.judge(noisy, unheard)
        rows = np.flatnonzero(~np.isnan(judged.score))
        wrongs.append(wrong[rows])
        flags.append(judged.flagged[rows])
        scores.append(judged.score[rows])
        groups.append(targets.groups[rows])
        restored = ((noisy.sounds ^ judged.doubtful) == targets.sounds).all(axis=1)
        rights.append(restored[rows])
        if progress is not None:
            progress(repeat + 1)
    columns = [np.concatenate(column) for column in (wrongs, flags, scores, rights)]
    owner = np.concatenate(groups)
    if not columns[0].any():
        raise UsageError("no row with an exchanged label could be judged: too few rows, labels or groups")

    whole = _figures(*columns)
    spread = intervals.intervals(
        lambda drawn: list(_figures(*(column[drawn] for column in columns)).values()), owner, seed=seed
    )
    figures = tuple(
        Figure(name, value, low, high)
        for (name, value), (low, high) in zip(whole.items(), spread, strict=True)
    )
    return Rehearsal(
        share, repeats, len(owner) // repeats, len(set(owner.tolist())), int(columns[0].sum()), figures
    )


def _figures(
    wrong: np.ndarray, flagged: np.ndarray, scores: np.ndarray, restored: np.ndarray
) -> dict[str, float]:
    """Figures of rows, each array of shape (k,)."""
    n_wrong, hits = int(wrong.sum()), int((wrong & flagged).sum())
    if not n_wrong:
        return dict.fromkeys(NAMES, float("nan"))
    ranked = wrong[np.argsort(scores, kind="stable")]
    found = np.cumsum(ranked)
    precision = found / np.arange(1, len(ranked) + 1)
    looked_at = int(np.searchsorted(found, 0.8 * n_wrong)) + 1
    values = (
        hits / flagged.sum() if flagged.any() else float("nan"),
        hits / n_wrong,
        float(flagged.mean()),
        float(ranked[:n_wrong].mean()),
        float(precision[ranked].mean()),
        looked_at / len(ranked),
        float(restored[wrong & flagged].mean()) if hits else float("nan"),
    )
    return dict(zip(NAMES, values, strict=True))


#: What is measured, in words.
NAMES = (
    "flagged rows that are wrong (precision)",
    "wrong rows that are flagged (recall)",
    "rows that are flagged",
    "wrong among as many first ones as there are wrong",
    "average precision of the ranking",
    "rows to listen to for 80 % of the wrong ones",
    "flagged wrong rows whose suggestion is right",
)
