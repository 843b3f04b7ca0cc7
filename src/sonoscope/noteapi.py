"""Models of notes in Python: what ``sonoscope.load("notes")`` gives.

>>> import sonoscope
>>> result = sonoscope.load("notes").analyze("song.mp3")           # doctest: +SKIP
>>> result.notes[0].pitch, result.notes[0].start_s                 # doctest: +SKIP
>>> result.decide(onset=0.3, low="E2").to_midi("song.mid")         # doctest: +SKIP

The notes are those of the command, to the last digit.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from sonoscope import api, outputs, transcription
from sonoscope.audio import arrays
from sonoscope.audio.decode import Decoder
from sonoscope.audio.writing import guarded
from sonoscope.errors import UsageError, count, optional
from sonoscope.live.moments import Moment
from sonoscope.live.notes import DELAY_S
from sonoscope.live.streams import Listener
from sonoscope.models.runtime import Runtime
from sonoscope.notes import scores as note_scores
from sonoscope.notes import sonify, tracks
from sonoscope.notes.decision import NOTE, NoteDecision, notes_of, wished
from sonoscope.notes.scores import NoteScores
from sonoscope.outputs import pianoroll, picture
from sonoscope.outputs.format import TEMPO
from sonoscope.signatures import expect
from sonoscope.values import Event, FileResult, Label, Recording
from sonoscope.writing import beside

if TYPE_CHECKING:
    import pandas

    from sonoscope.models.bundle import Bundle

#: Scores are kept in memory up to so many bytes (three quarters of an hour of piano), then in a file that nobody sees.
IN_MEMORY = 4 << 20


class NoteModel:
    """A bundle of notes ready to run, on one thread. Not for use by several threads at once."""

    def __init__(self, bundle: Bundle, on: str = "cpu") -> None:
        self.bundle, self._on = bundle, on

    def __repr__(self) -> str:
        return f"NoteModel({self.bundle.name!r}, {self.labels[0]}..{self.labels[-1]}, hop={self.hop:g} s)"

    def __reduce__(self) -> tuple[type[NoteModel], tuple[Bundle, str]]:
        # As that of :class:`sonoscope.api.Model`.
        return type(self), (self.bundle, self._on)

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(self.bundle, self._on)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the pitches, in the order of the score columns."""
        return self.bundle.label_ids

    @property
    def sample_rate(self) -> int:
        """The rate in Hz to which every recording is brought."""
        return self.bundle.sample_rate

    @property
    def hop(self) -> float:
        """Seconds between frames of scores."""
        return self.bundle.note_hop_s

    def analyze(
        self,
        recording: str | os.PathLike[str] | np.ndarray,
        *,
        sample_rate: int | None = None,
        onset: float | None = None,
        sustain: float | None = None,
        min_length: float | None = None,
        low: int | str | None = None,
        high: int | str | None = None,
        mono: bool = False,
        pitch_classes: bool = False,
        tuning: float | Literal["auto"] = "auto",
        channel: int | None = None,
    ) -> NoteResult:
        """Which notes are played in a recording, and when.

        Parameters
        ----------
        recording : path or np.ndarray
            A sound or video file, or samples of shape (n,) or (n, channels) at ``sample_rate``, full scale 1.
        sample_rate : int
            Rate of an array, in Hz; a file knows its own.
        onset, sustain : float
            Probabilities from which a note begins, and goes on; default: the model's.
        min_length : float
            Seconds: shorter notes are left out; default: the model's.
        low, high : int or str
            Only pitches from ``low`` to ``high``: names (``"E2"``) or MIDI numbers.
        mono : bool
            One note at a time.
        pitch_classes : bool
            Fold octaves: twelve pitches, 60 to 71.
        tuning : float or "auto"
            Cents above A4 = 440 Hz, -50..50; ``auto``: as the first minute says.
        channel : int
            The channel to hear, from 1; default: the mean of all.

        Raises
        ------
        UnreadableAudio
            If the file cannot be decoded.
        UsageError
            If an option is of another kind or out of its range.
        ValueError
            If an array has another shape or no ``sample_rate``.
        """
        decision = self.decision(
            onset=onset, sustain=sustain, min_length=min_length, low=low, high=high, mono=mono,
            pitch_classes=pitch_classes,
        )  # fmt: skip
        expect(float | Literal["auto"], tuning=tuning)
        expect(int | None, channel=channel)
        cents = None if isinstance(tuning, str) else float(tuning)
        if isinstance(recording, np.ndarray):
            samples, rate = arrays.checked(recording, sample_rate)
            mono_samples = arrays.to_mono(samples, channel)

            def hear(keep: transcription.Keep) -> transcription.NoteAnalysis:
                return transcription.note_samples(
                    mono_samples, rate, self.bundle, self._runtime, keep, cents=cents
                )

            return self._result(hear, decision, Recording("", "array"), channel)
        found = api.one_recording(arrays.path_of(recording, sample_rate))
        return self.analyze_recording(found, decision, cents=cents, channel=channel)

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        sample_rate: int,
        delay: float = DELAY_S,
        onset: float | None = None,
        sustain: float | None = None,
        low: int | str | None = None,
        high: int | str | None = None,
        mono: bool = False,
        tuning: float = 0.0,
    ) -> Iterator[Moment]:
        """What begins and what has ended in sound that comes in blocks, each as soon as it is certain.

        Options are those of :meth:`analyze`, but for these.

        Parameters
        ----------
        blocks : iterable of np.ndarray
            Samples of shape (n,) or (n, channels), of any length, floating point with full scale 1; taken one by one.
        sample_rate : int
            Their rate in Hz.
        delay : float
            How many seconds late a note may be told, blocks and computing apart.
        tuning : float
            Cents above A4 = 440 Hz.

        Yields
        ------
        Moment
            ``kind`` is ``"on"`` or ``"off"``; an ``off`` has the whole note as its ``event``.

        Raises
        ------
        UsageError
            If an option is of another kind or out of its range, or ``delay`` less than the model can do.
        """
        expect(float, delay=delay, tuning=tuning)
        rules = self.decision(onset=onset, sustain=sustain, low=low, high=high, mono=mono).rules
        listener = Listener(self.bundle, self._runtime, rules=rules, delay_s=delay, cents=tuning)
        return listener.follow(blocks, arrays.checked_rate(sample_rate))

    def analyze_recording(
        self, recording: Recording, decision: NoteDecision, *, channel: int | None = None, **options: Any
    ) -> NoteResult:
        """The same for a recording found before (a member of an archive too) and a decision made before.

        ``options`` are those of :func:`sonoscope.transcription.note_recording`.
        """

        def hear(keep: transcription.Keep) -> transcription.NoteAnalysis:
            return transcription.note_recording(
                recording, self.bundle, self._runtime, keep, channel=channel, **options
            )

        return self._result(hear, decision, recording, channel)

    def decision(
        self,
        *,
        onset: float | None = None,
        sustain: float | None = None,
        min_length: float | None = None,
        low: int | str | None = None,
        high: int | str | None = None,
        mono: bool = False,
        pitch_classes: bool = False,
    ) -> NoteDecision:
        """How scores become notes, the model's own rules filling what is ``None``. Raises ``UsageError``."""
        return wished(
            self.bundle.rules, onset=onset, sustain=sustain, min_length=min_length, low=low, high=high, mono=mono,
            pitch_classes=pitch_classes,
        )  # fmt: skip

    def _result(
        self,
        hear: Callable[[transcription.Keep], transcription.NoteAnalysis],
        decision: NoteDecision,
        recording: Recording,
        channel: int | None,
    ) -> NoteResult:
        kept = cast(BinaryIO, _Held(IN_MEMORY))
        with note_scores.Keeper(kept, bits=note_scores.KEPT_BITS) as keeper:
            found = hear(keeper.add)
        empty = NoteResult(
            recording.name, recording.path, self.bundle, (), decision, found.duration_s, found.info.sample_rate,
            found.info.channels, channel, found.note, found.cents, recording, kept,
        )  # fmt: skip
        return empty._decided(decision)


