"""How sure a rate of events is: 95 % intervals of counts.

- ``poisson``: events come independently of each other at a constant rate. Exact (Garwood 1936), and too narrow for
  most animals, which come in bouts.
- ``overdispersed``: counts of several stretches of time (days, or hours) vary more than that. The dispersion is
  Pearson's chi-squared over its degrees of freedom, at least 1; the interval is that of a Poisson count divided by it,
  widened as Student's t is against the normal for so few stretches.
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


def rate(counts: np.ndarray, seconds: np.ndarray, kind: str = "overdispersed") -> Rate:
    """The rate of events in stretches of time.

    Parameters
    ----------
    counts, seconds : np.ndarray, shape (stretches,)
        Events, and analysed time.
    kind : {"overdispersed", "poisson"}
        Fewer than :data:`LEAST` stretches give a Poisson interval whatever was asked; ``kind`` of the result says so.
    """
    n, hours = float(counts.sum()), float(seconds.sum()) / 3600
    if hours <= 0:
        raise ValueError("a rate needs analysed time")
    use = seconds > 0
    if kind == "poisson" or int(use.sum()) < LEAST:
        low, high = garwood(n)
        return Rate(n / hours, low / hours, high / hours, "poisson", 1.0)
    from scipy.special import ndtri, stdtrit

    freedom = int(use.sum()) - 1
    expected = n * seconds[use] / seconds.sum()
    dispersion = 1.0
    if n > 0:
        dispersion = max(float((((counts[use] - expected) ** 2) / expected).sum() / freedom), 1.0)
    wider = dispersion * float(stdtrit(freedom, 1 - _TAIL) / ndtri(1 - _TAIL)) ** 2
    low, high = garwood(n / wider)
    return Rate(n / hours, low * wider / hours, high * wider / hours, "overdispersed", dispersion)


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
