"""Looking at data: what a manifest holds, what it sounds like, and what a person should know before training on it.

``summarise(manifest)`` counts (:mod:`~sonoscope.data.summary.counts`), listens
(:mod:`~sonoscope.data.summary.sound`), compares features (:mod:`~sonoscope.data.summary.relations`) and draws
conclusions (:mod:`~sonoscope.data.summary.findings`). :mod:`~sonoscope.data.summary.page` makes one HTML file of the
result, :mod:`~sonoscope.data.summary.text` lines for a screen, :mod:`~sonoscope.data.summary.feature_table` a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope.data.rows import Manifest
from sonoscope.data.summary import findings, relations, sound
from sonoscope.data.summary.counts import Counts, count
from sonoscope.data.summary.findings import Finding
from sonoscope.data.summary.relations import Correlations, Map
from sonoscope.data.summary.sound import Heard
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.features.statistics import COLUMNS

#: Rows that are heard if nobody says how many.
HEARD_ROWS = 2000


@dataclass(frozen=True)
class Summary:
    """A data set looked at.

    Attributes
    ----------
    manifest : Manifest
        With the lengths that were counted.
    counts : Counts
    heard : Heard or None
        None where nothing was decoded.
    problems : tuple of Problem
        Rows that cannot be used.
    findings : tuple of Finding
    explained : np.ndarray, shape (columns,)
        The share of each feature's variance that labels explain; empty where nothing was heard.
    correlations : Correlations or None
    maps : tuple of Map or str
        Or why one cannot be had.
    """

    manifest: Manifest
    counts: Counts
    heard: Heard | None
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]
    explained: np.ndarray
    correlations: Correlations | None
    maps: tuple[Map | str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        from sonoscope.data.summary.text import to_dict

        return to_dict(self)


def summarise(
    manifest: Manifest,
    *,
    audio: bool = True,
    rows: int | None = HEARD_ROWS,
    maps: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Look at a data set.

    Parameters
    ----------
    manifest : Manifest
    audio : bool
        Whether to decode anything.
    rows : int, optional
        So many rows are heard, the same ones every time; None: all.
    maps : bool
        Whether to place rows on maps, which takes a few seconds.
    progress : callable (rows heard, rows to hear), optional

    Raises
    ------
    UsageError
        If there are no rows, or ``rows`` is not positive.
    """
    if not manifest.rows:
        raise UsageError("no rows: there is nothing to summarise")
    if rows is not None and rows < 1:
        raise UsageError(f"rows={rows} must be at least 1; to decode nothing, leave audio out")
    problems: list[Problem] = []
    heard = None
    if audio:
        places = sound.sample(manifest.rows, rows)
        heard = sound.hear(manifest, places, report=problems.append, progress=progress)
        manifest = sound.with_lengths(manifest, heard)
    counts = count(manifest)
    found = findings.find(manifest, counts, heard, problems)
    explained, correlations, drawn = np.zeros(0), None, list[Map | str]()
    if heard is not None and len(heard):
        sounds = manifest.targets()[0][heard.rows]
        explained = relations.explained(heard.features, sounds)
        correlations = relations.correlations(heard.features, COLUMNS)
        used = relations.timbre(COLUMNS)
        names = [COLUMNS[place] for place in used]
        if maps and (first := relations.principal(heard.features[:, used], names)) is not None:
            drawn = [first, relations.neighbours(heard.features[:, used])]
    return Summary(manifest, counts, heard, tuple(problems), found, explained, correlations, tuple(drawn))
