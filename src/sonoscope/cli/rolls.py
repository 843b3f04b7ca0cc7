"""Notes on the screen: a table of them and a piano roll made of characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sonoscope.cli.display import Screen, clock, facts, printable
from sonoscope.errors import count
from sonoscope.labels import pitch_name
from sonoscope.values import columns

if TYPE_CHECKING:
    from sonoscope.noteapi import NoteResult
    from sonoscope.values import Event

#: Notes in the table for one recording in a terminal; a pipe gets all of them.
ROWS_IN_TERMINAL = 16
#: Seconds that a column of a roll may stand for, and how many rolls follow each other at most.
COLUMN_S, MOST_ROLLS = 0.25, 3
#: Columns left of a roll.
MARGIN = 7


def recording(result: NoteResult, screen: Screen) -> list[str]:
    """All lines about one recording: what is special, a table of its notes, a piano roll."""
    said = [screen.paint(f"Note: {result.note}.", "yellow")] if result.note else []
    lines = [*said, _heading(result, screen), ""]
    notes = result.notes
    if not notes:
        return [*lines, "  no note is heard", ""]
    shown = notes[:ROWS_IN_TERMINAL] if screen.terminal else notes
    rows = [("start", "end", "pitch", "midi", "velocity", "score")]
    for note in shown:
        midi = round(note.pitch or 0)
        name = pitch_name(midi) if note.label == "note" else f"{pitch_name(midi)} {note.label}?"
        times = clock(note.start_s), clock(note.end_s)
        rows.append((*times, name, str(midi), str(note.velocity), f"{note.score:.2f}"))
    lines += columns(rows, right=(0, 1, 3, 4, 5), indent="  ")
    if len(shown) < len(notes):
        lines.append(f"  ... and {count(len(notes) - len(shown), 'more note')}; -o FILE.mid writes all")
    return [*lines, "", *roll(notes, result.duration, screen), ""]


def short_recording(result: NoteResult, screen: Screen) -> list[str]:
    """A few lines about one of several recordings: how many notes, from which to which pitch."""
    said = [screen.paint(f"  note: {result.note}", "yellow")] if result.note else []
    lines = [_heading(result, screen), *said]
    if not result.notes:
        return [*lines, "  no note is heard", ""]
    pitches = [round(note.pitch or 0) for note in result.notes]
    low, high = pitch_name(min(pitches)), pitch_name(max(pitches))
    beats = result.tempo()
    tempo = f", about {beats:.0f} beats a minute" if beats else ""
    return [*lines, f"  {count(len(pitches), 'note')} from {low} to {high}{tempo}", ""]


def _heading(result: NoteResult, screen: Screen) -> str:
    return screen.paint(printable(result.file), "bold") + f"  {facts(result)}"


def roll(notes: Sequence[Event], duration_s: float, screen: Screen) -> list[str]:
    """A piano roll in lines: time to the right, two semitones in a line where block characters work, else one.

    A long recording has several below each other, and ends where there would be too many.
    """
    width = screen.width - MARGIN - 1
    step = min(duration_s / width, COLUMN_S)
    lines: list[str] = []
    first_s = 0.0
    for _ in range(MOST_ROLLS):
        left = min(width, math.ceil((duration_s - first_s) / step - 1e-6))
        lines += _one(notes, first_s, step, left, screen)
        first_s += left * step
        if first_s >= duration_s - 1e-6:
            return lines
    return [*lines, f"  ... and {clock(duration_s - first_s)} more"]


def _one(notes: Sequence[Event], first_s: float, step: float, width: int, screen: Screen) -> list[str]:
    """The roll of ``width`` columns of ``step`` seconds, and its scale."""
    last_s = first_s + width * step
    cells: set[tuple[int, int]] = set()
    for note in notes:
        if note.end_s > first_s and note.start_s < last_s:
            begin = max(int((note.start_s - first_s) / step), 0)
            # A note that only touches a column does not fill it, but every note fills one.
            end = max(min(round((note.end_s - first_s) / step), width), begin + 1)
            cells.update((round(note.pitch or 0), column) for column in range(begin, min(end, width)))
    begin_at, end_at = clock(first_s), clock(last_s)
    scale = f"{'':{MARGIN}}{begin_at}{end_at:>{max(width - len(begin_at), len(end_at) + 1)}}"
    if not cells:
        return [scale, ""]
    low, high = min(pitch for pitch, _ in cells), max(pitch for pitch, _ in cells)
    per_line = 2 if screen.blocks else 1
    # Every C is named; where there is none, the highest note, which begins the first line.
    alone = None if any(pitch % 12 == 0 for pitch in range(low, high + 1)) else high
    lines = []
    for top in range(high + (high - low + 1) % per_line, low - 1, -per_line):
        marks = "".join(_mark(cells, top, column, screen.blocks) for column in range(width))
        named = next((p for p in range(top, top - per_line, -1) if p % 12 == 0 or p == alone), None)
        label = pitch_name(named) if named is not None else ""
        bar = "│" if screen.blocks else "|"
        lines.append(f"{label:>{MARGIN - 2}} {bar}{screen.paint(marks.rstrip(), 'green')}")
    return [*lines, scale, ""]


def _mark(cells: set[tuple[int, int]], top: int, column: int, blocks: bool) -> str:
    upper, lower = (top, column) in cells, (top - 1, column) in cells
    if not blocks:
        return "#" if upper else " "
    return " ▄▀█"[2 * upper + lower]
