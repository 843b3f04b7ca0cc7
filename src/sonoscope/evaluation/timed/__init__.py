"""Judging in time: recordings with annotated events or notes, and what models or other programs say of them.

::

    parts.py (Part: a recording and its truth) -+-> judging.py -> protocols/{notes,musicnet,events}.py (measure)
    models.py, kept.py, files.py (a Source)    -+

A source is a model that hears, a folder of results of ``analyze``, or files of other programs (MIDI, tables). What it
lacks or what does not fit is refused with what differs.
"""

from __future__ import annotations

from sonoscope.evaluation.timed.judging import judge_events, judge_notes, judge_pitch

__all__ = ["judge_events", "judge_notes", "judge_pitch"]
