"""In which format of events a table is, told from its first line where its name leaves that open."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from sonoscope import delimited
from sonoscope.outputs.buzzdetect import DETECTIONS


def cells(line: str) -> list[str]:
    """The cells of a first line."""
    return [cell.strip().strip('"') for cell in line.strip("\r\n").split(delimited.separator(line))]


def first(path: Path) -> list[str]:
    """The cells of a file's first line, whatever it is a file of."""
    with open(path, "rb") as file:
        encoding = delimited.encoding(file.peek(2))
        return cells(io.TextIOWrapper(file, encoding, errors="replace").readline())


def told_by(header: Sequence[str], ending: str) -> str | None:
    """The name of the format whose tables begin with these cells, or None.

    Parameters
    ----------
    ending : str
        Of the file's name, in lower case: tables without a header are told apart by it.
    """
    columns = {cell.casefold() for cell in header}
    if "begin time (s)" in columns:
        return "raven"
    if "start (s)" in columns:
        return "birdnet"
    if {"start", "end", "label"} <= columns:
        return "csv"
    if {"in file", "offset", "duration"} <= columns:
        return "kaleidoscope"
    if header[0] == "start" and any(cell.startswith(DETECTIONS) for cell in header):
        return "buzzdetect"
    if {"onset", "offset", "pitch"} <= columns:
        return "notes"
    if {"onset", "offset", "event_label"} <= columns:
        return "dcase"
    if ending == ".csv" and ({"duration", "label"} <= columns or _is_number(header[0])):
        return "sonicvisualiser"
    if ending == ".txt" and (list(header) == [""] or (len(header) > 1 and _is_number(header[0]))):
        return "audacity"
    return None


def _is_number(text: str) -> bool:
    return any(math.isfinite(delimited.number(text, decimal)) for decimal in ".,")
