"""What a stream tells: something begins, something ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple

from sonoscope.values import Event


@dataclass(frozen=True)
class Moment:
    """Something begins (``on``) or has ended (``off``).

    Attributes
    ----------
    model, label : str
    time_s : float
        When, in seconds of the sound: the beginning or the end.
    told_s : float
        How much sound had to be heard to know; ``told_s - time_s`` is how late it is told, blocks and computing apart.
    score : float or None
        Of what begins, the highest probability so far (None for a note without an onset); of what ended, the event's.
    pitch, velocity : int or None
        Of notes: MIDI number, 1..127.
    event : Event or None
        With ``off``: the whole event, as ``analyze`` finds it. None if the sound ended before it had a length.
    """

    kind: Literal["on", "off"]
    model: str
    label: str
    time_s: float
    told_s: float
    score: float | None = None
    pitch: int | None = None
    velocity: int | None = None
    event: Event | None = None


def in_order(moments: Iterable[Moment]) -> list[Moment]:
    """Moments as they become known; of one instant what ends comes first, but never before its own beginning.

    Each stream's moments have to come as it gave them.
    """
    begun: set[tuple[float, str, str, int | None]] = set()
    ranked: list[tuple[tuple[float, int, str, int], Moment]] = []
    for moment in moments:
        own = (moment.told_s, moment.model, moment.label, moment.pitch)
        rank = 1 if moment.kind == "on" else 2 if own in begun else 0
        if moment.kind == "on":
            begun.add(own)
        ranked.append(((moment.told_s, rank, moment.label, moment.pitch or 0), moment))
    return [moment for _, moment in sorted(ranked, key=itemgetter(0))]


class Part(NamedTuple):
    """A part of a stream's delay: what it is spent on, and how long that is."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Delay:
    """How late a stream tells that something begins, by itself: what is waited for, in order."""

    parts: tuple[Part, ...]

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(part.seconds for part in self.parts)

    def text(self) -> str:
        """``189 ms (resampler 4, window 85, network 80, decoder 20)``."""
        parts = ", ".join(f"{part.what} {1000 * part.seconds:.0f}" for part in self.parts if part.seconds)
        return f"{1000 * self.seconds:.0f} ms" + (f" ({parts})" if parts else "")
