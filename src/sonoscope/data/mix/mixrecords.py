"""What is kept of a mixture: a line of JSON that says what it holds, and enough to make it again.

A record names its sources by the part of a file that their rows are about, and states start, length, onset and gain of
each in samples and dB; :func:`again` turns it back into sound without drawing anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sonoscope.data import clips
from sonoscope.data.mix.mixing import Mixed, Part, render
from sonoscope.data.mix.pool import groups_of
from sonoscope.data.rows import EXTRA_PATHS, BadManifest, Manifest, Row
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Event

Record = dict[str, Any]


def record_of(mixed: Mixed, number: int, path: str, sample_rate: int) -> Record:
    """What is kept of a mixture: ready for JSON. Positions are samples, sources in the order of drawing."""
    rows = [part.row for part in mixed.sources]
    return {
        "index": number,
        "path": path,
        "sample_rate": sample_rate,
        "n": int(mixed.samples.size),
        "how": mixed.how,
        "gain_db": mixed.gain_db,
        "labels": list(mixed.labels),
        "absent": list(mixed.absent),
        "unknown": list(mixed.unknown),
        "group": mixed.group,
        "split": mixed.split,
        "source": _together(row.source for row in rows),
        "licence": _together(row.licence for row in rows),
        "common": _common(rows),
        "sources": [
            {
                "path": part.row.path,
                "row_start_s": part.row.start_s,
                "row_duration_s": part.row.duration_s,
                "labels": list(part.row.labels),
                "groups": sorted(groups_of(part.row)),
                "start": part.start,
                "n": part.n,
                "onset": part.onset,
                "gain_db": part.gain_db,
                "level_db": part.level_db,
            }
            for part in mixed.sources
        ],
    }


def _common(rows: list[Row]) -> dict[str, str]:
    """What further columns say where all rows agree: the genre or key that they have in common."""
    said = [{"site": row.site, "recorder": row.recorder, **row.extra} for row in rows]
    return {
        key: value
        for key, value in said[0].items()
        if value and key not in EXTRA_PATHS and all(other.get(key) == value for other in said)
    }


def _together(values: Iterable[str]) -> str:
    return " + ".join(sorted(set(filter(None, values))))


def read(path: str | Path) -> dict[int, Record]:
    """The records of mixtures by number; none if there is no such file. A last line that is cut off is no record.

    Raises
    ------
    BadManifest
        If any other line is damaged.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    records: dict[int, Record] = {}
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            records[record["index"]] = record
        except (ValueError, KeyError, TypeError):
            if number < len(lines) and any(map(str.strip, lines[number:])):
                raise BadManifest(
                    f"{path}, line {number}: no record of a mixture. Restore the file, or remove the line."
                ) from None
    return records


def line_of(record: Record) -> str:
    """The line of a record, with its end."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def row_of(record: Record) -> Row:
    """The row of a mixture in the manifest of its folder."""
    common = dict(record["common"])
    return Row(
        path=record["path"],
        duration_s=record["n"] / record["sample_rate"],
        labels=tuple(record["labels"]),
        absent=tuple(record["absent"]),
        unknown=tuple(record["unknown"]),
        group=record["group"],
        split=record["split"],
        source=record["source"],
        licence=record["licence"],
        site=common.pop("site", ""),
        recorder=common.pop("recorder", ""),
        annotation=annotation_of(record),
        extra={
            **common,
            "mixture": str(record["index"]),
            "how": record["how"],
            "files": str(len(record["sources"])),
            "gain_db": f"{record['gain_db']:.2f}",
        },
    )


def annotation_of(record: Mapping[str, Any]) -> str:
    """Where the label track of a mixture is, relative to the folder."""
    return str(PurePosixPath(record["path"]).with_suffix(".labels.txt"))


def events(record: Mapping[str, Any]) -> tuple[Event, ...]:
    """Which label sounds when: from the onset of each source to its end, rests and decay included, sorted."""
    rate = record["sample_rate"]
    return tuple(
        sorted(
            Event(source["onset"] / rate, (source["onset"] + source["n"]) / rate, label, math.nan)
            for source in record["sources"]
            for label in source["labels"]
        )
    )


def label_track(record: Mapping[str, Any]) -> str:
    """:func:`events` as a label track for Audacity."""
    return "".join(f"{event.start_s:.6f}\t{event.end_s:.6f}\t{event.label}\n" for event in events(record))


def again(record: Mapping[str, Any], rows: Rows) -> tuple[np.ndarray, tuple[Part, ...]]:
    """The samples of a mixture, float32 of shape (n,), and its parts, from its record.

    Raises
    ------
    BadManifest
        If a row is not there.
    UnreadableAudio
        If one cannot be decoded, or is shorter than it was.
    """
    parts = tuple(
        Part(row, *(source[key] for key in ("start", "n", "onset", "gain_db", "level_db")))
        for row, source in zip(rows.of(record), record["sources"], strict=True)
    )
    rate = record["sample_rate"]
    sounds = [clips.read(rows.manifest, part.row, rate)[part.start : part.start + part.n] for part in parts]
    for part, sound in zip(parts, sounds, strict=True):
        if sound.size < part.n:
            missing = f"ends {(part.n - sound.size) / rate:.3f} s before the part that is in the mixture"
            raise UnreadableAudio(part.row.path, missing, "Give the recordings that it was made from.")
    samples, _ = render(parts, sounds, rate, length=record["n"])
    return samples, parts


class Rows:
    """The rows of a manifest by the part of a file that they are about, which is how records name them."""

    def __init__(self, source: Manifest) -> None:
        # With the map stated, nobody looks through all rows for labels again.
        self.manifest = replace(source, label_map=source.labels())
        self._found = {(row.path, row.start_s, row.duration_s): row for row in source.rows}

    def of(self, record: Mapping[str, Any]) -> list[Row]:
        """The rows of a mixture. Raises ``BadManifest`` if one is missing."""
        rows = []
        for source in record["sources"]:
            row = self._found.get((source["path"], source["row_start_s"], source["row_duration_s"]))
            if row is None:
                raise BadManifest(
                    f"mixture {record['index']}: {source['path']!r} from {source['row_start_s']:g} s is not among the "
                    f"{len(self.manifest)} rows. Give the manifest that the mixtures were made from."
                )
            rows.append(row)
        return rows
