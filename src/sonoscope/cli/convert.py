"""``sonoscope convert INPUT -o OUT``: one format of events into another."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

_FORMATS = "csv, parquet, jsonl, raven, audacity, birdnet, kaleidoscope, dcase, buzzdetect, jams"


def convert_command(
    source: Annotated[str, typer.Argument(metavar="INPUT", show_default=False, help="A file of events.")],
    target: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            show_default=False,
            help="A file, - for stdout, or a folder for a file per recording (with --to).",
        ),
    ],
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            show_default=False,
            help=f"{_FORMATS}, or sonicvisualiser (default: what the file's name says).",
        ),
    ] = None,
    to_format: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            show_default=False,
            help=f"{_FORMATS} (default: what the file's name says).",
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            "--label-column",
            metavar="NAME",
            show_default=False,
            help="The column with the labels, in tables of Raven, BirdNET and Kaleidoscope.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="NUMBER",
            show_default=False,
            help="The activation above which a row of a buzzdetect table counts.",
        ),
    ] = None,
    frequencies: Annotated[
        bool,
        typer.Option("--audacity-frequencies", help="Write frequency ranges into Audacity labels."),
    ] = False,
    files: Annotated[
        str | None,
        typer.Option(
            "--files",
            metavar="FILES.CSV",
            show_default=False,
            help="The files.csv of the run, for lengths and recordings without events (Raven needs them).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Turn one annotation format into another.

    sonoscope convert song.mp3.selections.txt -o song.labels.txt
    """
    from sonoscope.cli.display import count
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
