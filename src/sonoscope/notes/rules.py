"""What turns note scores into notes; changing it never needs the sound again."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from sonoscope.errors import UsageError
from sonoscope.notes.scores import STEPS


@dataclass(frozen=True)
class NoteRules:
    """Thresholds and lengths of the decoder (docs/notes.md says what each does).

    Attributes
    ----------
    onset, onset_low : float, 0..1
        A note begins at a peak of the onset's probability that reaches ``onset``; the same pitch begins again only
        after it fell below ``onset_low``.
    sustain, sustain_low : float, 0..1
        A note goes on while the sustain's probability stays at or above ``sustain_low``. One that begins without an
        onset, softly, has to reach ``sustain``.
    peak_s : float, >= 0
        A peak is the highest within so much time before and after it.
    max_gap_s : float, >= 0
        So long may the sustain fall below ``sustain_low`` within a note.
    min_length_s : float, >= 0
        Shorter notes are left out; with 0, those that never sound.
    sure, unsure_length_s, company, company_s : float, float, int, float
        An onset is sure if it reaches ``sure``, or if so many that do, of any pitch, came with it or within so many
        seconds before. A note whose onset is not has to last for ``unsure_length_s``, if that is longer than
        ``min_length_s``: blips are wrong where little is played, and right in the midst of much.
    soft_length_s : float or None
        The same for notes without an onset; None: they are left out altogether.
    onset_shift_s, end_shift_s : float
        Added to every beginning and end: what a network is late or early by.
    lowest, highest : int, MIDI numbers
        Only pitches from ``lowest`` to ``highest``, both included.
    partial : int, >= 0
        Semitones from a struck bar to a partial that passes for a note: an onset so far above one that begins with it,
        and hardly surer, does not count. Bars are tuned to 1:4:10; ten times a pitch lies 40 above it. 0: all count.
    partial_low : int, 0 or up to ``partial``
        The same for all distances from this one to ``partial``: not every carver reaches ten. 0: for ``partial`` alone.
    mono : bool
        One note at a time: in each frame only the likeliest pitch counts, and a note that begins ends the others.
    median_velocity : int or None, 1..127
        Velocities of a recording are moved together until this is their median, so that its gain does not matter;
        None: they stay as they are, as they do live, where what follows is not known.

    Raises
    ------
    UsageError
        If a value is out of range; with the range.
    """

    onset: float = 0.5
    onset_low: float = 0.25
    sustain: float = 0.5
    sustain_low: float = 0.3
    peak_s: float = 0.025
    max_gap_s: float = 0.035
    min_length_s: float = 0.04
    soft_length_s: float | None = 0.12
    sure: float = 0.8
    unsure_length_s: float = 0.0
    company: int = 4
    company_s: float = 2.0
    onset_shift_s: float = 0.0
    end_shift_s: float = 0.0
    lowest: int = 0
    highest: int = 127
    partial: int = 0
    partial_low: int = 0
    mono: bool = False
    median_velocity: int | None = None

    def __post_init__(self) -> None:
        for name in ("onset", "onset_low", "sustain", "sustain_low", "sure"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise UsageError(f"{name}={value} must be a probability above 0, up to 1")
        for low, high in (("onset_low", "onset"), ("sustain_low", "sustain")):
            if getattr(self, low) > getattr(self, high):
                raise UsageError(f"{low}={getattr(self, low)} must not be above {high}={getattr(self, high)}")
        for name in ("peak_s", "max_gap_s", "min_length_s", "soft_length_s", "unsure_length_s", "company_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"{name}={value} must be a number of seconds, 0 or more")
        if self.partial < 0:
            raise UsageError(f"partial={self.partial} must be a number of semitones, 0 or more")
        if not 0 <= self.partial_low <= self.partial:
            raise UsageError(
                f"partial_low={self.partial_low} must be a number of semitones, up to {self.partial}"
            )
        if self.company < 0:
            raise UsageError(f"company={self.company} must be a number of onsets, 0 or more")
        for name in ("onset_shift_s", "end_shift_s"):
            if not abs(getattr(self, name)) <= 1:
                raise UsageError(f"{name}={getattr(self, name)} must lie in -1..1 seconds")
        if not 0 <= self.lowest <= self.highest <= 127:
            raise UsageError(
                f"pitches from {self.lowest} to {self.highest}: MIDI numbers 0..127, the lowest first"
            )
        if self.median_velocity is not None and not 1 <= self.median_velocity <= 127:
            raise UsageError(f"median_velocity={self.median_velocity} must lie in 1..127, or be None")

    @classmethod
    def of(cls, given: dict[str, object]) -> NoteRules:
        """Rules from a mapping, such as a bundle's; raises ``UsageError`` for a name that there is not."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise UsageError(f"unknown rule {unknown[0]!r} for notes; known: {', '.join(sorted(known))}")
        return cls(**given)  # type: ignore[arg-type]

    def within(self, seconds: float, hop_s: float) -> NoteRules:
        """The rules with which a note that has an onset is told no later than ``seconds`` after it.

        The shortest lengths are lowered first, to a frame, then the width of a peak, then both. The frame after the
        onset always has to be seen: it is the least there is (:meth:`latency_s`).
        """
        allowed = max(1, math.floor(seconds / hop_s + 1e-6))
        frames = InFrames(self, hop_s)
        peak = min(frames.peak, max(allowed - 1, 1))
        length, unsure = (min(given, allowed - max(peak, 1)) for given in (frames.length, frames.unsure))
        return replace(self, peak_s=peak * hop_s, min_length_s=length * hop_s, unsure_length_s=unsure * hop_s)

    def latency_s(self, hop_s: float) -> float:
        """How long after the frame of its onset a note is told, at most, if its sustain follows at once."""
        frames = InFrames(self, hop_s)
        return (max(frames.length, frames.unsure) + frames.ahead) * hop_s


class InFrames:
    """The rules in whole frames and steps of probability: what the decoder compares with.

    ``peak``, ``gap``, ``length``, ``unsure``, ``reach`` (of ``company``) and ``soft`` (None: no soft notes) in frames;
    ``ahead`` is how many frames after one must be known before it is decided; ``onset`` and the others are steps of
    1/10000.
    """

    def __init__(self, rules: NoteRules, hop_s: float) -> None:
        def frames(seconds: float) -> int:
            return round(seconds / hop_s)

        self.peak, self.gap = frames(rules.peak_s), frames(rules.max_gap_s)
        self.ahead = max(self.peak, 1)
        self.length, self.unsure = frames(rules.min_length_s), frames(rules.unsure_length_s)
        self.company, self.reach = rules.company, frames(rules.company_s)
        soft = rules.soft_length_s
        self.soft = None if soft is None else max(1, frames(soft))
        self.onset, self.onset_low, self.sustain, self.sustain_low, self.sure = (
            max(1, round(value * STEPS))
            for value in (rules.onset, rules.onset_low, rules.sustain, rules.sustain_low, rules.sure)
        )
