"""Windows live: the scores of a bundle of labels, and their events, while the sound comes.

The windows, features, graph, rounding and rules are those of ``pipeline`` and ``events``; only nothing waits for a
batch. So the scores are those of ``analyze`` (to 1e-5 before they are rounded), and so are the events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sonoscope import scores as score_tables
from sonoscope.errors import UsageError
from sonoscope.events import Decision
from sonoscope.live.events import Cell, Change, Tracker
from sonoscope.live.moments import Delay, Moment, Part
from sonoscope.live.resample import resampler
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import prompt_scorer, samples_of_window
from sonoscope.values import SCORE_DECIMALS
from sonoscope.windows import Grid, in_samples


class Row(NamedTuple):
    """Window number ``place``, samples ``start`` to ``end`` of the model's rate; ``logits`` are not rounded yet."""

    place: int
    start: int
    end: int
    logits: np.ndarray


class WindowStream:
    """Blocks of mono sound at ``sample_rate`` to rows of logits.

    Raises
    ------
    UsageError
        If ``hop_s`` is not in (0, window].
    """

    def __init__(
        self, bundle: Bundle, runtime: Runtime, sample_rate: int, *, hop_s: float | None = None
    ) -> None:
        hop = (
            bundle.hop_samples
            if hop_s is None
            else in_samples(hop_s, bundle.sample_rate, bundle.window_samples)
        )
        self.grid = Grid(bundle.window_samples, hop)
        self.rate = bundle.sample_rate
        #: A score is known so many samples after its window's start, at the model's rate, the resampler apart.
        self.reach = samples_of_window(bundle)
        # A second and more is waited for: then soxr's own bits are worth its 39 ms.
        self.resampler = resampler(sample_rate, bundle.sample_rate, prompt=False)
        self._scorer = prompt_scorer(runtime, hop)
        self._waiting: list[np.ndarray] = []
        self.n_samples = 0
        self._given = 0

    def push(self, samples: np.ndarray) -> Iterator[Row]:
        """Take samples, (n,) float32; gives the windows that became whole."""
        converted = self.resampler.push(samples)
        self.n_samples += converted.size
        self._waiting += list(self._scorer.push(converted)[0])
        # One whose features are there but whose end is not may yet be cut.
        while self._waiting and self._given * self.grid.hop + self.grid.window <= self.n_samples:
            yield self._row(self._given * self.grid.hop + self.grid.window)

    def close(self) -> Iterator[Row]:
        """The sound is over: the windows in which it ended, cut to it."""
        rest = self.resampler.close()
        self.n_samples += rest.size
        self._waiting += [*self._scorer.push(rest)[0], *self._scorer.close()[0]]
        ends = self.grid.ends(self.n_samples)
        while self._waiting and self._given < len(ends):
            yield self._row(int(ends[self._given]))

    def _row(self, end: int) -> Row:
        place, self._given = self._given, self._given + 1
        return Row(place, place * self.grid.hop, end, self._waiting.pop(0))


class TagStream:
    """Blocks of mono sound to moments at which labels begin and end.

    Parameters
    ----------
    decision : Decision
        Thresholds and durations.
    start_s : float
        When the first sample is, in seconds of the sound; added to all times.

    Attributes
    ----------
    scored : callable, optional
        May be set: gets the start and end of each window in seconds, and its probabilities, float64, shape (c,).
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        sample_rate: int,
        decision: Decision,
        *,
        hop_s: float | None = None,
        start_s: float = 0.0,
    ) -> None:
        if bundle.task == NOTES:
            raise UsageError(f"{bundle.name} is a model of notes, not of labels over time")
        self._bundle, self._start_s, self._source_rate = bundle, start_s, sample_rate
        self.windows = WindowStream(bundle, runtime, sample_rate, hop_s=hop_s)
        self._tracker = Tracker(decision, bundle.labels, bundle.sample_rate)
        self._n_source = 0
        self._last_end = 0
        self.scored: Callable[[float, float, np.ndarray], None] | None = None

    @property
    def delay(self) -> Delay:
        """From the beginning of an event to its being told, at least, provided its first score reaches the threshold.

        An event begins in the middle of its first window, half a hop before (with the first sample, in the first).
        """
        grid, rate = self.windows.grid, self.windows.rate
        more = max(-(-self._tracker.shortest // grid.hop) - 1, 0)
        return Delay(
            (
                Part("resampler", self.windows.resampler.delay_s),
                Part("window", (grid.window - (grid.window - grid.hop) // 2) / rate),
                Part("context", (self.windows.reach - grid.window) / rate),
                Part("shortest event", more * grid.hop / rate),
            )
        )

    def push(self, samples: np.ndarray) -> list[Moment]:
        """Take samples, (n,) float32; returns what has become certain."""
        self._n_source += samples.size
        told: list[Moment] = []
        for row in self.windows.push(samples):
            grid = self.windows.grid
            # The cell ends where the next one begins; should there be none, ``close`` lets it go on.
            told += self._told(row, row.start + grid.hop + (grid.window - grid.hop) // 2)
        return told

    def close(self) -> list[Moment]:
        """The sound is over: what sounds ends."""
        grid, told = self.windows.grid, list[Moment]()
        last_s = self._n_source / self._source_rate
        rows = list(self.windows.close())
        for row in rows[:-1]:
            told += self._told(row, row.start + grid.hop + (grid.window - grid.hop) // 2, last_s=last_s)
        for row in rows[-1:]:
            told += self._told(row, row.end, padded=row.end - row.start < grid.window, last_s=last_s)
        return told + [self._moment(change, last_s) for change in self._tracker.close(self._last_end)]

    def _told(
        self, row: Row, cell_end: int, *, padded: bool = False, last_s: float = math.inf
    ) -> list[Moment]:
        grid = self.windows.grid
        begin = row.start + (grid.window - grid.hop) // 2 if row.place else 0
        steps = score_tables.quantise(row.logits[None])
        probabilities = score_tables.calibrate(steps, self._bundle.calibration)[0].astype(np.float64)
        if self.scored is not None:
            start_s, end_s = (self._start_s + place / self.windows.rate for place in (row.start, row.end))
            self.scored(start_s, end_s, probabilities)
        cell = Cell(
            begin,
            cell_end,
            tuple(np.rint(probabilities * 10**SCORE_DECIMALS).astype(int).tolist()),
            tuple(steps[0].tolist()),
            padded,
        )
        self._last_end = row.end
        heard_s = (row.start + self.windows.reach) / self.windows.rate + self.windows.resampler.delay_s
        return [self._moment(change, min(heard_s, last_s)) for change in self._tracker.push(cell)]

    def _moment(self, change: Change, heard_s: float) -> Moment:
        rate, event = self.windows.rate, None
        score = change.best[0] / 10**SCORE_DECIMALS
        if change.end is not None:
            event = self._tracker.event(change, self._n_source / self._source_rate, start_s=self._start_s)
        time_s = change.start / rate if change.end is None else change.end / rate
        return Moment(
            "on" if change.end is None else "off",
            self._bundle.name,
            change.label.id,
            round(self._start_s + time_s, 6) if event is None else event.end_s,
            round(self._start_s + heard_s, 6),
            score,
            event=event,
        )
