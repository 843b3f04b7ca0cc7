"""What is decided about note scores: the model's rules with the wishes of who asks, and the notes that follow.

Changing a decision never needs the sound again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sonoscope.errors import UsageError
from sonoscope.labels import midi_of, pitch_hz
from sonoscope.notes.decode import decode
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import LEAST, NoteScores
from sonoscope.signatures import expect
from sonoscope.values import SCORE_DECIMALS, Event, Label

#: What every note is called, until something says which instrument plays it.
NOTE = Label("note", "Note")
PITCH_CLASS = "pitch_class"
#: Shortest note that a single voice slides into. On 18 rendered solos of six instruments it costs nothing (F1 of
#: onsets 0.972 with such notes and without), and a sung phrase is whole.
SLID_S = 0.12


@dataclass(frozen=True)
class NoteDecision:
    """Rules, and whether notes are told apart by pitch class only (12, called 60 to 71)."""

    rules: NoteRules
    pitch_classes: bool = False


def decided(
    own: NoteRules,
    *,
    onset: float | None = None,
    sustain: float | None = None,
    min_length_s: float | None = None,
    lowest: int | None = None,
    highest: int | None = None,
    mono: bool = False,
    pitch_classes: bool = False,
) -> NoteDecision:
    """The model's ``own`` rules with those that somebody wishes instead.

    The lower thresholds keep their ratio to the upper ones. One voice slides from note to note, so with ``mono`` notes
    without an onset count too (from :data:`SLID_S` on), also where the model's own rules leave them out.

    Raises
    ------
    UsageError
        If a value is out of range.
    """
    changes: dict[str, object] = {"mono": mono or own.mono}
    for name, value in (("onset", onset), ("sustain", sustain)):
        if value is not None:
            if not LEAST <= value <= 1:
                raise UsageError(f"{name}={value:g} must lie in {LEAST:g}..1, a probability (--{name})")
            ratio = getattr(own, f"{name}_low") / getattr(own, name)
            changes |= {
                name: value,
                f"{name}_low": max(round(ratio * value, SCORE_DECIMALS), 10**-SCORE_DECIMALS),
            }
    if changes["mono"] and own.soft_length_s is None:
        changes["soft_length_s"] = SLID_S
    if min_length_s is not None:
        changes["min_length_s"] = min_length_s
    if lowest is not None:
        changes["lowest"] = lowest
    if highest is not None:
        changes["highest"] = highest
    return NoteDecision(replace(own, **changes), pitch_classes)  # type: ignore[arg-type]


def wished(
    own: NoteRules,
    *,
    onset: float | None,
    sustain: float | None,
    min_length: float | None,
    low: int | str | None,
    high: int | str | None,
    mono: bool,
    pitch_classes: bool,
) -> NoteDecision:
    """:func:`decided`, of options as Python gives them: of any kind, pitches by name too. Raises ``UsageError``."""
    expect(float | None, onset=onset, sustain=sustain, min_length=min_length)
    expect(int | str | None, low=low, high=high)
    expect(bool, mono=mono, pitch_classes=pitch_classes)
    lowest, highest = (midi_of(pitch) if isinstance(pitch, str) else pitch for pitch in (low, high))
    return decided(
        own, onset=onset, sustain=sustain, min_length_s=min_length, lowest=lowest, highest=highest, mono=mono,
        pitch_classes=pitch_classes,
    )  # fmt: skip


def notes_of(
    blocks: Iterable[NoteScores],
    decision: NoteDecision,
    *,
    duration_s: float,
    cents: float = 0.0,
    channel: int | None = None,
) -> list[Event]:
    """The notes of a recording, sorted by (start, end, pitch).

    Each has the frequencies that its key reaches, half a semitone down and up, in the recording's own tuning.

    Parameters
    ----------
    blocks : iterable of NoteScores
        In order.
    duration_s : float
        Length of the recording by its own count.
    cents : float
        How far it is tuned above A4 = 440 Hz.
    channel : int, optional
        The channel that was analysed, 1-based; written into the notes.
    """
    rules = decision.rules
    if decision.pitch_classes:
        low, high = rules.lowest, rules.highest
        blocks = (_within(block, low, high).pitch_classes() for block in blocks)
        rules = replace(rules, lowest=0, highest=127)
    found = decode(blocks, rules, label=NOTE.id, duration_s=duration_s)
    if decision.pitch_classes:
        return [replace(n, channel=channel, flags=_joined(n.flags, PITCH_CLASS)) for n in found]
    return [placed(note, cents, channel) for note in found]


def placed(note: Event, cents: float, channel: int | None = None) -> Event:
    """The note with the frequencies that its key reaches, ``cents`` above A4 = 440 Hz."""
    assert note.pitch is not None
    low_hz, high_hz = (round(pitch_hz(note.pitch + cents / 100 + half), 3) for half in (-0.5, 0.5))
    return replace(note, channel=channel, low_hz=low_hz, high_hz=high_hz)


def _joined(*flags: str) -> str:
    return ";".join(filter(None, flags))


def _within(block: NoteScores, lowest: int, highest: int) -> NoteScores:
    """The block with nothing outside a range of pitches: octaves are folded afterwards."""
    first, last = max(lowest - block.lowest, 0), max(highest + 1 - block.lowest, 0)
    if first == 0 and last >= block.n_pitches:
        return block
    cut = {name: table.copy() for name, table in block.tables().items()}
    for table in cut.values():
        table[:, :first] = 0.0
        table[:, last:] = 0.0
    return replace(block, **cut)  # type: ignore[arg-type]
