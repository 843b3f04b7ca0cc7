"""Models: bundles by name, and running them without torch.

Importing this package keeps ONNX Runtime from reporting to its makers: its official builds write an identifier
into the home folder and send events as soon as they are imported, unless ``ORT_DISABLE_TELEMETRY`` is set
before. Whatever imports onnxruntime imports this package first.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.models import cache
from sonoscope.models.bundle import EMBEDDING, Bundle, open_bundle

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


def load(name_or_folder: str | Path, *, labels: bool = True) -> Bundle:
    """A bundle by its name or its folder.

    Parameters
    ----------
    name_or_folder : str or path
    labels : bool
        Whether it must name something; False: one that only gives embeddings will do.

    Raises
    ------
    UnknownName
        If there is no such name and no such folder.
    BadBundle
        If the folder is no usable bundle.
    UsageError
        If it only gives embeddings, and labels are needed.
    """
    known = names()
    folder = known.get(str(name_or_folder), Path(name_or_folder))
    if folder.is_dir():
        bundle = open_bundle(folder)
        if labels:
            check_labels(bundle)
        return bundle
    raise UnknownName(
        f"unknown model {str(name_or_folder)!r}.{nearest(str(name_or_folder), known)} "
        f"Known: {', '.join(sorted(known)) or 'none'}; or give the folder of a bundle."
    )


def check_labels(bundle: Bundle) -> None:
    """See that a model names something. Raises ``UsageError``."""
    if bundle.task == EMBEDDING:
        raise UsageError(
            f"the model {bundle.name!r} names nothing, it only gives embeddings: train a head on it (sonoscope train "
            f"SOUNDS network.backbone=bundle:{bundle.path}), or use it with sonoscope embed"
        )
