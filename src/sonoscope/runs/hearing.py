"""What a model heard in a recording, from which every decision starts: scores of windows, or scores of notes.

Both are kept as they were heard, so that a later decision begins with the same numbers. Window scores are held in
memory; note scores, a hundred times as many, stay in a file and pass by in blocks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np

from sonoscope import events as event_rules
from sonoscope import scores as score_tables
from sonoscope.audio.naming import writable
from sonoscope.errors import SonoscopeError
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.notes import scores as note_scores
from sonoscope.notes.decision import NOTE, NoteDecision, notes_of
from sonoscope.runs.journal import Record
from sonoscope.runs.spec import RunSpec
from sonoscope.runs.written import Written
from sonoscope.values import FileResult, Recording, Scores

if TYPE_CHECKING:
    from sonoscope.models.runtime import Runtime
    from sonoscope.pipeline import Analysis
    from sonoscope.transcription import NoteAnalysis


AnyDecision = event_rules.Decision | NoteDecision


class Heard(Protocol):
    """What one model heard in one recording."""

    @property
    def bundle(self) -> Bundle:
        """The model."""

    def keep(self, written: Written, place: str, facts: Record) -> None:
        """Write it so that it can be read again."""

    def result(self, recording: Recording, decision: AnyDecision, facts: Record, spec: RunSpec) -> FileResult:
        """Decide, and put together all that is written about the recording."""

    def is_unknown(self, result: FileResult, decision: AnyDecision) -> bool:
        """Whether most of it is nothing that the model knows."""

    def analysed_s(self, duration_s: float, spec: RunSpec) -> float:
        """How many seconds have scores that count."""


@dataclass(frozen=True, eq=False)
class WindowsHeard:
    """Scores of windows, in memory."""

    bundle: Bundle
    scores: Scores

    def keep(self, written: Written, place: str, facts: Record) -> None:
        meta = {"name": facts.name, "model": self.bundle.name, "version": self.bundle.version}
        with written.open(place, binary=True) as file:
            score_tables.save(cast(BinaryIO, file), self.scores, meta | {"duration": facts.duration_s})

    def result(self, recording: Recording, decision: AnyDecision, facts: Record, spec: RunSpec) -> FileResult:
        assert isinstance(decision, event_rules.Decision)
        scores = self._counted(spec)
        found = event_rules.find(
            scores, decision, self.bundle.labels, duration_s=facts.duration_s, channel=spec.channel
        )
        return replace(_blank_result(self.bundle, recording, facts), events=found, scores=scores)

    def is_unknown(self, result: FileResult, decision: AnyDecision) -> bool:
        assert isinstance(decision, event_rules.Decision)
        if self.bundle.taught:
            return False  # that it reports nothing is no news
        missed = event_rules.unknown_windows(self.scores, decision, self.bundle.labels)
        return 2 * missed > len(self.scores)

    def analysed_s(self, duration_s: float, spec: RunSpec) -> float:
        if spec.tail == "keep":
            return duration_s
        return min(float(np.max(self._counted(spec).end_s, initial=0.0)), duration_s)

    def _counted(self, spec: RunSpec) -> Scores:
        """The scores without windows that reach past the audio, if they are not to count."""
        whole = ~self.scores.padded
        if spec.tail == "keep" or whole.all():
            return self.scores
        names = ("starts", "ends", "logits", "probabilities")
        return replace(self.scores, **{name: getattr(self.scores, name)[whole] for name in names})


@dataclass(frozen=True, eq=False)
class NotesHeard:
    """Scores of notes, in the file ``path``; ``cents`` is the tuning that was followed."""

    bundle: Bundle
    path: Path
    cents: float

    def keep(self, written: Written, place: str, facts: Record) -> None:
        written.adopt(self.path, place)

    def result(self, recording: Recording, decision: AnyDecision, facts: Record, spec: RunSpec) -> FileResult:
        assert isinstance(decision, NoteDecision)
        blocks = note_scores.load_blocks(self.path)
        found = notes_of(
            blocks, decision, duration_s=facts.duration_s, cents=self.cents, channel=spec.channel
        )
        return replace(_blank_result(self.bundle, recording, facts), events=found, labels=(NOTE,))

    def is_unknown(self, result: FileResult, decision: AnyDecision) -> bool:
        return not result.events

    def analysed_s(self, duration_s: float, spec: RunSpec) -> float:
        return duration_s


def _blank_result(bundle: Bundle, recording: Recording, facts: Record) -> FileResult:
    return FileResult(
        file=recording.name,
        path=facts.path,
        model=bundle.name,
        labels=bundle.labels,
        duration_s=facts.duration_s,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        events=(),
        start_datetime=facts.start_datetime,
        site=facts.site,
        recorder=facts.recorder,
        note=facts.remarks,
    )


def hear(
    recording: Recording,
    bundle: Bundle,
    runtime: Runtime,
    spec: RunSpec,
    written: Written,
    *,
    overlap: bool,
    progress: Callable[[float], None] | None,
) -> tuple[Heard, Analysis | NoteAnalysis]:
    """Analyse a recording with one model. Raises as the pipeline does."""
    options: dict[str, Any] = {"channel": spec.channel, "overlap": overlap, "progress": progress}
    if bundle.task != NOTES:
        from sonoscope import pipeline

        analysis = pipeline.score_recording(recording, bundle, runtime, hop_s=spec.hop_s, **options)
        return WindowsHeard(bundle, analysis.scores), analysis
    from sonoscope import transcription

    path = written.scrap()
    with open(path, "wb") as file, note_scores.Keeper(file, bits=note_scores.KEPT_BITS) as keeper:
        found = transcription.note_recording(
            recording, bundle, runtime, keeper.add, cents=spec.notes.tuning, **options
        )
        keeper.about |= {
            "name": writable(recording.name),
            "model": bundle.name,
            "version": bundle.version,
            "pitches": len(bundle.labels),
            "cents": found.cents,
            "duration": found.duration_s,
        }
    return NotesHeard(bundle, path, found.cents), found


def recall(file: Path, bundle: Bundle) -> Heard:
    """What was kept.

    Raises
    ------
    SonoscopeError
        If the file is damaged, or holds what another model heard.
    """
    if bundle.task == NOTES:
        about = note_scores.load_about(file)
        if about.get("pitches") != len(bundle.labels) or about.get("lowest", bundle.lowest) != bundle.lowest:
            raise SonoscopeError(f"{file} holds other pitches than the model {bundle.name}")
        # A damaged block would be found out when results are half written.
        for _ in note_scores.load_blocks(file):
            pass
        return NotesHeard(bundle, file, float(about.get("cents", 0.0)))
    scores, _ = score_tables.load(file, bundle.calibration)
    if scores.labels != bundle.label_ids:
        raise SonoscopeError(f"{os.fspath(file)} holds other labels than the model {bundle.name}")
    return WindowsHeard(bundle, scores)
