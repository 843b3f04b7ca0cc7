"""Which sounds are left out together: sites, so that a figure is about places that were not taught.

- Each site is a fold, or, of more than :data:`MOST`, folds are made of several.
- A class from one site only cannot be judged elsewhere: its sounds are left out in :data:`BY_FILE` parts instead, and
  its figures say so. With one site in all, that holds for every class.
- Of built-in backgrounds whole kinds are left out (single sounds, if there are fewer kinds than folds), of unlabelled
  sound whole recordings: what a new place has, was not learned either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.evaluation.metrics import average_precision
from sonoscope.training.classical.linear import Linear
from sonoscope.training.teach import head
from sonoscope.training.teach.examples import BUILT_IN, Examples
from sonoscope.training.teach.head import Fitting

#: Most folds.
MOST = 10
#: Parts into which the sounds of a single site are cut.
BY_FILE = 5


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold of every sound, shape (s,), how many there are, and the classes that are left out by file."""

    of: np.ndarray
    count: int
    by_file: tuple[str, ...]
    sites: int


def deal(examples: Examples) -> Folds:
    """The folds of all sounds."""
    taught = examples.taught
    sites = sorted(set(examples.groups[taught]))
    count = max(min(len(sites), MOST), BY_FILE if len(sites) < 2 else 2)
    by_file = tuple(
        label for label in examples.labels if len(set(examples.groups[examples.positives(label)])) < 2
    )
    if by_file:
        count = max(count, BY_FILE)
    of = np.zeros(len(examples), dtype=np.int64)
    load = np.zeros(count)
    size = {site: int((examples.groups[taught] == site).sum()) for site in sites}
    for site in sorted(sites, key=lambda site: -size[site]):
        fold = int(np.argmin(load))
        load[fold] += size[site]
        of[taught & (examples.groups == site)] = fold
    files = _files(examples, by_file, count)
    for label in by_file:
        for i in np.flatnonzero(examples.positives(label)).tolist():
            of[i] = files[examples.names[i]]
    if len(sites) < 2:
        for i in np.flatnonzero(taught).tolist():
            of[i] = files.setdefault(examples.names[i], len(files) % count)
    kinds = {name.partition("/")[0] for name in np.array(examples.names)[examples.roles == BUILT_IN]}
    numbers: dict[str, int] = {}
    for i in np.flatnonzero(~taught).tolist():
        key = examples.names[i]
        if examples.roles[i] == BUILT_IN and len(kinds) >= count:
            key = key.partition("/")[0]
        of[i] = numbers.setdefault(key, len(numbers)) % count
    return Folds(of, count, by_file, len(sites))


def _files(examples: Examples, labels: Sequence[str], count: int) -> dict[str, int]:
    """The fold of each file in which one of the labels is: all stretches of a file stay together, whatever they are of.

    The label in the fewest files is dealt first, each evenly.
    """
    names = {
        label: list(dict.fromkeys(examples.names[i] for i in np.flatnonzero(examples.positives(label))))
        for label in labels
    }
    dealt: dict[str, int] = {}
    for label in sorted(labels, key=lambda label: len(names[label])):
        held = np.bincount([dealt[name] for name in names[label] if name in dealt], minlength=count)
        for name in names[label]:
            if name not in dealt:
                dealt[name] = int(np.argmin(held))
                held[dealt[name]] += 1
    return dealt


def left_out(examples: Examples, folds: Folds, how: Fitting) -> np.ndarray:
    """Logits of every window by a head that did not learn its fold, (n, c); nan where it did not know a class."""
    logits = np.full((len(examples.vectors), len(examples.labels)), np.nan)
    for fold in range(folds.count):
        out = folds.of == fold
        windows = out[examples.owner] & ~examples.copy
        if windows.any() and not out.all():
            learned: Linear = head.fit(examples, ~out, how)
            logits[windows] = learned.logits(examples.vectors[windows])
    return logits


def best(examples: Examples, folds: Folds, how: Fitting) -> tuple[np.ndarray, Fitting]:
    """The logits of :func:`left_out` of the best of a few ``l2`` (:data:`head.L2`), and that way of fitting.

    The best has the highest average precision of left-out sounds, mean over classes. Chosen among three, figures of
    the same sounds are hardly better for it.
    """
    tried = []
    for l2 in head.L2:
        logits = left_out(examples, folds, replace(how, l2=l2))
        tried.append((_mean_precision(examples, logits), logits, replace(how, l2=l2)))
    _, logits, chosen = max(tried, key=lambda each: each[0])
    return logits, chosen


def _mean_precision(examples: Examples, logits: np.ndarray) -> float:
    """Mean average precision over classes, of sounds; 0 where none can be judged."""
    scores, found = examples.best(logits), []
    for k in range(len(examples.labels)):
        judged = examples.known[:, k] & ~np.isnan(scores[:, k])
        found.append(average_precision(examples.truth[judged, k].astype(float), scores[judged, k]))
    finite = [value for value in found if np.isfinite(value)]
    return float(np.mean(finite)) if finite else 0.0
