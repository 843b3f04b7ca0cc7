"""What a model heard in a recording, kept beside it: another threshold or format needs no sound then.

The files are written and read by this service alone. Each is named after all that the scores depend on: the model's
graph, the hop, the channel, the tail, the tuning.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from sonoscope.api import Result
from sonoscope.noteapi import NoteResult
from sonoscope.runs.spec import RunSpec


def key(model: Any, spec: RunSpec) -> str:
    """The name under which the scores of a model are kept."""
    depends_on = [model.bundle.sha256, spec.hop_s, spec.channel, spec.tail, spec.notes.tuning]
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]


def keep(result: Result | NoteResult, folder: Path, name: str) -> None:
    """Write what was heard; another process that does so at the same time writes the same."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}.part"
    bare: Any = replace(result, bundle=None)  # type: ignore[arg-type]
    if isinstance(result, NoteResult):
        result._kept.seek(0)
        with open(part, "wb") as file:
            shutil.copyfileobj(result._kept, file)
        part.replace(folder / f"{name}.frames")
        bare = replace(bare, _kept=None)
    part.write_bytes(pickle.dumps(bare))
    part.replace(folder / f"{name}.heard")


def recall(model: Any, folder: Path, name: str) -> Result | NoteResult | None:
    """What was heard and kept, or None."""
    try:
        bare = pickle.loads((folder / f"{name}.heard").read_bytes())
        if isinstance(bare, NoteResult):
            bare = replace(bare, _kept=open(folder / f"{name}.frames", "rb"))  # noqa: SIM115 (the result's)
    except FileNotFoundError:
        return None
    return replace(bare, bundle=model.bundle)
