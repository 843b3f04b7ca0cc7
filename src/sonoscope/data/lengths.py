"""How long the sound of each row is, counted where a manifest does not say."""

from __future__ import annotations

from collections.abc import Callable

from sonoscope.data import survey
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio


def seconds(manifest: Manifest, *, report: Callable[[Problem], None] | None = None) -> list[float]:
    """The seconds of every row, in order; only files of rows without a duration are decoded, each once.

    Parameters
    ----------
    report : callable, optional
        Takes a ``Problem`` for each row whose file cannot be read; its length is then 0.

    Raises
    ------
    UnreadableAudio
        If a file cannot be read and nothing takes the report.
    """
    ends: dict[str, float | UnreadableAudio] = {}
    found = []
    for row in manifest.rows:
        if row.duration_s is not None:
            found.append(row.duration_s)
            continue
        if row.path not in ends:
            try:
                ends[row.path] = survey.counted(manifest.recording_of(row))
            except UnreadableAudio as error:
                ends[row.path] = error
        end = ends[row.path]
        if isinstance(end, UnreadableAudio):
            if report is None:
                raise end
            report(Problem(row.path, row.start_s, None, end.reason, end.remedy))
            end = 0.0
        found.append(max(end - row.start_s, 0.0))
    return found
