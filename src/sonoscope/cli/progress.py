"""How it goes, on stderr: a run's progress, and the place reached in a single recording."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from typing import TextIO

from sonoscope.cli import display
from sonoscope.errors import count
from sonoscope.runs import FileDone, RunSummary, Terminal
from sonoscope.runs.progress import REDRAW_S

log = logging.getLogger(__name__)


class Progress(Terminal):
    """``Terminal`` whose last line also says how much sound was heard, and how fast.

    It logs each input that is done; those that failed are logged by the run itself.
    """

    def __init__(self, stream: TextIO | None = None, *, verbosity: int = 1) -> None:
        super().__init__(stream, verbosity=verbosity)
        self._heard_s = 0.0

    def file_done(self, file: FileDone) -> None:
        # What was complete before, or decided from kept scores, says nothing about speed.
        self._heard_s += file.audio_s if file.status == "done" else 0.0
        if file.status != "failed":
            name, events = display.printable(file.name), count(file.events, "event")
            log.info("%s: %s, %.1f s, %s", name, file.status, file.audio_s, events)
        super().file_done(file)

    def finish(self, summary: RunSummary) -> None:
        message = summary.message
        if self._heard_s > 0:
            speed = self._heard_s / max(summary.elapsed_s, 1e-3)
            message += f" ({display.clock(self._heard_s)} of sound, {speed:,.0f} x real time)"
        super().finish(replace(summary, message=message))


class Place:
    """One line on a terminal that says how far into a recording the analysis is; nothing elsewhere.

    The first :data:`REDRAW_S` x 5 are silent: most recordings are done by then.
    """

    def __init__(self, name: str, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._name = display.printable(name)
        self._live = self._stream.isatty() and not quiet
        self._next = time.monotonic() + 5 * REDRAW_S
        self._drawn = False

    def __call__(self, seconds: float) -> None:
        """Show that so many seconds have been analysed."""
        if self._live and time.monotonic() >= self._next:
            self._next = time.monotonic() + REDRAW_S
            self._drawn = True
            self._stream.write(f"\r\x1b[K{self._name}: {display.clock(seconds)} analysed")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
