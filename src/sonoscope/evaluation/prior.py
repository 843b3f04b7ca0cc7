"""From how frequent a label was among labelled clips to how frequent it is in the field.

A probability that was calibrated where a label sounds in a share ``had`` of the clips is wrong where it sounds in a
share ``has``. If the sounds of the label, and those of everything else, are the same in both places and only their
shares differ, Bayes' theorem says how (Saerens, Latinne and Decaestecker 2002, *Adjusting the outputs of a classifier
to new a priori probabilities*, equation 2.4), here for one label against its absence::

    odds(p') = odds(p) * odds(has) / odds(had),   odds(x) = x / (1 - x)

Precision changes with the share, recall and false-positive rate do not. Nobody knows the share of a field before
listening: judge a few hundred clips drawn at random, or try several shares and see what they change.
"""

from __future__ import annotations

import numpy as np


def shifted(p: np.ndarray | float, had: float, has: float) -> np.ndarray:
    """The probability of a label where it sounds in a share ``has``, of one calibrated where it was ``had``.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, both left out.
    """
    ratio = _odds(has) / _odds(had)
    p = np.asarray(p, dtype=np.float64)
    return p * ratio / (p * ratio + (1.0 - p))


def before(threshold: float, had: float, has: float) -> float:
    """The threshold on the unshifted scores that is ``threshold`` on the shifted: the inverse of :func:`shifted`."""
    return float(shifted(threshold, has, had))


def weights(truth: np.ndarray, has: float) -> np.ndarray:
    """Weights of clips, (n,), under which the label sounds in a share ``has`` of them.

    Raises
    ------
    ValueError
        If ``truth`` has only one kind, or the share is not between 0 and 1.
    """
    truth = np.asarray(truth, dtype=bool)
    had = float(truth.mean()) if truth.size else 0.0
    _odds(has)
    if not 0 < had < 1:
        raise ValueError(f"a share of {had:g} among labelled clips cannot be shifted: it needs both kinds")
    return np.where(truth, has / had, (1.0 - has) / (1.0 - had))


def _odds(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError(f"share={share:g} must lie between 0 and 1")
    return share / (1.0 - share)
