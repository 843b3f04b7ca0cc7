"""The canonical table of events: its columns, in their fixed order, shared by CSV, Parquet and JSON Lines.

Times in seconds with 3 to 6 digits, ``score`` with 4, ``raw`` (the logit) with 3 and only where it was
asked for; what is unknown is empty. Rows are sorted by (start, end, label) within a recording.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sonoscope.outputs.format import Found, UnreadableTable
from sonoscope.outputs.rows import Row, text
from sonoscope.values import Event, FileResult

COLUMNS = (
    "file", "start", "end", "label", "score", "channel", "low_hz", "high_hz",
    "pitch", "velocity", "model", "start_datetime", "site", "recorder", "raw", "flags",
)  # fmt: skip

NEEDED = ("file", "start", "end", "label")


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
        If a needed column is missing or of the wrong type; ``where`` (file and line) begins the message.
    """
    for column in NEEDED:
        wanted: tuple[type, ...] = (int, float) if column in ("start", "end") else (str,)
        if not isinstance(values.get(column), wanted):
            raise UnreadableTable(
                f"{where}: {column!r} is {values.get(column)!r}, {wanted[-1].__name__} is needed. "
                f"Every event needs {', '.join(NEEDED)}."
            )
    given = {key: value for key, value in values.items() if value is not None and value == value}
    return Found(
        file=given["file"],
        event=_event(given),
        model=given.get("model", ""),
        start_datetime=given.get("start_datetime", ""),
        site=given.get("site", ""),
        recorder=given.get("recorder", ""),
    )


def found_row(row: Row) -> Found:
    """The event in a row of text."""
    start, end = row.span(row.number("start"), row.number("end"), ("start", "end"))
    given: dict[str, Any] = {"start": start, "end": end, "label": row.get("label"), "flags": row.get("flags")}
    for column in ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw"):
        if (number := row.optional(column)) is not None:
            given[column] = number
    if not 0 <= given.get("score", 0) <= 1:
        raise row.problem("score", f"is {given['score']:g}", "A score is a probability from 0 to 1.")
    return Found(
        file=row.get("file"),
        event=_event(given),
        model=row.get("model"),
        start_datetime=row.get("start_datetime"),
        site=row.get("site"),
        recorder=row.get("recorder"),
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
