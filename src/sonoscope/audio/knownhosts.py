"""SFTP servers are those that ``~/.ssh/known_hosts`` knows: fsspec alone would trust any that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class UnknownHost(Exception):
    """A server whose key is not known."""


def policy() -> Any:
    """A policy for paramiko that accepts a key that is in the file, for the host's name or ``[name]:port``."""
    import paramiko

    class KnownHosts(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            file = Path("~/.ssh/known_hosts").expanduser()
            known = paramiko.HostKeys(str(file)) if file.is_file() else paramiko.HostKeys()
            if not known.check(hostname, key):
                raise UnknownHost(f"{hostname} is not in {file}, or with another key: connect once with sftp")

    return KnownHosts
