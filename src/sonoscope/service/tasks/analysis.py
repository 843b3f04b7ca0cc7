"""Analysing: recordings, models and wishes to one file, in JSON or a format of ``outputs``.

The numbers and the bytes are those of the command, which calls the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from sonoscope import api, outputs
from sonoscope.api import Result
from sonoscope.audio.find import Unlisted
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.noteapi import NoteModel, NoteResult
from sonoscope.outputs.format import TEMPO, WriteOptions
from sonoscope.outputs.jsonl import event_object
from sonoscope.runs.notewishes import AUTO
from sonoscope.runs.origin import Origins
from sonoscope.runs.setup import check_tasks
from sonoscope.runs.spec import RunSpec
from sonoscope.service.answers import JSON, LINES, Form
from sonoscope.service.tasks import heard
from sonoscope.service.tasks.inputs import check_short, recordings, told
from sonoscope.service.worker import Tools
from sonoscope.values import SCORE_DECIMALS, FileResult, Recording

AnyResult = Result | NoteResult


@dataclass
class Hearing:
    """Recordings analysed one after another; what failed is kept in ``errors``, the others go on."""

    request: dict[str, Any]
    spec: RunSpec
    models: list[Any]
    entries: list[Recording | Unlisted]
    lengths: dict[str, float]
    tools: Tools
    errors: list[UnreadableAudio] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._origins = Origins.of_spec(self.spec)

    def results(self) -> Iterator[AnyResult]:
        """The results of every model for every recording that can be read."""
        for number, entry in enumerate(self.entries):
            try:
                found = self._heard(api.found(entry), number)
            except UnreadableAudio as error:
                if len(self.entries) == 1:
                    raise
                self.errors.append(error)
                continue
            for result in found:
                yield self._placed(result)

    def _placed(self, result: AnyResult) -> AnyResult:
        """The result with when and where it was recorded, as far as that is known; notes have no place for it."""
        if not isinstance(result, Result):
            return result
        origin = self._origins.of(result.file, result.told, result.file)
        note = "; ".join(filter(None, (result.note, origin.note)))
        return replace(
            result, start_datetime=origin.start, site=origin.site, recorder=origin.recorder, note=note
        )

    def _heard(self, recording: Recording, number: int) -> list[AnyResult]:
        def place(seconds: float) -> None:
            files = (number, len(self.entries))
            self.tools.progress(recording.name, seconds, self.lengths.get(recording.name), files)

        found = [self._of_model(model, recording, place) for model in self.models]
        if not self.spec.notes.tracks:
            return found
        players = next(one for one in found if isinstance(one, Result))
        return [one.by_instrument(players) for one in found if isinstance(one, NoteResult)]

    def _of_model(self, model: Any, recording: Recording, place: Callable[[float], None]) -> AnyResult:
        kept = Path(self.request["kept"]) if self.request.get("kept") else None
        name = heard.key(model, self.spec)
        known = heard.recall(model, recording, kept, name) if kept is not None else None
        if known is not None:
            return self._decided(known)
        result = hear(model, recording, self.spec, place)
        if kept is not None:
            heard.keep(result, kept, name)
        return result

    def _decided(self, known: AnyResult) -> AnyResult:
        """What was heard before, decided as is asked now."""
        spec, notes = self.spec, self.spec.notes
        if isinstance(known, NoteResult):
            return known.decide(
                onset=notes.onset, sustain=notes.sustain, min_length=notes.min_length_s, low=notes.low,
                high=notes.high, mono=notes.mono, pitch_classes=notes.pitch_classes,
            )  # fmt: skip
        return known.decide(spec.threshold, min_duration=spec.min_duration_s, max_gap=spec.max_gap_s)


def hear(model: Any, recording: Recording, spec: RunSpec, place: Callable[[float], None]) -> AnyResult:
    """One recording, one model, decided as ``spec`` says. Raises ``UnreadableAudio``, ``UsageError``."""
    if isinstance(model, NoteModel):
        return model.analyze_recording(
            recording, spec.notes.decision(model.bundle.rules), cents=spec.notes.tuning, channel=spec.channel,
            progress=place,
        )  # fmt: skip
    decision = model.decision(spec.threshold, min_duration=spec.min_duration_s, max_gap=spec.max_gap_s)
    return model.analyze_recording(
        recording, decision, hop_s=spec.hop_s, tail=spec.tail, channel=spec.channel, progress=place
    )


def analyze(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``analyze``.

    ``request``: ``uploads`` or ``root`` and ``path``; ``spec`` (a RunSpec); ``form``; ``scores`` (whether JSON has
    them); ``kept`` (a folder for what was heard, optional); ``short_s``, ``is_long``; ``answer``.
    """
    spec, form = RunSpec.from_json(request["spec"]), Form(request["form"])
    models = [tools.models.get(name) for name in spec.models]
    check_tasks(spec, tuple(model.bundle for model in models))
    entries = recordings(request)
    hearing = Hearing(request, spec, models, entries, check_short(entries, request), tools)
    write = {JSON: _write_json, LINES: _write_lines}.get(form.name, _write_format)
    write(hearing, form)
    only = entries[0].name if len(entries) == 1 else "recordings"
    return {
        "media_type": form.media_type,
        "name": Path(only).name + form.suffix,
        "failed": len(hearing.errors),
        "files": len(entries),
    }


