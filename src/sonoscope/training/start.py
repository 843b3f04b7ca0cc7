"""One training, whatever its kind: the room that does it is imported when it is needed."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from sonoscope.errors import UsageError
from sonoscope.training import config as configs
from sonoscope.training import plans, rundir
from sonoscope.training.config import Config

#: Kind of a training -> the module whose ``fit`` does it.
ROOMS = {
    "network": "sonoscope.training.engine",
    "classical": "sonoscope.training.classical",
    "dummy": "sonoscope.training.classical",
    "pretrain": "sonoscope.training.pretrain",
    "notes": "sonoscope.training.transcribe",
}
#: Kind of a training -> the figure that its best epoch is chosen by, where it has not those of labels.
MONITORS = {"pretrain": "val_loss", "notes": "val_ap"}


def monitored(config: Config) -> str:
    """The figure that the best epoch, or trial, is chosen by: as configured, else what the kind has."""
    named = config.training.monitor
    return MONITORS.get(config.kind, named) if named == type(config.training).monitor else named


def fit(config: Config, folder: Path, **options: Any) -> Any:
    """Train as ``config`` says into ``folder``; options and outcome as of ``engine.fit``.

    Raises
    ------
    UsageError
        If what it needs is not installed, or the configuration cannot be meant.
    """
    does = room(ROOMS[config.kind], "training")
    with rundir.nothing_if_refused(Path(folder)):
        return does.fit(config, folder, **options)


def train(
    *words: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    quick: bool = False,
) -> Any:
    """One training, as ``sonoscope train WORDS -o OUT`` does it.

    Parameters
    ----------
    *words : str or path
        The command's: a configuration or the name of a preset, data, and ``key=value``.
    out : path, optional
        The folder of the run; default: ``runs/NAME``, with a number where that exists.
    resume : bool
        Go on in a folder where a training was interrupted.
    quick : bool
        Five clips of each part, two epochs: does everything work?

    Returns
    -------
    rundir.Outcome
        ``folder`` (the model is its ``bundle``), ``metrics`` of the test part, and whether it was ``interrupted``.

    Raises
    ------
    UsageError
        If what it needs is not installed, or the configuration cannot be meant.
    """
    found = plans.asked([os.fspath(word) for word in words])
    if quick:
        found = plans.hurried(found)
    config = configs.compose(found.values, found.words)
    folder = plans.folder_for(config.name, None if out is None else os.fspath(out))
    return fit(config, folder, resume=resume, quick=quick)


def exported(run: Path, which: str) -> Path:
    """The bundle of the weights that a training ended with, made if need be. Raises as :func:`room`."""
    return room("sonoscope.training.lastweights", "the last weights").bundle_of(run, which)


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
