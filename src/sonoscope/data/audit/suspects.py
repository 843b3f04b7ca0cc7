"""Labels that scores of rows contradict, worst first: cleanlab on out-of-fold probabilities.

Where every row has one label it is cleanlab's ``filter.find_label_issues`` and ``rank.get_label_quality_scores``; else
the same for each label against the rest, as in ``cleanlab.multilabel_classification``, but on the rows in which
somebody judged the label: what is unknown is neither evidence nor suspect (Northcutt, Jiang and Chuang 2021,
"Confident learning"; Thyagarajan et al. 2022, for several labels).

A row's score is the probability, by a head that never met its group, that the least credible of its labels is right
(*self-confidence*). Flagged are as many of the lowest as cleanlab estimates to be wrong (``low_self_confidence``): of
its rules the one that found most exchanged labels with fewest false alarms on all sets that were tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.data.audit.head import Targets, Unheard
from sonoscope.errors import optional

#: cleanlab's rule of what is flagged.
FILTER = "low_self_confidence"
_PURPOSE = "the audit of labels"


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the scores say about the labels of rows.

    Attributes
    ----------
    credible : np.ndarray, shape (r, c), float64
        Probability that what the row says about the label is right; nan where it was not judged.
    doubtful : np.ndarray, shape (r, c), bool
        Labels that should be there and are not, or the other way round.
    score : np.ndarray, shape (r,), float64
        The least credible of the row; nan where none was judged.
    """

    credible: np.ndarray
    doubtful: np.ndarray
    score: np.ndarray

    @property
    def flagged(self) -> np.ndarray:
        """Rows with a doubtful label, bool, shape (r,)."""
        return np.asarray(self.doubtful.any(axis=1))

    def ranked(self) -> np.ndarray:
        """Places of the flagged rows, the least credible first, int64."""
        rows = np.flatnonzero(self.flagged)
        return rows[np.argsort(self.score[rows], kind="stable")]

    def suggested(self, targets: Targets, place: int) -> tuple[str, ...]:
        """The labels of a row with the doubtful ones turned round."""
        sounds = targets.sounds[place] ^ self.doubtful[place]
        return tuple(label for label, there in zip(targets.labels, sounds, strict=True) if there)


def judge(targets: Targets, unheard: Unheard) -> Judgement:
    """Find the labels that the scores contradict.

    Raises
    ------
    UsageError
        If cleanlab is not installed.
    """
    if unheard.one_each:
        return _judge_one_each(targets, unheard.probabilities)
    probabilities = unheard.probabilities
    credible = np.where(targets.sounds, probabilities, 1.0 - probabilities)
    credible[~targets.known] = np.nan
    doubtful = np.zeros(credible.shape, dtype=bool)
    for k in range(len(targets.labels)):
        rows = np.flatnonzero(~np.isnan(credible[:, k]))
        if len(np.unique(targets.sounds[rows, k])) == 2:
            p = probabilities[rows, k]
            doubtful[rows, k] = _issues(targets.sounds[rows, k].astype(int), np.stack([1.0 - p, p], axis=1))
    return Judgement(credible, doubtful, _least(credible))


def _judge_one_each(targets: Targets, probabilities: np.ndarray) -> Judgement:
    """One label a row: it is right or one other is, so a doubtful row has two doubtful labels."""
    given = targets.sounds.argmax(axis=1)
    own = np.where(
        targets.sounds.any(axis=1), np.take_along_axis(probabilities, given[:, None], axis=1)[:, 0], np.nan
    )
    credible = np.full(probabilities.shape, np.nan)
    credible[np.arange(len(own)), given] = own
    doubtful = np.zeros(credible.shape, dtype=bool)
    rows = np.flatnonzero(~np.isnan(own))
    present, classes = np.unique(given[rows], return_inverse=True)
    if present.size > 1:
        # Labels that no judged row has cannot be suggested; the others share what is left of the probability.
        shares = np.nan_to_num(probabilities[np.ix_(rows, present)])
        shares /= shares.sum(axis=1, keepdims=True)
        others = shares.copy()
        others[np.arange(len(rows)), classes] = -1.0
        best = present[others.argmax(axis=1)]
        issues = _issues(classes, shares)
        doubtful[rows[issues], given[rows[issues]]] = True
        doubtful[rows[issues], best[issues]] = True
    return Judgement(credible, doubtful, own)


def _issues(classes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """cleanlab's mask, bool, shape (k,), of classes (k,) given probabilities (k, n)."""
    cleanlab = optional("cleanlab.filter", "data", _PURPOSE)
    return np.asarray(
        cleanlab.find_label_issues(classes, shares, filter_by=FILTER, n_jobs=1, verbose=False), dtype=bool
    )


def _least(credible: np.ndarray) -> np.ndarray:
    """The smallest of each row that is not nan, nan where all are."""
    least = np.where(np.isnan(credible), np.inf, credible).min(axis=1, initial=np.inf)
    return np.where(np.isinf(least), np.nan, least)
