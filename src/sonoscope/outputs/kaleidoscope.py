"""The CSV of Wildlife Acoustics' Kaleidoscope, ``.kaleidoscope.csv``.

Only columns that Kaleidoscope knows: one that it does not know hides all the others in its viewer. The
recording is ``INDIR/FOLDER/IN FILE``; CHANNEL counts from 0; TOP1MATCH is the label and TOP1DIST its
score; MANUAL ID is left to the person who looks. BirdNET-Analyzer's have ``scientific_name``, ``common_name``
and ``confidence`` instead, which are read as in its own tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from sonoscope.outputs.format import Format, Found, ReadOptions, WriteOptions, gather, probability
from sonoscope.outputs.names import posix, relative_names
from sonoscope.outputs.rows import Row, comma_line, read_comma, score_text
from sonoscope.values import Event, FileResult, format_seconds

COLUMNS = (
    "INDIR",
    "FOLDER",
    "IN FILE",
    "CHANNEL",
    "OFFSET",
    "DURATION",
    "TOP1MATCH",
    "TOP1DIST",
    "MANUAL ID",
)

#: What a person says goes before what a program says.
LABEL_COLUMNS = ("MANUAL ID", "TOP1MATCH", "AUTO ID*", "AUTO ID")
#: BirdNET's, which are one label together.
NAME_COLUMNS = ("scientific_name", "common_name")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """Header, then a line per event."""
    file.write(comma_line(COLUMNS))
    for result in results:
        folder, _, name = result.file.rpartition("/")
        root = _root(result)
        for event in result.in_order():
            file.write(
                comma_line(
                    (
                        root,
                        folder,
                        name,
                        str((event.channel or 1) - 1),
                        format_seconds(event.start_s),
                        format_seconds(event.end_s - event.start_s),
                        event.label,
                        score_text(event.score),
                        "",
                    )
                )
            )


def _root(result: FileResult) -> str:
    """The folder from which the recording's name leads to it."""
    whole = posix(result.path)
    if whole.endswith("/" + result.file):
        return whole[: -len(result.file) - 1] or "/"
    return whole.rpartition("/")[0]


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Tables of Kaleidoscope (cluster.csv, id.csv, meta.csv) and of programs that imitate them."""
    asked = (options.label_column,) if options.label_column else ()
    rows = list(read_comma(file, options.name, ("IN FILE", "OFFSET", "DURATION", *asked)))
    paths = [_path(row) for row in rows]
    names = relative_names((full for full, _ in paths), options.name, (FORMAT.suffix, ".csv"))
    return gather(
        Found(inside or names[full], _event(row, asked or LABEL_COLUMNS), path=full)
        for row, (full, inside) in zip(rows, paths, strict=True)
    )


def _path(row: Row) -> tuple[str, str]:
    """The whole path, and the name inside INDIR (empty without INDIR)."""
    folder = posix(row.get("FOLDER")).strip("/")
    inside = "/".join(part for part in (folder, row.get("IN FILE")) if part not in ("", "."))
    root = posix(row.get("INDIR")).rstrip("/")
    return (f"{root}/{inside}", inside) if row.get("INDIR") else (inside, "")


def _event(row: Row, label_columns: tuple[str, ...]) -> Event:
    start, length = row.number("OFFSET"), row.number("DURATION")
    start_s, end_s = row.span(start, round(start + length, 6), ("OFFSET", "DURATION"))
    channel = row.optional("CHANNEL")
    names = "_".join(dict.fromkeys(name for column in NAME_COLUMNS if (name := row.get(column))))
    return Event(
        start_s,
        end_s,
        label=next((label for column in label_columns if (label := row.get(column))), names),
        score=probability(row.optional("TOP1DIST", "confidence")),
        channel=None if channel is None else int(channel) + 1,
    )


FORMAT = Format("kaleidoscope", ".kaleidoscope.csv", write, read, takes=("label_column",))
