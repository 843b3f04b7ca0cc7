"""The tables of all inputs of a run in parts, when its last part is not there to write them.

Each part that ends looks whether it is the last one, and the last one writes the tables. Where parts were lost (a node,
a limit of time), nobody does; what is there is collected here, and what is missing is named.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from sonoscope.audio import stores
from sonoscope.errors import RunRefused, count
from sonoscope.runs import afar, combine, report
from sonoscope.runs.folder import Folder
from sonoscope.runs.job import Task
from sonoscope.runs.journal import DONE, Journal
from sonoscope.runs.setup import prepare
from sonoscope.runs.spec import RunSpec, RunSummary

#: Numbers of missing parts that are named.
SHOWN = 20


def collect(out: str | Path) -> RunSummary:
    """Write ``events.csv``, ``files.csv``, ``errors.csv`` and ``run.json`` of what is complete in ``out``.

    Returns
    -------
    RunSummary
        Its exit code is 1 if inputs have failed or parts are missing; the message names the parts.

    Raises
    ------
    RunRefused
        If the folder holds no run.
    Locked
        If some of it is being written.
    """
    if stores.is_url(str(out)):
        with afar.mirrored(str(out)) as mirror:
            return afar.told(collect(mirror.folder), mirror)
    place = Folder(out)
    settings = place.read_settings()
    if settings is None:
        raise RunRefused(f"{place.out} holds no run of sonoscope: collect takes the folder of one")
    reports, parts = _reports(place)
    latest = max(reports.values(), key=lambda part: part.begun, default=None)
    setup = prepare(_spec(place, latest))
    task = Task.of(setup, place)
    # A part that was decided otherwise before is as little done as one that was lost.
    finished = {
        number
        for number, part in reports.items()
        if part.values["status"] == "done" and part.values["decision"] == setup.decision
    }
    missing = sorted(set(range(1, parts + 1)) - finished)
    with place.claimed(settings), contextlib.closing(Journal(place.state, None)) as journal:
        done = [record for record in journal.records() if record.status == DONE]
        failed = len(journal.failed)
        combine.write(place, journal, task)
        if latest is not None:
            whole = report.combined([reports[number].values for number in sorted(reports)]) | {
                "status": "stopped" if missing else "done",
                "missing_parts": missing,
                **{key: latest.values[key] for key in ("settings", "models")},
            }
            combine.write_json(place.out / "run.json", place.tmp, whole)
        events = sum(record.events for record in done)
        audio_s = sum(record.duration_s for record in done)
    text = f"{count(len(done), 'input')} done, {failed} failed; {count(events, 'event')} in {place.out}"
    if missing:
        text += f"; {count(len(missing), 'part')} of {parts} not finished: {_numbers(missing)}"
    return RunSummary(
        str(place.out),
        len(done),
        failed,
        events,
        audio_s=audio_s,
        exit_code=1 if failed or missing else 0,
        message=text,
    )


class _Report(NamedTuple):
    """What a run, or a part of it, says of itself, and what tells which began last: when, and when it said so."""

    values: dict[str, Any]
    begun: tuple[str, int]


def _reports(place: Folder) -> tuple[dict[int, _Report], int]:
    """The reports of the parts of the run that was begun last, by number, and how many parts it has.

    None and 0 parts where that was a run of all inputs at once: what parts said before it does not hold any more.
    """
    found: dict[int, dict[int, _Report]] = {}
    for file in place.state.glob("part-*of*.json"):
        number, _, of = file.stem.removeprefix("part-").partition("of")
        if (said := _read(file)) is not None:
            found.setdefault(int(of), {})[int(number)] = said
    begun = {count: max(part.begun for part in reports.values()) for count, reports in found.items()}
    parts = max(begun, key=lambda count: begun[count], default=0)
    whole = _read(place.out / "run.json")
    if whole is not None and whole.values.get("part") == "all" and "parts" not in whole.values:
        parts = 0 if whole.begun > begun.get(parts, ("", 0)) else parts
    return found.get(parts, {}), parts


def _read(file: Path) -> _Report | None:
    """A report; None if it cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        values = json.loads(file.read_text(encoding="utf-8"))
        return _Report(values, (values["started"], file.stat().st_mtime_ns))
    return None


def _spec(place: Folder, latest: _Report | None) -> RunSpec:
    """What the run was asked, in the words of the part that was begun last, or of the run of all."""
    if latest is not None:
        return RunSpec.from_json(latest.values["settings"])
    if (place.out / "run.json").is_file():
        return RunSpec.from_run_json(place.out / "run.json")
    raise RunRefused(f"{place.out} has no run.json and no report of a part: run the same command again")


def _numbers(numbers: list[int]) -> str:
    """``3,5-7`` of ``[3, 5, 6, 7]``, as ``sbatch --array`` takes it."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in spans[:SHOWN]]
    return ",".join(texts) + (" ..." if len(spans) > SHOWN else "")
