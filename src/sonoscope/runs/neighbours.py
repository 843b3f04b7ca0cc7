"""What recordings say about each other: the same start twice at one place, and clocks that were put back.

One recording alone looks fine in both cases. Seen beside the others of its recorder, in order of name, it is counted
twice, or its hours lie where they cannot. Nothing is changed or left out: it is said in the column ``note``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from sonoscope.runs.journal import DONE, Record

#: By how much a recording may seem to begin before the last one ended: clocks drift and round.
DRIFT_S = 2.0

_VARIES = re.compile(r"[0-9A-Fa-f]")


class Neighbours:
    """Compares each recording of a run with those around it.

    Parameters
    ----------
    records : iterable of Record
        All of them, once; a few bytes of each are kept.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        seen: set[int] = set()
        self._twice: set[int] = set()
        self._ends: dict[tuple[str, str, str], tuple[float, str]] = {}
        for record in records:
            if record.status == DONE and record.start_datetime:
                key = _key(record)
                (self._twice if key in seen else seen).add(key)

    def note(self, record: Record) -> str:
        """What is to be said about a recording; asked of all, in order of their names."""
        if not record.start_datetime:
            return ""
        folder, _, base = record.name.rpartition("/")
        start = datetime.fromisoformat(record.start_datetime).timestamp()
        row = folder, _VARIES.sub("0", base), record.recorder
        end, before = self._ends.get(row, (start, ""))
        self._ends[row] = max((end, before), (start + record.duration_s, base))
        if _key(record) in self._twice:
            return "another recording of this site and recorder has the same start: its time is counted twice"
        if before and start < end - DRIFT_S:
            return (
                f"begins {end - start:.0f} s before {before} ends: the recorder's clock was put back, or this was "
                "recorded twice"
            )
        return ""


def _key(record: Record) -> int:
    moment = datetime.fromisoformat(record.start_datetime).timestamp()
    return hash((record.site, record.recorder, moment))
