"""What ``analyze`` and ``notes`` left in a folder of results: kept scores, and the events that were decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from sonoscope import scores as score_tables
from sonoscope.data import table
from sonoscope.evaluation.notes import Notes
from sonoscope.evaluation.pitch import Roll
from sonoscope.evaluation.predictions import kept, matching
from sonoscope.evaluation.timed.models import of_scores, renamed, roll_of
from sonoscope.evaluation.timed.parts import Part, cut, refuse_later
from sonoscope.evaluation.timed.sources import Said, Wish, refuse
from sonoscope.models.bundle import NOTES
from sonoscope.notes import scores as note_scores
from sonoscope.values import Event, Label

EVENTS = "events.csv"


class KeptSource:
    """The results of one model in a folder."""

    def __init__(self, place: Path, model: str, wish: Wish) -> None:
        found = kept.located(place, model)
        self.place, self.name, self.files, self.bundle = place, found.name, found.files, found.bundle
        self._wish, self._names = wish, matching.Names(found.files)
        self._model = found.model

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        return {"results": str(self.place), "model": self._model, "files": len(self.files)}

    def remarks(self) -> list[str]:
        """Nothing besides."""
        return []

    def check(self, parts: Sequence[Part]) -> None:
        """Every recording must have kept scores."""
        missing = [part.name for part in parts if self._names.of(part.row.path) is None]
        matching.refuse_missing(missing, len(parts), str(self.place), self._names.names)

    @cached_property
    def _events(self) -> Mapping[str, list[Event]] | None:
        """What was decided, by recording; None where the table of all is not there."""
        path = self.place / EVENTS
        if not path.is_file():
            return None
        found: dict[str, list[Event]] = {}
        for line in table.read(path).lines:
            cell = line.cells
            if cell.get("model", "") in ("", self._model, None if self.bundle is None else self.bundle.name):
                numbers = {name: float(cell[name]) for name in ("pitch", "velocity") if cell.get(name)}
                event = Event(
                    float(cell["start"]), float(cell["end"]), cell["label"], float(cell.get("score") or "nan"),
                    pitch=numbers.get("pitch"), velocity=int(numbers["velocity"]) if "velocity" in numbers else None,
                )  # fmt: skip
                found.setdefault(cell["file"], []).append(event)
        return found

    def _decided(self, part: Part) -> tuple[Event, ...] | None:
        if self._events is None:
            return None
        found = self._events.get(self._names.of(part.row.path) or "", [])
        refuse_later(part, found, str(self.place))
        return part.cut(found)

    def _path(self, part: Part) -> Path:
        name = self._names.of(part.row.path)
        assert name is not None  # check() refused others
        return self.files[name]

    def _is_notes(self) -> bool:
        return self.bundle is not None and self.bundle.task == NOTES

    def notes(self, part: Part) -> tuple[Event, ...]:
        """As decided by the run."""
        found = self._decided(part)
        if found is None or not (self._is_notes() or any(event.pitch is not None for event in found)):
            raise refuse(str(self.place), "notes", "name results of sonoscope notes, with their events.csv")
        return tuple(event for event in found if event.pitch is not None)

    def roll(self, part: Part) -> Roll | Notes:
        """The kept probabilities that pitches sound."""
        if not self._is_notes():
            raise refuse(
                str(self.place),
                "scores of notes",
                "name results of a model of notes that is at hand",
            )
        whole = roll_of(list(note_scores.load_blocks(self._path(part))))
        return Roll(whole.times_s - part.row.start_s, whole.scores, whole.lowest)

    def said(self, part: Part, labels: Sequence[str]) -> Said:
        """The kept scores, and events as decided by the run; at another threshold if that is wished."""
        if self._is_notes():
            raise refuse(str(self.place), "events", "these are results of a model of notes")
        calibration = None if self.bundle is None else self.bundle.calibration
        scores, _ = score_tables.load(self._path(part), calibration)
        if part.row.start_s:
            raise refuse(
                str(self.place),
                f"scores of a part ({part.name})",
                "judge whole ones, or name the model",
            )
        found = of_scores(scores, self.bundle, part, labels, self._wish, self.name)
        decided = self._decided(part) if self._wish.threshold is None else None
        if decided is None:
            return found
        given = self.bundle.labels if self.bundle is not None else tuple(Label(x) for x in scores.labels)
        columns = matching.columns(labels, given, partial=False, what=self.name)
        names = {given[k].id: label for k, label in zip(columns, labels, strict=True)}
        events = cut(renamed(decided, names), 0.0, part.duration_s)
        return Said(events, found.edges_s, found.scores)
