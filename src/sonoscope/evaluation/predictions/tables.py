"""Predictions in files: tables of scores, of events, and what other programs write.

=========================  ==========================================================================================
``scores.csv`` (Parquet)   a column ``file`` (or ``path``, ``name``, ``filename``, ``clip``, ``sample_key``), maybe
                           ``start`` and ``end`` (a row for each window), and a column of numbers for each label
``events.csv``             the same with ``label`` and ``score``: a row for each event; what is not there scores 0
``answers.npz``            ``names``, ``labels`` and ``scores`` (n, c): a training's ``test.npz``
``answers.json``           ``{"a": {"cel": 1, "pia": 0}, …}``: what Lumen's competition took
a folder                   a file for each recording: ``*.scores.csv`` (``.tsv``, ``.parquet``), tables of buzzdetect
                           with activations, or events in any format of ``outputs.READERS`` (BirdNET, Raven …)
=========================  ==========================================================================================

Scores are taken as they are, but activations of buzzdetect, which are logits and become their sigmoid.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import delimited, outputs
from sonoscope.data import annotation, table
from sonoscope.data.formparts import ABOUT
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import SLACK_S
from sonoscope.data.table import Line, Table
from sonoscope.errors import SonoscopeError, UsageError, count
from sonoscope.evaluation.pooling import Windows
from sonoscope.evaluation.predictions import matching
from sonoscope.evaluation.predictions.bundles import probabilities
from sonoscope.evaluation.predictions.windows import Asked, Held
from sonoscope.models.bundle import sha256_of
from sonoscope.outputs import headers, scoretable
from sonoscope.outputs.buzzdetect import ACTIVATION, FRAME_S
from sonoscope.outputs.format import recording_name
from sonoscope.values import Event, Label

FILE_COLUMNS = ("file", "path", "name", "filename", "recording", "clip", "sample_key")
#: What programs write into a cell for a number that they have not.
UNKNOWN = ("", "NA", "N/A", "None", "null")
#: Columns of numbers that are no scores.
NO_LABELS = ("start", "end", "duration", "hamming", "exact", "f1", "lrap", "fold")
#: What programs put between a recording's name and an ending of their own.
ADDED = (
    ".birdnet.results.csv",
    ".birdnet.selection.table.txt",
    ".birdnet.results.r.csv",
    ".birdnet.results.kaleidoscope.csv",
    "_basic_pitch.mid",
    "_basic_pitch.csv",
)
#: What BirdNET-Analyzer puts beside a file for each recording: all of them again, and its settings.
BESIDE = (
    "birdnet_combinedtable.csv",
    "birdnet_selectiontable.txt",
    "birdnet_selectiontable.list.txt",
    "birdnet_kaleidoscope.csv",
    "birdnet_audacitylabels.txt",
    "birdnet_analysis_params.csv",
    "birdnet.analyze-params.csv",
)
#: Endings of tables of windows, by kind.
WINDOW_TABLES = {".scores.csv": "csv", ".scores.tsv": "tsv", ".scores.parquet": "parquet"}


@dataclass(eq=False)
class TableSource:
    """Scores by file, all in memory.

    Raises
    ------
    UsageError
        If a score or a time is no number: as if nobody had heard it, its recording would count nowhere.
    """

    name: str
    labels: tuple[Label, ...]
    files: Mapping[str, Held]
    place: Path
    partial: bool = False
    own: Mapping[str, float] = field(default_factory=dict)
    said: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, held in self.files.items():
            wrong = int(np.count_nonzero(~np.isfinite(held.values)))
            wrong += int(np.count_nonzero(np.isnan([held.start_s, held.end_s])))
            if wrong:
                raise UsageError(
                    f"{self.place}: {name}: {count(wrong, 'score or time is', 'scores or times are')} no number (NaN "
                    "or infinity). Write them again, or leave that recording out of the data"
                )

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        digest = {"sha256": sha256_of(self.place)[:16]} if self.place.is_file() else {}
        return {"predictions": str(self.place), "files": len(self.files), **digest}

    def remarks(self) -> list[str]:
        """What a table of events cannot say."""
        events = "a table of events: what is not in it scores 0, and figures without a threshold know no more than that"
        return [*self.said, *([events] if self.partial else [])]

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """The windows of every row; see :class:`~sonoscope.evaluation.predictions.windows.Source`.

        Raises
        ------
        UsageError
            If rows have no prediction (a table of events: if no row has one), or windows end after the row's file.
        """
        if asked.options.window_s is not None or asked.options.hop_s is not None:
            raise UsageError(f"{self.place}: these scores have their windows; leave window and hop out")
        names = matching.Names(self.files)
        # A name may state where its clip begins, as answers of a training do.
        found = [names.exact(f"{row.path}@{row.start_s:g}") or names.of(row.path) for row in manifest.rows]
        missing = [row.path for row, name in zip(manifest.rows, found, strict=True) if name is None]
        if not self.partial or len(missing) == len(found):
            matching.refuse_missing(missing, len(found), str(self.place), names.names)
        wrong = []
        for place, (row, name) in enumerate(zip(manifest.rows, found, strict=True)):
            held = Held(*_nothing(len(self.labels))) if name is None else self.files[name]
            # Programs fill their last window up: it may end after the recording, but not begin there.
            last = float(held.start_s.max(initial=0.0))
            if row.end_s is not None and row.start_s == 0 and last > row.end_s + SLACK_S:
                wrong.append(f"{row.path} (lasts {row.end_s:g} s, scores begin at {last:g} s)")
                continue
            windows = held.of(row)
            if not len(windows.values) and self.partial:
                windows = Windows.whole(np.zeros((1, len(self.labels))))
            if len(windows.values):
                yield place, windows
            else:
                missing.append(row.path)
        matching.refuse_lengths(wrong, str(self.place))
        if not self.partial:
            matching.refuse_missing(missing, len(found), str(self.place), ())


def _nothing(labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((0, labels)), np.zeros(0), np.zeros(0)


def opened(place: Path) -> TableSource:
    """The predictions in a file or a folder.

    Raises
    ------
    UsageError
        If it holds none that can be read; says what was expected.
    """
    if place.is_dir():
        return _of_folder(place)
    suffix = place.suffix.lower()
    if suffix == ".npz":
        return _of_arrays(place)
    if suffix == ".json":
        return _of_json(place)
    if suffix in (".csv", ".tsv", ".parquet"):
        read = table.read(place)
        column = next((name for name in FILE_COLUMNS if name in read.columns), None)
        if column is not None and {"label", "start", "end"} <= set(read.columns):
            return _of_event_table(place, read, column)
        if column is not None:
            return _of_score_table(place, read, column)
    return _of_folder(place)


# ---- one file for all recordings ---------------------------------------------------------------------------


def _of_score_table(place: Path, read: Table, column: str) -> TableSource:
    labels = [
        name
        for name in read.columns
        if name != column and name.lower() not in NO_LABELS and name not in ABOUT and _numeric(read, name)
    ]
    if not labels:
        raise UsageError(
            f"{place}: no column of numbers besides {', '.join(read.columns)}: one for each label"
        )
    timed = {"start", "end"} <= set(read.columns)
    by_file: dict[str, list[tuple[float, float, list[float]]]] = {}
    for line in read.lines:
        times = (_number(line, "start"), _number(line, "end")) if timed else (-np.inf, np.inf)
        by_file.setdefault(line.cells[column], []).append((*times, [_number(line, name) for name in labels]))
    files = {}
    for name, rows in by_file.items():
        if not timed and len(rows) > 1:
            raise UsageError(f"{place}: {name} has {len(rows)} rows and no columns start and end")
        starts, ends, values = zip(*rows, strict=True)
        files[name] = Held(np.array(values), np.array(starts), np.array(ends))
    return TableSource(place.stem, tuple(map(Label, labels)), files, place)


def _numeric(read: Table, name: str) -> bool:
    """Whether the first cells of a column that say something are numbers: a slip elsewhere is named."""
    said = (line for line in read.lines if line.cells[name] not in UNKNOWN)
    first = [_is_number(line, name) for line in islice(said, 3)]
    return bool(first) and all(first)


def _is_number(line: Line, column: str) -> bool:
    """Whether a cell is meant as a number, be it NaN."""
    cell = line.cells[column]
    return cell.strip().lower() == "nan" or not np.isnan(delimited.number(cell, line.decimal))


def _number(line: Line, column: str) -> float:
    value = delimited.number(line.cells[column], line.decimal)
    if not np.isfinite(value):
        line.fail(column, "is no number", delimited.remedy(line.cells[column]))
    return value


def _of_event_table(place: Path, read: Table, column: str) -> TableSource:
    events: dict[str, list[Event]] = {}
    for line in read.lines:
        score = _number(line, "score") if line.cells.get("score", "") else np.nan
        event = Event(_number(line, "start"), _number(line, "end"), line.cells["label"], score)
        events.setdefault(line.cells[column], []).append(event)
    return _of_events(place, events)


def _of_events(place: Path, events: Mapping[str, Sequence[Event]]) -> TableSource:
    """Events as windows that are all zero but for one label; an event without a score counts 1."""
    labels = sorted({event.label for found in events.values() for event in found})
    files = {}
    column = {label: place for place, label in enumerate(labels)}
    for name, found in events.items():
        values = np.zeros((len(found), len(labels)))
        for row, event in enumerate(found):
            values[row, column[event.label]] = 1.0 if np.isnan(event.score) else event.score
        # One window with the highest score of each label: a mean over events would mean nothing.
        starts, ends = np.array([e.start_s for e in found]), np.array([e.end_s for e in found])
        files[name] = _Events(values, starts, ends)
    return TableSource(place.stem, tuple(map(matching.label_of, labels)), files, place, partial=True)


class _Events(Held):
    """Events of a file: of those that touch a row, the highest score of each label."""

    def of(self, row: Any) -> Windows:
        end_s = np.inf if row.end_s is None else row.end_s
        inside = (self.end_s > row.start_s) & (self.start_s < end_s)
        highest = self.values[inside].max(axis=0, initial=0.0)
        return Windows.whole(highest[None])


def _of_arrays(place: Path) -> TableSource:
    try:
        with np.load(place, allow_pickle=False) as held:
            names, labels, values = (held[key] for key in ("names", "labels", "scores"))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{place}: no answers ({error}): names, labels and scores (n, c) are expected"
        ) from None
    if values.shape != (len(names), len(labels)):
        raise UsageError(
            f"{place}: scores have shape {values.shape}, {len(names)} names and {len(labels)} labels need "
            f"({len(names)}, {len(labels)})"
        )
    return TableSource(place.stem, tuple(Label(str(name)) for name in labels), _clips(names, values), place)


def _clips(names: Sequence[Any], values: np.ndarray) -> dict[str, Held]:
    """A score for each clip; one that begins at 0 is found by its path alone too."""
    always = np.array([-np.inf]), np.array([np.inf])
    return {
        str(name): Held(np.asarray(row, dtype=np.float64)[None], *always)
        for name, row in zip(names, values, strict=True)
    }


def _of_json(place: Path) -> TableSource:
    try:
        content = json.loads(table.decoded(place))
        labels = list(dict.fromkeys(label for clip in content.values() for label in clip))
        values = [[float(clip.get(label, 0)) for label in labels] for clip in content.values()]
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f'{place}: no predictions ({error}); expected is {{"recording": {{"label": score}}}}'
        ) from None
    return TableSource(place.stem, tuple(map(Label, labels)), _clips(list(content), np.array(values)), place)


# ---- a file for each recording -----------------------------------------------------------------------------


def _of_folder(place: Path) -> TableSource:
    """Tables of windows if there are any, else events."""
    paths = [place] if place.is_file() else files_in(place)
    tables: dict[str, tuple[tuple[str, ...], Held]] = {}
    for path in paths:
        found = _window_table(path)
        if found is not None:
            tables[_recording(place, path, found[0])] = found[1:]
    if tables:
        return _of_window_tables(place, tables)
    events: dict[str, Sequence[Event]] = {}
    for path in paths:
        for name, found_events in _events_of(place, path):
            events[name] = found_events
    if not events:
        raise UsageError(
            f"{place} holds no predictions: a table with a column file and one for each label, *.scores.csv, or events "
            f"in a known format ({', '.join(sorted(outputs.READERS))})"
        )
    return _of_events(place, events)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, sorted; no hidden ones, nor what is a summary of the others."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return [path for path in found if path.name.lower() not in BESIDE] or found


def _recording(place: Path, path: Path, ending: str) -> str:
    inside = path.name if place.is_file() else path.relative_to(place).as_posix()
    return inside[: -len(ending)]


def _window_table(path: Path) -> tuple[str, tuple[str, ...], Held] | None:
    """The ending, labels and scores of a table of windows; None if the file is none."""
    name = path.name.lower()
    for ending, kind in WINDOW_TABLES.items():
        if name.endswith(ending):
            read = _scores_of(path, kind)
            return ending, read.labels, Held(read.values.astype(np.float64), read.start_s, read.end_s)
    if name.endswith(".csv") and _has_activations(path):
        return _activations(path)
    return None


def _scores_of(path: Path, kind: str) -> scoretable.ScoreTable:
    """A table of scores; raises ``UsageError`` with its name if it is damaged."""
    try:
        if kind == "parquet":
            with open(path, "rb") as file:
                return scoretable.read_table(file, kind)  # type: ignore[arg-type]
        return scoretable.read_table(io.StringIO(table.decoded(path), newline=""), kind)  # type: ignore[arg-type]
    except (OSError, ValueError) as error:  # of pyarrow
        raise UsageError(f"{path}: no table of scores ({error}). Write it again.") from None
    except UsageError as error:
        raise UsageError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def _has_activations(path: Path) -> bool:
    cells = headers.first(path)
    return cells[0] == "start" and any(cell.startswith(ACTIVATION) for cell in cells)


def _activations(path: Path) -> tuple[str, tuple[str, ...], Held]:
    read = table.read(path)
    columns = [name for name in read.columns if name.startswith(ACTIVATION)]
    starts = np.array([_number(line, "start") for line in read.lines])
    logits = np.array([[_number(line, name) for name in columns] for line in read.lines]).reshape(
        -1, len(columns)
    )
    step = float(np.median(np.diff(starts))) if len(starts) > 1 else FRAME_S
    stem = recording_name(path.name, (".buzzdetect.csv", "_buzzdetect.csv", ".csv"))
    labels = tuple(name.removeprefix(ACTIVATION) for name in columns)
    return path.name[len(stem) :], labels, Held(probabilities(logits, None), starts, starts + step)


def _of_window_tables(place: Path, tables: Mapping[str, tuple[tuple[str, ...], Held]]) -> TableSource:
    labels = next(iter(tables.values()))[0]
    for name, (others, _) in tables.items():
        if others != labels:
            raise UsageError(
                f"{place}: the scores of {name} have the labels {matching.listed(others)}, others have "
                f"{matching.listed(labels)}: keep results of one model in a folder"
            )
    files = {name: held for name, (_, held) in tables.items()}
    logits = any(((held.values < 0) | (held.values > 1)).any() for held in files.values())
    said = ["these scores are no probabilities (below 0 or above 1)"] if logits else []
    return TableSource(place.stem, tuple(map(Label, labels)), files, place, said=said)


def _events_of(place: Path, path: Path) -> Iterator[tuple[str, Sequence[Event]]]:
    """The events of a file by recording; nothing if it is of no known format."""
    if not path.name.lower().endswith(annotation.SUFFIXES):
        return
    try:
        found = _results(path)
    except SonoscopeError:
        if place.is_file():
            raise
        return
    folder = "" if place.is_file() else path.parent.relative_to(place).as_posix()
    for name, events in found:
        yield name if "/" in name or folder in ("", ".") else f"{folder}/{name}", events


def without_added(name: str) -> str | None:
    """A file's name without what a program put behind the recording's; None where it put nothing."""
    return next((name[: -len(end)] for end in ADDED if name.lower().endswith(end)), None)


def _results(path: Path) -> list[tuple[str, Sequence[Event]]]:
    """Recordings and events of a file: the names that it states, or the file's own without what programs add."""
    own = without_added(path.name)
    if path.suffix.lower() in (".mid", ".midi"):
        return [(own or path.stem, annotation.read(path))]
    found = annotation.results(path)
    if not found:  # it holds no event: its name is all there is
        endings = [ending for form in outputs.READERS.values() for ending in (form.suffix, *form.extensions)]
        return [(own or recording_name(path.name, (*endings, *annotation.SUFFIXES)), ())]
    if (
        own is not None
        and len(found) == 1
        and "/" not in found[0].file
        and path.name.startswith(found[0].file[:1])
    ):
        return [(own, found[0].events)]
    return [(result.file.replace("\\", "/"), result.events) for result in found]
