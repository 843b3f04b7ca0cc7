"""Precision and recall over a whole season, from verdicts on a sample of its windows.

Windows that are *found* (by events, or by a score at or above a threshold) and those that are not are treated apart,
since they are asked about apart and sampled differently:

- **Precision**, the share of found windows with the sound. Within each bin the weighted share of yes (Hájek's ratio of
  Horvitz-Thompson totals), bins by their known numbers of windows; its variance is that of stratified sampling. The
  interval is that of a binomial share with as many verdicts as would give the same variance (Korn and Graubard 1998),
  with Jeffreys' prior: it holds where all verdicts are yes, too.
- **Sounds missed**, in windows that are not found: the posterior under the assumption that lower scores hold fewer
  sounds (:mod:`~sonoscope.field.falling`).

Recall and the false-positive rate follow from draws of both. Intervals are the middle 95 %. What they cover in
simulated seasons is measured by ``recipes/field/interval_coverage.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.result import Figure
from sonoscope.field import falling
from sonoscope.field.evidence import Evidence
from sonoscope.field.frame import Frame

DRAWS = 4000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is known of one label, in all windows or in those of a site.

    Attributes
    ----------
    precision, recall : Figure
        Shares, with 95 % intervals; undefined where nothing is found, or no found window was judged.
    windows, found : int
        All windows, and those found.
    judged, judged_found, yes : int
        Verdicts, those on found windows, and those that heard the sound.
    hits, missed : np.ndarray, shape (draws,)
        Draws of how many windows with the sound are found, and are not.
    """

    precision: Figure
    recall: Figure
    windows: int
    found: int
    judged: int
    judged_found: int
    yes: int
    hits: np.ndarray
    missed: np.ndarray


def middle(draws: np.ndarray, value: float | None = None) -> Figure:
    """The median of draws (or ``value``) with their middle 95 %."""
    low, high = np.percentile(draws, PERCENTILES).tolist()
    value = float(np.median(draws)) if value is None else value
    return Figure(value, min(low, value), max(high, value))


def by_events(evidence: Evidence) -> np.ndarray:
    """What events find: levels × not found, found."""
    return np.broadcast_to(np.array([False, True]), evidence.frame.windows.shape[1:])


def by_threshold(evidence: Evidence, level: int) -> np.ndarray:
    """What a threshold at the lower edge of ``level`` finds."""
    levels = np.arange(len(evidence.frame.edges))[:, None] >= level
    return np.broadcast_to(levels, evidence.frame.windows.shape[1:])


def estimate(evidence: Evidence, finds: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Precision and recall of a way to find windows.

    Parameters
    ----------
    evidence : Evidence
    finds : np.ndarray, shape (levels, 2), bool
        Which windows are found: :func:`by_events`, :func:`by_threshold`.
    draws, seed : int
        Of the intervals.
    """
    rng = np.random.default_rng(seed)
    frame, windows = evidence.frame, evidence.frame.windows.sum(axis=0)
    caught = finds[evidence.level, evidence.found]
    bins = frame.bin_of(evidence.level, evidence.found)
    found, other = _sums(frame, windows * finds), _sums(frame, windows * ~finds)
    share, effective = _shares(bins[caught], evidence.weight[caught], evidence.yes[caught], frame.n_bins)
    precision, certain = _precision(found, share, effective)
    n_found = int(found.sum())
    if math.isnan(precision):
        hits = n_found * rng.beta(0.5, 0.5, draws)
    else:
        hits = n_found * rng.beta(certain * precision + 0.5, certain * (1 - precision) + 0.5, draws)
    share, effective = _shares(bins[~caught], evidence.weight[~caught], evidence.yes[~caught], frame.n_bins)
    there = np.flatnonzero(other)[::-1]  # from the highest scores down
    lower = falling.draw((share * effective)[there], effective[there], draws, rng)
    missed = lower @ other[there].astype(np.float64)
    return Estimate(
        _precision_figure(precision, hits, n_found, int(caught.sum())),
        _recall_figure(hits, missed, int(evidence.yes.sum())),
        int(windows.sum()),
        n_found,
        len(evidence),
        int(caught.sum()),
        int(evidence.yes.sum()),
        hits,
        missed,
    )


def _sums(frame: Frame, counts: np.ndarray) -> np.ndarray:
    """Windows of each bin, from those of levels, not found and found."""
    place = np.indices(counts.shape)
    bins = frame.bin_of(place[0], place[1])
    return np.bincount(bins.ravel(), weights=counts.ravel(), minlength=frame.n_bins).astype(np.int64)


def _shares(
    bins: np.ndarray, weights: np.ndarray, yes: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted share of yes in each bin, and how many equally weighted verdicts say as much (Kish 1965)."""
    sums = np.bincount(bins, weights=weights, minlength=n_bins)
    squares = np.bincount(bins, weights=weights**2, minlength=n_bins)
    hits = np.bincount(bins, weights=weights * yes, minlength=n_bins)
    share = np.divide(hits, sums, out=np.zeros(n_bins), where=sums > 0)
    effective = np.divide(sums**2, squares, out=np.zeros(n_bins), where=squares > 0)
    return share, effective


def _precision(windows: np.ndarray, share: np.ndarray, effective: np.ndarray) -> tuple[float, float]:
    """The share over bins, and the number of verdicts of a plain sample that would be as certain; nan, 0 without any.

    Bins without a verdict are taken to be as the others.
    """
    use = (effective > 0) & (windows > 0)
    if not use.any():
        return math.nan, 0.0
    part = windows[use] / windows[use].sum()
    value = float(part @ share[use])
    plain = 1.0 / float((part**2 / effective[use]).sum())
    variance = float((part**2 * share[use] * (1 - share[use]) / np.maximum(effective[use] - 1, 0.5)).sum())
    if variance <= 0:
        return value, plain
    return value, min(max(value * (1 - value) / variance, plain), float(effective[use].sum()))


def _precision_figure(value: float, hits: np.ndarray, found: int, judged: int) -> Figure:
    if not found:
        return Figure(None, why="nothing is found")
    if not judged:
        return Figure(None, why="no found window was judged")
    return middle(hits / found, value)


def _recall_figure(hits: np.ndarray, missed: np.ndarray, yes: int) -> Figure:
    if not yes:
        return Figure(None, why="no verdict heard the sound")
    return middle(hits / np.maximum(hits + missed, 1e-12))
