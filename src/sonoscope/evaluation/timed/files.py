"""Files of other programs: MIDI and tables of notes, note scores, tables of events, tables of scores.

A folder holds a file for each recording, whose name is the recording's with the format's ending; of several, the one
that says most is taken. What programs add to a name, such as ``_basic_pitch``, is not part of it. One file may be about
all recordings, as tables of events with a column for the file are: what such a table does not name has no events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import outputs
from sonoscope.data import annotation
from sonoscope.errors import UsageError
from sonoscope.evaluation.notes import Notes, notes_of
from sonoscope.evaluation.pitch import Roll
from sonoscope.evaluation.predictions import matching, tables
from sonoscope.evaluation.predictions.windows import Held
from sonoscope.evaluation.timed.models import renamed, roll_of, within
from sonoscope.evaluation.timed.parts import Part, cut, refuse_later
from sonoscope.evaluation.timed.sources import Said, Wish, refuse
from sonoscope.notes import scores as note_scores
from sonoscope.outputs.format import UnreadableTable, recording_name
from sonoscope.values import Event

NOTE_SCORES = ".npz"
#: Where a recording has several files, those that say more first.
PREFERRED = (NOTE_SCORES, ".mid", ".midi", ".notes.csv", ".jams")
#: What programs add to the recording's name.
TAILS = ("_basic_pitch",)


class FileSource:
    """Predictions in a file, or in the files of a folder."""

    def __init__(self, place: Path, wish: Wish) -> None:
        self.place, self._wish = place, wish
        self.name = place.name if place.is_dir() else place.stem

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        return {"predictions": str(self.place), "files": len(self._files)}

    def remarks(self) -> list[str]:
        """Nothing besides."""
        return []

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """Files by the recording that they are about, the one that says most first."""
        if self.place.is_file():
            return {_recording(self.place): [self.place]}
        found: dict[str, list[Path]] = {}
        for path in tables.files_in(self.place):
            if _readable(path):
                inside = path.relative_to(self.place)
                found.setdefault((inside.parent / _recording(path)).as_posix(), []).append(path)
        if not found:
            raise UsageError(
                f"{self.place} holds no predictions in time: MIDI, note scores (.npz), tables of scores or of events "
                f"({', '.join(sorted(outputs.READERS))}) are expected"
            )
        return {name: sorted(paths, key=_rank) for name, paths in found.items()}

    @cached_property
    def _names(self) -> matching.Names:
        return matching.Names(self._files)

    @cached_property
    def _scores(self) -> tables.TableSource | None:
        """Tables of scores, if that is what is here; read once."""
        names = [path.name.lower() for paths in self._files.values() for path in paths]
        if all(name.endswith((*PREFERRED, ".txt")) for name in names):
            return None
        try:
            found = tables.opened(self.place)
        except (UsageError, UnreadableTable):
            if any(name.endswith(tuple(tables.WINDOW_TABLES)) for name in names):
                raise
            return None  # then it is one of events, or says itself what is wrong with it
        return None if found.partial else found

    @cached_property
    def _scored(self) -> matching.Names:
        """The recordings that tables of scores name."""
        return matching.Names(self._scores.files if self._scores is not None else ())

    def check(self, parts: Sequence[Part]) -> None:
        """Every recording must have a file, or all have one together."""
        if self.place.is_file() and self._scores is None:
            if not any(self._about(part) for part in parts):
                matching.refuse_missing(
                    [part.name for part in parts], len(parts), str(self.place), self._named.names
                )
            return
        names = self._names if self._scores is None else self._scored
        missing = [part.name for part in parts if names.of(part.row.path) is None]
        matching.refuse_missing(missing, len(parts), str(self.place), names.names)

    @cached_property
    def _named(self) -> matching.Names:
        """The recordings that one file for all of them names."""
        return matching.Names(_without_tail(name) for name in annotation.recordings(self.place))

    def _about(self, part: Part) -> bool:
        return self._named.of(part.row.path) is not None

    def _path(self, part: Part) -> Path:
        if self.place.is_file():
            return self.place
        name = self._names.of(part.row.path)
        assert name is not None  # check() refused others
        return self._files[name][0]

    def _read(self, path: Path, part: Part) -> tuple[Event, ...]:
        if self.place.is_file() and not self._about(part):
            return ()
        found = annotation.read(path, recording=part.row.path, label="", pedal=self._wish.pedal)
        refuse_later(part, found, str(path))
        return part.cut(found)

    def notes(self, part: Part) -> tuple[Event, ...]:
        """Events with a pitch."""
        path = self._path(part)
        if path.suffix == NOTE_SCORES:
            others = [] if self.place.is_file() else self._files[self._names.of(part.row.path) or ""][1:]
            if not others:
                raise refuse(
                    str(path), "notes", "it holds scores, for the protocol musicnet; decide on them first"
                )
            path = others[0]
        found = self._read(path, part)
        if found and all(event.pitch is None for event in found):
            raise refuse(str(path), "notes", "none of its events has a pitch")
        return tuple(event for event in found if event.pitch is not None)

    def roll(self, part: Part) -> Roll | Notes:
        """Note scores, or notes."""
        path = self._path(part)
        if path.suffix != NOTE_SCORES:
            return notes_of(self.notes(part))
        whole = roll_of(list(note_scores.load_blocks(path)))
        return Roll(whole.times_s - part.row.start_s, whole.scores, whole.lowest)

    def said(self, part: Part, labels: Sequence[str]) -> Said:
        """Scores with events at the wished threshold, or 0.5; or events alone."""
        if self._scores is not None:
            name = self._scored.of(part.row.path)
            if name is None:
                matching.refuse_missing([part.name], 1, str(self.place), tuple(self._scores.files))
            return self._of_windows(self._scores, self._scores.files[str(name)], part, labels)
        found = self._read(self._path(part), part)
        given = tuple(matching.label_of(label) for label in sorted({event.label for event in found}))
        if not given:
            return Said(())
        try:
            columns = matching.columns(labels, given, partial=True, what=str(self.place))
        except UsageError:  # of none of the labels: nothing of them was found here
            columns = np.full(len(labels), -1)
        names = {given[k].id: label for k, label in zip(columns, labels, strict=True) if k >= 0}
        return Said(renamed(found, names), strangers=tuple(each.id for each in given if each.id not in names))

    def _of_windows(self, source: tables.TableSource, held: Held, part: Part, labels: Sequence[str]) -> Said:
        if not np.isfinite(held.start_s).all():
            raise refuse(str(self.place), "scores in time", "its rows have no start and end")
        columns = matching.columns(labels, source.labels, partial=False, what=source.name)
        last = float(held.end_s.max(initial=0.0))
        if (
            last > part.duration_s + 2 * float((held.end_s - held.start_s).max(initial=0.0))
            and not part.row.start_s
        ):
            wrong = f"{part.name} (lasts {part.duration_s:.2f} s, scores to {last:.2f} s)"
            matching.refuse_lengths([wrong], str(self.place))
        edges = cell_edges(held.start_s, held.end_s) - part.row.start_s
        inside = np.flatnonzero(edges[1:] > 0)
        first = int(inside[0]) if inside.size else len(edges) - 1
        edges, scores = within(
            np.maximum(edges[first:], 0.0), held.values[first:][:, columns], part.duration_s
        )
        threshold = 0.5 if self._wish.threshold is None else self._wish.threshold
        events = [e for k, label in enumerate(labels) for e in _runs(edges, scores[:, k], threshold, label)]
        return Said(cut(events, 0.0, part.duration_s), edges, scores)


def cell_edges(start_s: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """Where the cells of windows begin, and where the last one ends: the middles of windows that overlap, as in
    :attr:`sonoscope.values.Scores.cell_edges`; a gap belongs to the window before it."""
    if not len(start_s):
        return np.zeros(1)
    edges = np.append(start_s, end_s[-1]).astype(np.float64)
    edges[1:-1] += np.maximum(end_s[:-1] - start_s[1:], 0.0) / 2
    return edges


def _runs(edges_s: np.ndarray, scores: np.ndarray, threshold: float, label: str) -> list[Event]:
    """Runs of cells that reach the threshold."""
    turns = np.diff(np.r_[0, (scores >= threshold).astype(np.int8), 0])
    return [
        Event(float(edges_s[first]), float(edges_s[after]), label, float(scores[first:after].max()))
        for first, after in zip(np.flatnonzero(turns > 0), np.flatnonzero(turns < 0), strict=True)
    ]


def _readable(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith((NOTE_SCORES, *annotation.SUFFIXES, *tables.WINDOW_TABLES))


def _recording(path: Path) -> str:
    """The recording that a file is about, by its name."""
    endings = [ending for form in outputs.READERS.values() for ending in (form.suffix, *form.extensions)]
    own = tables.without_added(path.name)
    if own is not None:
        return own
    name = recording_name(path.name, (*endings, *annotation.SUFFIXES, *tables.WINDOW_TABLES, NOTE_SCORES))
    return _without_tail(name)


def _without_tail(name: str) -> str:
    for tail in TAILS:
        name = name.removesuffix(tail)
    return name


def _rank(path: Path) -> tuple[int, str]:
    name = path.name.lower()
    place = next((k for k, ending in enumerate(PREFERRED) if name.endswith(ending)), len(PREFERRED))
    return place, name
