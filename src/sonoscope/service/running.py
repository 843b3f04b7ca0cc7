"""Running a service: the socket, the lock on its state, and its end."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from sonoscope.errors import Locked, UsageError
from sonoscope.runs.lock import Lock
from sonoscope.service.app import create_app
from sonoscope.service.settings import Settings, state_folder

#: Connections that wait to be accepted.
BACKLOG = 2048


def serve(settings: Settings, *, own_state: bool, tell: Callable[[str, Settings], None]) -> int:
    """Serve until somebody ends it; the exit code.

    Parameters
    ----------
    own_state : bool
        Keep the state where the port says, and nowhere for a port that was any.
    tell : callable
        Gets the address once it listens.

    Raises
    ------
    UsageError
        If the address is in use or cannot be had, another service keeps its state there, or none can be kept there.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(settings.host, settings.port))
        port = listening.getsockname()[1]
        folder = settings.state
        if own_state and settings.port:
            folder = state_folder(port)
        elif own_state:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonoscope-serve-")))
        settings = replace(settings, port=port, state=folder.absolute())
        stack.enter_context(_locked(settings.state))
        app = create_app(settings)
        server = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                # What a client says about itself is believed only behind a proxy, which there is none of here.
                proxy_headers=False,
                server_header=False,
                ws_max_size=1 << 20,
                timeout_graceful_shutdown=5,
                lifespan="on",
            )
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        server.hush = lambda: app.state.house.hush()
        server.told = lambda: tell(f"http://{host}:{port}/", settings)
        server.run(sockets=[listening])
        return 0 if server.started else 3


class _Server(uvicorn.Server):
    """Says when it listens, and lets streams end before it does."""

    told: Callable[[], None] = staticmethod(lambda: None)
    hush: Callable[[], Awaitable[None]]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.told()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before connections are closed, which is all that uvicorn would tell them.
        await self.hush()
        await super().shutdown(sockets)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family, backlog=BACKLOG) as made:
            # Connections inherit it. Without it a small message of a live stream waits until the client sends again.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield made
    except OSError as error:
        if error.filename is not None:
            raise
        raise UsageError(
            f"--host {host} --port {port}: {error.strerror or error}. Name another with --port, or --port 0 for any"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The right to write there, this service alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = Lock(folder, "all")
    except Locked:
        raise UsageError(
            f"--state {folder}: another service is running there. Name another folder with --state"
        ) from None
    except OSError as error:
        raise UsageError(
            f"--state {folder} cannot be written ({error.strerror or error}). Name another folder with --state"
        ) from None
    try:
        yield
    finally:
        lock.release()
