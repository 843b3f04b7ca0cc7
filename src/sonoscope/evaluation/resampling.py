"""What a training reports of a set of clips, in many draws of them, for intervals and differences.

The figures of :func:`sonoscope.evaluation.tagging.measured` that models are compared by. Scores are sorted once and
weighed for each draw (:func:`sonoscope.evaluation.bootstrap.weights_of`): of thousands of clips that is a matter of
seconds, where measuring each draw anew is one of minutes.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from sonoscope.evaluation import bootstrap
from sonoscope.evaluation.decisions import Decisions, accepted
from sonoscope.evaluation.metrics import mean_of_defined
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.tagging import Answers

#: The figures that there are.
FIGURES = ("map", "micro_f1", "macro_f1", "top1", "macro_top1", "hamming")


def of_draws(
    answers: Answers, thresholds: np.ndarray | float, *, draws: int = bootstrap.DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Each of :data:`FIGURES` in each draw of whole groups, (draws,); nan where a draw does not define it.

    Parameters
    ----------
    answers : Answers
        At least one clip.
    thresholds : np.ndarray, shape (c,), or float
        Scores at or above them are accepted.
    """
    ranking, decisions = Ranking(answers), Decisions(answers, accepted(answers.scores, thresholds))
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for weights in bootstrap.stacked_weights(answers.groups, len(answers.labels), draws, seed):
        of_decisions = decisions.drawn(weights)
        part = {name: of_decisions[name] for name in ("micro_f1", "macro_f1", "hamming")}
        part["map"] = mean_of_defined(ranking.of_labels(weights)[0])
        part["top1"], part["macro_top1"] = _top1(answers, weights)
        for name, values in part.items():
            found[name].append(values)
    return {name: np.concatenate(found[name]) if found[name] else np.zeros(0) for name in FIGURES}


def _top1(answers: Answers, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of :func:`sonoscope.evaluation.tagging.top1` for each of several weightings, (d, n) to (d,) twice."""
    single = (answers.truth * answers.known).sum(axis=1) == 1
    truth = answers.truth[single].argmax(axis=1)
    right = (answers.scores[single].argmax(axis=1) == truth).astype(np.float64)
    of_class = np.eye(answers.truth.shape[1])[truth]
    there, hits = weights[:, single] @ of_class, weights[:, single] @ (of_class * right[:, None])
    recall = np.divide(hits, there, out=np.full(there.shape, np.nan), where=there > 0)
    count = there.sum(axis=1)
    share = np.divide(hits.sum(axis=1), count, out=np.full(count.shape, np.nan), where=count > 0)
    return share, mean_of_defined(recall)
