"""JAMS 0.3, ``.jams``: the events of one recording as a ``segment_open`` annotation, valid for jams itself; those with
a pitch as a ``note_midi`` annotation.

What the observations have no place for (channel, range, logit, flags, velocity; a note's label) is in the annotation's
sandbox, a list per field in the order of the observations; the recording's name, time and place are in the file's
sandbox.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from sonoscope import __version__
from sonoscope.outputs import columns
from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    probability,
    recording_name,
)
from sonoscope.outputs.rows import text
from sonoscope.values import Event, FileResult

NAMESPACE, NOTES = "segment_open", "note_midi"

#: Whose observations are events with a text as value.
READABLE = (NAMESPACE, NOTES, "tag_open", "tag_audioset", "tag_audioset_instruments", "tag_medleydb_instruments",
            "tag_urbansound", "segment_tut", "scaper")  # fmt: skip

JAMS_VERSION = "0.3.5"

_EXTRAS = ("channel", "low_hz", "high_hz", "raw", "flags", "velocity")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """One JSON object."""
    for result in results:
        json.dump(_document(result, options), file, ensure_ascii=False, indent=1)
        file.write("\n")


def _document(result: FileResult, options: WriteOptions) -> dict[str, Any]:
    rows = [columns.record(result, event, raw=options.raw) for event in result.in_order()]
    duration = round(max(result.duration_s, max((row["end"] for row in rows), default=0.0)), 6)
    names = {key: text(getattr(result, key)) for key in ("file", "site", "recorder", "note", "model")}
    about = {"file": names["file"], "start_datetime": result.start_datetime, "site": names["site"],
             "recorder": names["recorder"], "note": names["note"]}  # fmt: skip
    notes = [row for row in rows if row["pitch"] is not None]
    others = [row for row in rows if row["pitch"] is None]
    annotations = [(NAMESPACE, others)] if others or not notes else []
    annotations += [(NOTES, notes)] if notes else []
    return {
        "file_metadata": {"title": names["file"], "duration": duration, "jams_version": JAMS_VERSION,
                          "identifiers": {}, "artist": "", "release": ""},
        "annotations": [
            _annotation(namespace, group, duration, names["model"]) for namespace, group in annotations
        ],
        "sandbox": {"sonoscope": {key: value for key, value in about.items() if value}},
    }  # fmt: skip


def _annotation(namespace: str, rows: list[dict[str, Any]], duration: float, model: str) -> dict[str, Any]:
    is_notes = namespace == NOTES
    extras = {name: [row[name] for row in rows] for name in (*_EXTRAS, *(["label"] if is_notes else []))}
    return {
        "namespace": namespace,
        "time": 0,
        "duration": duration,
        "annotation_metadata": {
            "annotation_tools": f"sonoscope {__version__}, model {model or 'unknown'}",
            "version": __version__,
            "data_source": "program",
        },
        "data": [
            {"time": row["start"], "duration": round(row["end"] - row["start"], 6),
             "value": row["pitch" if is_notes else "label"], "confidence": row["score"]}
            for row in rows
        ],
        "sandbox": {
            "model": model,
            **{name: values for name, values in extras.items() if any(v is not None for v in values)},
        },
    }  # fmt: skip


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Every annotation whose values are names of events; times count from the start of the recording."""
    try:
        document = json.load(file)
        annotations = list(document["annotations"])
        about = document.get("sandbox", {}).get("sonoscope", {})
        metadata = document.get("file_metadata", {})
        name = about.get("file") or recording_name(options.name, (FORMAT.suffix,))
        readable = [(n, a) for n, a in enumerate(annotations, start=1) if a["namespace"] in READABLE]
        base = {
            "file": name,
            "duration_s": _length(metadata.get("duration"), options.name),
            **{key: about.get(key, "") for key in ("start_datetime", "site", "recorder")},
        }
        found = [
            Found(**base, event=event, model=model)
            for number, annotation in readable
            for event, model in _events(annotation, f"{options.name}, annotation {number}")
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableTable(
            f"{options.name}: not a JAMS file ({type(error).__name__}: {error}). Name its format with --from."
        ) from None
    if annotations and not readable:
        known = ", ".join(sorted({str(a["namespace"]) for a in annotations}))
        raise UnreadableTable(
            f"{options.name}: no annotation of events among the namespaces {known}. "
            f"Readable: {', '.join(READABLE)}."
        )
    return gather([Found(**base, event=None, model=found[0].model if found else ""), *found])


def _length(seconds: Any, name: str) -> float:
    """The length of the recording, 0 if it is unknown; JSON of Python's may hold what is no number."""
    length = float(seconds or 0.0)
    if not 0 <= length < math.inf:
        raise UnreadableTable(
            f"{name}: the duration in file_metadata is {length:g}. Correct it, or make it null: unknown."
        )
    return length


def _events(annotation: Mapping[str, Any], where: str) -> Iterator[tuple[Event, str]]:
    """The events with their models. Raises ``UnreadableTable`` of a value that is out of range, or no number."""
    sandbox = annotation.get("sandbox") or {}
    for place, seen in enumerate(_observations(annotation["data"])):
        extras = {
            key: sandbox[key][place] for key in _EXTRAS if key in sandbox and sandbox[key][place] is not None
        }
        value = seen["value"]["label"] if isinstance(seen["value"], dict) else seen["value"]
        if annotation["namespace"] == NOTES:
            labels = sandbox.get("label")
            extras["pitch"] = float(value)
            value = labels[place] if labels else "note"
        confidence = seen["confidence"]
        values = {
            "file": where,
            "start": float(seen["time"]),
            "end": round(float(seen["time"]) + float(seen["duration"]), 6),
            "label": str(value),
            "score": probability(confidence if isinstance(confidence, (int, float)) else math.nan),
            **extras,
        }
        event = columns.found(values, f"{where}, observation {place + 1}").event
        assert event is not None
        yield event, sandbox.get("model", "")


def _observations(data: Any) -> list[dict[str, Any]]:
    """Observations as a list of objects, also where they are kept as an object of lists."""
    if isinstance(data, list):
        return data
    lists = (data[key] for key in ("time", "duration", "value", "confidence"))
    return [
        {"time": t, "duration": d, "value": v, "confidence": c} for t, d, v, c in zip(*lists, strict=True)
    ]


FORMAT = Format("jams", ".jams", write, read, many=False, takes=("raw",))
