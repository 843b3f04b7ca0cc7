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
}


def fit(config: Config, folder: Path, **options: Any) -> Any:
    """Train as ``config`` says into ``folder``; options and outcome as of ``engine.fit``.

    Raises
    ------
    UsageError
        If what it needs is not installed, or the configuration cannot be meant.
    """
    try:
        room = import_module(ROOMS[config.kind])
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "sonoscope":
            raise
        raise UsageError(
            f"training needs the package {missing.name.partition('.')[0]}, which is not installed: "
            "pip install 'sonoscope[train]'"
        ) from None
    return room.fit(config, folder, **options)
