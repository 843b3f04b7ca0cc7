"""Events and notes from the file that a row's ``annotation`` names, whatever program or data set wrote it.

What a file is follows from its ending and its first line. Tables of events (Raven, Audacity, Sonic Visualiser,
ELAN, BirdNET, DCASE, JAMS, this package's own …) are read by :data:`sonoscope.outputs.READERS`. Notes are events with a
``pitch``:

- MIDI files: ends are those of the keys, or (``pedal``) last until the sustain pedal comes up or the note is struck
  again, as publications on piano do; ``velocity`` is kept.
- MAPS: ``OnsetTime<TAB>OffsetTime<TAB>MidiPitch``.
- MusicNet: times in samples at 44,100 Hz; the label is the instrument.
- basic-pitch: ``start_time_s,end_time_s,pitch_midi,velocity`` and as many bends of the pitch as a note has.
- GuitarSet: the ``note_midi`` annotations of a JAMS file, one for each string; pitches are fractional.

A table of several recordings (buzzdetect-training's ``ident, start, end, label`` too) gives the events of the one that
is asked for.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from sonoscope.data import cells, kinds, table
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.data.table import Line
from sonoscope.errors import UsageError
from sonoscope.outputs import READERS, headers, recognise
from sonoscope.outputs.format import Format
from sonoscope.values import Event, FileResult

#: Endings of files that may be annotations of the recording they lie beside.
SUFFIXES = (".txt", ".csv", ".tsv", ".jams", ".eaf", ".jsonl", ".events.parquet", ".mid", ".midi")

#: The sustain pedal is down from this controller value on.
PEDAL_DOWN = 64
_SUSTAIN = 64
_DRUM_CHANNEL = 9
_MUSICNET = ("start_time", "end_time", "instrument", "note")
_IDENT = ("ident", "start", "end", "label")
_MAPS = ("OnsetTime", "OffsetTime", "MidiPitch")
_BASIC_PITCH = ("start_time_s", "end_time_s", "pitch_midi", "velocity")


def of(manifest: Manifest, row: Row, *, pedal: bool = False) -> tuple[Event, ...]:
    """The events that ``row.annotation`` states for the row's file, from the start of the file, sorted.

    Notes of a file with one label get that label; MedleyDB's confidences count from 0.5. Raises as :func:`read`.
    """
    if row.annotation.lower().endswith(".lab"):
        from sonoscope.data.datasets import medleydb

        return medleydb.activations(manifest.root / row.annotation, medleydb.stems_of(row))
    label = row.labels[0] if len(row.labels) == 1 else "note"
    return read(manifest.root / row.annotation, recording=row.path, label=label, pedal=pedal)


def read(
    path: str | Path, *, recording: str = "", label: str = "note", pedal: bool = False
) -> tuple[Event, ...]:
    """The events of an annotation file, sorted.

    Parameters
    ----------
    path : path
    recording : str
        Which recording's events are wanted, where a file may hold several; its path or its name.
    label : str
        The label of notes where the file has none. Empty: the instrument that a MIDI file's program names, ``drums`` on
        the tenth channel, ``note`` where nothing is named.
    pedal : bool
        Extend the notes of a MIDI file by the sustain pedal.

    Raises
    ------
    BadManifest, UnreadableTable
        If the file is missing, damaged, or of no known kind; file, line, value and remedy are named.
    """
    path = Path(path)
    _check_there(path)
    suffix = path.suffix.lower()
    if suffix in (".mid", ".midi"):
        return tuple(sorted(_midi(path, label, pedal)))
    if suffix == ".jams" and (strings := _note_midi(path)):
        return tuple(sorted(_guitarset(path, strings, label)))
    if suffix in (".txt", ".csv", ".tsv"):
        header = set(_header(path))
        if header.issuperset(_MAPS):
            return tuple(sorted(_maps(path, label or "note")))
        if header.issuperset(_MUSICNET):
            return tuple(sorted(_musicnet(path)))
        if header.issuperset(_BASIC_PITCH):
            return tuple(sorted(_basic_pitch(path, label or "note")))
        if header.issuperset(_IDENT):
            return tuple(sorted(_idents(path, recording)))
    return _chosen(_held(path), recording)


def results(path: str | Path) -> list[FileResult]:
    """All recordings of a table of events, with the names that it gives them.

    Raises
    ------
    BadManifest, UnreadableTable
        If the file is damaged, or of no known kind.
    """
    return list(_held(Path(path)).results)


@dataclass(frozen=True)
class _Table:
    """A table of many recordings, found by their path or their name."""

    results: tuple[FileResult, ...]
    by_path: dict[str, list[FileResult]]
    by_name: dict[str, list[FileResult]]


def _held(path: Path) -> _Table:
    """The table of a file; one that is asked for each of its recordings is read once."""
    _check_there(path)
    return _read(path, *_version(path))


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise BadManifest(f"{path}: there is no such file. Correct the column 'annotation', or fetch it.")


def _version(path: Path) -> tuple[Path, int, int]:
    """Where a file lies, when it was changed, and its size: once one of them differs, what is held is of another."""
    status = path.stat()
    return path.absolute(), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _read(path: Path, *_version: object) -> _Table:
    form = _form(path)
    if form.binary:
        with open(path, "rb") as file:
            found = form.read(file, name=str(path))
    else:
        found = form.read(io.StringIO(table.decoded(path), newline=""), name=str(path))
    by_path: dict[str, list[FileResult]] = {}
    by_name: dict[str, list[FileResult]] = {}
    for result in found:
        by_path.setdefault(result.file, []).append(result)
        by_name.setdefault(PurePosixPath(result.file).name, []).append(result)
    return _Table(tuple(found), by_path, by_name)


def recordings(path: str | Path) -> tuple[str, ...]:
    """The recordings that an annotation file is about, as it names them; one that names none is called like the file.

    Raises as :func:`read`.
    """
    path = Path(path)
    _check_there(path)
    if path.suffix.lower() in (".mid", ".midi"):
        return (path.stem,)
    if path.suffix.lower() in (".txt", ".csv", ".tsv"):
        header = set(_header(path))
        if header.issuperset(_IDENT):
            return tuple(_by_ident(path, *_version(path)))
        if any(header.issuperset(columns) for columns in (_MAPS, _MUSICNET, _BASIC_PITCH)):
            return (path.stem,)
    return tuple(result.file for result in results(path))


def _header(path: Path) -> list[str]:
    """The cells of the first line, by tab where there is one, else by comma."""
    return list(_first_cells(path, *_version(path)))


@lru_cache(maxsize=8)
def _first_cells(path: Path, *_version: object) -> tuple[str, ...]:
    return tuple(headers.cells(table.decoded(path).partition("\n")[0]))


def _form(path: Path) -> Format:
    """The format of events that a file is in: by its ending if that is clear, else by its first line."""
    try:
        if (found := recognise(path)) is not None and path.suffix.lower() != ".csv":
            return found
    except UsageError:
        pass
    header = _header(path)
    if (told := headers.told_by(header, path.suffix.lower())) is not None:
        return READERS[told]
    raise BadManifest(
        f"{path}, line 1: {','.join(header)[:80]!r} begins no annotation that can be read. Known: Raven, Audacity, "
        f"Sonic Visualiser, ELAN, MIDI, MAPS, MusicNet and {', '.join(sorted(READERS))}. See `sonoscope data formats`."
    )


def _chosen(held: _Table, recording: str) -> tuple[Event, ...]:
    """The events of one recording: the only one, or the one of that path, or else of that name."""
    found: Sequence[FileResult] = held.results
    if len(found) > 1 and recording:
        found = held.by_path.get(recording) or held.by_name.get(PurePosixPath(recording).name, [])
    return tuple(sorted(event for result in found for event in result.events))


# ---- notes -------------------------------------------------------------------------------------------------


def _midi(path: Path, label: str, pedal: bool) -> Iterator[Event]:
    """Notes of all tracks; a note that is never released ends with the file."""
    import mido

    try:
        messages = list(mido.MidiFile(path))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise BadManifest(f"{path}: not a MIDI file ({error}). Fetch it again.") from None
    time_s = 0.0
    names = dict.fromkeys(range(16), label or "note") | ({} if label else {_DRUM_CHANNEL: "drums"})
    keys: dict[tuple[int, int], list[tuple[float, int]]] = {}
    held: dict[tuple[int, int], list[tuple[float, int]]] = {}
    down: set[int] = set()
    for message in messages:
        time_s += message.time
        if message.is_meta or not hasattr(message, "channel"):
            continue
        channel = message.channel
        if message.type == "control_change" and message.control == _SUSTAIN:
            if message.value >= PEDAL_DOWN:
                down.add(channel)
            else:
                down.discard(channel)
                yield from _ended(held, [key for key in held if key[0] == channel], time_s, names)
        elif message.type == "program_change" and not label and channel != _DRUM_CHANNEL:
            names[channel] = kinds.of_program(message.program)
        elif message.type in ("note_on", "note_off"):
            key = (channel, message.note)
            if message.type == "note_on" and message.velocity:
                yield from _ended(held, [key], time_s, names)
                keys.setdefault(key, []).append((time_s, message.velocity))
            elif keys.get(key):
                held.setdefault(key, []).append(keys[key].pop(0))
                if not (pedal and channel in down):
                    yield from _ended(held, [key], time_s, names)
    for sounding in (held, keys):
        yield from _ended(sounding, list(sounding), time_s, names)


def _ended(
    sounding: dict[tuple[int, int], list[tuple[float, int]]],
    keys: list[tuple[int, int]],
    end_s: float,
    names: Mapping[int, str],
) -> Iterator[Event]:
    for key in keys:
        for start_s, velocity in sounding.pop(key, []):
            yield _note(start_s, end_s, key[1], names[key[0]], velocity)


def _note(start_s: float, end_s: float, pitch: float, label: str, velocity: int | None = None) -> Event:
    return Event(round(start_s, 6), round(end_s, 6), label, math.nan, pitch=pitch, velocity=velocity)


def _maps(path: Path, label: str) -> Iterator[Event]:
    for line in table.read(path).lines:
        start_s, duration_s = cells.span(line, "OnsetTime", "", "OffsetTime")
        yield _note(start_s, start_s + (duration_s or 0.0), _pitch(line, "MidiPitch"), label)


def _basic_pitch(path: Path, label: str) -> Iterator[Event]:
    """Its rows are as long as the note bends: what lies behind the velocity is left."""
    rows = csv.reader(io.StringIO(table.decoded(path), newline=""))
    columns = next(rows)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) < len(_BASIC_PITCH):
            raise BadManifest(
                f"{path}, line {number}: {len(row)} cells, and {', '.join(_BASIC_PITCH)} are needed. Write it again."
            )
        line = Line(str(path), number, dict(zip(columns, row, strict=False)))
        start_s, duration_s = cells.span(line, "start_time_s", "", "end_time_s")
        velocity = min(max(round(cells.number(line, "velocity") or 0), 1), 127)
        end_s = start_s + (duration_s or 0.0)
        yield _note(start_s, end_s, _pitch(line, "pitch_midi"), label, velocity)


def _musicnet(path: Path) -> Iterator[Event]:
    from sonoscope.data.datasets import musicnet

    for line in table.read(path).lines:
        start, length = cells.span(line, "start_time", "", "end_time")
        program = int(_pitch(line, "instrument"))
        if program not in musicnet.INSTRUMENTS:
            line.fail("instrument", "is no instrument of MusicNet", "Correct it, or remove the row.")
        start_s, end_s = start / musicnet.SAMPLE_RATE, (start + (length or 0.0)) / musicnet.SAMPLE_RATE
        yield _note(start_s, end_s, _pitch(line, "note"), musicnet.INSTRUMENTS[program])


def _pitch(line: Line, column: str) -> float:
    value = cells.number(line, column)
    if value is None or value > 127:
        line.fail(column, "is no MIDI number (0..127)", "Correct it, or remove the row.")
    return value


def _note_midi(path: Path) -> list[dict]:
    """The ``note_midi`` annotations of a JAMS file; none if it holds something else, is damaged, or names each note's
    label and velocity as files of this package do, whose reader knows them."""
    try:
        content = json.loads(table.decoded(path))
        found = [each for each in content["annotations"] if each["namespace"] == "note_midi"]
        return [] if any("label" in (each.get("sandbox") or {}) for each in found) else found
    except (ValueError, KeyError, TypeError):
        return []


def _guitarset(path: Path, strings: list[dict], label: str) -> Iterator[Event]:
    try:
        for string in strings:
            data = string["data"]
            if isinstance(data, dict):
                data = [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]
            for note in data:
                start_s, pitch = float(note["time"]), float(note["value"])
                yield _note(start_s, start_s + float(note["duration"]), pitch, label)
    except (KeyError, TypeError, ValueError) as error:
        raise BadManifest(
            f"{path}: a note without time, duration or value ({error}). Fetch it again."
        ) from None


def _idents(path: Path, recording: str) -> Iterator[Event]:
    """Events of one recording, whose path without suffix ends with the ident (of all, if none is asked for)."""
    held = _by_ident(path, *_version(path))
    wanted = PurePosixPath(recording).with_suffix("").parts if recording else ()
    idents = ("/".join(wanted[first:]) for first in range(len(wanted))) if recording else held
    for ident in idents:
        yield from held.get(ident, ())


@lru_cache(maxsize=4)
def _by_ident(path: Path, *_version: object) -> dict[str, list[Event]]:
    """The events of each ident of a table, which is read once for all of its recordings."""
    found: dict[str, list[Event]] = {}
    for line in table.read(path).lines:
        start_s, duration_s = cells.span(line, "start", "", "end")
        event = Event(start_s, round(start_s + (duration_s or 0.0), 6), line.cells["label"], math.nan)
        found.setdefault(line.cells["ident"], []).append(event)
    return found