def _write_json(hearing: Hearing, form: Form) -> None:
    """An object with ``files`` and ``errors``, written file by file."""
    with open(hearing.request["answer"], "w", encoding="utf-8") as file:
        file.write('{"files":[')
        for number, result in enumerate(hearing.results()):
            file.write(",\n" if number else "\n")
            json.dump(
                described(result, hearing.spec, scores=hearing.request["scores"]), file, allow_nan=False
            )
        file.write(f'\n],"errors":{json.dumps([told(error) for error in hearing.errors])}}}\n')


def _write_lines(hearing: Hearing, form: Form) -> None:
    """A line for each file and model as soon as it is done; then those that failed, and the end."""
    n_told = 0

    def tell_errors(file: IO[str]) -> None:
        nonlocal n_told
        for error in hearing.errors[n_told:]:
            file.write(json.dumps({"kind": "error", **told(error)}) + "\n")
        n_told = len(hearing.errors)

    with open(hearing.request["answer"], "w", encoding="utf-8") as file:
        for result in hearing.results():
            tell_errors(file)
            values = described(result, hearing.spec, scores=hearing.request["scores"])
            file.write(json.dumps({"kind": "file", **values}, allow_nan=False) + "\n")
            file.flush()
        tell_errors(file)
        end = {"kind": "end", "files": len(hearing.entries), "failed": len(hearing.errors)}
        file.write(json.dumps(end) + "\n")


def _write_format(hearing: Hearing, form: Form) -> None:
    """The bytes that the command writes."""
    format, spec = outputs.format_named(form.name), hearing.spec
    if len(hearing.models) != 1 and not spec.notes.tracks:
        raise UsageError(
            f"format={form.name} holds the events of one model, not of {len(hearing.models)}: ask for JSON, or for "
            "one model at a time"
        )
    if len(hearing.entries) > 1 and not format.many:
        raise UsageError(
            f"a file of the format {form.name} holds one recording, and there are {len(hearing.entries)}: ask for one "
            "at a time, or for csv"
        )
    # As in the command's table of all inputs; lines and JSON keep the order in which files were sent.
    hearing.entries.sort(key=lambda entry: entry.name)
    results = hearing.results()
    options = WriteOptions(raw=spec.raw)
    if not format.many:
        only = next(results)
        options = WriteOptions(raw=spec.raw, tempo=_tempo(only, spec))
        results = iter([only])
    encoding: dict[str, Any] = {} if format.binary else {"encoding": "utf-8", "newline": ""}
    with open(hearing.request["answer"], "wb" if format.binary else "w", **encoding) as file:
        format.write_many(map(_written, results), file, options)


def _written(result: AnyResult) -> FileResult:
    """What formats get; where the file lies on this machine is nobody's business."""
    written = result.as_written()
    return replace(written, path=written.file)


def _tempo(result: AnyResult, spec: RunSpec) -> float:
    if not isinstance(result, NoteResult):
        return TEMPO
    return (result.tempo() or TEMPO) if spec.notes.tempo == AUTO else float(spec.notes.tempo)


# ---- JSON ------------------------------------------------------------------------------------------------------


def described(result: AnyResult, spec: RunSpec, *, scores: bool) -> dict[str, Any]:
    """A result as JSON values: the recording, the model, how it decided, and the events."""
    written, bundle = _written(result), result.bundle
    values: dict[str, Any] = {
        "file": written.file, "duration": round(result.duration, 6), "sample_rate": result.source_rate,
        "channels": result.channels, "note": result.note, "model": bundle.name, "version": bundle.version,
        "task": bundle.task, "labels": list(bundle.label_ids),
    }  # fmt: skip
    if isinstance(result, NoteResult):
        rules = result.decision.rules
        values |= {"thresholds": None, "clip": None, "window": None, "hop": bundle.note_hop_s}
        values |= {
            "rules": {
                "onset": rules.onset, "sustain": rules.sustain, "min_length": rules.min_length_s,
                "lowest": rules.lowest, "highest": rules.highest, "mono": rules.mono,
            },
            "tuning": round(result.cents, 1), "tempo": result.tempo(),
        }  # fmt: skip
    else:
        table = result.scores
        values |= {
            "thresholds": {label: result.decision.thresholds[label] for label in table.labels},
            "low_thresholds": {
                label: result.decision.low_thresholds.get(label, result.decision.thresholds[label])
                for label in table.labels
            },
            "min_duration": result.decision.min_duration_s, "max_gap": result.decision.max_gap_s,
            "clip": {label: round(value, SCORE_DECIMALS) for label, value in result.clip().items()},
            "window": table.window_samples / table.sample_rate, "hop": table.hop_samples / table.sample_rate,
            "rules": None, "tuning": None, "tempo": None,
        }  # fmt: skip
        if scores:
            values["scores"] = _scores(result)
    values["events"] = [event_object(written, event, raw=spec.raw) for event in written.in_order()]
    return values


def _scores(result: Result) -> dict[str, Any]:
    """Every window: its start and end, where its score begins to speak, and a list for each label."""
    table = result.scores

    def seconds(samples: Any) -> list[float]:
        return [round(float(value), 6) for value in samples / table.sample_rate]

    columns = table.held("probabilities")
    return {
        "start": seconds(table.starts), "end": seconds(table.ends), "edges": seconds(table.cell_edges),
        "values": {
            label: [round(step / 10**SCORE_DECIMALS, SCORE_DECIMALS) for step in columns[:, k].tolist()]
            for k, label in enumerate(table.labels)
        },
    }  # fmt: skip
