"""What a source of predictions is, and what it makes of the clips of a manifest.

A source gives windows of scores for a row: those whose middle lies in the row's part of its file, or where none does,
those that touch it. They are aggregated to one score for each label here, so that every source is treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.evaluation import pooling
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.pooling import Windows
from sonoscope.values import Label

#: Takes the place of a clip and its scores as soon as they are there.
Told = Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class Asked:
    """How windows are made and put together."""

    options: ClipOptions
    #: Takes a clip that cannot be heard.
    report: Callable[[Problem], None]
    #: Takes the place of a clip and the mean embedding of its windows, from sources that have them.
    embedding: Told | None = None


class Source(Protocol):
    """Where predictions come from."""

    @property
    def name(self) -> str:
        """In tables."""
        ...

    @property
    def labels(self) -> tuple[Label, ...]:
        """In the order of the scores."""
        ...

    @property
    def own(self) -> Mapping[str, float]:
        """Thresholds that it states, by label id; empty where it states none."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """For the report: what it is, with its digest."""
        ...

    @property
    def partial(self) -> bool:
        """Whether labels that it does not name were simply not found (tables of events), and score 0."""
        ...

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """The windows of each row that there are any for: its place in the manifest, and its windows."""
        ...

    def remarks(self) -> list[str]:
        """What must be said beside the figures; complete when ``windows`` has ended."""
        ...


@dataclass(frozen=True, eq=False)
class Held:
    """Scores of one file: ``values`` (k, c), ``start_s`` and ``end_s`` (k,), and the share of sound of each window.

    ``length_s`` is that of the file, if it is known.
    """

    values: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    length_s: float | None = None

    def of(self, row: Row) -> Windows:
        """The windows of a row."""
        weights = self.weights if len(self.weights) else np.ones(len(self.values))
        end_s = np.inf if row.end_s is None else row.end_s
        if (
            row.start_s == 0 and self.start_s.max(initial=0.0) < end_s
        ):  # the whole file: all windows begin in it
            return Windows(self.values, weights)
        with np.errstate(invalid="ignore"):  # a score of a whole file reaches from minus to plus infinity
            middle = (self.start_s + self.end_s) / 2
        inside = (middle >= row.start_s) & (middle < end_s)
        if not inside.any():
            inside = (self.end_s > row.start_s) & (self.start_s < end_s)
        return Windows(self.values[inside], weights[inside])


def clip_scores(
    source: Source, manifest: Manifest, asked: Asked, columns: np.ndarray, told: Told | None = None
) -> np.ndarray:
    """One score for each row and label, (n, c), float64, as it comes; nan for rows without any window.

    ``columns`` (c,) are places among the source's labels, -1 for one that it does not name: that scores 0.
    """
    found = np.full((len(manifest.rows), len(columns)), np.nan)
    for place, windows in source.windows(manifest, asked):
        values = np.where(columns >= 0, windows.values[:, columns], 0.0)
        kept = Windows(values, windows.weights)
        found[place] = pooling.pooled(
            kept.without_tail() if asked.options.tail == "drop" else kept, asked.options.aggregate
        )
        if told is not None:
            told(place, found[place])
    return found
