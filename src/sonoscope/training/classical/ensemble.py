"""Ensembles of scores from what runs left behind: a weighted mean of their answers, without listening again.

For a bundle that answers so, fit the model ``mean`` on ``{name: scores, model: RUN/bundle}``; here runs of any kind and
window are averaged, as long as they answered for the same clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.training import rundir


def averaged(answers: Sequence[Answers], weights: Sequence[float] | None = None) -> Answers:
    """The weighted mean of several models' probabilities for the clips that all of them answered for.

    Parameters
    ----------
    answers : sequence of Answers
        With the same labels, in any order of clips; truth is the first one's.
    weights : sequence of float, optional
        Default: equal.

    Raises
    ------
    UsageError
        If labels or weights do not fit, or no clip is common.
    """
    if not answers:
        raise UsageError("an ensemble needs one run at least")
    shares = np.ones(len(answers)) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (len(answers),) or (shares < 0).any() or not shares.sum() > 0:
        raise UsageError(
            f"weights={list(np.atleast_1d(shares))} must be {len(answers)} numbers that are not negative and not all "
            "zero, one for each run"
        )
    first = answers[0]
    for other in answers[1:]:
        if other.labels != first.labels:
            raise UsageError(f"the runs answer for other labels: {first.labels} and {other.labels}")
    places = [{name: k for k, name in enumerate(each.names)} for each in answers]
    common = [name for name in first.names if all(name in place for place in places)]
    if not common:
        raise UsageError("the runs have no clip in common: they were tested on other data, or another split")
    rows = [np.array([place[name] for name in common]) for place in places]
    total = sum(w * each.scores[r] for w, each, r in zip(shares, answers, rows, strict=True))
    return replace(first.take(rows[0]), scores=np.asarray(total) / shares.sum())


def of_runs(folders: Sequence[Path], weights: Sequence[float] | None = None) -> dict[str, Any]:
    """The figures of an ensemble of runs on their common test clips; thresholds come from validation.

    Raises
    ------
    UsageError
        If a run has not finished, or they cannot be averaged.
    """
    checked, tested = (
        averaged([rundir.read_answers(folder / f"{part}.npz") for folder in folders], weights)
        for part in ("validation", "test")
    )
    return rundir.figures(tested, tagging.fitted_thresholds(checked))
