"""Where what was fetched or made on this machine is kept: in the user's cache, and anywhere with an override.

``$SONOSCOPE_CACHE``, else ``sonoscope`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. Everything in it can be had again.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The environment variable that names the folder.
CACHE = "SONOSCOPE_CACHE"


def folder(*parts: str) -> Path:
    """A place in the cache; nothing is made."""
    if named := os.environ.get(CACHE):
        return Path(named).joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "sonoscope").joinpath(*parts)


def bundles() -> Path:
    """Where fetched bundles lie, each in a folder of its name."""
    return folder("models")


def checkpoints() -> Path:
    """Where fetched checkpoints lie."""
    return folder("checkpoints")
