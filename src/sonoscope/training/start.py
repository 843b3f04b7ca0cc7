"""One training, whatever its kind: the room that does it is imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from sonoscope.errors import UsageError
from sonoscope.training.config import Config

#: Kind of a training -> the module whose ``fit`` does it.
ROOMS = {
    "network": "sonoscope.training.engine",
    "classical": "sonoscope.training.classical",
    "dummy": "sonoscope.training.classical",
    "pretrain": "sonoscope.training.pretrain",
    "notes": "sonoscope.training.transcribe",
}


def fit(config: Config, folder: Path, **options: Any) -> Any:
    """Train as ``config`` says into ``folder``; options and outcome as of ``engine.fit``.

    Raises
    ------
    UsageError
        If what it needs is not installed, or the configuration cannot be meant.
    """
    return room(ROOMS[config.kind], "training").fit(config, folder, **options)


def room(module: str, purpose: str) -> Any:
    """Import a module that needs the extra ``train``, or say what is missing. Raises ``UsageError``."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "sonoscope":
            raise
        raise UsageError(
            f"{purpose} needs the package {missing.name.partition('.')[0]}, which is not installed: "
            "pip install 'sonoscope[train]' (from a clone: pip install '.[train]')"
        ) from None
