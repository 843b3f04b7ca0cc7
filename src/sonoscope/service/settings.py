"""What a service is told when it begins: where it listens, what it may read, and its limits."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from sonoscope.errors import UsageError

#: Addresses that only this machine reaches.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MIB = 1 << 20
#: The unit that a size may end with, in bytes.
UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}


@dataclass(frozen=True)
class Settings:
    """One service.

    Attributes
    ----------
    state : Path
        A folder of its own, for jobs and recordings; what is accepted there survives a restart.
    models : Path, optional
        A folder of further bundles.
    data_root : Path, optional
        The folder under which requests may name files; None: they may name none.
    host, port : str, int
        Where it listens.
    workers : int
        Processes that decode and analyse.
    max_upload : int
        Bytes that one request may bring.
    max_duration : float
        Seconds of sound that one recording may have.
    auth_token : str, optional
        What every request must know.
    origins : tuple of str
        Other pages (``https://host``) that browsers may let in.
    short_s : float
        Sound up to so long in all is answered at once, longer sound by a job.
    queue : int
        Jobs that wait; more are refused until there is room.
    listeners : int
        Live streams at a time.
    store_bytes, store_age_s : int, float
        What recordings and results may take on disk together, and how long they are kept after their last use.
    memory_bytes, time_s : int, float
        What a worker may take for one task: address space, and time in all. A task that says nothing for
        ``silence_s`` is stopped too.
    models_kept : int
        Loaded models that a worker keeps.
    """

    state: Path
    models: Path | None = None
    data_root: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    max_upload: int = 1024 * MIB
    max_duration: float = 4 * 3600.0
    auth_token: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    short_s: float = 300.0
    queue: int = 64
    listeners: int = 8
    store_bytes: int = 16 << 30
    store_age_s: float = 24 * 3600.0
    memory_bytes: int = 6 << 30
    time_s: float = 2 * 3600.0
    silence_s: float = 120.0
    models_kept: int = 4

    def checked(self) -> Settings:
        """The same, every value known to be in range.

        Raises
        ------
        UsageError
            Naming the value, the legal range and the option.
        """
        for option, folder in (("models", self.models), ("data-root", self.data_root)):
            if folder is not None and not folder.is_dir():
                raise UsageError(f"--{option} {folder}: there is no such folder")
        for option, value, least in (
            ("workers", self.workers, 1),
            ("max-upload", self.max_upload, 1),
            ("max-duration", self.max_duration, 1),
        ):
            if not least <= value < math.inf:
                raise UsageError(f"--{option} {value:g} must be at least {least}")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port {self.port} must lie in 0..65535 (0: any that is free)")
        if self.auth_token is not None and len(self.auth_token) < 8:
            raise UsageError("--auth-token must have at least 8 characters")
        if self.auth_token is not None and not (self.auth_token.isascii() and self.auth_token.isprintable()):
            # Headers carry nothing else: nobody could say it.
            raise UsageError("--auth-token must be of plain letters, digits and signs (ASCII)")
        for origin in self.origins:
            scheme, sign, rest = origin.partition("://")
            if scheme not in ("http", "https") or not sign or not rest or "/" in rest or "*" in rest:
                raise UsageError(f"--allow-origin {origin!r} must look like https://host or http://host:port")
        return self

    @property
    def root(self) -> Path | None:
        """``data_root`` as workers find it, who are elsewhere."""
        return None if self.data_root is None else self.data_root.resolve()

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK


def parse_size(text: str) -> int:
    """``500M`` or ``2G`` (or plain bytes) in bytes. Raises ``UsageError``."""
    number, unit = text.strip().upper().removesuffix("B").removesuffix("I"), ""
    if number and number[-1] in "KMG":
        number, unit = number[:-1], number[-1]
    try:
        size = float(number) * UNITS[unit]
    except ValueError:
        size = math.nan
    if not 1 <= size < math.inf:
        raise UsageError(f"size={text!r} must be a number of bytes, or look like 500M or 2G")
    return int(size)


def state_folder(port: int) -> Path:
    """Where the service of a port keeps its state if nobody says: ``$XDG_STATE_HOME/sonoscope/serve-PORT``."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base, "sonoscope", f"serve-{port}")
