"""Options that several verbs of ``data`` have, with one meaning and one text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="SET|FILE",
        show_default=False,
        help="The labels there are, with their families: instruments, irmas, or a labels.json or .txt (default: "
        "those that the data say, or a labels.json beside them).",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="What paths in a table are relative to (default: its folder).",
    ),
]
Remap = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OLD=NEW",
        show_default=False,
        help="Replace the beginning of paths that were written elsewhere; may be repeated.",
    ),
]
Rate = Annotated[int, typer.Option(metavar="HZ", help="Sample rate.")]
SoundFormat = Annotated[str, typer.Option(metavar="flac|wav", help="16 bit mono FLAC or WAV.")]
