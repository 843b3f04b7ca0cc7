"""What a model heard in a recording, kept beside it: another threshold or format needs no sound then.

The files hold numbers and JSON, nothing that could run. Each is named after all that the scores depend on: the
model's graph, the hop, the channel, the tail, the tuning.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from sonoscope import scores
from sonoscope.api import Result
from sonoscope.errors import SonoscopeError
from sonoscope.noteapi import NoteModel, NoteResult
from sonoscope.runs.spec import RunSpec
from sonoscope.values import Recording

#: What is kept of a result beside its scores; events are decided again.
FACTS = ("duration", "source_rate", "channels", "channel", "note")


def key(model: Any, spec: RunSpec) -> str:
    """The name under which the scores of a model are kept."""
    depends_on = [model.bundle.sha256, spec.hop_s, spec.channel, spec.tail, spec.notes.tuning]
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]


def keep(result: Result | NoteResult, folder: Path, name: str) -> None:
    """Write what was heard; another process that does so at the same time writes the same."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}.part"
    facts = {fact: getattr(result, fact) for fact in FACTS}
    if isinstance(result, Result):
        scores.save(part, result.scores, {**facts, "told": dict(result.told)})
        part.replace(folder / f"{name}.scores")
        return
    result._kept.seek(0)
    with open(part, "wb") as file:
        shutil.copyfileobj(result._kept, file)
    part.replace(folder / f"{name}.frames")
    part.write_text(json.dumps({**facts, "cents": result.cents}), encoding="utf-8")
    part.replace(folder / f"{name}.notes")


def recall(model: Any, recording: Recording, folder: Path, name: str) -> Result | NoteResult | None:
    """What was heard and kept, decided by nothing yet; None if that is nothing, or damaged."""
    shown = (recording.name, recording.path, model.bundle)
    try:
        if isinstance(model, NoteModel):
            facts = json.loads((folder / f"{name}.notes").read_text(encoding="utf-8"))
            frames = open(folder / f"{name}.frames", "rb")  # noqa: SIM115 (the result's)
            return NoteResult(*shown, (), model.decision(), **facts, _recording=recording, _kept=frames)
        table, facts = scores.load(folder / f"{name}.scores", model.bundle.calibration)
        return Result(*shown, table, (), model.decision(), **facts)
    except (FileNotFoundError, SonoscopeError, ValueError):
        return None
