"""One classifier for each label against the rest, and the choice between settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.training.classical.protocol import Answerer, Examples, Say, mean_precision

A = TypeVar("A", bound=Answerer)

#: Decision for a label of which the training has only one kind of examples.
ALONE = 1.0


def judged(examples: Examples, say: Say) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each label that can be learned: its number, the windows that it is known of, and whether it sounds in them."""
    for k, label in enumerate(examples.labels):
        rows = np.flatnonzero(examples.known[:, k])
        truth = examples.truth[rows, k] > 0
        if truth.any() and not truth.all():
            yield k, rows, truth
        else:
            said = "is in all of them" if rows.size and truth.all() else "is in none of them"
            say(f"{label}: not learned, since it {said}")


def alone(examples: Examples) -> np.ndarray:
    """What is said where a label cannot be learned, (c,): 1 where it always sounds, -1 where never, 0 if unknown."""
    sounds, known = (examples.truth * examples.known).sum(axis=0), examples.known.sum(axis=0)
    return np.where(known == 0, 0.0, np.where(sounds == known, ALONE, -ALONE))


def best_of(
    settings: Iterable[dict[str, Any]], fitted: Callable[[dict[str, Any]], A], checked: Examples, say: Say
) -> tuple[A, list[dict[str, Any]]]:
    """The answerer with the highest mean average precision on ``checked``, and what each setting came to.

    Raises
    ------
    UsageError
        If there is no setting.
    """
    best: A | None = None
    table: list[dict[str, Any]] = []
    top = -np.inf
    for setting in settings:
        answerer = fitted(setting)
        found = mean_precision(checked, answerer.logits(checked.vectors))
        table.append({**setting, "validation_map": round(found, 4) if np.isfinite(found) else None})
        say(", ".join(f"{name}={value}" for name, value in table[-1].items()))
        if best is None or found > top:
            best, top = answerer, found if np.isfinite(found) else top
    if best is None:
        raise UsageError("no setting to fit with: give one value at least for each hyper-parameter")
    return best, table
