"""Times as people write them: ``2:05``, ``1:02:05.250``, ``125`` (seconds), ``125.5 s``.

A number with one or two decimals is refused where it could be minutes and seconds as well: ``2.30`` is 2 min 30 s to
some (and to some programs, which also write it as ``2.3``) and 2.3 seconds to others. Whoever knows what a whole
specification means says so (``decimals``).
"""

from __future__ import annotations

import math
import re

from sonoscope.errors import UsageError, nearest

#: What ``2.30`` may be said to mean.
DECIMALS = ("seconds", "minutes")

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+)(\.\d+)?")
_PLAIN = re.compile(r"(\d+)(?:\.(\d+))?\s*(s(?:ec(?:onds)?)?)?")


def check_decimals(decimals: str | None) -> None:
    """Raise ``UsageError`` unless ``decimals`` is one of :data:`DECIMALS`, or None."""
    if decimals is not None and decimals not in DECIMALS:
        raise UsageError(
            f"decimals={decimals!r} must be seconds (2.30 is 2.3 s) or minutes (2.30 is 2 min 30 s)."
            f"{nearest(decimals, DECIMALS)}"
        )


def seconds(text: str, decimals: str | None = None) -> float:
    """The seconds that a time stands for.

    Parameters
    ----------
    text : str
    decimals : {"seconds", "minutes"}, optional
        What a number with one or two decimals means; default: it is refused if it could be either.

    Raises
    ------
    ValueError
        If it is no time, or one of two; the message says what to write.

    Examples
    --------
    >>> seconds("2:05"), seconds("1:02:05.25"), seconds("125"), seconds("2.30 s"), seconds("2.30", "minutes")
    (125.0, 3725.25, 125.0, 2.3, 150.0)
    """
    text = text.strip()
    if clock := _CLOCK.fullmatch(text):
        return _clock(*clock.groups(), text=text)
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        if text.startswith("-"):
            raise ValueError(f"{text!r} is before the start. Times count from 0")
        raise ValueError(
            f"{text!r} is no time. Write MM:SS (2:05), H:MM:SS.fff (1:02:05.250) or seconds (125)"
        )
    whole, part, unit = plain.groups()
    if part is None or unit or len(part) > 2 or decimals == "seconds":
        return float(f"{whole}.{part or 0}")
    rest = int(part.ljust(2, "0"))
    if decimals == "minutes":
        if rest >= 60:
            raise ValueError(f"{text!r} is no m.ss: {rest} seconds are more than a minute. Write {text} s")
        return 60.0 * int(whole) + rest
    if rest >= 60:
        return float(text)
    raise ValueError(
        f"{text} may be {whole} min {rest} s or {float(text):g} s. Write {whole}:{rest:02d} or '{float(text):g} s'; "
        "or say what such numbers mean (--decimals minutes, --decimals seconds)"
    )


def _clock(hours: str | None, minutes: str, rest: str, fraction: str | None, *, text: str) -> float:
    if len(rest) != 2:
        raise ValueError(f"{text!r}: seconds have two digits (2:05, not 2:5)")
    if int(rest) >= 60:
        raise ValueError(f"{text!r}: {rest} seconds are no time of a clock; they go up to 59")
    if hours is not None and (len(minutes) != 2 or int(minutes) >= 60):
        raise ValueError(f"{text!r}: after hours, minutes have two digits and go up to 59 (1:02:05)")
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(rest + (fraction or ""))


def clock(seconds_: float) -> str:
    """A time as ``m:ss`` or ``h:mm:ss``, with as many of three decimals as it needs.

    >>> clock(125), clock(3725.25)
    ('2:05', '1:02:05.25')
    """
    thousandths = math.floor(seconds_ * 1000 + 0.5)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 1000:02d}.{rest % 1000:03d}".rstrip("0").rstrip(".")
    tail = tail if rest % 1000 else f"{rest // 1000:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
