"""At most so many clips of each label, from as many recordings as possible.

Clips are taken in turns: the first of every group (a recording, unless the specification says more), then the second of
every group, and so on, so that a label that is capped keeps its variety. A clip is taken if none of its labels has as
many as it may have yet; one without labels always is. The same clips give the same choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sonoscope.data.rows import Row

#: The table of the clips that are taken, beside the manifest of all.
NAME = "capped.csv"


def capped(rows: Iterable[Row], most: int) -> tuple[Row, ...]:
    """Rows with at most ``most`` of each label, in their own order."""
    rows = list(rows)
    have: Counter[str] = Counter()
    taken = set()
    for number in _in_turns(rows):
        labels = rows[number].labels
        if all(have[label] < most for label in labels):
            taken.add(number)
            have.update(labels)
    return tuple(row for number, row in enumerate(rows) if number in taken)


def _in_turns(rows: Sequence[Row]) -> list[int]:
    """Numbers of rows: the first of each group, the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for number, row in enumerate(rows):
        group = row.group or row.path
        turns.append((seen[group], number))
        seen[group] += 1
    return [number for _, number in sorted(turns)]
