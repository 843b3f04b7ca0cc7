"""The tables of all inputs, written at the end of a run from its journal, one input at a time in order of
name.

They are taken away as soon as a run changes any result and written anew when it is done, so that they never
speak of another state of the folder than the files beside them. Of a run in several parts the last one writes
them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from sonoscope.outputs import tables
from sonoscope.runs import folder, report
from sonoscope.runs.folder import Folder
from sonoscope.runs.job import Task
from sonoscope.runs.journal import DONE, FAILED, Journal
from sonoscope.runs.neighbours import Neighbours
from sonoscope.runs.origin import Origins

RESULTS = ("events.csv", "files.csv", "errors.csv")


def finish(place: Folder, task: Task, journal: Journal, mine: dict[str, Any], *, changed: bool) -> int:
    """Write the tables and ``run.json``, if all parts of the run are finished.

    Parameters
    ----------
    mine : dict
        The report of this process.
    changed : bool
        Whether it changed anything; if not, tables that are there stay.

    Returns
    -------
    int
        How many parts are not finished.
    """
    shard = task.spec.shard
    if shard is None:
        if changed or not all((place.out / name).is_file() for name in RESULTS):
            write(place, journal, task)
        write_json(place.out / "run.json", place.tmp, mine)
        return 0
    write_json(place.report, place.tmp, mine | {"decision": task.decision})
    parts = _finished_parts(place, task)
    if len(parts) == shard[1]:
        with contextlib.closing(Journal(place.state, None)) as whole:
            write(place, whole, task)
        write_json(place.out / "run.json", place.tmp, report.combined(parts))
    return shard[1] - len(parts)


def begin(place: Folder, mine: dict[str, Any]) -> None:
    """Say that this process has begun, so that no other part takes it for finished."""
    if place.part != "all":
        write_json(place.report, place.tmp, mine)
    if place.part == "all" or not (place.out / "run.json").exists():
        write_json(place.out / "run.json", place.tmp, mine)


def write(place: Folder, journal: Journal, task: Task) -> None:
    """Write ``events.csv``, ``files.csv`` and ``errors.csv``."""
    writers: dict[str, Callable[[IO[str]], None]] = {
        "events.csv": lambda file: tables.concatenate(_events(place.out, journal, task), file),
        "files.csv": lambda file: tables.write_files(_rows(journal, task), file),
        "errors.csv": lambda file: tables.write_errors(_errors(journal), file),
    }
    for name, writer in writers.items():
        with open(place.tmp / name, "w", encoding="utf-8", newline="") as file:
            writer(file)
    folder.move(place.tmp, place.out, [(name, name) for name in writers])


def discard(out: Path) -> None:
    """Take the tables away."""
    for name in RESULTS:
        (out / name).unlink(missing_ok=True)


def write_json(file: Path, tmp: Path, values: dict[str, Any]) -> None:
    """Write a JSON file, by way of ``tmp``."""
    beside = tmp / file.name
    beside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    beside.replace(file)


def _finished_parts(place: Folder, task: Task) -> list[dict[str, Any]]:
    """The reports of all parts that are finished under the same decisions, in order."""
    assert task.spec.shard is not None
    count, found = task.spec.shard[1], []
    for number in range(1, count + 1):
        try:
            values = json.loads(Folder(place.out, (number, count)).report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if values.get("decision") == task.decision:
            found.append(values)
    return found


def _events(out: Path, journal: Journal, task: Task) -> Iterator[Path]:
    for record in journal.records():
        if record.status == DONE:
            name = record.name
            yield out / (folder.kept_events(name) if task.merges else folder.result(name, ".events.csv"))


def _rows(journal: Journal, task: Task) -> Iterator[tables.FilesRow]:
    origins, neighbours = Origins.of_spec(task.spec), Neighbours(journal.records())
    for record in journal.records():
        if record.status == FAILED:
            # Its name may say what its sound cannot.
            origin = origins.of(record.name, record.told, record.path)
            where = origin.start, origin.site, origin.recorder
            yield tables.FilesRow(record.name, FAILED, *where, note=record.reason)
        else:
            notes = filter(None, (record.remarks, neighbours.note(record)))
            yield tables.FilesRow(
                record.name,
                DONE,
                record.start_datetime,
                record.site,
                record.recorder,
                duration=record.duration_s,
                analysed=record.analysed_s,
                sample_rate=record.sample_rate,
                events=record.events,
                note="; ".join(notes),
            )


def _errors(journal: Journal) -> Iterator[tables.ErrorsRow]:
    for record in journal.records():
        if record.status == FAILED:
            yield tables.ErrorsRow(record.name, record.reason, record.remedy)
