"""How features relate to each other and to the labels: correlations, what labels explain, maps in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError, optional

#: Features shown in the correlation matrix, rows placed on a map, and rows that either needs at least.
SHOWN_FEATURES, MAPPED_ROWS, FEWEST_ROWS = 24, 2000, 8
#: Pitch is no property of a kind of sound: with it, notes of one name would lie together, whatever plays them.
PITCH = ("chroma_", "tonnetz_")
#: Standardised values are cut here, so that one odd clip does not stretch a map.
FAR = 5.0


@dataclass(frozen=True)
class Correlations:
    """Pearson correlations of features.

    ``names`` (n,) in an order that puts alike ones side by side; ``values`` (n, n), float64, 1 on the diagonal.
    """

    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Map:
    """Rows as points.

    Attributes
    ----------
    name : str
        ``PCA`` or ``t-SNE``.
    rows : np.ndarray, shape (n,), int
        Places in what was mapped.
    points : np.ndarray, shape (n, 2)
    axes : tuple of str
        What the axes are, in words.
    """

    name: str
    rows: np.ndarray
    points: np.ndarray
    axes: tuple[str, str]


def varying(features: np.ndarray) -> np.ndarray:
    """Places of the features that are not the same in every row."""
    spread = features.std(axis=0)
    return np.flatnonzero(spread > 1e-9 * np.maximum(np.abs(features).max(axis=0, initial=0.0), 1e-12))


def standardised(features: np.ndarray) -> np.ndarray:
    """Features with mean 0 and variance 1, at most :data:`FAR` from 0."""
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-12)
    return np.asarray(np.clip(scaled, -FAR, FAR))


def correlations(
    features: np.ndarray, names: Sequence[str], *, most: int = SHOWN_FEATURES
) -> Correlations | None:
    """Correlations of the features whose correlations vary most: what goes with some and against others.

    Parameters
    ----------
    features : np.ndarray, shape (rows, features)
    names : sequence of str
    most : int
        So many features at most.

    Returns
    -------
    Correlations or None
        None with fewer than :data:`FEWEST_ROWS` rows, or fewer than two features that vary.
    """
    places = varying(features) if len(features) >= FEWEST_ROWS else np.zeros(0, dtype=int)
    if places.size < 2:
        return None
    values = np.corrcoef(features[:, places].T)
    chosen = np.sort(np.argsort(-values.var(axis=1), kind="stable")[:most])
    values = values[np.ix_(chosen, chosen)]
    order = _side_by_side(values)
    return Correlations(
        tuple(names[places[chosen[place]]] for place in order), np.asarray(values[np.ix_(order, order)])
    )


def _side_by_side(values: np.ndarray) -> np.ndarray:
    """An order in which features that are alike, whatever the sign, are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.abs(values)
    distance = np.maximum((distance + distance.T) / 2, 0.0)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(
        leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))
    )


def explained(features: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """The share of each feature's variance that the labels explain, adjusted for their number; at least 0.

    A linear model of all labels at once (R² adjusted); for rows with one label each this is the share of the variance
    that lies between classes.

    Parameters
    ----------
    features : np.ndarray, shape (rows, features)
    sounds : np.ndarray, shape (rows, labels)
        1 where a label sounds.

    Returns
    -------
    np.ndarray, shape (features,)
        Zeros if there are too few rows or labels to say.
    """
    used = sounds[:, varying(sounds)].astype(np.float64) if len(sounds) else sounds
    design = np.column_stack([np.ones(len(features)), used])
    rank = int(np.linalg.matrix_rank(design)) if len(features) else 0
    free = len(features) - rank
    if rank < 2 or free < rank:
        return np.zeros(features.shape[1])
    scaled = standardised(features)
    scaled -= scaled.mean(axis=0)
    total = np.square(scaled).sum(axis=0)
    left = np.square(scaled - design @ np.linalg.lstsq(design, scaled, rcond=None)[0]).sum(axis=0)
    share = 1 - (left / free) / np.maximum(total / (len(features) - 1), 1e-12)
    return np.asarray(np.where(total > 1e-9, np.maximum(share, 0.0), 0.0))


def timbre(names: Sequence[str]) -> list[int]:
    """Places of the features that are not about pitch, which maps are drawn of."""
    return [place for place, name in enumerate(names) if not name.startswith(PITCH)]


def principal(features: np.ndarray, names: Sequence[str]) -> Map | None:
    """Rows on the two directions in which standardised features spread most; None with too few rows."""
    places = varying(features) if len(features) >= FEWEST_ROWS else np.zeros(0, dtype=int)
    if places.size < 2:
        return None
    scaled = standardised(features[:, places])
    scaled -= scaled.mean(axis=0)
    _, sizes, directions = np.linalg.svd(scaled, full_matrices=False)
    # A direction and its opposite are the same: the heaviest feature counts upwards.
    heaviest = np.argmax(np.abs(directions[:2]), axis=1)
    directions = directions[:2] * np.sign(directions[[0, 1], heaviest])[:, None]
    shares = np.square(sizes) / np.square(sizes).sum()
    axes = []
    for number in range(2):
        top = np.argsort(-np.abs(directions[number]), kind="stable")[:3]
        told = ", ".join(f"{'+' if directions[number, k] > 0 else '−'}{names[places[k]]}" for k in top)
        axes.append(f"component {number + 1}, {shares[number]:.0%} of the variance: {told}")
    rows = _spread(len(features))
    return Map("PCA", rows, (scaled @ directions.T)[rows], (axes[0], axes[1]))


def neighbours(features: np.ndarray) -> Map | str:
    """Rows so that alike ones are near each other (t-SNE), or why that cannot be had.

    The same features give the same map. Of many rows :data:`MAPPED_ROWS` are mapped, spread evenly.
    """
    rows = _spread(len(features))
    if rows.size < FEWEST_ROWS:
        return f"t-SNE needs at least {FEWEST_ROWS} rows that were heard"
    try:
        manifold = optional("sklearn.manifold", "data", "t-SNE")
    except UsageError as error:
        return str(error)
    places = varying(features)
    if places.size < 2:
        return "all rows have the same features"
    method = manifold.TSNE(
        n_components=2, init="pca", random_state=0, perplexity=min(30.0, (rows.size - 1) / 3)
    )
    points = method.fit_transform(standardised(features[:, places])[rows])
    return Map("t-SNE", rows, np.asarray(points, dtype=np.float64), ("", ""))


def _spread(n: int) -> np.ndarray:
    """At most :data:`MAPPED_ROWS` of ``n`` places, evenly."""
    return (
        np.unique(np.linspace(0, n - 1, min(n, MAPPED_ROWS)).round().astype(int)) if n else np.zeros(0, int)
    )
