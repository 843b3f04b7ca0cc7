"""Models: bundles by name, and running them without torch.

Importing this package keeps ONNX Runtime from reporting to its makers: its official builds write an identifier
into the home folder and send events as soon as they are imported, unless ``ORT_DISABLE_TELEMETRY`` is set
before. Whatever imports onnxruntime imports this package first.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sonoscope.errors import UnknownName, nearest
from sonoscope.models import cache
from sonoscope.models.bundle import Bundle, open_bundle

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

#: Where the bundles that come with the package lie.
SHIPPED = Path(__file__).parents[1] / "bundles"


def names() -> dict[str, Path]:
    """Every bundle that has a name: in the folders of ``$SONOSCOPE_MODELS``, shipped ones, then fetched ones."""
    folders = [Path(entry) for entry in os.environ.get("SONOSCOPE_MODELS", "").split(os.pathsep) if entry]
    found: dict[str, Path] = {}
    for folder in (*folders, SHIPPED):
        if folder.is_dir():
            _gather(folder, found)
    # A cache of somebody else's, which may not be read, holds nothing for this user.
    with contextlib.suppress(PermissionError):
        if cache.bundles().is_dir():
            _gather(cache.bundles(), found)
    return found


def _gather(folder: Path, found: dict[str, Path]) -> None:
    """Add the bundles in a folder whose names are not taken yet."""
    for entry in sorted(folder.iterdir()):
        if (entry / "bundle.json").is_file():
            found.setdefault(entry.name, entry)


def load(name_or_folder: str | Path) -> Bundle:
    """A bundle by its name or its folder.

    Raises
    ------
    UnknownName
        If there is no such name and no such folder.
    BadBundle
        If the folder is no usable bundle.
    """
    known = names()
    if str(name_or_folder) in known:
        return open_bundle(known[str(name_or_folder)])
    folder = Path(name_or_folder)
    if folder.is_dir():
        return open_bundle(folder)
    raise UnknownName(
        f"unknown model {str(name_or_folder)!r}.{nearest(str(name_or_folder), known)} "
        f"Known: {', '.join(sorted(known)) or 'none'}; or give the folder of a bundle."
    )
