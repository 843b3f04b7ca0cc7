"""From the scores of windows to one score of a clip for each label: the aggregations of published protocols.

===========  =======================================================================================================
``mean``     S1 of Han, Kim and Lee (2016), and what Zhong et al. (2023) do: the mean over windows
``sum-max``  S2 of Han et al.: the sum over windows, divided by the largest over labels, which becomes 1
``max``      the largest of any window
``max-s2``   the largest of every six windows in a row, each three windows, then S2 (pooling as in the reference code
             of Zhong et al., which then scales from the smallest label to the largest; here it is S2)
===========  =======================================================================================================

``mean`` and ``sum-max`` weigh a window that reaches past the end of the clip by the share of it that is sound. What is
relative to the strongest label (``sum-max``, ``max-s2``) is no probability, and always names a label at a threshold of
1 or below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import lookup

#: Windows of which the largest is taken, and the step between such groups, in ``max-s2``.
POOLED, STEP = 6, 3
#: Aggregations whose result is a probability where the windows' scores are.
PROBABILITIES = ("mean", "max")
#: Other names of the same.
ALIASES = {"s1": "mean", "s2": "sum-max"}


@dataclass(frozen=True, eq=False)
class Windows:
    """Scores of the windows of one clip.

    Attributes
    ----------
    values : np.ndarray, shape (k, c), float64
    weights : np.ndarray, shape (k,), float64
        Share of each window that is sound, above 0 and at most 1.
    """

    values: np.ndarray
    weights: np.ndarray

    @classmethod
    def whole(cls, values: np.ndarray) -> Windows:
        """All windows full of sound."""
        return cls(np.asarray(values, dtype=np.float64), np.ones(len(values)))

    def without_tail(self) -> Windows:
        """Only whole windows; all of them where there is no whole one, since a short clip must have a score."""
        kept = self.weights >= 1.0
        return Windows(self.values[kept], self.weights[kept]) if kept.any() else self


def pooled(windows: Windows, how: str = "mean") -> np.ndarray:
    """The clip's score for each label, (c,), float64, never rounded; nan where there is no window.

    Raises
    ------
    UnknownName
        If there is no such aggregation.
    """
    function = lookup(AGGREGATIONS, ALIASES.get(how, how), "aggregation")
    if not len(windows.values):
        return np.full(windows.values.shape[1], np.nan)
    return function(windows)


def _mean(windows: Windows) -> np.ndarray:
    return (windows.weights[:, None] * windows.values).sum(axis=0) / windows.weights.sum()


def _max(windows: Windows) -> np.ndarray:
    return windows.values.max(axis=0)


def _relative(values: np.ndarray) -> np.ndarray:
    largest = values.max()
    return values / largest if largest > 0 else values


def _sum_max(windows: Windows) -> np.ndarray:
    return _relative(_mean(windows))  # sum and mean differ by a factor that the division removes


def _max_s2(windows: Windows) -> np.ndarray:
    values = windows.values
    size = min(POOLED, len(values))
    groups = np.lib.stride_tricks.sliding_window_view(values, size, axis=0)[::STEP]
    return _relative(groups.max(axis=-1).sum(axis=0))


AGGREGATIONS: Mapping[str, Callable[[Windows], np.ndarray]] = {
    "mean": _mean,
    "sum-max": _sum_max,
    "max": _max,
    "max-s2": _max_s2,
}
