"""``sonoscope data init``: the folders of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.words import listed


def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", show_default=False, help="Made if it is not there.")
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...|SET|FILE",
            show_default=False,
            help="The labels there will be: each gets a folder, and the label map is written.",
        ),
    ] = None,
) -> None:
    """Make the folders of a project: recordings, clips, features, models, results. What is there stays."""
    from sonoscope.data import init
    from sonoscope.errors import count
    from sonoscope.labels import LABEL_SETS

    wish: str | list[str] | None = labels
    if labels is not None and labels not in LABEL_SETS and Path(labels).suffix not in (".json", ".txt"):
        wish = listed(labels)
    made = init.create(folder, labels=wish)
    print(folder)
    told = f"{count(len(made), 'folder or file', 'folders and files')} made" if made else "all of it is there"
    print(told, file=sys.stderr)
