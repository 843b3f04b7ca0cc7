"""``sonoscope data VERB``: from recordings, and from no recordings at all, to a training set.

A verb is a function in a file of its own and a line in :data:`VERBS`. The files import no more than typer at the
top, since help of the group reads them all.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from sonoscope.cli.data.audit import audit_command
from sonoscope.cli.data.extract import extract_command
from sonoscope.cli.data.features import features_command
from sonoscope.cli.data.fetch import fetch_command, formats_command
from sonoscope.cli.data.init import init_command
from sonoscope.cli.data.manifest import manifest_command
from sonoscope.cli.data.mix import mix_command
from sonoscope.cli.data.render import render_command
from sonoscope.cli.data.scenes import scenes_command
from sonoscope.cli.data.schemes import schemes_command
from sonoscope.cli.data.split import split_command
from sonoscope.cli.data.summary import summary_command

#: The verbs in the order of help.
VERBS: dict[str, Callable[..., int | None]] = {
    "init": init_command,
    "fetch": fetch_command,
    "formats": formats_command,
    "manifest": manifest_command,
    "extract": extract_command,
    "split": split_command,
    "schemes": schemes_command,
    "mix": mix_command,
    "audit": audit_command,
    "render": render_command,
    "scenes": scenes_command,
    "summary": summary_command,
    "features": features_command,
}

data_app = typer.Typer(help="From recordings to a training set.", add_completion=False)


@data_app.callback()
def _group() -> None:
    """From recordings to a training set."""


for _name, _function in VERBS.items():
    data_app.command(_name)(_function)
