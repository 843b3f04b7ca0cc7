"""A model hears recordings: windows become scores and events as in ``analyze``, notes as in ``notes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from sonoscope import events as event_rules
from sonoscope import pipeline, transcription
from sonoscope.data import clips
from sonoscope.evaluation.notes import Notes
from sonoscope.evaluation.pitch import Roll
from sonoscope.evaluation.predictions import matching
from sonoscope.evaluation.timed.parts import Part, cut
from sonoscope.evaluation.timed.sources import Said, Wish, refuse
from sonoscope.models.answers import answering
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.notes.decision import NoteDecision, notes_of
from sonoscope.notes.scores import NoteScores
from sonoscope.values import Event, Label, Scores


class ModelSource:
    """A bundle, with the model's own rules and thresholds unless ``wish`` has others."""

    def __init__(self, bundle: Bundle, name: str, wish: Wish) -> None:
        self.bundle, self.name, self._wish = bundle, name, wish

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        bundle = self.bundle
        return {
            "model": bundle.name,
            "version": bundle.version,
            "sha256": bundle.sha256[:16],
            "folder": str(bundle.path),
        }

    def remarks(self) -> list[str]:
        """Nothing besides."""
        return []

    def check(self, parts: Sequence[Part]) -> None:
        """A model says something of everything."""

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(self.bundle)

    def notes(self, part: Part) -> tuple[Event, ...]:
        """By the model's own rules."""
        blocks, cents = self._heard(part)
        decision = NoteDecision(self.bundle.rules)
        return cut(notes_of(blocks, decision, duration_s=part.duration_s, cents=cents), 0.0, part.duration_s)

    def roll(self, part: Part) -> Roll | Notes:
        """Probabilities that a pitch sounds."""
        return roll_of(self._heard(part)[0])

    def _heard(self, part: Part) -> tuple[list[NoteScores], float]:
        if self.bundle.task != NOTES:
            raise refuse(
                self.name,
                "notes",
                f"its task is {self.bundle.task}; name one of the task notes",
            )
        blocks: list[NoteScores] = []
        if part.row.start_s:
            samples = clips.read(part.manifest, part.row, self.bundle.sample_rate)
            rate = self.bundle.sample_rate
            with answering(part.row.path):
                found = transcription.note_samples(samples, rate, self.bundle, self._runtime, blocks.append)
        else:
            recording = part.manifest.recording_of(part.row)
            found = transcription.note_recording(recording, self.bundle, self._runtime, blocks.append)
        return blocks, found.cents

    def said(self, part: Part, labels: Sequence[str]) -> Said:
        """Calibrated probabilities of cells, and events at the model's thresholds."""
        if self.bundle.task == NOTES:
            raise refuse(
                self.name, "events", "it is a model of notes; the protocols notes and musicnet are for those"
            )
        if part.row.start_s:
            samples = clips.read(part.manifest, part.row, self.bundle.sample_rate)
            with answering(part.row.path):
                scores = pipeline.score_samples(
                    samples, self.bundle.sample_rate, self.bundle, self._runtime
                ).scores
        else:
            recording = part.manifest.recording_of(part.row)
            scores = pipeline.score_recording(recording, self.bundle, self._runtime).scores
        return of_scores(scores, self.bundle, part, labels, self._wish, self.name)


def roll_of(blocks: Sequence[NoteScores]) -> Roll:
    """The sustain of blocks that follow each other."""
    if not blocks:
        return Roll(np.zeros(0), np.zeros((0, 1)))
    times = [block.first_s + np.arange(len(block)) * block.hop_s for block in blocks]
    table = np.concatenate([block.sustain for block in blocks]).astype(np.float32)
    return Roll(np.concatenate(times), table, blocks[0].lowest)


def of_scores(
    scores: Scores, bundle: Bundle | None, part: Part, labels: Sequence[str], wish: Wish, name: str
) -> Said:
    """Cells and events of some labels; thresholds are the wish, else the model's, else 0.5."""
    given = bundle.labels if bundle is not None else tuple(Label(label) for label in scores.labels)
    columns = matching.columns(labels, given, partial=False, what=name)
    ids = [given[k].id for k in columns]
    on = {given[k].id: 0.5 for k in range(len(given))} if bundle is None else dict(bundle.thresholds)
    low = {} if bundle is None or wish.threshold is not None else dict(bundle.low_thresholds)
    if wish.threshold is not None:
        on = dict.fromkeys(on, wish.threshold)
    shortest, gap = (0.0, 0.0) if bundle is None else (bundle.min_duration_s, bundle.max_gap_s)
    decision = event_rules.Decision(on, low, shortest, gap)
    found = event_rules.find(scores, decision, given, include_reject=True, duration_s=part.duration_s)
    names = dict(zip(ids, labels, strict=True))
    edges = (
        np.minimum(scores.cell_edges / scores.sample_rate, part.duration_s) if len(scores) else np.zeros(1)
    )
    edges, table = within(edges, scores.probabilities[:, columns], part.duration_s)
    return Said(renamed(found, names), edges, table)


def within(edges_s: np.ndarray, scores: np.ndarray, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Cells that begin before the part ends, the last one cut there."""
    count = int(np.searchsorted(edges_s[:-1], duration_s - 1e-6))
    return np.minimum(edges_s[: count + 1], max(duration_s, 0.0)), scores[:count]


def renamed(events: Sequence[Event], names: Mapping[str, str]) -> tuple[Event, ...]:
    """Those of some labels, under the names of the truth."""
    return tuple(replace(event, label=names[event.label]) for event in events if event.label in names)
