"""A fitted model on the disk: ``model.npz`` with its arrays, ``hyperparameters.json`` with its settings.

Nothing is pickled, so nothing that is read can run: ``joblib`` files of others are not read.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.table import put
from sonoscope.errors import UsageError, lookup
from sonoscope.training.classical.averaged import Averaged
from sonoscope.training.classical.dummy import Drawn
from sonoscope.training.classical.knn import Nearest
from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.protocol import Answerer
from sonoscope.training.classical.svm import Kernel

ARRAYS, SETTINGS = "model.npz", "hyperparameters.json"

ANSWERERS: dict[str, Any] = {kind.kind: kind for kind in (Linear, Kernel, Nearest, Averaged, Drawn)}


def write(folder: Path, answerer: Answerer, told: dict[str, Any]) -> None:
    """Write both files; ``told`` is what else belongs to the settings (labels, columns, features)."""
    file = io.BytesIO()
    np.savez_compressed(file, **answerer.arrays())  # type: ignore[arg-type]
    put(folder / ARRAYS, file.getvalue())
    text = json.dumps({"kind": answerer.kind, "settings": dict(answerer.settings), **told}, indent=1)
    put(folder / SETTINGS, (text + "\n").encode())


def read(folder: Path) -> tuple[Answerer, dict[str, Any]]:
    """A fitted model and its settings.

    Raises
    ------
    UsageError
        If they are not there or cannot be read.
    """
    try:
        told = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        kind = lookup(ANSWERERS, str(told["kind"]), "kind of fitted model")
        return kind(**arrays, settings=told["settings"]), told
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{folder} holds no fitted classical model that can be read: {error}") from None
