"""What long verbs tell on stderr: messages, and how far they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sonoscope.errors import count

if TYPE_CHECKING:
    from sonoscope.data.survey import Problem

#: How often progress is told where it cannot be rewritten in place, and where it can.
TOLD_EVERY_S, REDRAWN_EVERY_S = 30.0, 0.2


def say(text: str) -> None:
    """A message on stderr, in characters that any terminal has."""
    from sonoscope.cli.display import printable

    for line in text.splitlines():
        print(printable(line), file=sys.stderr, flush=True)


def left_out(problems: Sequence[Problem], what: str, one: str = "row", many: str = "") -> int:
    """Say how many rows (or what ``one`` is) cannot be used, what became of them, and the first; 1 if there are any."""
    if problems:
        first = problems[0]
        say(
            f"{count(len(problems), one, many)} {what}; the first: {first.path}: {first.reason}. {first.remedy}"
        )
    return int(bool(problems))


def told(line: Callable[..., str]) -> Callable[..., None]:
    """Progress on stderr: ``line`` makes its text of what a report is called with, and of the seconds so far.

    On a terminal one line is rewritten in place; elsewhere there is a line now and then.
    """
    terminal = sys.stderr.isatty()
    begun = last = time.monotonic()

    def report(*values: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (REDRAWN_EVERY_S if terminal else TOLD_EVERY_S):
            return
        last = now
        if terminal:
            from sonoscope.cli.display import printable

            print(f"\r{printable(line(now - begun, *values))}\033[K\r", end="", file=sys.stderr, flush=True)
        else:
            say(line(now - begun, *values))

    return report
