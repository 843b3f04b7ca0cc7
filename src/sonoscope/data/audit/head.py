"""A logistic head on embeddings, and the scores it gives to rows of groups that it never met.

Where every row has one label the head is one softmax over the labels, else one logistic regression for each label
("one against the rest"), fitted on the rows in which somebody judged that label. The roots of the embeddings' values
are taken, since a few large ones would outweigh all others (Perronnin et al. 2010, "power normalisation"), and then
standardised by the part that is fitted on. The regularisation is strong on purpose: a head that can learn single rows
by heart learns their wrong labels too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope.data.audit import folds as folding
from sonoscope.errors import UsageError, optional

#: Inverse strength of the L2 penalty, in the terms of scikit-learn, for standardised embeddings.
STRENGTH = 0.02
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Targets:
    """What a labelling says about the rows that were embedded.

    Attributes
    ----------
    labels : tuple of str, length c
    sounds : np.ndarray, shape (r, c), bool
    known : np.ndarray, shape (r, c), bool
        False where nobody judged it.
    groups : np.ndarray, shape (r,), int64
        Rows with the same number are never on both sides.
    """

    labels: tuple[str, ...]
    sounds: np.ndarray
    known: np.ndarray
    groups: np.ndarray

    @property
    def one_each(self) -> bool:
        """Whether every row has one label and no other, but for rows that say nothing for certain."""
        count = self.sounds.sum(axis=1)
        judged = self.known.all(axis=1)
        return bool(count.any() and (count[judged] == 1).all() and not count[~judged].any())


@dataclass(frozen=True, eq=False)
class Unheard:
    """Scores of rows by heads that met no row of their group.

    Attributes
    ----------
    probabilities : np.ndarray, shape (r, c), float64
        nan where a label could not be judged: without the row's fold it has no positive (or no negative) row left.
    windows : np.ndarray, shape (n, c), float64
        The same for single windows.
    folds : np.ndarray, shape (r,), int64
    one_each : bool
        Whether the labels of a row compete (softmax).
    """

    probabilities: np.ndarray
    windows: np.ndarray
    folds: np.ndarray
    one_each: bool


def unheard(
    vectors: np.ndarray,
    targets: Targets,
    *,
    windows: np.ndarray | None = None,
    owner: np.ndarray | None = None,
    folds: np.ndarray | int = FOLDS,
    learn: np.ndarray | None = None,
    one_each: bool | None = None,
    seed: int = 0,
) -> Unheard:
    """Score every row by a head that was fitted on the other folds.

    Parameters
    ----------
    vectors : np.ndarray, shape (r, d)
    targets : Targets
    windows, owner : np.ndarray, shape (n, d) and (n,), optional
        Embeddings of windows, and the row each belongs to.
    folds : np.ndarray of shape (r,), or int
        Which fold each row is in, or how many to make.
    learn : np.ndarray, shape (r,), bool, optional
        Rows to learn from; all are scored.
    one_each : bool, optional
        Whether labels exclude each other; default: whether no row has two.

    Raises
    ------
    UsageError
        If there are fewer than two labels, or no two groups.
    """
    if len(targets.labels) < 2:
        raise UsageError(f"an audit needs at least two labels, got {', '.join(targets.labels) or 'none'}")
    if isinstance(folds, int):
        folds = folding.assign(targets.groups, targets.sounds, folds, seed=seed)
    single = targets.one_each if one_each is None else one_each
    windows = np.zeros((0, vectors.shape[1]), np.float32) if windows is None else windows
    owner = np.zeros(0, np.int64) if owner is None else owner
    rows_out = np.full((len(vectors), len(targets.labels)), np.nan)
    windows_out = np.full((len(windows), len(targets.labels)), np.nan)
    for fold in np.unique(folds):
        held = folds == fold
        others = ~held if learn is None else ~held & learn
        head = fit(vectors[others], targets.sounds[others], targets.known[others], one_each=single)
        rows_out[held] = head(vectors[held])
        inside = held[owner]
        if inside.any():
            windows_out[inside] = head(windows[inside])
    return Unheard(rows_out, windows_out, folds, single)


@dataclass(frozen=True, eq=False)
class Head:
    """Fitted regressions: gives probabilities (k, c) of vectors (k, d), nan for labels that could not be fitted."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    one_each: bool

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        logits = (rooted(vectors) - self.mean) / self.scale @ self.weights.T + self.offsets
        if not self.one_each:
            return 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
        # What could not be fitted takes no share.
        shares = np.exp(logits - np.nanmax(logits, axis=1, keepdims=True, initial=-np.inf))
        return shares / np.nansum(shares, axis=1, keepdims=True)


def fit(vectors: np.ndarray, sounds: np.ndarray, known: np.ndarray, *, one_each: bool) -> Head:
    """Fit the head on rows (k, d) with targets (k, c); unknown ones take no part.

    With ``one_each`` only rows with a label count, and labels that no row has are left out.
    """
    scaled, mean, scale = standardised(vectors)
    weights = np.full((sounds.shape[1], vectors.shape[1]), np.nan)
    offsets = np.full(sounds.shape[1], np.nan)
    if one_each:
        rows = sounds.any(axis=1)
        present = np.flatnonzero(sounds[rows].any(axis=0))
        if present.size > 1:
            _fit_softmax(scaled[rows], sounds[rows][:, present].argmax(axis=1), present, weights, offsets)
    else:
        for k in range(sounds.shape[1]):
            rows = known[:, k]
            if len(np.unique(sounds[rows, k])) == 2:
                model = _regression().fit(scaled[rows], sounds[rows, k])
                weights[k], offsets[k] = model.coef_[0], model.intercept_[0]
    return Head(mean, scale, weights, offsets, one_each)


def standardised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The roots of rows (k, d), less their mean, over their deviation; and both of these, shape (d,)."""
    roots = rooted(vectors)
    mean, scale = roots.mean(axis=0), roots.std(axis=0)
    scale[scale < 1e-12] = 1.0
    return (roots - mean) / scale, mean, scale


def rooted(vectors: np.ndarray) -> np.ndarray:
    """``sign(x) * sqrt(|x|)``, float64."""
    values = np.asarray(vectors, np.float64)
    return np.sign(values) * np.sqrt(np.abs(values))


def _fit_softmax(
    scaled: np.ndarray, classes: np.ndarray, present: np.ndarray, weights: np.ndarray, offsets: np.ndarray
) -> None:
    """Fill in the rows ``present`` of ``weights`` and ``offsets``."""
    model = _regression().fit(scaled, classes)
    if len(present) == 2:  # scikit-learn has one row then, for the second class against the first
        weights[present] = np.stack([0.0 * model.coef_[0], model.coef_[0]])
        offsets[present] = np.array([0.0, model.intercept_[0]])
    else:
        weights[present], offsets[present] = model.coef_, model.intercept_


def _regression() -> Any:
    linear = optional("sklearn.linear_model", "data", "the audit of labels")
    return linear.LogisticRegression(C=STRENGTH, max_iter=500)
