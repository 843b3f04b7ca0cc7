"""What dummies would come to on the very clips that a model was tested on: a line beside every report.

No run is needed: all zeros (its accuracy), all ones (its recall) and two to four labels at random (its F1) follow from
the truth. ``random`` is the mean over ``DRAWS`` draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sonoscope.evaluation import tagging
from sonoscope.evaluation.floors import DRAWS, at_random
from sonoscope.evaluation.tagging import Answers


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
