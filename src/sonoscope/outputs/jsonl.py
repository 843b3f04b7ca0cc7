"""JSON Lines, ``.events.jsonl``: an object per event with the canonical column names, unknown ones left out.

The objects are those of ``schema.json``, which also describes what ``live`` tells. No events: an empty file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from sonoscope.outputs.columns import found, record
from sonoscope.outputs.format import Format, Found, ReadOptions, UnreadableTable, WriteOptions, gather
from sonoscope.values import Event, FileResult


def event_object(result: FileResult, event: Event, *, raw: bool = False) -> dict[str, Any]:
    """One event as the JSON object of ``schema.json``."""
    return {key: value for key, value in record(result, event, raw=raw).items() if value is not None}


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """A line per event, UTF-8 as it is."""
    for result in results:
        for event in result.in_order():
            file.write(json.dumps(event_object(result, event, raw=options.raw), ensure_ascii=False) + "\n")


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Any JSON Lines with file, start, end, label in every object; other keys are ignored."""
    return gather(_objects(file, options.name))


def _objects(file: IO[str], name: str) -> Iterator[Found]:
    for number, line in enumerate(file, start=1):
        line = line.strip().removeprefix("\ufeff")
        if not line:
            continue
        where = f"{name}, line {number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UnreadableTable(f"{where}: not JSON ({error}). Each line must be one object.") from None
        if not isinstance(values, dict):
            raise UnreadableTable(
                f"{where}: {type(values).__name__}, not an object. Each line must be one object."
            )
        yield found(values, where)


FORMAT = Format("jsonl", ".events.jsonl", write, read, extensions=(".jsonl", ".ndjson"), takes=("raw",))
