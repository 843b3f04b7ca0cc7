"""What the command shows: plain text that reads the same in a terminal, in a pipe and in a log.

Everything here turns values into lines; nothing computes scores. Colour only where the stream is a terminal
and ``NO_COLOR`` is unset; block characters only where the stream's encoding has them; width from the terminal
(80 in a pipe). Times on the screen are ``m:ss.ss`` or ``h:mm:ss.ss``, rounded to 10 ms; files keep decimal
seconds.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sonoscope.errors import UsageError, count
from sonoscope.values import columns

if TYPE_CHECKING:
    from sonoscope.api import Result
    from sonoscope.noteapi import NoteResult

#: Events shown for one recording in a terminal; a pipe gets all of them.
ROWS_IN_TERMINAL = 40

#: Bars shown for one recording; models with fewer labels show all of them.
BARS = 15

#: What the bars of a recording are, by the way in which they sum it up.
SUMS = {
    "mean": "mean score of the whole recording",
    "max": "highest score",
    "s1": "mean score of the whole recording (S1)",
    "s2": "mean score, the strongest label being 1 (S2)",
}

_COLOURS = {"bold": "1", "green": "32", "yellow": "33"}


@dataclass(frozen=True)
class Screen:
    """How text may look on a stream: its width in columns, and whether colour and block characters work."""

    width: int
    colour: bool
    blocks: bool
    terminal: bool

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """The screen behind ``stream``."""
        terminal = stream.isatty()
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        width = shutil.get_terminal_size((80, 24)).columns
        return cls(max(40, width), terminal and not plain, _encodes(stream, "█▏…"), terminal)

    def paint(self, text: str, look: str) -> str:
        """``text`` in a look (``bold``, ``green``, ``yellow``), or as it is where there is no colour."""
        return f"\x1b[{_COLOURS[look]}m{text}\x1b[0m" if self.colour else text

    def bar(self, share: float, length: int) -> str:
        """A bar of ``share`` (0..1) of ``length`` columns, in eighths of a column where blocks work."""
        if not self.blocks:
            return "#" * round(share * length)
        eighths = round(share * length * 8)
        return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def clock(seconds: float) -> str:
    """``m:ss.ss`` or ``h:mm:ss.ss``.

    >>> clock(3.2), clock(3725.0)
    ('0:03.20', '1:02:05.00')
    """
    hundredths = math.floor(seconds * 100 + 0.5)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def recording(
    result: Result, screen: Screen, *, aggregate: str, top_k: int | None, others: Sequence[str]
) -> list[str]:
    """All lines about one recording: what is special, a table of its events, a bar for each label."""
    clip = result.clip(aggregate)
    lines = _warnings(result, screen, others)
    lines.append(screen.paint(printable(result.file), "bold") + f"  {facts(result)}")
    events = result.events
    shown = events[:ROWS_IN_TERMINAL] if screen.terminal else events
    if shown:
        rows = [("start", "end", "label", "score")]
        rows += [(clock(e.start_s), clock(e.end_s), e.label, f"{e.score:.2f}") for e in shown]
        lines += ["", *columns(rows, right=(0, 1, 3), indent="  ")]
        if len(shown) < len(events):
            lines.append(f"  ... and {count(len(events) - len(shown), 'more event')}; -o FILE.csv writes all")
    else:
        lines += ["", "  nothing reaches its threshold"]
    lines += ["", f"  {SUMS[aggregate]}:", *_bars(clip, {e.label for e in events}, screen, top_k), ""]
    return lines


def short_recording(
    result: Result, screen: Screen, *, aggregate: str, top_k: int | None, others: Sequence[str]
) -> list[str]:
    """A few lines about one of several recordings: how long and how often each label sounds, and its bar.

    That a recording is unknown to the model is said, and ``others`` are named, once for all of them.
    """
    clip = result.clip(aggregate)
    lines = [screen.paint(printable(result.file), "bold") + f"  {facts(result)}"]
    if result.events and mostly_unknown(result):
        lines.append(screen.paint(f"  mostly unknown to the model ({_missed(result)})", "yellow"))
    if result.note:
        lines.append(screen.paint(f"  note: {result.note}", "yellow"))
    found = sorted({e.label for e in result.events}, key=lambda label: (-clip.get(label, 0.0), label))[:top_k]
    rows = []
    for label in found:
        mine = [e for e in result.events if e.label == label]
        total = clock(sum(e.end_s - e.start_s for e in mine))
        rows.append(
            (
                label,
                total,
                f"in {count(len(mine), 'event')}",
                f"{clip[label]:.2f}",
                screen.bar(clip[label], 20),
            )
        )
    if not rows:
        best = max(clip, key=lambda label: clip[label], default="")
        lines.append(
            f"  nothing reaches its threshold; highest: {best} {clip[best]:.2f}" if best else "  no windows"
        )
    return [*lines, *columns(rows, right=(1, 3), indent="  "), ""]


def facts(result: Result | NoteResult) -> str:
    """How long a recording is, its rate and channels, and which model heard it."""
    parts = [clock(result.duration), f"{result.source_rate / 1000:g} kHz", count(result.channels, "channel")]
    return ", ".join(parts) + f"; model {result.bundle.name}"


def mostly_unknown(result: Result) -> bool:
    """Whether more than half of a recording is nothing that the model knows, silence and detectors apart."""
    from sonoscope.pipeline import is_silent

    heard = not is_silent(result.note) and not result.bundle.taught
    return heard and 2 * result.unknown_windows > len(result.scores)


def _missed(result: Result) -> str:
    return f"{result.unknown_windows:,} of {count(len(result.scores), 'window')}"


def _warnings(result: Result, screen: Screen, others: Sequence[str]) -> list[str]:
    lines = []
    if mostly_unknown(result):
        rest = f" Other models: {', '.join(others)} (-m NAME)." if others else ""
        text = f"Most of {printable(result.file)} is unknown to the model {result.bundle.name}"
        text += f" ({_missed(result)}).{rest}"
        lines.append(screen.paint(text, "yellow"))
    if result.note:
        lines.append(screen.paint(f"Note: {result.note}.", "yellow"))
    return lines


def _bars(clip: Mapping[str, float], sounding: set[str], screen: Screen, top_k: int | None) -> list[str]:
    """A line for each label, highest first, with its clip probability as a bar; green: it has events."""
    ranked = sorted(clip, key=lambda label: (-clip[label], label))[: top_k or BARS]
    name_width = max((len(label) for label in ranked), default=0)
    length = max(10, min(50, screen.width - name_width - 12))
    lines = []
    for label in ranked:
        bar = screen.bar(clip[label], length)
        painted = screen.paint(bar, "green") if bar and label in sounding else bar
        lines.append(f"  {label.ljust(name_width)}  {clip[label]:.2f}  {painted}".rstrip())
    return lines


def start_logging(verbose: bool, quiet: bool, log_file: str | None) -> int:
    """Send the package's warnings to stderr (``quiet``: errors only), and everything to a file.

    With ``verbose`` stderr gets tracebacks too. What a run tells by the way is for the file: the screen has its
    progress. Handlers are marked, and the command removes them at its end. Returns how much is told of progress: 0
    (``quiet``) to 2 (``verbose``). Raises ``UsageError`` if both are asked for, or the file cannot be written.
    """
    if verbose and quiet:
        raise UsageError("-v and -q contradict each other: give one")
    from sonoscope.audio.secrets import Discreet

    log = logging.getLogger("sonoscope")
    log.setLevel(logging.DEBUG)
    least = logging.ERROR if quiet else logging.WARNING
    screen: logging.Handler = logging.StreamHandler(sys.stderr)
    screen.addFilter(lambda record: record.levelno >= least or (verbose and bool(record.exc_info)))
    screen.setFormatter(Discreet("sonoscope: %(message)s"))
    handlers = [screen]
    if log_file:
        try:
            Path(log_file).parent.mkdir(parents=True, exist_ok=True)
            kept = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--log {log_file} cannot be written: {error.strerror}") from None
        kept.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(kept)
    for handler in handlers:
        handler.of_the_command = True  # type: ignore[attr-defined]
        log.addHandler(handler)
    return 0 if quiet else 2 if verbose else 1


def hint(inputs: Sequence[str], verb: str = "analyze", one: str = "song.csv") -> str:
    """How to get files instead of a screen; ``one`` is an example of a file for one recording."""
    from shlex import quote

    # A name that begins with a dash would be taken for an option.
    named = (f"./{text}" if text.startswith("-") else text for text in inputs[:2])
    shown = " ".join(map(quote, named)) + (" ..." if len(inputs) > 2 else "")
    return f"To keep it: sonoscope {verb} {shown} -o results   (a folder; for one recording also -o {one})"


def printable(text: str) -> str:
    """``text`` in one line: control characters and bytes that are no text are escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def complain(message: str, *below: str) -> None:
    """A message on stderr, and lines below it."""
    print("\n".join([f"sonoscope: {printable(message)}", *map(printable, below)]), file=sys.stderr)
