"""Saying how a run goes: the :class:`Reporter` protocol, one for terminals and pipes, and a silent one.

A run calls ``start`` once, ``listed`` as its inputs become known, ``working`` while a long input is under
way, ``file_done`` for each input, ``note`` for anything else worth a line, and ``finish`` once. Everything
shown goes to the stream given (stderr): one line that is rewritten on a terminal, and sparse plain lines
elsewhere, so that the log of a batch job stays short.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from typing import Protocol, TextIO

from sonoscope.errors import count
from sonoscope.runs.spec import RunSummary

#: Seconds between two rewritings of the line on a terminal, and between the first plain lines elsewhere;
#: plain lines become rarer, up to :data:`LONGEST_SILENCE_S`, so that a run of a day leaves some hundred
#: lines.
REDRAW_S = 0.2
FIRST_SILENCE_S = 10.0
LONGEST_SILENCE_S = 600.0


@dataclass(frozen=True)
class FileDone:
    """One input that is settled.

    ``status`` is ``done`` (analysed), ``decided`` (new decisions from kept scores), ``skipped`` (complete
    before) or ``failed``; ``audio_s`` is the length of the recording in seconds.
    """

    name: str
    status: str
    audio_s: float = 0.0
    size_bytes: int = -1
    events: int = 0
    note: str = ""
    reason: str = ""
    remedy: str = ""


class Reporter(Protocol):
    """What a run tells while it goes. ``finish`` is not called when the run ends with an exception."""

    def start(self, total: int | None, *, out: str, workers: int) -> None:
        """The run begins; ``total`` inputs, or None while they are still being listed."""

    def listed(self, total: int, size_bytes: int, *, complete: bool) -> None:
        """So many inputs of together so many bytes are known so far; ``complete`` when that is all."""

    def working(self, name: str, audio_s: float) -> None:
        """``audio_s`` seconds of the input ``name`` have been analysed, and it goes on."""

    def file_done(self, file: FileDone) -> None:
        """One input is settled."""

    def note(self, text: str) -> None:
        """Something that the user should know, in one line."""

    def finish(self, summary: RunSummary) -> None:
        """The run is over."""


class Silent:
    """A reporter that says nothing."""

    def start(self, total: int | None, *, out: str, workers: int) -> None: ...
    def listed(self, total: int, size_bytes: int, *, complete: bool) -> None: ...
    def working(self, name: str, audio_s: float) -> None: ...
    def file_done(self, file: FileDone) -> None: ...
    def note(self, text: str) -> None: ...
    def finish(self, summary: RunSummary) -> None: ...


class Terminal:
    """Progress as text: files done of those listed, how much audio, times real time, and time left.

    Parameters
    ----------
    stream : text stream, optional
        Default: stderr as it is when the reporter is made.
    verbosity : {0, 1, 2}
        0: failed inputs and notes only; 1: also progress and the last line; 2: also a line for each input.
    """

    def __init__(self, stream: TextIO | None = None, *, verbosity: int = 1) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._verbosity = verbosity
        self._live = verbosity > 0 and self._stream.isatty()
        self._drawn = ""
        self._began = self._next = time.monotonic()
        self._silence = FIRST_SILENCE_S
        self._total, self._total_bytes, self._complete = 0, 0, False
        self._files, self._failed, self._bytes = 0, 0, 0
        self._audio_s, self._skipped_bytes = 0.0, 0
        self._open: dict[str, float] = {}

    def start(self, total: int | None, *, out: str, workers: int) -> None:
        self._began = time.monotonic()
        self._next = self._began + (REDRAW_S if self._live else self._silence)
        self._total, self._complete = total or 0, total is not None
        if self._verbosity > 1:
            self._line(f"writing to {out}, {count(workers, 'worker')}")

    def listed(self, total: int, size_bytes: int, *, complete: bool) -> None:
        self._total, self._total_bytes, self._complete = total, size_bytes, complete
        self._show()

    def working(self, name: str, audio_s: float) -> None:
        self._open[name] = audio_s
        self._show()

    def file_done(self, file: FileDone) -> None:
        self._open.pop(file.name, None)
        self._files += 1
        self._bytes += max(file.size_bytes, 0)
        if file.status == "failed":
            self._failed += 1
            self._line(f"{_plain(file.name)}: {file.reason}. {file.remedy}")
        elif file.status == "done":
            self._audio_s += file.audio_s
        if file.status != "done":
            self._skipped_bytes += max(file.size_bytes, 0)
        if self._verbosity > 1 and file.status != "failed":
            note = f" ({file.note})" if file.note else ""
            events = count(file.events, "event")
            self._line(f"{_plain(file.name)}: {file.status}, {file.audio_s:.1f} s, {events}{note}")
        self._show()

    def note(self, text: str) -> None:
        self._line(text)

    def finish(self, summary: RunSummary) -> None:
        self._clear()
        if self._verbosity > 0:
            for text in (*summary.remarks, summary.message):
                if text:
                    self._line(text)

    def text(self, now: float | None = None) -> str:
        """The line of progress as it stands, without what the terminal adds to it."""
        elapsed = max((time.monotonic() if now is None else now) - self._began, 1e-9)
        audio_s = self._audio_s + sum(self._open.values())
        total = f"{self._total}" if self._complete else f"{self._total}+" if self._total else "?"
        parts = [f"{self._files}/{total} files", f"{_amount(audio_s)} of audio"]
        if audio_s:
            parts.append(f"{audio_s / elapsed:.0f} x real time")
        left = self._left_s(elapsed)
        if left is not None:
            parts.append(f"{clock(left)} left")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join(parts)

    def _left_s(self, elapsed: float) -> float | None:
        """Seconds to go, from the bytes that needed work so far: files differ in length."""
        worked = self._bytes - self._skipped_bytes
        remaining = self._total_bytes - self._bytes
        if not self._complete or worked <= 0 or self._files >= self._total:
            return None
        return elapsed * remaining / worked

    def _show(self) -> None:
        now = time.monotonic()
        if self._verbosity < 1 or now < self._next:
            return
        if self._live:
            self._next = now + REDRAW_S
            text = self.text(now)[: shutil.get_terminal_size().columns - 1]
            self._write("\r" + text.ljust(len(self._drawn)))
            self._drawn = text
        else:
            self._next = now + self._silence
            self._silence = min(self._silence * 1.5, LONGEST_SILENCE_S)
            self._write(self.text(now) + "\n")

    def _line(self, text: str) -> None:
        self._clear()
        self._write(text + "\n")

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r" + " " * len(self._drawn) + "\r")
            self._drawn = ""

    def _write(self, text: str) -> None:
        """To the stream, if it can still be written: a closed pipe or a full disk must not stop the run."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._verbosity, self._live = -1, False


def clock(seconds: float) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``3 h 05 min``, ``2 d 04 h``.

    >>> clock(45), clock(725), clock(11100), clock(187200)
    ('45 s', '12 min', '3 h 05 min', '2 d 04 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"


def _amount(seconds: float) -> str:
    """How much sound: minutes below one hour, then hours."""
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _plain(name: str) -> str:
    """A file name on one line: control characters, a newline among them, are shown as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
