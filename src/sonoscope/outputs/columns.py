"""The canonical table of events: its columns, in their fixed order, shared by CSV, Parquet and JSON Lines.

Times in seconds with 3 to 6 digits, ``score`` with 4, ``raw`` (the logit) with 3 and only where it was
asked for; what is unknown is empty. Rows are sorted by (start, end, label) within a recording.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sonoscope.outputs.format import Found, UnreadableTable
from sonoscope.outputs.rows import Row, text
from sonoscope.values import Event, FileResult

COLUMNS = (
    "file", "start", "end", "label", "score", "channel", "low_hz", "high_hz",
    "pitch", "velocity", "model", "start_datetime", "site", "recorder", "raw", "flags",
)  # fmt: skip

NEEDED = ("file", "start", "end", "label")
_TEXTS = ("file", "label", "model", "start_datetime", "site", "recorder", "flags")

_LARGEST = sys.float_info.max
#: The least and the most that stands in a column, and what to do about anything else.
_RANGES = {
    "start": (0, _LARGEST, "Times are seconds, 0 or more."),
    "end": (0, _LARGEST, "Times are seconds, 0 or more."),
    "score": (0, 1, "A score is a probability from 0 to 1."),
    "channel": (1, _LARGEST, "Channels are whole numbers from 1."),
    "low_hz": (0, _LARGEST, "Frequencies are in Hz, 0 or more."),
    "high_hz": (0, _LARGEST, "Frequencies are in Hz, 0 or more."),
    "pitch": (0, 127, "A MIDI number is needed, 0 to 127."),
    "velocity": (1, 127, "A whole number is needed, 1 to 127."),
    "raw": (-_LARGEST, _LARGEST, "A finite number is needed."),
}


def record(result: FileResult, event: Event, *, raw: bool = False) -> dict[str, Any]:
    """One event as a dictionary with every column, in order; None where it is unknown.

    Numbers are rounded as they are written, so that all formats say the same.
    """
    return {
        "file": text(result.file),
        "start": round(event.start_s, 6),
        "end": round(event.end_s, 6),
        "label": text(event.label),
        "score": None if math.isnan(event.score) else round(event.score, 4),
        "channel": event.channel,
        "low_hz": _rounded(event.low_hz),
        "high_hz": _rounded(event.high_hz),
        "pitch": _rounded(event.pitch),
        "velocity": event.velocity,
        "model": text(result.model) or None,
        "start_datetime": result.start_datetime or None,
        "site": text(result.site) or None,
        "recorder": text(result.recorder) or None,
        "raw": _rounded(event.raw) if raw else None,
        "flags": event.flags or None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def found(values: Mapping[str, Any], where: str) -> Found:
    """The inverse of :func:`record`, for values that have their types already (Parquet, JSON Lines).

    Raises
    ------
    UnreadableTable
        If a needed column is missing, or a value is of the wrong type or out of range; ``where`` (file and line)
        begins the message.
    """

    def wrong(column: str, what: str, remedy: str) -> UnreadableTable:
        return UnreadableTable(f"{where}: {column!r} {what}. {remedy}")

    given = {key: value for key, value in values.items() if value is not None and value == value}
    for column in NEEDED:
        if column not in given or not _is_of(column, given[column]):
            raise wrong(
                column,
                f"is {values.get(column)!r}, {_kind(column)} is needed",
                f"Every event needs {', '.join(NEEDED)}.",
            )
    for column in COLUMNS:
        if column in given and not _is_of(column, given[column]):
            raise wrong(
                column, f"is {given[column]!r}, {_kind(column)} is needed", "Correct it, or leave it out."
            )
    return _found(given, wrong)


def found_row(row: Row) -> Found:
    """The event in a row of text. Raises ``UnreadableTable``."""
    given: dict[str, Any] = {column: row.get(column) for column in _TEXTS}
    given |= {column: row.number(column) for column in ("start", "end")}
    for column in ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw"):
        if (number := row.optional(column)) is not None:
            given[column] = number
    return _found(given, row.problem)


def _is_of(column: str, value: Any) -> bool:
    """Whether a value has the type of its column."""
    if column in _TEXTS:
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(column: str) -> str:
    return "str" if column in _TEXTS else "float"


def _found(given: Mapping[str, Any], wrong: Callable[[str, str, str], UnreadableTable]) -> Found:
    """The event of values that have their types, known to be within the ranges of ``schema.json``."""
    if not given["file"]:
        raise wrong("file", "is empty", "Every event belongs to a recording.")
    for column, (least, most, remedy) in _RANGES.items():
        if not least <= given.get(column, least) <= most:
            raise wrong(column, f"is {given[column]:g}", remedy)
    for column in ("channel", "velocity"):
        if given.get(column, 1) % 1:
            raise wrong(column, f"is {given[column]:g}", _RANGES[column][2])
    if given["end"] < given["start"]:
        raise wrong("end", f"ends at {given['end']:g}, before it begins at {given['start']:g}", "Swap them.")
    return Found(
        file=given["file"],
        event=_event(given),
        model=given.get("model", ""),
        start_datetime=given.get("start_datetime", ""),
        site=given.get("site", ""),
        recorder=given.get("recorder", ""),
    )


def _event(given: Mapping[str, Any]) -> Event:
    return Event(
        start_s=float(given["start"]),
        end_s=float(given["end"]),
        label=given["label"],
        score=float(given.get("score", math.nan)),
        raw=given.get("raw"),
        channel=_whole(given.get("channel")),
        low_hz=given.get("low_hz"),
        high_hz=given.get("high_hz"),
        pitch=given.get("pitch"),
        velocity=_whole(given.get("velocity")),
        flags=given.get("flags", ""),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
