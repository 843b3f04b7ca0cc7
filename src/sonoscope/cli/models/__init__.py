"""``sonoscope models VERB``: bundles, from where they come and what they are worth.

A verb is a function in a file of its own and a line in :data:`VERBS`. The files import no more than typer at the
top, since help of the group reads them all.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from sonoscope.cli.models.bench import bench_command
from sonoscope.cli.models.check import check_command
from sonoscope.cli.models.export import export_command
from sonoscope.cli.models.fetch import fetch_command
from sonoscope.cli.models.importing import import_command
from sonoscope.cli.models.listing import list_command, show_command

#: The verbs in the order of help.
VERBS: dict[str, Callable[..., int | None]] = {
    "list": list_command,
    "show": show_command,
    "fetch": fetch_command,
    "import": import_command,
    "export": export_command,
    "check": check_command,
    "bench": bench_command,
}

models_app = typer.Typer(help="List, fetch, import, export, check and measure models.", add_completion=False)


@models_app.callback()
def _group() -> None:
    """List, fetch, import, export, check and measure models."""


for _name, _function in VERBS.items():
    models_app.command(_name)(_function)
