"""In which format of events a table is, told from its first line where its name leaves that open."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sonoscope.outputs.buzzdetect import DETECTIONS


def cells(line: str) -> list[str]:
    """The cells of a first line, by tab where there is one, else by comma."""
    return [cell.strip().strip('"') for cell in line.strip("\r\n").split("\t" if "\t" in line else ",")]


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
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
