"""What workers do: a table of tasks. Each takes what was asked (JSON values) and the worker's tools, and writes a file.

A task returns what there is to know of its answer: ``media_type`` and ``name`` of the file, and what else its route
needs. It raises errors of the engine, or a :class:`~sonoscope.service.faults.Fault`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sonoscope.service.tasks import analysis, embedding, evaluating, explaining, preparing, sound
from sonoscope.service.worker import Tools

TASKS: dict[str, Callable[[dict[str, Any], Tools], dict[str, Any]]] = {
    "analyze": analysis.analyze,
    "prepare": preparing.prepare,
    "play": sound.play,
    "embed": embedding.embed,
    "evaluate": evaluating.evaluate,
    "explain": explaining.explain,
}
