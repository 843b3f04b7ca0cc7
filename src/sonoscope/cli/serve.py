"""``sonoscope serve``: the service and the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import listed, number
from sonoscope.errors import optional

if TYPE_CHECKING:
    from sonoscope.service.settings import Settings

Models = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", show_default=False, help="A folder of further bundles that may be asked for."
    ),
]
Host = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Where it listens; 0.0.0.0 for every address of this machine."),
]
Port = Annotated[int, typer.Option(metavar="PORT", help="0: any that is free.")]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default=False,
        help="Processes that decode and analyse (default: one for each core, at most 4).",
    ),
]
MaxUpload = Annotated[str, typer.Option(metavar="SIZE", help="The largest upload: 500M, 2G.")]
MaxDuration = Annotated[float, typer.Option(metavar="SECONDS", parser=number, help="The longest recording.")]
AuthToken = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="SONOSCOPE_TOKEN",
        show_default=False,
        show_envvar=False,
        help="What every request must know; better in the variable SONOSCOPE_TOKEN, which other users do not see.",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(metavar="DIR", show_default=False, help="The folder under which requests may name files."),
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        show_default=False,
        help="Where jobs and recordings are kept (default: ~/.local/state/sonoscope/serve-PORT).",
    ),
]
AllowOrigin = Annotated[
    str | None,
    typer.Option(metavar="ORIGIN,...", show_default=False, help="Other pages that may ask: https://host."),
]


def serve(
    models: Models = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = None,
    max_upload: MaxUpload = "1G",
    max_duration: MaxDuration = 4 * 3600.0,
    auth_token: AuthToken = None,
    data_root: DataRoot = None,
    state: State = None,
    allow_origin: AllowOrigin = None,
) -> int:
    """Answer over HTTP, with a page for the browser. Ctrl-C ends it; what was accepted goes on at the next start.

    sonoscope serve --port 8000
    """
    for package in ("fastapi", "uvicorn", "python_multipart"):
        optional(package, "serve", "the service")
    from sonoscope.runs import default_workers
    from sonoscope.service import running
    from sonoscope.service.settings import Settings, parse_size

    settings = Settings(
        state=state or Path(),
        models=models,
        data_root=data_root,
        host=host,
        port=port,
        workers=min(default_workers(), 4) if workers is None else workers,
        max_upload=parse_size(max_upload),
        max_duration=max_duration,
        auth_token=auth_token or None,
        origins=tuple(listed(allow_origin or "")),
    ).checked()
    return running.serve(settings, own_state=state is None, tell=_tell)


def _tell(url: str, settings: Settings) -> None:
    """The address on stdout, the rest on stderr."""
    print(url, flush=True)
    who = "this machine only" if settings.is_local else "every machine that reaches this one"
    token = "" if settings.auth_token else ", without a token"
    print(f"for {who}{token}; Ctrl-C ends it", file=sys.stderr, flush=True)
