"""Progress of a run on stderr, and at its end a line: what was done, where it is, how much sound, how fast."""

from __future__ import annotations

from dataclasses import replace

from sonoscope.cli import display
from sonoscope.runs import RunSummary, Terminal


class Progress(Terminal):
    """``Terminal`` whose last line also says how much sound was analysed, and how many times real time."""

    def finish(self, summary: RunSummary) -> None:
        message = summary.message
        if summary.audio_s > 0:
            speed = summary.audio_s / max(summary.elapsed_s, 1e-3)
            message += f" ({display.clock(summary.audio_s)} of sound, {speed:,.0f} x real time)"
        super().finish(replace(summary, message=message))
