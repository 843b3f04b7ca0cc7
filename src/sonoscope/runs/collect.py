"""The tables of all inputs of a run in parts, when its last part is not there to write them.

Each part that ends looks whether it is the last one, and the last one writes the tables. Where parts were lost (a node,
a limit of time), nobody does; what is there is collected here, and what is missing is named.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

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
    reports = _reports(place)
    setup = prepare(_spec(place, reports, settings))
    task = Task.of(setup, place)
    parts = max((part[1] for part in reports), default=1)
    finished = [
        number
        for (number, of), values in sorted(reports.items())
        if of == parts and values["status"] == "done"
    ]
    missing = sorted(set(range(1, parts + 1)) - set(finished)) if reports else []
    with place.claimed(settings), contextlib.closing(Journal(place.state, None)) as journal:
        done = [record for record in journal.records() if record.status == DONE]
        failed = len(journal.failed)
        combine.write(place, journal, task)
        if reports:
            said = [values for _, values in sorted(reports.items()) if "inputs" in values]
            whole = report.combined(said) | {
                "status": "stopped" if missing else "done",
                "missing_parts": missing,
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


def _reports(place: Folder) -> dict[tuple[int, int], dict[str, Any]]:
    """What the parts say of themselves, by ``(i, n)``."""
    found = {}
    for file in place.state.glob("part-*of*.json"):
        number, _, parts = file.stem.removeprefix("part-").partition("of")
        with contextlib.suppress(OSError, ValueError):
            found[int(number), int(parts)] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _spec(place: Folder, reports: dict[tuple[int, int], dict[str, Any]], settings: dict[str, Any]) -> RunSpec:
    """What the run was asked, in the words of its latest part."""
    told = [values["settings"] for values in reports.values() if "settings" in values]
    if told:
        return RunSpec.from_json(told[-1])
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
