"""``sonoscope convert INPUT -o OUT``: one format of events into another."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sonoscope.cli.words import option

_FORMATS = (
    "csv, parquet, jsonl, raven, audacity, birdnet, kaleidoscope, dcase, buzzdetect, buzzr, jams, midi, notes"
)


Source = Annotated[str, typer.Argument(metavar="INPUT", show_default=False, help="A file of events.")]
Target = Annotated[
    str,
    option(
        "-o",
        "--out",
        metavar="OUT",
        help="A file, - for stdout, or a folder for a file per recording (with --to).",
    ),
]
From = Annotated[
    str | None,
    option(
        "--from",
        metavar="FORMAT",
        help=f"{_FORMATS}, sonicvisualiser or elan (default: what the file's name says).",
    ),
]
To = Annotated[
    str | None,
    option("--to", metavar="FORMAT", help=f"{_FORMATS} (default: what the file's name says)."),
]
LabelColumn = Annotated[
    str | None,
    option(
        "--label-column",
        metavar="NAME",
        help="The column with the labels, in tables of Raven, BirdNET and Kaleidoscope; the tier, in files of ELAN.",
    ),
]
Threshold = Annotated[
    float | None,
    option(
        "--threshold",
        metavar="NUMBER",
        help="The activation above which a row of a buzzdetect table counts.",
    ),
]
Frequencies = Annotated[
    bool, option("--audacity-frequencies", help="Write frequency ranges into Audacity labels.")
]
Files = Annotated[
    str | None,
    option(
        "--files",
        metavar="FILES.CSV",
        help="The files.csv of the run, for lengths and recordings without events (Raven needs them).",
    ),
]
Overwrite = Annotated[bool, option("--overwrite", help="Replace files that exist.")]


def convert_command(
    source: Source,
    target: Target,
    from_format: From = None,
    to_format: To = None,
    label_column: LabelColumn = None,
    threshold: Threshold = None,
    frequencies: Frequencies = False,
    files: Files = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn one annotation format into another.

    sonoscope convert song.mp3.selections.txt -o song.labels.txt
    """
    from sonoscope.errors import count
    from sonoscope.outputs.convert import convert

    done = convert(
        source,
        target,
        from_format=from_format,
        to_format=to_format,
        label_column=label_column,
        threshold=threshold,
        frequencies=frequencies,
        files=files,
        overwrite=overwrite,
    )
    written = f"{len(done.files)} files" if len(done.files) > 1 else "".join(map(str, done.files))
    where = f" in {written}" if written else ""
    print(f"{count(done.events, 'event')} of {count(done.recordings, 'recording')}{where}", file=sys.stderr)
