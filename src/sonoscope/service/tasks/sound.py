"""The notes of a recording as sound: alone, beside it, or mixed with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sonoscope.noteapi import NoteResult
from sonoscope.runs.spec import RunSpec
from sonoscope.service.faults import Fault
from sonoscope.service.tasks.analysis import Hearing
from sonoscope.service.tasks.inputs import recordings
from sonoscope.service.worker import Tools


def play(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``play``: the notes of a recording as sound. ``request``: as ``analyze``, ``how`` and ``target``."""
    spec = RunSpec.from_json(request["spec"])
    models = [tools.models.get(name) for name in spec.models]
    entries = recordings(request)
    result = next(Hearing(request, spec, models, entries, {}, tools).results())
    if not isinstance(result, NoteResult):
        raise Fault("usage", f"{spec.models[0]} hears no notes", "Name a model of notes: model=notes.")
    target = Path(request["target"])
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    result.to_wav(part, request["how"])
    part.replace(target)
    return {"media_type": "audio/wav", "name": f"{entries[0].name}.notes.wav"}
