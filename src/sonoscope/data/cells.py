"""Cells of a table as the values of a row: labels, numbers and times, each checked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from sonoscope import delimited
from sonoscope.data.rows import BadManifest
from sonoscope.data.table import Line

#: What separates labels: ``;`` is written, ``|`` is read too.
_SEPARATORS = re.compile(r"[;|]")


def labels(text: str) -> tuple[str, ...]:
    """The labels of a list, each once, in order.

    >>> labels("violin; cello|violin;")
    ('violin', 'cello')
    """
    if not text:
        return ()
    return tuple(dict.fromkeys(word.strip() for word in _SEPARATORS.split(text) if word.strip()))


def joined(names: Iterable[str]) -> str:
    """Labels as a list.

    Raises
    ------
    BadManifest
        If a label could not be read back.
    """
    names = tuple(names)
    if not names:
        return ""
    for name in names:
        if labels(name) != (name,):
            raise BadManifest(
                f"{name!r} cannot be a label: it is empty, begins or ends with a space, or holds ';' or '|'"
            )
    return ";".join(names)


def number(line: Line, column: str) -> float | None:
    """The number in a cell, None if it is empty; not negative."""
    text = line.cells.get(column, "").strip()
    if not text:
        return None
    value = delimited.number(text, line.decimal)
    if not math.isfinite(value):
        line.fail(column, "is not a number", f"{delimited.remedy(text)} It is in seconds, or empty.")
    if value < 0:
        line.fail(column, "is negative", "Times are 0 or more.")
    return value


def span(line: Line, start: str, duration: str, end: str) -> tuple[float, float | None]:
    """Start and duration, from the columns of that name or from the end.

    A duration of None reaches to the end of the file.
    """
    start_s = number(line, start) or 0.0
    duration_s, end_s = number(line, duration), number(line, end)
    if duration_s == 0:
        line.fail(
            duration, "is no length", "Leave it empty to reach to the end of the file, or remove the row."
        )
    if end_s is None:
        return start_s, duration_s
    if end_s <= start_s:
        line.fail(end, f"is not after the start, {start_s:g}", "Swap the two, or correct them.")
    if duration_s is not None and abs(start_s + duration_s - end_s) > 0.001:
        line.fail(end, f"is not start plus duration, {start_s + duration_s:g}", "Correct one, or empty it.")
    return start_s, end_s - start_s


def moment(line: Line, column: str) -> str:
    """An ISO 8601 time with offset, as it stands, or nothing."""
    text = line.cells.get(column, "").strip()
    if not text:
        return ""
    example = "Write it like 2024-05-17T04:30:00+02:00 (Z for UTC), or leave it empty."
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        line.fail(column, "is not an ISO 8601 time", example)
    if value.tzinfo is None:
        line.fail(column, "has no offset from UTC, and guessing one shifts every event", example)
    return text


def check_disjoint(line: Line, lists: Mapping[str, Iterable[str]]) -> None:
    """No label may be said to sound and not to sound, or to be unknown too."""
    seen: dict[str, str] = {}
    for column, names in lists.items():
        for name in names:
            if name in seen:
                line.fail(
                    column, f"names {name!r}, which {seen[name]!r} names too", "Remove it from one of them."
                )
            seen[name] = column
