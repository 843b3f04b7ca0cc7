"""A coarse class split into finer ones: clusters of embeddings, named by a labelled pair (or more) of fine classes.

k-means is fitted on the rows that have one of the fine labels, each class weighing the same, on the leading principal
components of their standardised embeddings: distances in all of them are mostly noise. A cluster belongs to the class
that it holds most of, and a row to the class of its nearest cluster. Its confidence is ``(b - a) / (b + a)``, where
``a`` is the distance to that cluster and ``b`` the one to the nearest cluster of another class. Of the coarse rows the
most confident get the fine label; for the others nobody can say, and so it is written.

How right this is, is measured on groups of the labelled rows that were held out, for all of them and for the same share
of the most confident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data.audit import folds as folding
from sonoscope.data.audit import intervals
from sonoscope.data.audit.head import FOLDS, rooted, standardised
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError, optional
from sonoscope.values import format_seconds

#: Clusters a class, and principal components: the best of a few on acoustic and electric guitars (docs/audit.md).
CLUSTERS, COMPONENTS = 4, 10
KEEP_SHARE = 0.5
#: Columns of a row that was split: what it was called, and how sure the new label is.
FROM, CONFIDENCE = "split_from", "split_confidence"
_STARTS = 10


@dataclass(frozen=True)
class Plan:
    """Split ``coarse`` into ``fine`` classes."""

    coarse: str
    fine: tuple[str, ...]


def parse(text: str) -> Plan:
    """``guitar=acoustic_guitar,electric_guitar``.

    Raises
    ------
    UsageError
        If it is not of this form, or names fewer than two fine classes.
    """
    coarse, equals, rest = text.partition("=")
    fine = tuple(dict.fromkeys(name.strip() for name in rest.split(",") if name.strip()))
    if not equals or not coarse.strip() or len(fine) < 2 or coarse.strip() in fine:
        raise UsageError(
            f"{text!r} does not say what to split into what: COARSE=FINE,FINE (guitar=acoustic,electric)"
        )
    return Plan(coarse.strip(), fine)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Fitted clusters: gives class (k,) and confidence (k,) of vectors (k, d)."""

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    centres: np.ndarray
    classes: np.ndarray

    def __call__(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = ((rooted(vectors) - self.mean) / self.scale) @ self.axes.T
        distances = np.linalg.norm(points[:, None] - self.centres, axis=2)
        nearest = np.stack(
            [
                np.where(self.classes == k, distances, np.inf).min(axis=1)
                for k in range(self.classes.max() + 1)
            ],
            axis=1,
        )
        ordered = np.sort(nearest, axis=1)
        own, other = ordered[:, 0], ordered[:, 1]
        sure = np.isfinite(other) & (own + other > 0)
        confidence = np.zeros(len(vectors))
        confidence[sure] = (other[sure] - own[sure]) / (other[sure] + own[sure])
        return nearest.argmin(axis=1), confidence


def fit(vectors: np.ndarray, classes: np.ndarray, *, clusters: int = CLUSTERS, seed: int = 0) -> Clusters:
    """Fit clusters on rows (k, d) of classes (k,), 0, 1, ...

    Parameters
    ----------
    clusters : int
        For each class; fewer where there are not as many rows.
    """
    k_means = optional("sklearn.cluster", "data", "splitting a class")
    weight = 1.0 / np.bincount(classes)[classes]
    weight *= len(classes) / weight.sum()
    scaled, mean, scale = standardised(vectors)
    _, _, axes = np.linalg.svd(scaled, full_matrices=False)
    axes = axes[: min(COMPONENTS, len(axes))]
    points = scaled @ axes.T
    count = min(clusters * (int(classes.max()) + 1), len(np.unique(points, axis=0)))
    model = k_means.KMeans(count, n_init=_STARTS, random_state=seed).fit(points, sample_weight=weight)
    held = np.zeros((count, int(classes.max()) + 1))
    np.add.at(held, (model.labels_, classes), weight)
    return Clusters(mean, scale, axes, model.cluster_centers_, held.argmax(axis=1))


@dataclass(frozen=True)
class Accuracy:
    """On rows of held-out groups: the mean over the fine classes of the share that is right.

    ``of`` is the share of the most confident that was looked at (1: all). ``low`` and ``high`` are the 95 % interval,
    groups drawn; ``table[i][j]`` counts rows of class i that were called j.
    """

    of: float
    value: float
    low: float
    high: float
    n: int
    groups: int
    table: tuple[tuple[int, ...], ...]


def measure(
    vectors: np.ndarray,
    classes: np.ndarray,
    groups: np.ndarray,
    *,
    shares: Sequence[float] = (1.0, KEEP_SHARE),
    clusters: int = CLUSTERS,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[Accuracy]:
    """How often the clusters are right about rows of groups that they were not fitted on.

    Raises
    ------
    UsageError
        If there is only one group, or without some groups a class has no row left to learn from.
    """
    one_hot = np.eye(int(classes.max()) + 1, dtype=bool)[classes]
    placed = folding.assign(groups, one_hot, folds, seed=seed)
    said, confidence = np.zeros(len(classes), dtype=np.int64), np.zeros(len(classes))
    for fold in np.unique(placed):
        held = placed == fold
        if len(np.unique(classes[~held])) < one_hot.shape[1]:
            raise UsageError(
                "a fine class has only one group of labelled rows, so nothing can be held out to measure on: "
                "give more groups (--pairs), or group by 'path'"
            )
        said[held], confidence[held] = fit(vectors[~held], classes[~held], clusters=clusters, seed=seed)(
            vectors[held]
        )
    order = np.argsort(-confidence, kind="stable")
    found = []
    for share in shares:
        rows = np.sort(order[: max(round(share * len(order)), 1)])

        def balanced(drawn: np.ndarray, rows: np.ndarray = rows) -> float:
            truth, right = classes[rows[drawn]], (said == classes)[rows[drawn]]
            return float(np.mean([right[truth == k].mean() for k in np.unique(truth)]))

        table = np.zeros((one_hot.shape[1],) * 2, dtype=np.int64)
        np.add.at(table, (classes[rows], said[rows]), 1)
        found.append(
            Accuracy(
                share,
                balanced(np.arange(len(rows))),
                *intervals.interval(balanced, groups[rows], seed=seed),
                len(rows),
                len(set(groups[rows])),
                tuple(map(tuple, table.tolist())),
            )
        )
    return found


def is_coarse(row: Row, plan: Plan) -> bool:
    """Whether a row has the coarse class: as a label, or in the column ``class``, and none of the fine ones."""
    coarse = plan.coarse in row.labels or row.extra.get("class", "") == plan.coarse
    return coarse and not any(label in row.labels for label in plan.fine)


def classes_of(rows: Sequence[Row], plan: Plan) -> np.ndarray:
    """Which fine class each row has, counted as in the plan; -1 for none and for several."""
    found = [[k for k, label in enumerate(plan.fine) if label in row.labels] for row in rows]
    return np.array([each[0] if len(each) == 1 else -1 for each in found], dtype=np.int64)


def relabelled(
    manifest: Manifest,
    plan: Plan,
    places: Sequence[int],
    said: np.ndarray,
    confidence: np.ndarray,
    *,
    keep_share: float = KEEP_SHARE,
) -> Manifest:
    """The manifest with the rows at ``places`` split: the most confident get a fine label, the others none.

    A row that gets one says nothing about the other fine classes, which may sound beside it.

    Raises
    ------
    UsageError
        If ``keep_share`` is not in (0, 1].
    """
    if not 0.0 < keep_share <= 1.0:
        raise UsageError(f"keep-share={keep_share:g} must lie in (0, 1]")
    order = np.argsort(-confidence, kind="stable")
    kept = set(order[: round(keep_share * len(order))].tolist())
    rows = list(manifest.rows)
    for number, place in enumerate(places):
        row = rows[place]
        label = plan.fine[said[number]] if number in kept else ""
        others = tuple(name for name in plan.fine if name != label)
        labels = tuple(name for name in row.labels if name != plan.coarse) + ((label,) if label else ())
        unknown = tuple(name for name in dict.fromkeys((*row.unknown, *others)) if name not in labels)
        rows[place] = replace(
            row,
            labels=labels,
            absent=tuple(name for name in row.absent if name not in plan.fine),
            unknown=unknown,
            extra={**row.extra, FROM: plan.coarse, CONFIDENCE: format_seconds(float(confidence[number]))},
        )
    label_map = manifest.label_map
    if label_map:
        label_map = tuple(dict.fromkeys((*(name for name in label_map if name != plan.coarse), *plan.fine)))
    return replace(manifest, rows=tuple(rows), label_map=label_map)