class _Held(tempfile.SpooledTemporaryFile):
    """As whole as the results that hold it: it is closed when nobody has one of them any more."""

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, eq=False, repr=False)
class NoteResult:
    """The notes that were heard in one recording.

    Attributes
    ----------
    file, path : str
        The recording's name, and where it is (empty for an array).
    notes : tuple of Event
        In order of time: ``start_s``, ``end_s``, ``pitch`` (MIDI number, in the recording's own tuning), ``velocity``
        (1..127), ``score``.
    decision : NoteDecision
        The rules that made the notes.
    duration : float
        Counted length in seconds.
    source_rate, channels : int
        The recording's own.
    channel : int, optional
        The one channel that was heard, from 1; None: the mean of all.
    note : str
        In words, what is special: cut short, silent, clipped, tuned otherwise, sampled at a low rate; else empty.
    cents : float
        How far the recording is tuned above A4 = 440 Hz, as far as that was followed.
    """

    file: str
    path: str
    bundle: Bundle
    notes: tuple[Event, ...]
    decision: NoteDecision
    duration: float
    source_rate: int
    channels: int
    channel: int | None
    note: str
    cents: float
    _recording: Recording
    _kept: BinaryIO
    _players: tuple[Label, ...] = ()

    def __repr__(self) -> str:
        return f"NoteResult({self.file!r}, {count(len(self.notes), 'note')} in {self.duration:g} s)"

    @property
    def events(self) -> tuple[Event, ...]:
        """The notes, by the name that results of all models have."""
        return self.notes

    def score_blocks(self) -> Iterator[NoteScores]:
        """The scores, a few seconds at a time: what the notes were decided from."""
        return note_scores.load_blocks(self._kept)

    @property
    def scores(self) -> NoteScores:
        """All scores at once: 0.2 GB for an hour."""
        blocks = list(self.score_blocks())
        if blocks:
            return note_scores.concatenate(blocks)
        none = np.zeros((0, len(self.bundle.labels)), np.float32)
        return NoteScores(none, none, self.bundle.note_hop_s, 0.0, none, self.bundle.lowest)

    def decide(
        self,
        *,
        onset: float | None = None,
        sustain: float | None = None,
        min_length: float | None = None,
        low: int | str | None = None,
        high: int | str | None = None,
        mono: bool = False,
        pitch_classes: bool = False,
    ) -> NoteResult:
        """A new result from the same scores with other rules, without the sound; options as for ``analyze``."""
        return self._decided(
            wished(
                self.bundle.rules, onset=onset, sustain=sustain, min_length=min_length, low=low, high=high, mono=mono,
                pitch_classes=pitch_classes,
            )
        )  # fmt: skip

    def _decided(self, decision: NoteDecision) -> NoteResult:
        notes = notes_of(
            self.score_blocks(), decision, duration_s=self.duration, cents=self.cents, channel=self.channel
        )
        return replace(self, notes=tuple(notes), decision=decision)

    def by_instrument(self, heard: api.Result) -> NoteResult:
        """The notes labelled with the instruments that another model heard around them: guesses, and flagged so.

        ``heard`` is what a model of instruments made of the same recording (``notes/tracks.py``).
        """
        notes = tracks.by_instrument(self.notes, heard.scores)
        return replace(self, notes=tuple(notes), _players=heard.bundle.labels)

    def tempo(self) -> float | None:
        """Beats a minute that the notes keep; None if they keep none."""
        return transcription.tempo_of(self.notes)

    def write(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        raw: bool = False,
        tempo: float | Literal["auto"] = TEMPO,
    ) -> None:
        """Write the notes to ``path`` in the format given or that of its suffix.

        ``tempo`` is what MIDI files state, in beats a minute; ``auto``: that of the notes. What is there is replaced,
        at once and only by a complete file.

        Raises
        ------
        UnknownName
            If the format or the suffix is unknown.
        UsageError
            If no file can state such a tempo.
        """
        expect(float | Literal["auto"], tempo=tempo)
        form = outputs.format_named(format) if format else outputs.format_for(os.fspath(path))
        beats = (self.tempo() or TEMPO) if tempo == "auto" else tempo
        with beside(Path(path), binary=form.binary) as file:
            form.write(self.as_written(), file, raw=raw, tempo=beats)

    def to_midi(self, path: str | os.PathLike[str], *, tempo: float | Literal["auto"] = TEMPO) -> None:
        """Write a MIDI file, replacing what is there."""
        self.write(path, "midi", tempo=tempo)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the notes as the table of ``*.events.csv``, or of ``*.notes.csv`` if ``path`` ends so."""
        is_note_table = os.fspath(path).lower().endswith(".notes.csv")
        self.write(path, "notes" if is_note_table else "csv")

    def to_wav(
        self, path: str | os.PathLike[str], how: Literal["notes", "stereo", "mixed"] = "stereo"
    ) -> None:
        """Write the notes as sound: beside the recording, which has to be there still, mixed with it, or alone.

        Raises
        ------
        UsageError
            If the recording was an array, and ``how`` asks for it.
        """
        if how != "notes" and not self.path:
            raise UsageError(f"how={how!r} needs the recording, and this was an array: how='notes'")
        rate = self.bundle.sample_rate
        with beside(Path(path), binary=True) as made, guarded(made) as file:
            if how == "notes":
                sonify.write_played(file, self.notes, rate, self.duration, how=how)
                return
            with Decoder(self._recording, sample_rate=rate, channel=self.channel) as decoder:
                sonify.write_played(
                    file, self.notes, rate, self.duration, how=how, recording=decoder.blocks()
                )

    def plot(self, path: str | os.PathLike[str] | None = None) -> PianoRoll:
        """The notes as a piano roll, which a notebook shows; with ``path`` (``.svg``, ``.png``) also written there.

        Raises
        ------
        UsageError
            If the ending is another, or matplotlib is not installed, which ``.png`` needs.
        """
        form = picture.kind(path, "piano rolls") if path is not None else ""
        drawn = PianoRoll(pianoroll.svg(self.notes, self.duration))
        if path is not None:
            with beside(Path(path), binary=form == "png") as file:
                if form == "png":
                    pianoroll.png(self.notes, file, self.duration)
                else:
                    file.write(drawn)
        return drawn

    def to_dataframe(self) -> pandas.DataFrame:
        """The notes as a pandas table: start, end, pitch, velocity, label, score, flags.

        Raises
        ------
        UsageError
            If pandas is not installed.
        """
        pandas = optional("pandas", "tables", "to_dataframe")
        columns = {
            "start": float, "end": float, "pitch": float, "velocity": int, "label": str, "score": float, "flags": str,
        }  # fmt: skip
        rows = [(n.start_s, n.end_s, n.pitch, n.velocity, n.label, n.score, n.flags) for n in self.notes]
        # Also where there are none: tables of several recordings are put together.
        return pandas.DataFrame(rows, columns=list(columns)).astype(columns)

    def as_written(self) -> FileResult:
        """What the output formats get."""
        return FileResult(
            self.file, self.path, self.bundle.name, (NOTE, *self._players), self.duration, self.source_rate,
            self.channels, self.notes, note=self.note,
        )  # fmt: skip


class PianoRoll(picture.Picture):
    """Notes as an SVG document, which a notebook draws."""

    __slots__ = ()
