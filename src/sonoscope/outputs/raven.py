"""Raven selection tables, ``.selections.txt``: tab-separated, without quoting.

Raven opens one file in two ways: as *selection table* it goes by Begin and End Time, counted over the
sequence of sound files that is open; as *sound selection table* by Begin Path and File Offset, which is
the time inside the file. Both are written. In a table of one recording they agree; in a table of several,
Begin and End Time go on counting from file to file, in the order in which the recordings come and in which
Raven must open them.

Raven takes every selection as a box: an event without a frequency range gets 0 Hz to the highest frequency
that was heard, half of the model's or of the recording's rate, whichever is less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO

from sonoscope.errors import UsageError
from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    probability,
)
from sonoscope.outputs.names import posix, relative_names
from sonoscope.outputs.rows import Row, read_tabs, score_text, tab_line
from sonoscope.values import Event, FileResult, format_seconds

COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin Path", "File Offset (s)", "Begin File", "Label", "Score",
)  # fmt: skip

#: Where a label is looked for, in this order, if no column is named.
LABEL_COLUMNS = ("Label", "Annotation", "Species", "Tags", "Common Name", "Class")

#: For converted tables that say nothing of the recording: half of 44.1 kHz.
UNKNOWN_TOP_HZ = 22_050.0


def write(results: Iterable[FileResult], file: IO[str], options: WriteOptions) -> None:
    """One recording, or several one after the other in time.

    Raises
    ------
    UsageError
        If there are several and the length of one that is followed by another is unknown.
    """
    file.write(tab_line(COLUMNS))
    selection, passed_s, unknown = 0, 0.0, ""
    for result in results:
        if unknown:
            raise UsageError(
                f"the length of {unknown!r} is unknown, so in a combined Raven table the times of "
                f"{result.file!r} are too; give a folder as output for a table each"
            )
        for event in result.in_order():
            selection += 1
            file.write(_line(selection, result, event, passed_s))
        passed_s += result.duration_s
        unknown = result.file if result.duration_s <= 0 else ""


def _line(selection: int, result: FileResult, event: Event, passed_s: float) -> str:
    begin_path = result.path or result.file
    return tab_line(
        (
            str(selection),
            "Spectrogram 1",
            str(event.channel or 1),
            format_seconds(passed_s + event.start_s),
            format_seconds(passed_s + event.end_s),
            str(round(float(event.low_hz or 0.0), 3)),
            str(round(min(event.high_hz or _top_hz(result), _top_hz(result)), 3)),
            begin_path,
            format_seconds(event.start_s),
            posix(begin_path).rpartition("/")[2],
            event.label,
            score_text(event.score),
        )
    )


def _top_hz(result: FileResult) -> float:
    rates = [result.sample_rate, result.scores.sample_rate if result.scores is not None else 0]
    known = [rate / 2 for rate in rates if rate > 0]
    return min(known, default=UNKNOWN_TOP_HZ)


#: Raven calls the tables of a.wav ``a.Table.1.selections.txt``.
_NUMBER = re.compile(r"\.Table\.\d+(?=\.selections\.txt$)", re.IGNORECASE)


def read(file: IO[str], options: ReadOptions) -> list[FileResult]:
    """Tables of Raven Pro, Raven Lite and programs that imitate it.

    The time inside the file is File Offset where there is one, else Begin Time. Of a selection that is
    listed for several views (waveform and spectrogram), one is kept. Without Begin Path and Begin File the
    recording is named after the table.
    """
    rows = list(read_tabs(file, options.name, ("Begin Time (s)", "End Time (s)")))
    column = _label_column(rows, options)
    paths = [_path(row) for row in rows]
    source = _NUMBER.sub("", options.name)
    names = relative_names(paths, source, (FORMAT.suffix, *FORMAT.extensions, ".txt"))
    return gather(_one_view(rows, paths, names, column))


def _one_view(rows: list[Row], paths: list[str], names: dict[str, str], column: str) -> Iterator[Found]:
    views: dict[tuple[str, str, Event], str] = {}
    for row, where in zip(rows, paths, strict=True):
        event = _event(row, column)
        view = views.setdefault((where, row.get("Selection"), event), row.get("View"))
        if view == row.get("View"):
            yield Found(names[where], event, path=where)


def _event(row: Row, column: str) -> Event:
    begin, end = row.number("Begin Time (s)"), row.number("End Time (s)")
    offset = row.optional("File Offset (s)")
    start_s, end_s = row.span(begin, end, ("Begin Time (s)", "End Time (s)"))
    if offset is not None:
        start_s, end_s = row.span(offset, round(offset + end - begin, 6), ("File Offset (s)", "End Time (s)"))
    channel = row.optional("Channel")
    return Event(
        start_s=start_s,
        end_s=end_s,
        label=row.get(column),
        score=probability(row.optional("Score", "Confidence")),
        channel=None if channel is None else int(channel),
        low_hz=row.optional("Low Freq (Hz)"),
        high_hz=row.optional("High Freq (Hz)"),
    )


def _path(row: Row) -> str:
    return row.get("Begin Path") or row.get("Begin File")


def _label_column(rows: list[Row], options: ReadOptions) -> str:
    if not rows:
        return LABEL_COLUMNS[0]
    wanted = (options.label_column,) if options.label_column else LABEL_COLUMNS
    for column in wanted:
        if column.casefold() in rows[0].columns:
            return column
    raise UnreadableTable(
        f"{options.name}, line 1: no column {' or '.join(map(repr, wanted))}; found "
        f"{', '.join(map(repr, rows[0].columns))}. Name the one with the labels with --label-column."
    )


#: BirdNET-Analyzer writes such tables too.
FORMAT = Format(
    "raven",
    ".selections.txt",
    write,
    read,
    extensions=(".birdnet.selection.table.txt",),
    takes=("label_column",),
)
