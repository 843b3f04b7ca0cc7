"""sonoscope in Python: load a model, analyse a recording or an array, decide again, write.

The numbers are those of the command: the same functions, the same rounding, the same decisions.

>>> import sonoscope
>>> model = sonoscope.load("instruments")                          # doctest: +SKIP
>>> result = model.analyze("song.mp4", hop=0.5)                    # doctest: +SKIP
>>> result.events[0].label, result.clip()["piano"]                 # doctest: +SKIP
>>> result.decide(threshold=0.3).to_csv("song.csv")                # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from sonoscope import events as event_rules
from sonoscope import models, outputs, pipeline
from sonoscope import scores as score_tables
from sonoscope.audio import find
from sonoscope.audio.arrays import checked, checked_rate, path_of, to_mono
from sonoscope.errors import UnreadableAudio, UsageError, count, optional
from sonoscope.live.moments import Moment
from sonoscope.live.streams import Listener
from sonoscope.models import thresholds
from sonoscope.models.bundle import NOTES
from sonoscope.models.runtime import Runtime
from sonoscope.outputs import timeline
from sonoscope.outputs.picture import Picture, kind
from sonoscope.signatures import expect
from sonoscope.values import Event, FileResult, Recording, Scores
from sonoscope.writing import beside

if TYPE_CHECKING:
    import pandas

    from sonoscope.explain import Explanation
    from sonoscope.models.bundle import Bundle
    from sonoscope.noteapi import NoteModel

#: What ``threshold`` may be: one probability for all labels, one for each label, or a wish as the command
#: takes it (``"violin=0.4,cello=0.6"``, ``"precision=0.95"``, ``"fpr=0.005"``, a file).
Threshold = float | str | Path | Mapping[str, float] | None


@overload
def load(name_or_folder: Literal["instruments"], *, on: str = "cpu") -> Model: ...
@overload
def load(name_or_folder: Literal["notes"], *, on: str = "cpu") -> NoteModel: ...
@overload
def load(name_or_folder: str | os.PathLike[str], *, on: str = "cpu") -> Any: ...
def load(name_or_folder: str | os.PathLike[str], *, on: str = "cpu") -> Any:
    """The model of that name (``instruments``, ``notes``, ``field``), or the bundle in that folder.

    A ``Model``, or for notes a :class:`sonoscope.noteapi.NoteModel`. With ``on="cuda"`` it runs on a GPU, which is
    looked for when the first recording is analysed; ``UsageError`` if there is none that agrees with the CPU.

    Raises
    ------
    UnknownName
        If no model has that name.
    BadBundle
        If the bundle is incomplete, damaged, or of a schema that this version does not know.
    """
    if not isinstance(name_or_folder, str | os.PathLike):
        raise TypeError(f"a model is a name or the folder of a bundle, got {type(name_or_folder).__name__}")
    bundle = models.load(os.fspath(name_or_folder), labels=False)
    if bundle.task == NOTES:
        from sonoscope.noteapi import NoteModel

        return NoteModel(bundle, on)
    return Model(bundle, on)


def analyze(
    recording: str | os.PathLike[str] | np.ndarray, model: str = "instruments", **options: Any
) -> Any:
    """``load(model).analyze(recording, **options)``, a ``Result`` or ``NoteResult``; keep the model for several."""
    return load(model).analyze(recording, **options)


class Model:
    """A bundle ready to run, on one thread. Not for use by several threads at once."""

    def __init__(self, bundle: Bundle, on: str = "cpu") -> None:
        self.bundle, self._on = bundle, on

    def __repr__(self) -> str:
        return f"Model({self.bundle.name!r}, {len(self.labels)} labels, window={self.window:g} s)"

    def __reduce__(self) -> tuple[type[Model], tuple[Bundle, str]]:
        # The loaded graph cannot go to another process: it is loaded there again, when it is needed.
        return type(self), (self.bundle, self._on)

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(self.bundle, self._on)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label ids, in the order of the score columns."""
        return tuple(label.id for label in self.bundle.labels)

    @property
    def sample_rate(self) -> int:
        """The rate in Hz to which every recording is brought."""
        return self.bundle.sample_rate

    @property
    def window(self) -> float:
        """Seconds that one score looks at."""
        return self.bundle.window_samples / self.bundle.sample_rate

    @property
    def hop(self) -> float:
        """Seconds between the starts of windows, unless ``analyze`` is told another."""
        return self.bundle.hop_samples / self.bundle.sample_rate

    def analyze(
        self,
        recording: str | os.PathLike[str] | np.ndarray,
        *,
        sample_rate: int | None = None,
        hop: float | None = None,
        threshold: Threshold = None,
        min_duration: float | None = None,
        max_gap: float | None = None,
        tail: Literal["keep", "drop"] = "keep",
        channel: int | None = None,
        embeddings: bool = False,
    ) -> Result:
        """What sounds in a recording, and when.

        Parameters
        ----------
        recording : path or np.ndarray
            A sound or video file, or samples of shape (n,) or (n, channels) at ``sample_rate``, full scale 1.
        sample_rate : int
            Rate of an array, in Hz; a file knows its own.
        hop : float
            Seconds between windows, ``0 < hop <= window``; default: the model's.
        threshold : float, str or mapping of label to float
            See :data:`Threshold`; default: the model's own, one for each label.
        min_duration, max_gap : float
            Seconds: shorter events are dropped, closer ones of a label joined; default: the model's.
        tail : {"keep", "drop"}
            Whether the last window, if the recording ends inside it, is cut and flagged, or left out.
        channel : int
            The channel to hear, from 1; default: the mean of all.
        embeddings : bool
            Also keep one embedding for each window.

        Raises
        ------
        UnreadableAudio
            If the file cannot be decoded.
        UsageError
            If an option is of another kind or out of its range.
        ValueError
            If an array has another shape or no ``sample_rate``.
        """
        decision = self.decision(threshold, min_duration=min_duration, max_gap=max_gap)
        expect(float | None, hop=hop)
        expect(int | None, channel=channel)
        expect(bool, embeddings=embeddings)
        options: dict[str, Any] = {"hop_s": hop, "tail": tail, "channel": channel, "embeddings": embeddings}
        if isinstance(recording, np.ndarray):
            samples, rate = checked(recording, sample_rate)
            mono = to_mono(samples, options.pop("channel"))
            analysis = pipeline.score_samples(mono, rate, self.bundle, self._runtime, **options)
            return self._result(analysis, decision, Recording("", "array"), channel)
        return self.analyze_recording(one_recording(path_of(recording, sample_rate)), decision, **options)

    def analyze_recording(
        self, recording: Recording, decision: event_rules.Decision, **options: Any
    ) -> Result:
        """The same for a recording found before (a member of an archive too) and a decision made before.

        ``options`` are those of :func:`sonoscope.pipeline.score_recording`.
        """
        analysis = pipeline.score_recording(recording, self.bundle, self._runtime, **options)
        return self._result(analysis, decision, recording, options.get("channel"))

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        sample_rate: int,
        hop: float | None = None,
        threshold: Threshold = None,
        min_duration: float | None = None,
        max_gap: float | None = None,
    ) -> Iterator[Moment]:
        """What begins and what has ended in sound that comes in blocks, each as soon as it is certain.

        The events are those that :meth:`analyze` finds in the whole; options mean the same.

        Parameters
        ----------
        blocks : iterable of np.ndarray
            Samples of shape (n,) or (n, channels), of any length, floating point with full scale 1; taken one by one.
        sample_rate : int
            Their rate in Hz.

        Yields
        ------
        Moment
            ``kind`` is ``"on"`` or ``"off"``; an ``off`` has the whole ``event``.

        Raises
        ------
        UsageError
            If an option is of another kind or out of its range.
        ValueError
            If ``sample_rate`` is none, or a block no sound.
        """
        decision = self.decision(threshold, min_duration=min_duration, max_gap=max_gap)
        expect(float | None, hop=hop)
        listener = Listener(self.bundle, self._runtime, decision, hop_s=hop)
        return listener.follow(blocks, checked_rate(sample_rate))

    def explain(self, recording: str | os.PathLike[str] | np.ndarray, **wishes: Any) -> Explanation:
        """Which seconds and which band spoke for a label: ``wishes`` are those of :func:`sonoscope.explain.explain`."""
        from sonoscope.explain import explain

        return explain(recording, self.bundle, runtime=self._runtime, **wishes)

    def decision(
        self, threshold: Threshold = None, *, min_duration: float | None = None, max_gap: float | None = None
    ) -> event_rules.Decision:
        """How scores become events, the model's own rules filling what is ``None``. Raises ``UsageError``."""
        return _decision(self.bundle, threshold, min_duration, max_gap)

    def _result(
        self,
        analysis: pipeline.Analysis,
        decision: event_rules.Decision,
        recording: Recording,
        channel: int | None,
    ) -> Result:
        empty = Result(
            recording.name, recording.path, self.bundle, analysis.scores, (), decision, analysis.duration_s,
            analysis.info.sample_rate, analysis.info.channels, channel, analysis.note, analysis.info.told,
        )  # fmt: skip
        return empty._decided(decision)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What was heard in one recording.

    Attributes
    ----------
    file, path : str
        The recording's name, and where it is (empty for an array).
    scores : Scores
        A row per window, a column per label: calibrated probabilities and logits.
    events : tuple of Event
        In order of time.
    decision : Decision
        The thresholds and durations that made the events.
    duration : float
        Counted length in seconds.
    source_rate, channels : int
        The recording's own.
    channel : int, optional
        The one channel that was heard, from 1; None: the mean of all.
    note : str
        In words, what is special: cut short, silent, clipped, shorter than a window; else empty.
    told : mapping of str to str
        What the recorder wrote into the file: ``start``, ``start_in``, ``recorder``, as far as it did.
    start_datetime, site, recorder : str
        When and where it was recorded, as tables have it; empty unless the command was told how to know.
    """

    file: str
    path: str
    bundle: Bundle
    scores: Scores
    events: tuple[Event, ...]
    decision: event_rules.Decision
    duration: float
    source_rate: int
    channels: int
    channel: int | None
    note: str
    told: Mapping[str, str] = field(default_factory=dict)
    start_datetime: str = ""
    site: str = ""
    recorder: str = ""

    def __repr__(self) -> str:
        found = count(len(self.events), "event")
        return f"Result({self.file!r}, {found} in {self.duration:g} s, model {self.bundle.name!r})"

    @property
    def embeddings(self) -> np.ndarray | None:
        """One for each window, float32, shape (n, d), if they were asked for."""
        return self.scores.embeddings

    @property
    def notes(self) -> tuple[Event, ...]:
        """The events that have a pitch, as results of all models have them: of a model of labels, none."""
        return tuple(event for event in self.events if event.pitch is not None)

    @property
    def unknown_windows(self) -> int:
        """Windows in which no reported label reaches its threshold: silence, or a reject class only."""
        return event_rules.unknown_windows(self.scores, self.decision, self.bundle.labels)

    def clip(self, how: str = "mean") -> dict[str, float]:
        """One probability for each label over the whole recording: ``mean``, ``max``, ``s1`` or ``s2``.

        ``s1`` and ``s2`` are the aggregations of Han, Kim and Lee (2016). Raises ``UnknownName``.
        """
        values = score_tables.aggregate(self.scores, how)
        return {label: float(value) for label, value in zip(self.scores.labels, values, strict=True)}

    def decide(
        self, threshold: Threshold = None, *, min_duration: float | None = None, max_gap: float | None = None
    ) -> Result:
        """A new result from the same scores with other thresholds and durations, without the audio."""
        return self._decided(_decision(self.bundle, threshold, min_duration, max_gap))

    def _decided(self, decision: event_rules.Decision) -> Result:
        events = event_rules.find(
            self.scores, decision, self.bundle.labels, duration_s=self.duration, channel=self.channel
        )
        return replace(self, events=tuple(events), decision=decision)

    def write(self, path: str | os.PathLike[str], format: str | None = None, *, raw: bool = False) -> None:
        """Write the events to ``path`` in the format given or that of its suffix; ``raw`` adds logits.

        What is there is replaced, at once and only by a complete file.

        Raises
        ------
        UnknownName
            If the format or the suffix is unknown.
        """
        form = outputs.format_named(format) if format else outputs.format_for(os.fspath(path))
        with beside(Path(path), binary=form.binary) as file:
            form.write(self.as_written(), file, raw=raw)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the events as the table of ``*.events.csv``, replacing what is there."""
        self.write(path, "csv")

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, labels: str | Iterable[str] | None = None
    ) -> Picture:
        """Scores, thresholds and events over time, a row for each label, as SVG, which a notebook shows.

        Parameters
        ----------
        path : path, optional
            Where it is written too, as ``.svg`` or ``.png``.
        labels : str or iterable of str, optional
            The rows; default: labels with events, or where there are none those that score highest.

        Raises
        ------
        UsageError
            If the ending is another, a label has no scores, or matplotlib is not installed, which ``.png`` needs.
        """
        form = kind(path, "timelines") if path is not None else ""
        shown = [labels] if isinstance(labels, str) else None if labels is None else list(labels)
        what = (self.scores, self.events, self.decision.thresholds, self.duration)
        drawn = Picture(timeline.svg(*what, labels=shown))
        if path is not None:
            with beside(Path(path), binary=form == "png") as file:
                if form == "png":
                    timeline.png(file, *what, labels=shown)
                else:
                    file.write(drawn)
        return drawn

    def to_dataframe(self, table: Literal["scores", "events"] = "scores") -> pandas.DataFrame:
        """The scores (``start``, ``end``, a column per label) or the events, as a pandas table.

        Raises
        ------
        UsageError
            If pandas is not installed; ``scores`` and ``events`` hold the same without it.
        """
        pandas = optional("pandas", "tables", "to_dataframe")
        if table == "events":
            rows = [_event_row(event) for event in self.events]
            # Also where there are none: tables of several recordings are put together.
            return pandas.DataFrame(rows, columns=list(_EVENT_COLUMNS)).astype(_EVENT_COLUMNS)
        if table != "scores":
            raise ValueError(f"table={table!r} must be 'scores' or 'events'")
        times = {"start": self.scores.start_s, "end": self.scores.end_s}
        return pandas.DataFrame(
            times | dict(zip(self.scores.labels, self.scores.probabilities.T, strict=True))
        )

    def as_written(self) -> FileResult:
        """What the output formats get."""
        return FileResult(
            self.file, self.path, self.bundle.name, self.bundle.labels, self.duration, self.source_rate,
            self.channels, self.events, self.scores, self.start_datetime, self.site, self.recorder, self.note,
        )  # fmt: skip


