"""Networks of notes from a configuration with ``kind: notes``: any backbone and head that answer for every frame.

DATA are rows whose ``annotation`` holds notes (``data render``, ``musicnet:FOLDER``); what is left is a run's folder
with a bundle of the task ``notes``.
"""

from __future__ import annotations

from sonoscope.training.transcribe.engine import fit

__all__ = ["fit"]
