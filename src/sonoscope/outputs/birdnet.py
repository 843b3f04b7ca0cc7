"""The CSV of BirdNET-Analyzer, ``.birdnet.csv``, as baw-server, NSNSDAcoustics and birdnetTools read it.

The label goes into both name columns. BirdNET's own labels are ``Scientific name_Common name``, split at
the first underscore, and are read back as such where the two columns differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from sonoscope.outputs.format import Format, Found, ReadOptions, WriteOptions, gather, probability
from sonoscope.outputs.names import relative_names
from sonoscope.outputs.rows import Row, comma_line, read_comma, score_text
from sonoscope.values import Event, FileResult, format_seconds

COLUMNS = ("Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File")


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """Header, then a line per event; ``File`` is the recording's name relative to the folder analysed."""
    file.write(comma_line(COLUMNS))
    for result in results:
        for event in result.in_order():
            times = format_seconds(event.start_s), format_seconds(event.end_s)
            file.write(comma_line((*times, event.label, event.label, score_text(event.score), result.file)))


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Tables of BirdNET-Analyzer, with or without its additional columns."""
    label_columns = (options.label_column,) if options.label_column else COLUMNS[2:4]
    rows = list(read_comma(file, options.name, (*COLUMNS[:2], *label_columns)))
    names = relative_names(
        [row.get("File") for row in rows], options.name, (FORMAT.suffix, *FORMAT.extensions, ".csv")
    )
    return gather(
        Found(names[row.get("File")], _event(row, label_columns), path=row.get("File")) for row in rows
    )


def _event(row: Row, label_columns: tuple[str, ...]) -> Event:
    start_s, end_s = row.span(row.number("Start (s)"), row.number("End (s)"), ("Start (s)", "End (s)"))
    parts = dict.fromkeys(row.get(column) for column in label_columns)
    return Event(start_s, end_s, "_".join(parts), probability(row.optional("Confidence")))


FORMAT = Format(
    "birdnet", ".birdnet.csv", write, read, extensions=(".birdnet.results.csv",), takes=("label_column",)
)
