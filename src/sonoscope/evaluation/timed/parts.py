"""A recording, or the part of it that a row of a manifest is about, with what was annotated in it.

Times are seconds from the start of the part. Events that reach over its ends are cut there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sonoscope.data import annotation, lengths
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.evaluation.predictions import matching
from sonoscope.notes.decision import NOTE
from sonoscope.values import Event

#: Predictions may begin this much after a recording ends: programs pad.
SLACK_S = 1.0


@dataclass(frozen=True, eq=False)
class Part:
    """A row, how long it lasts, and the events that are annotated in it, sorted."""

    manifest: Manifest
    row: Row
    duration_s: float
    events: tuple[Event, ...]

    @property
    def name(self) -> str:
        """The path, with ``@start`` for a part of a file."""
        return f"{self.row.path}@{self.row.start_s:g}" if self.row.start_s else self.row.path

    @property
    def group(self) -> str:
        """What is drawn together."""
        return self.row.group or self.row.path

    def cut(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Events of the file as events of the part."""
        return cut(events, self.row.start_s, self.duration_s)

    def unknown(self, labels: Sequence[str]) -> frozenset[str]:
        """The labels that nobody judged in it."""
        named = {*self.row.labels, *self.row.absent, *(event.label for event in self.events)}
        everything = EVERYTHING_ELSE in self.row.unknown
        return frozenset(
            label for label in labels if label in self.row.unknown or (everything and label not in named)
        )


def cut(events: Iterable[Event], start_s: float, duration_s: float) -> tuple[Event, ...]:
    """Events within ``[start, start + duration)``, from its start; those that reach over are cut."""
    found = []
    for event in events:
        first, last = event.start_s - start_s, event.end_s - start_s
        if first < duration_s and (last > 0 or first >= 0):
            found.append(
                replace(event, start_s=round(max(first, 0.0), 6), end_s=round(min(last, duration_s), 6))
            )
    return tuple(sorted(found))


def parts(
    manifest: Manifest,
    *,
    pedal: bool = False,
    need_annotation: bool = True,
    report: Callable[[Problem], None] | None = None,
) -> list[Part]:
    """The rows of a manifest with their annotations; one that cannot be read is reported and left out.

    Parameters
    ----------
    pedal : bool
        Notes of MIDI files last until the sustain pedal comes up.
    need_annotation : bool
        A row without an annotation is refused. Else it may lack one if it says that no label sounds in it.

    Raises
    ------
    UsageError
        If rows have no times of what sounds in them, there is no row, or no recording can be read.
    BadManifest, UnreadableTable
        If an annotation is damaged.
    """
    lacking = [
        row.path
        for row in manifest.rows
        if not row.annotation and (need_annotation or row.labels or row.unknown)
    ]
    if lacking or not manifest.rows:
        raise UsageError(
            f"{len(lacking):,} of {len(manifest.rows):,} recordings have no annotation with times: "
            f"{matching.listed(lacking) or 'there is no recording'}. Name its file in the column annotation, or lay it "
            "beside the recording (a.selections.txt, a.mid or a.notes.csv for a.wav)"
        )
    failed: dict[str, Problem] = {}

    def note(problem: Problem) -> None:
        failed.setdefault(problem.path, problem)
        if report is not None:
            report(problem)

    seconds = lengths.seconds(manifest, report=note)
    found = []
    for row, duration_s in zip(manifest.rows, seconds, strict=True):
        if row.path not in failed:
            events = _events(manifest, row, pedal) if row.annotation else ()
            found.append(Part(manifest, row, duration_s, cut(events, row.start_s, duration_s)))
    if not found:
        path, first = next(iter(failed.items()))
        raise UsageError(
            f"none of {len(failed):,} recordings can be read. The first, {path}: {first.reason}. {first.remedy}"
        )
    return found


def _events(manifest: Manifest, row: Row, pedal: bool) -> tuple[Event, ...]:
    """As annotated; in a MIDI file of a recording that does not name its one instrument, programs name them."""
    named = len(row.labels) == 1 and row.labels != (NOTE.id,)
    if row.annotation.lower().endswith((".mid", ".midi")) and not named:
        path = manifest.root / row.annotation
        return annotation.read(path, recording=row.path, label="", pedal=pedal)
    return annotation.of(manifest, row, pedal=pedal)


def refuse_later(part: Part, events: Iterable[Event], what: str) -> None:
    """Raise ``UsageError`` if predictions begin after the part's file ends, as far as that is known."""
    if part.row.start_s:
        return
    late = [event for event in events if event.start_s > part.duration_s + SLACK_S]
    if late:
        matching.refuse_lengths(
            [
                f"{part.name} (lasts {part.duration_s:.2f} s, {len(late)} predictions to {late[-1].start_s:.2f} s)"
            ],
            what,
        )
