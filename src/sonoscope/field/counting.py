"""Events and analysed seconds by bin, site and class, from ``files.csv`` and ``events.csv``.

The denominator is the time that was analysed: every recording counts with every second that has scores, whether
anything was found in it or not; recordings that failed count nothing. An event counts in the bin in which it begins;
the time it lasts is shared out to the bins it touches. Both tables are read once, row by row.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.field.clock import ALWAYS, Clock, Piece, offset, start_of
from sonoscope.outputs.rows import read_comma
from sonoscope.outputs.tables import FilesRow, read_files

BY = ("site", "recorder", "class", "hour-of-day")


class Unit(NamedTuple):
    """The smallest stretch that is counted: part of a bin at a place on one day and in one hour.

    ``start`` and ``end`` of the bin in seconds since 1970 (``clock.ALWAYS`` for the whole season, or where the start of
    a recording is unknown), ``day`` as a number; ``day`` and ``hour`` are -1 where unknown.
    """

    start: float
    end: float
    site: str
    recorder: str
    day: int
    hour: int


class Found(NamedTuple):
    """An event as far as it is counted."""

    file: str
    start_s: float
    end_s: float
    label: str


@dataclass(eq=False)
class Counts:
    """What was counted.

    Attributes
    ----------
    labels : tuple of str
    units : list of Unit
    seconds : list of float
        Analysed, for each unit.
    files : list of set of int
        Numbers of the recordings that touch each unit.
    events : np.ndarray, shape (units, labels), int64
    lasting : np.ndarray, shape (units, labels), float64
        Seconds in events.
    zones : dict, start of a bin to tzinfo
        On whose clock it is written.
    undated : int
        Recordings whose start is unknown.
    overlapping : int
        Recordings that begin before another of the same site and recorder has ended.
    """

    labels: tuple[str, ...]
    units: list[Unit] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    files: list[set[int]] = field(default_factory=list)
    events: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    lasting: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    zones: dict[float, tzinfo] = field(default_factory=dict)
    undated: int = 0
    overlapping: int = 0


@dataclass
class _Placed:
    """A recording: where its pieces are counted."""

    borders: list[float]
    units: list[int]
    length_s: float


def count(files: Iterable[FilesRow], events: Iterable[Found], labels: Sequence[str], clock: Clock) -> Counts:
    """Count events and analysed time.

    Parameters
    ----------
    files : iterable of FilesRow
    events : iterable of Found
        Those of other labels are passed over.
    labels : sequence of str
    clock : Clock

    Raises
    ------
    UsageError
        If an event is of a recording that ``files`` does not have.
    """
    counts = Counts(tuple(labels))
    placed = _place(files, clock, counts)
    column = {label: place for place, label in enumerate(labels)}
    counts.events = np.zeros((len(counts.units), len(labels)), dtype=np.int64)
    counts.lasting = np.zeros((len(counts.units), len(labels)))
    for event in events:
        place = column.get(event.label)
        if place is None:
            continue
        recording = placed.get(event.file)
        if recording is None:
            raise UsageError(
                f"events.csv has events of {event.file}, which files.csv does not have: run analyze again"
            )
        _add(event, recording, counts, place)
    return counts


def _place(files: Iterable[FilesRow], clock: Clock, counts: Counts) -> dict[str, _Placed]:
    """Cut every recording into pieces, and count its time."""
    numbers: dict[Unit, int] = {}
    placed: dict[str, _Placed] = {}
    spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for place, row in enumerate(files):
        length = row.analysed or 0.0
        if row.status != "ok" or length <= 0:
            placed[row.file] = _Placed([0.0], [], 0.0)
            continue
        start = start_of(row.start_datetime, row.file)
        if start is None:
            counts.undated += 1
            pieces: Iterable[Piece] = [Piece(0.0, length, *ALWAYS, -1)]
        else:
            pieces = clock.pieces(start, length)
            begin = start.timestamp()
            spans.setdefault((row.site, row.recorder), []).append((begin, begin + length))
        here = _Placed([0.0], [], length)
        for piece in pieces:
            day = -1
            if start is not None:
                zone = clock.zone or start.tzinfo
                assert zone is not None
                moment = start.timestamp() + piece.from_s
                day = int((moment + offset(moment, zone)) // 86_400)
                counts.zones.setdefault(piece.bin_start, zone)
            unit = Unit(piece.bin_start, piece.bin_end, row.site, row.recorder, day, piece.hour)
            number = numbers.setdefault(unit, len(numbers))
            if number == len(counts.units):
                counts.units.append(unit)
                counts.seconds.append(0.0)
                counts.files.append(set())
            counts.seconds[number] += piece.to_s - piece.from_s
            counts.files[number].add(place)
            here.borders.append(piece.to_s)
            here.units.append(number)
        placed[row.file] = here
    counts.overlapping = sum(_overlaps(sorted(each)) for each in spans.values())
    return placed


def _overlaps(spans: Sequence[tuple[float, float]]) -> int:
    """How many begin before an earlier one has ended, by more than a second of rounding."""
    found, end = 0, -math.inf
    for start, stop in spans:
        found += start < end - 1.0
        end = max(end, stop)
    return found


def _add(event: Found, recording: _Placed, counts: Counts, place: int) -> None:
    """Count an event in the units that it touches; one that begins behind what was analysed is left out."""
    if event.start_s >= recording.length_s:
        return
    borders = recording.borders
    number = max(bisect_right(borders, event.start_s) - 1, 0)
    counts.events[recording.units[number], place] += 1
    at, end = event.start_s, min(event.end_s, recording.length_s)
    while at < end and number < len(recording.units):
        to = min(end, borders[number + 1])
        counts.lasting[recording.units[number], place] += to - at
        at, number = to, number + 1


# ---- the tables of a run -----------------------------------------------------------------------------------


def of_folder(out: str | Path) -> list[FilesRow]:
    """The rows of ``files.csv`` in a folder of results.

    Raises
    ------
    UsageError
        If there is none.
    """
    file = Path(out) / "files.csv"
    if not file.is_file():
        raise UsageError(
            f"{out} holds no files.csv: name the folder that analyze -o wrote, after it has ended"
        )
    with open(file, encoding="utf-8", newline="") as handle:
        return list(read_files(handle, str(file)))


def events_of(out: str | Path, models: Mapping[str, object], model: str | None) -> Iterator[Found]:
    """The events of ``events.csv``; where several models found some, those of ``model``."""
    file = Path(out) / "events.csv"
    with open(file, encoding="utf-8", newline="") as handle:
        for row in read_comma(handle, str(file), ("file", "start", "end", "label")):
            if len(models) > 1 and row.get("model") != model:
                continue
            yield Found(row.get("file"), row.number("start"), row.number("end"), row.get("label"))
