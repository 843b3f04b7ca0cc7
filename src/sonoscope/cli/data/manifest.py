"""``sonoscope data manifest``: the recordings of a folder as a table to which labels can be added."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sonoscope.errors import UsageError

Source = Annotated[str, typer.Argument(metavar="FOLDER", show_default=False, help="A folder of recordings.")]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="MANIFEST",
        show_default=False,
        help="A .csv or .parquet file. If it exists, only new recordings are added.",
    ),
]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        metavar="folder",
        show_default=False,
        help="Label each file with the name of its folder (A,B: both; -A: known to be absent).",
    ),
]
NoDurations = Annotated[
    bool, typer.Option("--no-durations", help="Do not decode the files to count their lengths.")
]


def manifest_command(
    source: Source, out: Out, labels_from: LabelsFrom = None, no_durations: NoDurations = False
) -> int:
    """List the recordings of a folder in a manifest: a row for each, paths relative.

    Every file is decoded to count its length; those that cannot be go to MANIFEST.bad_rows.csv with the reason.
    """
    from sonoscope.cli.display import count
    from sonoscope.data.update import update

    if not Path(source).is_dir():
        raise UsageError(f"{source!r} is no folder")
    done = update(out, source, labels_from=labels_from, durations=not no_durations)
    print(out)
    print(f"{count(done.added, 'row')} added, {count(done.kept, 'row')} kept", file=sys.stderr)
    return 0
