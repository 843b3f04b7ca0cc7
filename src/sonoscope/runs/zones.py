"""Clocks: a time zone by name, a fixed offset, and which moment a local time is.

A local time is looked up in the zone's rules. When clocks are put forward an hour of local time does not exist; when
they are put back one occurs twice. Neither is a moment, and which was meant is not guessed.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sonoscope.audio.recorders import offset_of
from sonoscope.errors import UnknownName, nearest


def zone_named(name: str) -> tzinfo:
    """A time zone such as ``Europe/Berlin``, or a clock that is never changed: ``UTC``, ``+02:00``, ``UTC+2``.

    Raises
    ------
    UnknownName
        If there is none; the message names the nearest.
    """
    fixed = offset_of(name)
    if fixed is not None:
        return fixed
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownName(
            f"unknown time zone {name!r}.{nearest(name, available_timezones())} "
            "Names look like Europe/Berlin, UTC or +02:00."
        ) from None


def moments(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """The moments at which the clock of ``zone`` shows ``local``: one; none or two where clocks are changed."""
    found = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    # A time that does not exist comes back from UTC as another one.
    real = [at for at in found if at.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == local]
    if len(real) == 2 and real[0].utcoffset() == real[1].utcoffset():
        return (real[0],)
    return tuple(real)
