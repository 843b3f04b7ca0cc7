"""Scores become events while they come: the rules of :mod:`sonoscope.events`, each as soon as it is certain.

A run of cells at or above the lower threshold counts once a cell reaches the upper one, from its first cell on.
It is told when it has lasted for the shortest duration, and ends when no later run can be joined to it: the gap is too
long already, and no run that may still reach the upper threshold began within it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sonoscope.errors import UsageError
from sonoscope.events import Decision, least, whole_samples
from sonoscope.values import LOGIT_DECIMALS, SCORE_DECIMALS, Event, Label


@dataclass(frozen=True)
class Cell:
    """The score of one window: it speaks for samples ``start`` to ``end``; steps of 1e-4 and 1e-3, one a label."""

    start: int
    end: int
    scores: tuple[int, ...]
    logits: tuple[int, ...]
    padded: bool = False


@dataclass
class Run:
    """Cells that follow each other; ``best`` is the highest score and the logit it came from."""

    start: int
    end: int
    best: tuple[int, int]
    padded: bool

    def grow(self, other: Run) -> None:
        """Go on with what follows."""
        self.end, self.best = other.end, max(self.best, other.best)
        self.padded |= other.padded


@dataclass
class Standing:
    """Where a label is: ``open`` is an event in the making, ``rising`` a run that has not reached the threshold."""

    column: int
    label: Label
    high: int
    low: int
    open: Run | None = None
    rising: Run | None = None
    told: bool = False


@dataclass(frozen=True)
class Change:
    """An event begins (``end`` None) at ``start``, or is over; times in samples."""

    label: Label
    start: int
    end: int | None
    best: tuple[int, int]
    padded: bool = False


@dataclass
class Tracker:
    """Takes cells in order, gives changes.

    Raises
    ------
    UnknownName
        If a threshold is for no label.
    UsageError
        If a label that is reported has none.
    """

    decision: Decision
    labels: tuple[Label, ...]
    sample_rate: int
    #: The shortest event that is kept, in samples.
    shortest: int = field(init=False)
    _standing: list[Standing] = field(init=False)

    def __post_init__(self) -> None:
        self.decision.check(label.id for label in self.labels)
        self._gap, self.shortest = whole_samples(self.decision, self.sample_rate)
        self._standing, self._last_end, self._alone = [], 0, True
        for column, label in enumerate(self.labels):
            if label.kind != "event":
                continue
            if label.id not in self.decision.thresholds:
                raise UsageError(
                    f"no threshold for the label {label.id!r}; give one, or set its kind to reject"
                )
            high = self.decision.thresholds[label.id]
            low = self.decision.low_thresholds.get(label.id, high)
            self._standing.append(Standing(column, label, least(high), least(low)))

    def push(self, cell: Cell) -> list[Change]:
        """Take the next cell; returns what it makes certain."""
        self._last_end, self._alone = cell.end, self._last_end == 0
        return [change for standing in self._standing for change in self._follow(standing, cell)]

    def close(self, end: int) -> list[Change]:
        """There is nothing more: what is open ends. The last cell goes on to sample ``end``."""
        changes: list[Change] = []
        if self._alone:
            self.shortest = 0  # a single score has no length
        for standing in self._standing:
            if standing.open is not None and standing.open.end == self._last_end:
                standing.open.end = max(end, self._last_end)
                changes += self._tell(standing)
            changes += self._end(standing)
        return changes

    def _follow(self, standing: Standing, cell: Cell) -> list[Change]:
        score, logit = cell.scores[standing.column], cell.logits[standing.column]
        changes: list[Change] = []
        if score < standing.low:
            standing.rising = None
        else:
            here = Run(cell.start, cell.end, (score, logit), cell.padded)
            if standing.open is not None and standing.open.end == cell.start and standing.rising is None:
                standing.open.grow(here)
            elif standing.rising is None:
                standing.rising = here
            else:
                standing.rising.grow(here)
            if standing.rising is not None and standing.rising.best[0] >= standing.high:
                changes += self._counts(standing)
        if standing.open is not None:
            changes += self._tell(standing)
            # What may still be joined began no earlier than a run that is rising, or than what comes next.
            earliest = standing.rising.start if standing.rising is not None else cell.end
            if standing.open.end != cell.end and earliest - standing.open.end > self._gap:
                changes += self._end(standing)
        return changes

    def _counts(self, standing: Standing) -> list[Change]:
        """The rising run is (part of) an event."""
        run, standing.rising = standing.rising, None
        assert run is not None
        if standing.open is not None and run.start - standing.open.end <= self._gap:
            standing.open.grow(run)
            return []
        changes = self._end(standing)
        standing.open = run
        return changes

    def _tell(self, standing: Standing) -> list[Change]:
        event = standing.open
        assert event is not None
        if standing.told or event.end - event.start < self.shortest:
            return []
        standing.told = True
        return [Change(standing.label, event.start, None, event.best)]

    def _end(self, standing: Standing) -> list[Change]:
        event, told = standing.open, standing.told
        standing.open, standing.told = None, False
        if event is None or not told:
            return []
        return [Change(standing.label, event.start, event.end, event.best, event.padded)]

    def event(self, change: Change, duration_s: float, *, start_s: float = 0.0) -> Event:
        """The event that is over, as :func:`sonoscope.events.find` gives it; times count from ``start_s``."""
        assert change.end is not None
        return Event(
            start_s=start_s + change.start / self.sample_rate,
            end_s=start_s + min(change.end / self.sample_rate, duration_s),
            label=change.label.id,
            score=change.best[0] / 10**SCORE_DECIMALS,
            raw=change.best[1] / 10**LOGIT_DECIMALS,
            low_hz=change.label.low_hz,
            high_hz=change.label.high_hz,
            flags="padded" if change.padded else "",
        )
