"""How many clips and seconds each label has, from how many groups, and what it lacks of a target.

A group is a recording, unless the specification says more (a concert, a player).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonoscope.data import table
from sonoscope.data.rows import Row
from sonoscope.values import format_seconds

#: What the table is called.
NAME = "counts.csv"
COLUMNS = ("label", "clips", "seconds", "groups", "target", "missing_clips", "missing_seconds")


@dataclass(frozen=True, slots=True)
class Count:
    """One label: its clips, and what is missing of the target (in seconds: that many clips of full length)."""

    label: str
    clips: int
    seconds: float
    groups: int
    target: int
    missing_clips: int
    missing_s: float


def count(rows: Iterable[Row], labels: Sequence[str], target: int, length_s: float) -> tuple[Count, ...]:
    """Count the clips of each label, in the order of ``labels``; a clip with two labels counts for both."""
    clips = dict.fromkeys(labels, 0)
    seconds = dict.fromkeys(labels, 0.0)
    found_in: dict[str, set[str]] = {label: set() for label in labels}
    for row in rows:
        for label in row.labels:
            clips[label] += 1
            seconds[label] += row.duration_s or 0.0
            found_in[label].add(row.group)
    found = []
    for label in labels:
        missing = max(target - clips[label], 0)
        found.append(
            Count(
                label, clips[label], seconds[label], len(found_in[label]), target, missing, missing * length_s
            )
        )
    return tuple(found)


def write(found: Iterable[Count], path: Path) -> None:
    """Write the counts as CSV, whole or not at all."""
    rows = [
        (
            one.label,
            str(one.clips),
            format_seconds(one.seconds),
            str(one.groups),
            str(one.target),
            str(one.missing_clips),
            format_seconds(one.missing_s),
        )
        for one in found
    ]
    table.write(path, COLUMNS, rows)
