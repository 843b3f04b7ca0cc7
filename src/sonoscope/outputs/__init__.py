"""Files: one small module per format, all alike, and the tables that a run adds.

``WRITERS`` and ``READERS`` are the formats by the name that ``--format``, ``--from`` and ``--to`` take.
Text files are UTF-8, opened with ``newline=""``; a format with ``binary`` set wants a binary file. Writers
take a :class:`FileResult`, readers return them (see :mod:`sonoscope.outputs.format`).
"""

from __future__ import annotations

from pathlib import Path

from sonoscope.errors import UnknownName, UsageError, lookup, nearest
from sonoscope.outputs import (
    audacity,
    birdnet,
    buzzdetect,
    dcase,
    elan,
    events_csv,
    jams,
    jsonl,
    kaleidoscope,
    midi,
    notes_csv,
    parquet,
    raven,
    sonicvisualiser,
)
from sonoscope.outputs.format import Format, UnreadableTable

__all__ = [
    "READERS",
    "WRITERS",
    "Format",
    "UnreadableTable",
    "format_for",
    "format_named",
    "recognise",
    "suffixes",
]

WRITERS: dict[str, Format] = {
    "csv": events_csv.FORMAT,
    "parquet": parquet.FORMAT,
    "jsonl": jsonl.FORMAT,
    "raven": raven.FORMAT,
    "audacity": audacity.FORMAT,
    "birdnet": birdnet.FORMAT,
    "kaleidoscope": kaleidoscope.FORMAT,
    "dcase": dcase.FORMAT,
    "buzzdetect": buzzdetect.FORMAT,
    "buzzr": buzzdetect.FOR_BUZZR,
    "jams": jams.FORMAT,
    "midi": midi.FORMAT,
    "notes": notes_csv.FORMAT,
}

READERS: dict[str, Format] = {**WRITERS, "sonicvisualiser": sonicvisualiser.FORMAT, "elan": elan.FORMAT}

#: Endings that several formats share, so that only a name can tell.
AMBIGUOUS = {".txt": ("raven", "audacity")}

#: Endings of files that no format here has, and the formats that come nearest to what they suggest.
FOREIGN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".dat"), ("csv", "parquet")),
    **dict.fromkeys((".json", ".yaml", ".yml", ".toml", ".svl"), ("jams", "jsonl")),
    ".xml": ("jams", "jsonl", "midi"),
    **dict.fromkeys(
        (".musicxml", ".mxl", ".mscz", ".mscx", ".gp", ".gp5", ".gpx", ".sib", ".ly", ".abc"), ("midi",)
    ),
    **dict.fromkeys((".textgrid", ".lab", ".eaf", ".srt"), ("audacity", "jams")),
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".feather", ".rds", ".pkl"), ("parquet", "csv")),
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", ".md", ".html", ".htm", ".log"), ("csv",)),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), ("csv",)),
    **dict.fromkeys((".db", ".sqlite"), ("csv",)),
}
#: Endings of pictures, which are drawn in other ways.
PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp")

#: Endings of files that are ours but hold window scores, no events.
SCORE_TABLES = (".scores.csv", ".scores.tsv", ".scores.parquet")


def suffixes() -> dict[str, str]:
    """What the files of each writable format end with, by format name."""
    return {name: form.suffix for name, form in WRITERS.items()}


def format_named(name: str) -> Format:
    """The writable format called ``name``; raises ``UnknownName`` with the nearest one."""
    return lookup(WRITERS, name, "format")


def recognise(path: str | Path) -> Format | None:
    """The format that a file's name means, or None: the longest known ending counts, upper or lower case.

    Raises
    ------
    UsageError
        If the ending is one that several formats share (``.txt``), or that of a table of scores.
    """
    name = Path(path).name.lower()
    endings = {ending: form for form in READERS.values() for ending in (form.suffix, *form.extensions)}
    for ending in SCORE_TABLES:
        if name.endswith(ending):
            raise UsageError(f"{str(path)!r}: {ending} is a table of window scores, not of events")
    for ending in sorted(endings, key=len, reverse=True):
        if name.endswith(ending):
            return endings[ending]
    for ending, choices in AMBIGUOUS.items():
        if name.endswith(ending):
            longer = " or ".join(f"{WRITERS[choice].suffix} ({choice})" for choice in choices)
            raise UsageError(
                f"{str(path)!r}: {ending} could be several formats; end it with {longer}, or name one "
                "(analyze: --format, convert: --from or --to)"
            )
    return None


def format_for(path: str | Path) -> Format:
    """The format that a file's name means.

    ``.events.csv`` and every other full suffix means its format; alone, ``.csv`` is csv, ``.jsonl`` and
    ``.ndjson`` jsonl, ``.parquet`` parquet, ``.jams`` jams, ``.tsv`` dcase.

    Raises
    ------
    UnknownName
        If no format has such an ending; the message names the nearest.
    UsageError
        If several have it (``.txt``).
    """
    found = recognise(path)
    if found is None:
        known = {ending for form in WRITERS.values() for ending in (form.suffix, *form.extensions)}
        ending = "".join(Path(path).suffixes[-2:])
        raise UnknownName(
            f"{str(path)!r} has the ending of no known format.{nearest(ending, known)} "
            f"Known: {', '.join(sorted(known))}."
        )
    return found
