"""Axes of graphs that others made: what this package gives and takes, in the order that the graph has.

``bundle.json`` names the axes of a graph's input and of its answers. This package's own graphs take windows in a
batch, ``batch, sample`` or ``batch, time, bin``, and answer with ``batch, label``. Others take one signal (``sample``),
channels (``batch, channel, sample``), pictures (``batch, channel, bin, time``), or so many windows at a time; they
answer frame by frame (``time, label``), or with probabilities (``scale``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sonoscope.errors import BadBundle
from sonoscope.models.bundle import Bundle

SAMPLES, ROWS = ("batch", "sample"), ("batch", "time", "bin")
CHANNEL = "channel"
#: What ``scale`` of an output may be; the first is what is meant where it is not stated.
SCALES = LOGIT, PROBABILITY = ("logit", "probability")
#: Probabilities nearer to 0 or 1 have the logit of this one, 16.1: float32 has none between.
LEAST_PROBABILITY = 1e-7


class Layout:
    """How a bundle's graph is fed and understood.

    Raises
    ------
    BadBundle
        If ``bundle.json`` names axes that this version does not know.
    """

    def __init__(self, bundle: Bundle) -> None:
        entry = bundle.spec["input"]
        own = SAMPLES if bundle.feature is None else ROWS
        self._own = own
        self._axes = tuple(entry.get("axes") or own)
        known = {*own, CHANNEL}
        if (
            not set(self._axes) <= known
            or not {*own[1:]} <= set(self._axes)
            or len(set(self._axes)) < len(self._axes)
        ):
            raise BadBundle(
                f"{bundle.name}: its input has the axes {', '.join(self._axes)}; {', '.join(own)} and {CHANNEL} are "
                "known to this version of sonoscope: update it, or export the bundle again"
            )
        #: Windows at a time; None: any number.
        self.batch: int | None = entry.get("batch") if own[0] in self._axes else 1
        self._given = bundle.spec["outputs"]
        for kind, given in self._given.items():
            if given.get("scale", LOGIT) not in SCALES:
                raise BadBundle(
                    f"{bundle.name}: scale={given['scale']!r} of {kind} must be {' or '.join(SCALES)}"
                )

    @property
    def plain(self) -> bool:
        """Whether the graph takes what this package gives."""
        return self._axes == self._own and self.batch is None

    def feeds(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """What the graph takes, of windows (batch, …): all of them, or so many at a time, filled up with zeros."""
        step = self.batch or len(rows)
        for first in range(0, len(rows), step):
            piece = rows[first : first + step]
            if len(piece) < step:
                piece = np.concatenate([piece, np.zeros((step - len(piece), *rows.shape[1:]), rows.dtype)])
            yield self._arranged(piece)

    def _arranged(self, rows: np.ndarray) -> np.ndarray:
        names = list(self._own)
        if names[0] not in self._axes:
            rows, names = rows[0], names[1:]
        rows = rows.transpose([names.index(axis) for axis in self._axes if axis != CHANNEL])
        for place, axis in enumerate(self._axes):
            if axis == CHANNEL:
                rows = np.expand_dims(rows, place)
        return np.ascontiguousarray(rows, dtype=np.float32)

    def answers(self, kind: str, tables: list[np.ndarray], count: int) -> np.ndarray:
        """Answers to each feed as one table (count, …) of windows: means over time, logits."""
        given = self._given[kind]
        axes = list(given.get("axes") or (self._own[0], "label"))
        parts = [_by_window(table, axes) for table in tables]
        found = np.concatenate(parts)[:count]
        if given.get("scale", LOGIT) == PROBABILITY:
            found = logit(found)
        return found.astype(np.float32, copy=False)


def _by_window(table: np.ndarray, axes: list[str]) -> np.ndarray:
    """A table with one line for each window, the mean over time."""
    if table.ndim != len(axes):
        raise BadBundle(f"a graph answers with shape {table.shape} where bundle.json says {', '.join(axes)}")
    kept = [axis for axis in axes if axis != "time"]
    if "time" in axes:
        table = table.mean(axis=axes.index("time"))
    return table if kept[0] == "batch" else table[None]


def logit(probability: np.ndarray) -> np.ndarray:
    """Logarithm of the odds, float64; see :data:`LEAST_PROBABILITY`."""
    p: Any = np.clip(np.asarray(probability, dtype=np.float64), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return np.log(p) - np.log1p(-p)
