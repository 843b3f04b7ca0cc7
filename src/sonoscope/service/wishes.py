"""The options of an analysis: the long options of the command, from a query to a ``RunSpec`` known to be possible.

What is wrong with a request alone is found here, before a byte of sound is taken. Options of the command that name
files (thresholds in a file, a model's folder) do not reach this machine's files.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import Query

from sonoscope import api
from sonoscope.errors import UsageError, optional
from sonoscope.labels import midi_of
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.runs.notewishes import BY_INSTRUMENT, NoteWishes
from sonoscope.runs.setup import check_tasks
from sonoscope.runs.spec import RunSpec
from sonoscope.service import bundles
from sonoscope.service.answers import Form
from sonoscope.service.settings import Settings
from sonoscope.windows import in_samples

#: A list of labels with thresholds is not longer than this.
LONGEST = 10_000
_FILES = (".json", ".yaml", ".yml", ".csv")


@dataclass(frozen=True)
class Wishes:
    """What a query asks: the options of ``analyze`` and ``notes``, as they stand there."""

    model: str
    threshold: str | None
    hop: float | None
    min_duration: float | None
    max_gap: float | None
    tail: str
    channel: int | None
    raw: bool
    scores: bool
    onset: float | None
    sustain: float | None
    min_length: float | None
    low: str | None
    high: str | None
    mono: bool
    pitch_classes: bool
    tuning: str
    tempo: str
    tracks: str | None

    def spec(self, form: Form, settings: Settings) -> RunSpec:
        """The same as the engine takes it, checked against the models.

        Raises
        ------
        UsageError, UnknownName
            If an option is out of range, or means nothing to any of the models.
        """
        names = bundles.names(self.model)
        spec = RunSpec(
            inputs=("upload",), out="-", models=names,
            formats=("csv" if form.name in ("json", "ndjson") else form.name,), threshold=no_file(self.threshold),
            hop_s=self.hop, min_duration_s=self.min_duration, max_gap_s=self.max_gap, tail=self.tail,
            channel=self.channel, raw=self.raw, notes=self._notes(),
        ).checked()  # fmt: skip
        if form.name == "parquet" and importlib.util.find_spec("pyarrow") is None:
            optional("pyarrow", "tables", "the format parquet")
        known = bundles.opened(settings.models)
        for name in names:
            bundles.place(name, settings.models)
        found = tuple(known[name] for name in names if name in known)
        if len(found) < len(names):
            raise UsageError(f"model={self.model!r}: a bundle of that name is damaged")
        check_tasks(spec, found)
        for bundle in found:
            _check(spec, bundle)
        return spec

    def with_model(self, name: str) -> Wishes:
        """The same for another model."""
        return replace(self, model=name)

    def _notes(self) -> NoteWishes:
        return NoteWishes(
            tuning=None if self.tuning == "auto" else _number("tuning", self.tuning),
            onset=self.onset, sustain=self.sustain, min_length_s=self.min_length,
            low=None if self.low is None else midi_of(self.low),
            high=None if self.high is None else midi_of(self.high),
            mono=self.mono, pitch_classes=self.pitch_classes, tempo=self.tempo, tracks=self.tracks,
        )  # fmt: skip


def _check(spec: RunSpec, bundle: Bundle) -> None:
    """Whether a model can do what is asked."""
    if bundle.task == NOTES:
        spec.notes.decision(bundle.rules)
        return
    api.Model(bundle).decision(spec.threshold, min_duration=spec.min_duration_s, max_gap=spec.max_gap_s)
    if spec.hop_s is not None:
        in_samples(spec.hop_s, bundle.sample_rate, bundle.window_samples)


def no_file(wish: str | None) -> str | None:
    """A wish about thresholds that names no file."""
    if wish is None:
        return None
    wish = wish.strip()
    if wish.lower().endswith(_FILES) or "/" in wish or "\\" in wish or len(wish) > LONGEST or "\0" in wish:
        raise UsageError(
            f"threshold={wish[:60]!r}: give a number, label=number,…, precision=0.95, fpr=0.005, or model"
        )
    return wish


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option}={text[:60]!r} must be a number, or auto") from None


def wishes(
    model: Annotated[
        str, Query(max_length=500, description="Models, by name, joined by commas.")
    ] = bundles.DEFAULT,
    threshold: Annotated[
        str | None,
        Query(
            max_length=LONGEST,
            description="0.5, or violin=0.4,cello=0.6, or precision=0.95, or fpr=0.005, or model (its own).",
        ),
    ] = None,
    hop: Annotated[float | None, Query(description="Seconds between windows, at most the window.")] = None,
    min_duration: Annotated[
        float | None, Query(alias="min-duration", description="Seconds: shorter events are dropped.")
    ] = None,
    max_gap: Annotated[
        float | None, Query(alias="max-gap", description="Seconds: closer events of a label are joined.")
    ] = None,
    tail: Annotated[
        Literal["keep", "drop"], Query(description="The window in which the sound ends.")
    ] = "keep",
    channel: Annotated[
        int | None, Query(ge=1, le=10_000, description="Hear only this channel (default: the mean of all).")
    ] = None,
    raw: Annotated[bool, Query(description="Also give logits.")] = False,
    scores: Annotated[bool, Query(description="JSON also has the scores of every window.")] = False,
    onset: Annotated[float | None, Query(description="Notes: probability from which one begins.")] = None,
    sustain: Annotated[
        float | None, Query(description="Notes: probability down to which one goes on.")
    ] = None,
    min_length: Annotated[
        float | None, Query(alias="min-length", description="Notes: shorter ones are left out, in seconds.")
    ] = None,
    low: Annotated[str | None, Query(max_length=10, description="Notes: the lowest pitch, E2 or 40.")] = None,
    high: Annotated[str | None, Query(max_length=10, description="Notes: the highest pitch.")] = None,
    mono: Annotated[bool, Query(description="Notes: one at a time.")] = False,
    pitch_classes: Annotated[
        bool, Query(alias="pitch-classes", description="Notes: octaves folded.")
    ] = False,
    tuning: Annotated[
        str, Query(max_length=20, description="Notes: cents above A4 = 440 Hz, or auto.")
    ] = "auto",
    tempo: Annotated[
        str, Query(max_length=20, description="Beats a minute that MIDI states, or auto.")
    ] = "120",
    tracks: Annotated[
        Literal["by-instrument"] | None,
        Query(description="Notes labelled with the instruments heard around them."),
    ] = None,
) -> Wishes:
    """The options of a query."""
    assert tracks in (None, BY_INSTRUMENT)
    return Wishes(
        model, threshold, hop, min_duration, max_gap, tail, channel, raw, scores, onset, sustain, min_length, low,
        high, mono, pitch_classes, tuning, tempo, tracks,
    )  # fmt: skip
