"""Rates: a tidy table, a row for each bin, place and class, also where nothing was found.

Columns, always all of them and in this order; what does not apply is empty::

    bin_start, bin_end     ISO 8601 with offset; empty for the whole season, or where starts are unknown
    hour                   hour of the day, 0 to 23, with --by hour-of-day
    site, recorder, label
    files                  recordings that touch the row
    analysed_s             the denominator: seconds that have scores
    events                 that begin in it
    events_per_hour, low, high    of analysed time, and its 95 % interval
    interval, dispersion   what kind of interval (``overdispersed``, ``poisson``)
    found_s, found_share   seconds in events, and their share of the analysed time
    corrected_s, corrected_share, corrected_low, corrected_high
                           time with the sound, by the verdicts, and the 95 % interval of its share
    precision, recall, verdicts   what was corrected by
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sonoscope.errors import UsageError, nearest
from sonoscope.evaluation.result import Figure
from sonoscope.field import clock, intervals
from sonoscope.field.correction import Corrector, Whole
from sonoscope.field.counting import BY, Counts, Unit
from sonoscope.outputs.rows import comma_line, decimal


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    bin_start: str
    bin_end: str
    hour: int | None
    site: str
    recorder: str
    label: str
    files: int
    analysed_s: float
    events: int
    events_per_hour: float
    low: float
    high: float
    interval: str
    dispersion: float
    found_s: float
    found_share: float
    corrected_s: float | None = None
    corrected_share: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    precision: float | None = None
    recall: float | None = None
    verdicts: int | None = None


COLUMNS = tuple(field.name for field in fields(Row))
_DECIMALS = {"events_per_hour": 4, "low": 4, "high": 4, "dispersion": 3}


def by_what(text: str) -> tuple[str, ...]:
    """The words of ``--by``.

    Raises
    ------
    UsageError
        If one is unknown.
    """
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in words:
        if word not in BY:
            raise UsageError(f"--by {word!r} is unknown.{nearest(word, BY)} Known: {', '.join(BY)}")
    return words


def table(
    counts: Counts,
    by: Sequence[str],
    *,
    kind: str = "overdispersed",
    corrector: Corrector | None = None,
    unexplained: dict[str, str] | None = None,
) -> list[Row]:
    """The rows, in order of bin, hour, place and class.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        Of :data:`~sonoscope.field.counting.BY`.
    kind : {"overdispersed", "poisson"}
        Of the intervals of events per hour.
    corrector : Corrector, optional
        By which time with the sound is estimated, with the error rates of each site where rows are of sites.
    unexplained : dict, optional
        Gets, for each label that cannot be corrected somewhere, why.
    """
    groups: dict[tuple[float, float, int, str, str], list[int]] = {}
    for number, unit in enumerate(counts.units):
        groups.setdefault(_key(unit, by), []).append(number)
    seconds = np.array(counts.seconds)
    wholes = _Wholes(counts, seconds)
    rows = []
    for key in sorted(groups):
        members = np.array(groups[key])
        for label, columns in _classes(counts, by):
            row = _row(counts, seconds, members, label, columns, by=by, kind=kind)
            if corrector is not None and label in corrector.evidence:
                several = len(corrector.evidence[label].frame.sites) > 1
                site = row.site if "site" in by and several else None
                whole = wholes.of(label, columns, site)
                row = _corrected(row, site, whole, int(members[0]), corrector, unexplained)
            rows.append(row)
    return rows


def _key(unit: Unit, by: Sequence[str]) -> tuple[float, float, int, str, str]:
    return (
        unit.start,
        unit.end,
        unit.hour if "hour-of-day" in by else -1,
        unit.site if "site" in by else "",
        unit.recorder if "recorder" in by else "",
    )


def _classes(counts: Counts, by: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Each class and its column, or all of them together."""
    if "class" in by:
        yield from ((label, np.array([column])) for column, label in enumerate(counts.labels))
    else:
        yield "", np.arange(len(counts.labels))


