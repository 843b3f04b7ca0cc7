"""Bins of time on the clock of a place: minutes, hours, days.

Seconds are counted in UTC, so a day on which clocks are put back has 25 hours and its repeated hour is two bins, told
apart by their offsets. Without a zone the clock is that of each recording's own start, whose offset stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from sonoscope.errors import UsageError

#: Names of bins and their seconds. A day is as long as it is; ``season`` is all of it.
BINS = {"minute": 60, "5min": 300, "15min": 900, "hour": 3600, "day": 86_400, "season": 0}
HOUR = 3600
#: The bin of everything, and of recordings whose start is unknown.
ALWAYS = (-math.inf, math.inf)


class Piece(NamedTuple):
    """Part of a recording in one bin: ``[from_s, to_s)`` of the recording, the bin's start and end in seconds since
    1970, and the hour of the day."""

    from_s: float
    to_s: float
    bin_start: float
    bin_end: float
    hour: int


def start_of(text: str, file: str) -> datetime | None:
    """A ``start_datetime`` of ``files.csv``; None where it is empty.

    Raises
    ------
    UsageError
        If it is no time with an offset: which one is meant is never guessed.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"{file}: start_datetime {text!r} must be a time with its offset, 2025-06-01T08:00:00+02:00"
        )
    return found


@dataclass(frozen=True)
class Clock:
    """Cuts recordings into bins.

    Attributes
    ----------
    bin : str
        One of :data:`BINS`.
    zone : tzinfo, optional
        Whose clock; None: that of each recording's start.
    """

    bin: str
    zone: tzinfo | None = None

    @property
    def step_s(self) -> int:
        """The shortest pieces: bins of at most an hour, since rates by hour of the day are made of these too."""
        return min(BINS[self.bin] or HOUR, HOUR)

    def pieces(self, start: datetime, seconds: float) -> Iterator[Piece]:
        """The pieces of a recording that begins at ``start``, in order."""
        zone = self.zone or start.tzinfo
        assert zone is not None
        first = start.timestamp()
        at, end = first, first + seconds
        while at < end - 1e-9:
            begin, stop = _around(at, self.step_s, zone)
            to = min(stop, end)
            day = self.bin_of(at, zone)
            yield Piece(
                at - first, to - first, *(day or (begin, stop)), datetime.fromtimestamp(at, zone).hour
            )
            at = to

    def bin_of(self, at: float, zone: tzinfo) -> tuple[float, float] | None:
        """Where a bin that is longer than a piece begins and ends; None for the others."""
        if self.bin == "season":
            return ALWAYS
        if self.bin != "day":
            return None
        local = datetime.fromtimestamp(at, zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()


def _around(at: float, step: int, zone: tzinfo) -> tuple[float, float]:
    """The bin of ``step`` seconds on the clock of ``zone`` in which a moment lies."""
    shift = offset(at, zone)
    begin = math.floor((at + shift) / step) * step - shift
    end = begin + step
    if offset(begin, zone) != shift:
        # Clocks were changed by less than a step since: what lies before is of another bin.
        later = range(math.floor(begin) + 1, math.floor(at) + 1)
        begin = float(next(t for t in later if offset(t, zone) == shift))
    if offset(end - 1, zone) != shift:
        # Clocks are changed inside: cut where they are.
        inside = next(t for t in range(math.floor(at), math.ceil(end) + 1) if offset(t, zone) != shift)
        end = float(max(inside, math.floor(at) + 1))
    return begin, end


def offset(at: float, zone: tzinfo) -> float:
    """Seconds by which the clock of a place is ahead of UTC at a moment."""
    ahead = datetime.fromtimestamp(at, zone).utcoffset()
    return ahead.total_seconds() if ahead is not None else 0.0


def iso(at: float, zone: tzinfo = UTC) -> str:
    """A moment as ISO 8601 on the clock of a place, to the second."""
    return datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
