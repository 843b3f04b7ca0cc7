"""How sure a rate of events is: 95 % intervals of counts.

- ``poisson``: events come independently of each other at a constant rate. Exact (Garwood 1936), and too narrow for
  most animals, which come in bouts.
- ``overdispersed``: counts of stretches of time (days, or hours) differ from one to the next more than that. The
  dispersion is the mean of Pearson's chi-squared of neighbours that are taken to have the same rate, at least 1; so
  neither what changes slowly (a morning, a season) nor what differs between sites counts as chance. The interval is
  that of a Poisson count divided by it, widened as Student's t is against the normal for so few stretches (neighbours
  share stretches: two thirds of a degree of freedom each).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sonoscope.errors import UsageError

KINDS = ("overdispersed", "poisson")
#: Fewer stretches than this say nothing about how they vary.
LEAST = 6
_TAIL = 0.025


class Rate(NamedTuple):
    """Events per hour with their interval, what kind that is, and the dispersion (1 for Poisson)."""

    per_hour: float
    low: float
    high: float
    kind: str
    dispersion: float


def rate(
    counts: np.ndarray, seconds: np.ndarray, places: np.ndarray | None = None, kind: str = "overdispersed"
) -> Rate:
    """The rate of events in stretches of time.

    Parameters
    ----------
    counts, seconds : np.ndarray, shape (stretches,)
        Events, and analysed time; in order of place and time.
    places : np.ndarray, shape (stretches,), optional
        Where each was; those of one place are neighbours.
    kind : {"overdispersed", "poisson"}
        Fewer than :data:`LEAST` stretches give a Poisson interval whatever was asked; ``kind`` of the result says so.
    """
    n, hours = float(counts.sum()), float(seconds.sum()) / 3600
    if hours <= 0:
        raise ValueError("a rate needs analysed time")
    if kind == "poisson" or len(counts) < LEAST:
        low, high = garwood(n)
        return Rate(n / hours, low / hours, high / hours, "poisson", 1.0)
    from scipy.special import ndtri, stdtrit

    dispersion, pairs = _dispersion(counts, seconds, np.zeros(len(counts)) if places is None else places)
    wider = dispersion * float(stdtrit(max(2 * pairs / 3, 1.0), 1 - _TAIL) / ndtri(1 - _TAIL)) ** 2
    low, high = garwood(n / wider)
    return Rate(n / hours, low * wider / hours, high * wider / hours, "overdispersed", dispersion)


def _dispersion(counts: np.ndarray, seconds: np.ndarray, places: np.ndarray) -> tuple[float, int]:
    """How much more neighbours differ than by Poisson's chance, at least 1, and how many pairs say so.

    Pairs without any event say nothing.
    """
    together = counts[:-1] + counts[1:]
    use = (places[:-1] == places[1:]) & (together > 0)
    if not use.any():
        return 1.0, int(np.count_nonzero(places[:-1] == places[1:]))
    share = seconds[:-1][use] / (seconds[:-1] + seconds[1:])[use]
    expected = together[use] * share
    # Of two counts with a given sum one is enough: its variance is that of a binomial.
    squares = (counts[:-1][use] - expected) ** 2 / (expected * (1 - share))
    return max(float(squares.mean()), 1.0), int(use.sum())


def garwood(count: float) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson mean; the count need not be whole.

    >>> [round(bound, 3) for bound in garwood(10)]
    [4.795, 18.39]
    """
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, _TAIL)) if count > 0 else 0.0
    return low, float(gammaincinv(count + 1, 1 - _TAIL))


def check_kind(kind: str) -> None:
    """Raise ``UsageError`` for a kind of interval that there is not."""
    if kind not in KINDS:
        raise UsageError(f"--interval {kind} must be one of {', '.join(KINDS)}")
