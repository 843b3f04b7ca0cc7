"""``sonoscope collect OUT``: the tables of all inputs of a run in parts."""

from __future__ import annotations

from typing import Annotated

import typer

Place = Annotated[
    str, typer.Argument(metavar="OUT", help="The folder, or URL, of a run that was done in parts.")
]


def collect_command(place: Place) -> int:
    """Write events.csv, files.csv, errors.csv and run.json of what is complete so far.

    The last part of a run writes them itself; this is for runs some parts of which were lost. It says which.
    """
    from sonoscope.cli.telling import say
    from sonoscope.runs.collect import collect

    summary = collect(place)
    say(summary.message)
    return summary.exit_code
