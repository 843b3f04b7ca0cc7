"""The bench: recordings from elsewhere.

Every clip is scored by a model that never saw its fold, and a fold holds whole origins (libraries), so what
is measured is how well a model carries over to recordings of people, rooms and instruments it has not met.

- **Top-1**: argmax over the eleven instruments of the mean window score; a class's recall is the mean over
  its origins with at least five clips; the figure is the mean over the classes.
- **mAP**: average precision per class within each fold that has the class, mean over folds, then over
  classes. Both readings of "within a fold" are given: over the clips of the eleven instruments, and over all
  the fold's clips, where drums, basses and other instruments are negatives.
- **Intervals**: two-level bootstrap: origins are drawn with replacement within an instrument, then clips
  within each drawn origin; 2.5 and 97.5 percentiles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.metrics import average_precision, confusion

#: Origins with fewer clips of a class say too little about it to count as a voice of their own.
MIN_CLIPS = 5


@dataclass(frozen=True, eq=False)
class BenchScores:
    """Scores of the bench's clips.

    Attributes
    ----------
    scores : np.ndarray, shape (n, c)
        Mean window score of each clip for the ``c`` classes that are compared.
    truth : np.ndarray, shape (n,), int
        Class of each clip, -1 for clips of none of them (negatives of the second mAP).
    origins, folds : sequence of str, length n
    classes : tuple of str, length c
    """

    scores: np.ndarray
    truth: np.ndarray
    origins: Sequence[str]
    folds: Sequence[str]
    classes: tuple[str, ...]


def top1(bench: BenchScores) -> tuple[float, dict[str, float]]:
    """Macro top-1 and recall per class (nan for a class without an origin of ``MIN_CLIPS`` clips)."""
    hits = _hits(bench)
    recalls = {
        name: float(np.mean([np.mean(h) for h in origins.values()])) if (origins := hits[k]) else float("nan")
        for k, name in enumerate(bench.classes)
    }
    return float(np.nanmean(list(recalls.values()))), recalls


def mean_average_precision(
    bench: BenchScores, *, negatives: bool = False, least: int = 1
) -> tuple[float, dict[str, float]]:
    """mAP and AP per class; with ``negatives`` the clips of none of the classes count as negatives.

    A fold with fewer than ``least`` clips of a class says nothing about it.
    """
    folds = np.asarray(bench.folds)
    per_class = _average_precisions(
        bench.scores, bench.truth, folds, len(bench.classes), negatives=negatives, least=least
    )
    return float(np.nanmean(per_class)), dict(zip(bench.classes, map(float, per_class), strict=True))


def interval(bench: BenchScores, *, draws: int = 1000, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of ``top1``, ``map``, ``map_with_negatives`` and ``map_of_many`` (folds that have
    ``MIN_CLIPS`` of a class)."""
    rng = np.random.default_rng(seed)
    hits = _hits(bench)
    origins = np.asarray(bench.origins)
    members: dict[int, list[np.ndarray]] = defaultdict(list)
    for k in range(-1, len(bench.classes)):
        for origin in np.unique(origins[bench.truth == k]):
            members[k].append(np.flatnonzero((bench.truth == k) & (origins == origin)))
    folds = np.asarray(bench.folds)
    samples: dict[str, list[float]] = defaultdict(list)
    for draw in range(draws):
        recalls = []
        for k in range(len(bench.classes)):
            groups = list(hits[k].values())
            if groups:
                drawn = [groups[i] for i in rng.integers(len(groups), size=len(groups))]
                recalls.append(np.mean([h[rng.integers(len(h), size=len(h))].mean() for h in drawn]))
        samples["top1"].append(float(np.mean(recalls)))
        if (
            draw >= draws // 4
        ):  # a ranking of thousands of clips a draw: fewer draws give the same percentiles
            continue
        chosen = []
        for groups in members.values():
            for i in rng.integers(len(groups), size=len(groups)):
                chosen.append(groups[i][rng.integers(len(groups[i]), size=len(groups[i]))])
        rows = np.concatenate(chosen)
        for name, negatives, least in (
            ("map", False, 1), ("map_with_negatives", True, 1), ("map_of_many", False, MIN_CLIPS),
        ):  # fmt: skip
            precisions = _average_precisions(
                bench.scores[rows], bench.truth[rows], folds[rows], len(bench.classes),
                negatives=negatives, least=least,
            )  # fmt: skip
            samples[name].append(float(np.nanmean(precisions)))
    return {
        name: tuple(np.percentile(values, [2.5, 97.5]).round(4).tolist()) for name, values in samples.items()
    }


def summary(bench: BenchScores, *, draws: int = 1000) -> dict:
    """Everything the bench says, ready for JSON."""
    macro, recalls = top1(bench)
    plain, precisions = mean_average_precision(bench)
    harder, harder_precisions = mean_average_precision(bench, negatives=True)
    many, _ = mean_average_precision(bench, least=MIN_CLIPS)
    ours = bench.truth >= 0
    table = confusion(bench.truth[ours], bench.scores[ours].argmax(axis=1), len(bench.classes))
    return {
        "clips": int(ours.sum()),
        "origins": len(set(np.asarray(bench.origins)[ours])),
        "negatives": int((~ours).sum()),
        "top1": round(macro, 4),
        "map": round(plain, 4),
        "map_with_negatives": round(harder, 4),
        "map_of_many": None if np.isnan(many) else round(many, 4),
        "interval_95": interval(bench, draws=draws),
        "recall": _rounded(recalls),
        "recall_by_origin": {
            name: {
                origin: [round(float(np.mean(h)), 4), len(h)] for origin, h in sorted(_hits(bench)[k].items())
            }
            for k, name in enumerate(bench.classes)
        },
        "average_precision": _rounded(precisions),
        "average_precision_with_negatives": _rounded(harder_precisions),
        "classes": list(bench.classes),
        "confusion": table.tolist(),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    """Four decimals; what could not be measured is null, since JSON knows no NaN."""
    return {name: None if np.isnan(value) else round(value, 4) for name, value in figures.items()}


def _hits(bench: BenchScores) -> list[dict[str, np.ndarray]]:
    """For each class, origin -> right or wrong of its clips, for the origins with ``MIN_CLIPS``."""
    right = bench.scores.argmax(axis=1) == bench.truth
    origins = np.asarray(bench.origins)
    found: list[dict[str, np.ndarray]] = []
    for k in range(len(bench.classes)):
        of_class = bench.truth == k
        groups = {o: right[of_class & (origins == o)].astype(float) for o in sorted(set(origins[of_class]))}
        found.append({o: h for o, h in groups.items() if len(h) >= MIN_CLIPS})
    return found


def _average_precisions(
    scores: np.ndarray,
    truth: np.ndarray,
    folds: np.ndarray,
    n_classes: int,
    *,
    negatives: bool,
    least: int = 1,
) -> np.ndarray:
    """AP per class: within each fold with ``least`` clips of it, mean over folds; (c,), nan for absent classes."""
    per_class: list[list[float]] = [[] for _ in range(n_classes)]
    for fold in np.unique(folds):
        rows = (folds == fold) & ((truth >= 0) | negatives)
        for k in range(n_classes):
            if (truth[rows] == k).sum() >= least:
                per_class[k].append(average_precision(truth[rows] == k, scores[rows, k]))
    return np.array([np.mean(values) if values else np.nan for values in per_class])