_EVENT_COLUMNS = {"start": float, "end": float, "label": str, "score": float, "flags": str}


def _event_row(event: Event) -> tuple[float, float, str, float, str]:
    return event.start_s, event.end_s, event.label, event.score, event.flags


def _decision(
    bundle: Bundle, threshold: Threshold, min_duration: float | None, max_gap: float | None
) -> event_rules.Decision:
    expect(float | None, min_duration=min_duration, max_gap=max_gap)
    for name, value in (("min_duration", min_duration), ("max_gap", max_gap)):
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"{name}={value:g} must be 0 or more seconds")
    on, low = thresholds.resolve(thresholds.in_words(threshold), bundle)
    return event_rules.Decision(
        on,
        low,
        bundle.min_duration_s if min_duration is None else min_duration,
        bundle.max_gap_s if max_gap is None else max_gap,
    )


def found(entry: Recording | find.Unlisted) -> Recording:
    """The recording that a search found. Raises UnreadableAudio where it found why there is none."""
    if isinstance(entry, Recording):
        return entry
    raise UnreadableAudio(entry.name, entry.reason, entry.remedy)


def one_recording(path: str) -> Recording:
    """The recording that ``path`` names. Raises UnreadableAudio; UsageError if it is absent or several."""
    entries = list(islice(find.find([path]), 2))
    if len(entries) != 1:
        many = "more than one recording" if entries else "no recording"
        raise UsageError(f"{path} holds {many}: analyze takes one; for folders there is the command")
    return found(entries[0])
