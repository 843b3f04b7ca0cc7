"""What may be wished of notes: how they are decided, and what is written of them besides the formats."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from sonoscope.errors import UsageError, one_of
from sonoscope.labels import pitch_name
from sonoscope.notes.decision import NoteDecision, decided
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.sonify import HOW
from sonoscope.outputs.midi import FASTEST, SLOWEST

AUTO = "auto"
PICTURES = ("svg", "png")
BY_INSTRUMENT = "by-instrument"


@dataclass(frozen=True)
class NoteWishes:
    """Every option of ``notes`` that ``analyze`` does not have; None: the model's own, or not at all.

    Attributes
    ----------
    tuning : float, optional
        Cents above A4 = 440 Hz; None: as the recording says. The one analysis setting: kept scores depend on it.
    onset, sustain : float, optional
        Probabilities from which a note begins, and goes on.
    min_length_s : float, optional
        Shorter notes are left out.
    low, high : int, optional
        MIDI numbers of the lowest and the highest pitch.
    mono, pitch_classes : bool
        One note at a time; octaves folded.
    tempo : str
        Beats a minute that MIDI files state, or ``auto``: those of the notes.
    audio : {None, "notes", "stereo", "mixed"}
        Write the notes' sound: alone, beside the recording, or mixed with it.
    piano_roll : {None, "svg", "png"}
        Draw the notes.
    tracks : {None, "by-instrument"}
        Label each note with the instrument that another model of the run hears around it.
    """

    tuning: float | None = None
    onset: float | None = None
    sustain: float | None = None
    min_length_s: float | None = None
    low: int | None = None
    high: int | None = None
    mono: bool = False
    pitch_classes: bool = False
    tempo: str = "120"
    audio: str | None = None
    piano_roll: str | None = None
    tracks: str | None = None

    def checked(self) -> NoteWishes:
        """The same, every value known to be in range; thresholds and lengths are checked where the model is known.

        Raises
        ------
        UsageError
            Naming the value, the legal range and the option.
        """
        if self.tuning is not None and not -50 <= self.tuning <= 50:
            raise UsageError(f"tuning={self.tuning:g} must lie in -50..50 cents (--tuning)")
        if self.min_length_s is not None and not 0 <= self.min_length_s < math.inf:
            raise UsageError(f"min-length={self.min_length_s:g} must be 0 or more, in seconds (--min-length)")
        if self.low is not None and self.high is not None and self.low > self.high:
            low, high = pitch_name(self.low), pitch_name(self.high)
            raise UsageError(f"low={low} lies above high={high}: name the lower pitch first (--low, --high)")
        if self.tempo != AUTO:
            try:
                beats = float(self.tempo)
            except ValueError:
                beats = math.nan
            if not SLOWEST <= beats <= FASTEST:
                raise UsageError(
                    f"tempo={self.tempo!r} must be auto, or lie in {SLOWEST:g}..{FASTEST:g} beats a minute (--tempo)"
                )
        for option, value, known in (
            ("audio", self.audio, HOW),
            ("piano-roll", self.piano_roll, PICTURES),
            ("tracks", self.tracks, (BY_INSTRUMENT,)),
        ):
            if value is not None:
                one_of(known, value, option)
        return self

    def decision(self, own: NoteRules) -> NoteDecision:
        """The model's rules with these wishes. Raises ``UsageError``."""
        return decided(
            own, onset=self.onset, sustain=self.sustain, min_length_s=self.min_length_s, lowest=self.low,
            highest=self.high, mono=self.mono, pitch_classes=self.pitch_classes,
        )  # fmt: skip

    def written(self) -> dict[str, Any]:
        """Those that say what is written of the same notes."""
        return {name: getattr(self, name) for name in ("tempo", "audio", "piano_roll", "tracks")}

    def to_json(self) -> dict[str, Any]:
        """What is not the default, as plain JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @classmethod
    def from_json(cls, values: Any) -> NoteWishes:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        UnknownName
            For a key that is no field, naming the nearest.
        UsageError
            If a value has the wrong type.
        """
        if not isinstance(values, dict):
            raise UsageError(f"setting notes={values!r} must be an object")
        kinds = {f.name: str(f.type) for f in fields(cls)}
        for key, value in values.items():
            one_of(kinds, key, "setting of notes")
            kind = kinds[key].removesuffix(" | None")
            wanted = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}[kind]
            is_none = value is None and kind != kinds[key]
            if not is_none and (
                not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool")
            ):
                raise UsageError(f"setting notes.{key}={value!r} must be of type {kinds[key]}")
        return cls(**values)

    def differences(self, other: NoteWishes) -> list[str]:
        """What another has differently, each as ``onset: the model's own -> 0.3``."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name.removesuffix('_s').replace('_', '-')}: {_in_words(mine[name])} -> {_in_words(theirs[name])}"
            for name in mine
            if name != "tuning" and mine[name] != theirs[name]
        ]


def _in_words(value: Any) -> str:
    if value is None:
        return "the model's own"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