def _row(
    counts: Counts,
    seconds: np.ndarray,
    members: np.ndarray,
    label: str,
    columns: np.ndarray,
    *,
    by: Sequence[str],
    kind: str,
) -> Row:
    first = counts.units[members[0]]
    events = counts.events[np.ix_(members, columns)].sum(axis=1)
    analysed = float(seconds[members].sum())
    lasting = float(counts.lasting[np.ix_(members, columns)].sum())
    rate = intervals.rate(*_stretches(counts, members, events, seconds[members]), kind=kind)
    dated = not math.isinf(first.start)
    zone = counts.zones.get(first.start)
    return Row(
        bin_start=clock.iso(first.start, zone) if dated and zone else "",
        bin_end=clock.iso(first.end, zone) if dated and zone else "",
        hour=first.hour if "hour-of-day" in by and first.hour >= 0 else None,
        site=first.site if "site" in by else "",
        recorder=first.recorder if "recorder" in by else "",
        label=label,
        files=len(set().union(*(counts.files[number] for number in members))),
        analysed_s=analysed,
        events=int(events.sum()),
        events_per_hour=rate.per_hour,
        low=rate.low,
        high=rate.high,
        interval=rate.kind,
        dispersion=rate.dispersion,
        found_s=lasting,
        found_share=lasting / analysed,
    )


def _stretches(
    counts: Counts, members: np.ndarray, events: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, seconds and places of the days that a row is made of; of its hours, where there are few days."""
    units = [counts.units[number] for number in members]
    for names in (
        [(unit.site, unit.recorder, unit.day) for unit in units],
        [(unit.site, unit.recorder, unit.day, unit.hour) for unit in units],
    ):
        known = sorted(set(names))
        if len(known) >= intervals.LEAST:
            break
    number = {name: place for place, name in enumerate(known)}
    which = [number[name] for name in names]
    places = np.unique([f"{name[0]}\n{name[1]}" for name in known], return_inverse=True)[1]
    return np.bincount(which, weights=events), np.bincount(which, weights=seconds), places


class _Wholes:
    """All that error rates are of, by class and site: added up once, not for every row."""

    def __init__(self, counts: Counts, seconds: np.ndarray) -> None:
        self._counts, self._seconds = counts, seconds
        self._known: dict[tuple[str, str | None], Whole] = {}

    def of(self, label: str, columns: np.ndarray, site: str | None) -> Whole:
        """Of a class, whose ``columns`` these are, at all sites or at one."""
        if (label, site) not in self._known:
            units = self._counts.units
            inside = np.array([k for k, unit in enumerate(units) if site in (None, unit.site)], dtype=int)
            here = np.ix_(inside, columns)
            self._known[label, site] = Whole(
                float(self._seconds[inside].sum()),
                float(self._counts.lasting[here].sum()),
                int(self._counts.events[here].sum()),
            )
        return self._known[label, site]


def _corrected(
    row: Row,
    site: str | None,
    whole: Whole,
    seed: int,
    corrector: Corrector,
    unexplained: dict[str, str] | None,
) -> Row:
    """The row with what verdicts on a site (None: on all of them) make of it."""
    known = corrector.estimate(row.label, site)
    share: Figure = corrector.share(row.label, site, row.found_s, row.analysed_s, whole, seed=seed)
    if share.value is None:
        if unexplained is not None:
            unexplained.setdefault(row.label + (f" at {site}" if site else ""), share.why)
        return replace(row, verdicts=known.judged)
    return replace(
        row,
        corrected_s=share.value * row.analysed_s,
        corrected_share=share.value,
        corrected_low=share.low,
        corrected_high=share.high,
        precision=known.precision.value,
        recall=known.recall.value,
        verdicts=known.judged,
    )


def text(rows: Sequence[Row]) -> str:
    """The table as CSV."""
    return comma_line(COLUMNS) + "".join(
        comma_line(_cell(name, getattr(row, name)) for name in COLUMNS) for row in rows
    )


def _cell(name: str, value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return str(value)
    return decimal(value, 3 if name.endswith("_s") else _DECIMALS.get(name, 6))
