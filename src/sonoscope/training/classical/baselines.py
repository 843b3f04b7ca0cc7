"""What dummies would come to on the very clips that a model was tested on: a line beside every report.

No run is needed: all zeros (its accuracy), all ones (its recall) and two to four labels at random (its F1) follow from
the truth. ``random`` is the mean over ``DRAWS`` draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers

#: How often labels are drawn at random.
DRAWS = 20
#: Fewest and most labels of a clip.
SPAN = (2, 4)


def figures(answers: Answers, *, seed: int = 0) -> dict[str, dict[str, float]]:
    """The figures of ``tagging.measured`` for ``zeros``, ``ones`` and ``random`` on the clips of ``answers``."""
    shape = answers.truth.shape
    found = {
        name: tagging.measured(replace(answers, scores=np.full(shape, score)), 0.5)
        for name, score in (("zeros", 0.0), ("ones", 1.0))
    }
    rng = np.random.default_rng(seed)
    drawn = [tagging.measured(replace(answers, scores=at_random(shape, rng)), 0.5) for _ in range(DRAWS)]
    found["random"] = {name: float(np.mean([each[name] for each in drawn])) for name in drawn[0]}
    return found


def at_random(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """1 for two to four labels of each clip, as many as there are at most, else 0; shape (n, c)."""
    least, most = (min(count, shape[1]) for count in SPAN)
    chance = rng.random(shape)
    rank = np.argsort(np.argsort(-chance, axis=1), axis=1)
    count = rng.integers(least, most + 1, (shape[0], 1))
    return (rank < count).astype(np.float64)
