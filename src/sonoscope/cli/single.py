"""Recordings one by one, without a folder of results: to the screen, to one file, or to stdout.

The numbers are those of :mod:`sonoscope.api`. A recording that fails is said on stderr and the others go on;
the exit code is then 1.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sonoscope.errors import UnreadableAudio, UsageError, count, nearest
from sonoscope.writing import check_place

if TYPE_CHECKING:
    from sonoscope.api import Model, Result
    from sonoscope.audio.find import Unlisted
    from sonoscope.noteapi import NoteModel, NoteResult
    from sonoscope.outputs.format import Format
    from sonoscope.runs.origin import Origins
    from sonoscope.runs.spec import RunSpec
    from sonoscope.values import Recording

log = logging.getLogger(__name__)

#: A name that ends so is a folder's, whatever stands before.
SLASHES = ("/", os.sep)


@dataclass
class Tally:
    """What has come of the recordings so far; ``missed``: by name, how many models know little of one."""

    failed: int = 0
    found: dict[str, int] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)
    audio_s: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def add(self, result: Result | NoteResult) -> None:
        """Count what a model heard in a recording."""
        word = "note" if result.bundle.task == "notes" else "event"
        self.found[word] = self.found.get(word, 0) + len(result.events)
        if result.file not in self.missed:
            self.audio_s += result.duration
        self.missed[result.file] += _is_unknown(result)

    @property
    def done(self) -> int:
        """How many recordings were heard, by as many models as were asked."""
        return len(self.missed)

    def unknown(self, models: int) -> int:
        """How many recordings none of so many models knows."""
        return sum(missed == models for missed in self.missed.values())

    def fail(self, error: UnreadableAudio) -> None:
        """Count one that failed, and say so on stderr."""
        from sonoscope.cli import display

        self.failed += 1
        log.error("%s", display.printable(str(error)))

    def text(self) -> str:
        """One line about all of them."""
        from sonoscope.cli import display

        failed = f", {self.failed} failed" if self.failed else ""
        found = (count(number, word) for word, number in (self.found or {"event": 0}).items())
        speed = self.audio_s / max(time.monotonic() - self.began, 1e-3)
        return (
            f"{count(self.done, 'recording')}{failed}: {' and '.join(found)} "
            f"in {display.clock(self.audio_s)} of sound, {speed:,.0f} x real time"
        )


def to_screen(spec: RunSpec, *, aggregate: str, top_k: int | None, quiet: bool) -> int:
    """Show what sounds in each recording; the exit code."""
    from sonoscope import models
    from sonoscope.audio import find
    from sonoscope.cli import display, rolls
    from sonoscope.noteapi import NoteResult
    from sonoscope.runs import remarks

    loaded = _loaded(spec)
    listed = iter(find.find(spec.inputs))
    first = list(islice(listed, 2))
    screen = display.Screen.of(sys.stdout)
    show, show_notes = (
        (display.recording, rolls.recording)
        if len(first) == 1
        else (display.short_recording, rolls.short_recording)
    )
    mine = [model.bundle.name for model in loaded]
    others = sorted(set(models.names()).difference(mine))
    tally = Tally()
    if not first:
        raise UsageError(f"nothing to analyse in {', '.join(spec.inputs)}: no recordings were found there")
    for result in _results(chain(first, listed), loaded, spec, tally, quiet=quiet, special=False):
        if isinstance(result, NoteResult):
            lines = show_notes(result, screen)
        else:
            named = others if len(loaded) == 1 else ()
            lines = show(result, screen, aggregate=aggregate, top_k=top_k, others=named)
        print("\n".join(lines), flush=True)
    if len(first) > 1:
        print(tally.text())
    if not quiet:
        hears_notes = all(model.bundle.task == "notes" for model in loaded)
        if len(first) > 1 and not hears_notes:
            unknown = remarks.about_unknown(tally.unknown(len(loaded)), (mine, others), table=False)
            print("\n".join([f"Bars: {display.SUMS[aggregate]}.", *unknown]), file=sys.stderr)
        if tally.done:
            print(display.hint(spec.inputs, *(("notes", "song.mid") if hears_notes else ())), file=sys.stderr)
    return 1 if tally.failed else 0


def _is_unknown(result: Result | NoteResult) -> bool:
    from sonoscope.cli import display
    from sonoscope.noteapi import NoteResult
    from sonoscope.pipeline import is_silent

    if isinstance(result, NoteResult):
        return not result.notes and not is_silent(result.note)
    return display.mostly_unknown(result)


def file_format(out: str, wanted: tuple[str, ...], *, alone: bool = False) -> Format | None:
    """The format of the one file that ``-o OUT`` names, or None where it names a folder.

    Parameters
    ----------
    out : str
        ``-`` (stdout), the name of a known format, or anything else: a folder.
    wanted : tuple of str
        What ``--format`` names; it goes before the ending, and csv is the default for stdout.
    alone : bool
        One file is analysed: an ending that nobody knows is then a slip, and no folder is called so.
    """
    from sonoscope import outputs

    if Path(out).is_dir() or out.endswith(SLASHES):
        return None
    try:
        found = outputs.WRITERS["csv"] if out == "-" else outputs.recognise(out)
    except UsageError:
        # An ending that several formats share: --format tells which.
        if len(wanted) != 1:
            raise
        return outputs.format_named(wanted[0])
    if found is None or found.writer is None:
        _refuse_foreign(out, alone)
        return None
    if not wanted:
        return found
    if len(wanted) > 1:
        raise UsageError(
            f"-o {out} is one file, and --format names {len(wanted)}: name one, or give -o FOLDER"
        )
    return outputs.format_named(wanted[0])


def _refuse_foreign(out: str, alone: bool) -> None:
    """Refuse a folder with a name that any reader would take for that of a file."""
    from sonoscope import outputs
    from sonoscope.audio.find import SUFFIXES

    ending = Path(out).suffix.lower()
    if ending in outputs.PICTURES:
        known = (
            " Scores and events are drawn in Python (result.plot('song.svg')), notes by sonoscope notes -o song.mid "
            "--piano-roll"
        )
    elif ending in SUFFIXES or ending in outputs.FOREIGN:
        forms = [outputs.WRITERS[name] for name in outputs.FOREIGN.get(ending, ("csv",))]
        known = " Nearest: " + ", ".join(
            f"{min((*form.extensions, form.suffix), key=len)} ({form.name})" for form in forms
        )
    elif alone and re.fullmatch(r"\.[a-z]{2,6}", ending):
        short = {min((*form.extensions, form.suffix), key=len) for form in outputs.WRITERS.values()}
        known = f"{nearest(ending, short)} Known: {', '.join(sorted(short))}"
    else:
        return
    raise UsageError(
        f"-o {out}: files with the ending {ending} are not written.{known}; for a folder, give a name without "
        f"such an ending, or {out}/"
    )


def to_file(spec: RunSpec, form: Format, *, dry_run: bool, quiet: bool) -> int:
    """Write the events of one recording to ``spec.out``; the exit code.

    On stdout there may be several recordings, where the format can hold them.
    """
    from sonoscope.audio import find
    from sonoscope.outputs.format import WriteOptions

    loaded = _loaded(spec)
    if len(loaded) != 1 and not spec.notes.tracks:
        raise UsageError(f"-o {spec.out} holds the events of one model, not of {len(loaded)}: give -o FOLDER")
    listed = iter(find.find(spec.inputs))
    first = list(islice(listed, 2))
    if len(first) > 1 and not (spec.out == "-" and form.many):
        raise UsageError(
            f"-o {spec.out} is one {form.name} file for one recording, and there are more: give -o FOLDER, "
            "whose events.csv holds them all"
        )
    if not first:
        raise UsageError(f"nothing to analyse in {', '.join(spec.inputs)}: no recordings were found there")
    beside = _beside(spec, form)
    for path in (spec.out, *beside.values()):
        if path != "-" and Path(path).exists() and not spec.overwrite:
            raise UsageError(f"-o {path} exists: --overwrite replaces it")
        if path != "-":
            check_place(Path(path))
    if dry_run:
        where = "stdout" if spec.out == "-" else spec.out
        print(f"would write the events of {', '.join(spec.inputs)} to {where} as {form.name}")
        return 0
    tally = Tally()
    results = _results(chain(first, listed), loaded, spec, tally, quiet=quiet)
    if spec.out == "-":
        # What makes no sense is refused with the first recording: before a header is out.
        heard = list(islice(results, 1))
        with _stdout(form.binary) as file:
            form.write_many((r.as_written() for r in chain(heard, results)), file, WriteOptions(raw=spec.raw))
        return 1 if tally.failed else 0
    for result in results:
        _write(result, form, spec, beside)
        if not quiet:
            written = ", ".join((spec.out, *beside.values()))
            print(f"{tally.text()}; written to {written}", file=sys.stderr)
    return 1 if tally.failed else 0


def _loaded(spec: RunSpec) -> list[Model | NoteModel]:
    """The models, known to make sense of what is asked. Raises ``UsageError``."""
    from sonoscope import api
    from sonoscope.runs.setup import check_tasks

    loaded = [api.load(name, on=spec.on) for name in spec.models]
    check_tasks(spec, tuple(model.bundle for model in loaded))
    return loaded


def _beside(spec: RunSpec, form: Format) -> dict[str, str]:
    """The files that go with the one of ``-o``: ``song.notes.wav`` and ``song.notes.svg`` beside ``song.mid``."""
    wishes = spec.notes
    if spec.out == "-":
        if wishes.audio or wishes.piano_roll:
            raise UsageError("--audio and --piano-roll need a place for their files: -o NAME or FOLDER")
        return {}
    endings = sorted((form.suffix, *form.extensions), key=len, reverse=True)
    stem = next((spec.out[: -len(e)] for e in endings if spec.out.lower().endswith(e)), spec.out)
    found = {"audio": f"{stem}.notes.wav"} if wishes.audio else {}
    return found | ({"piano_roll": f"{stem}.notes.{wishes.piano_roll}"} if wishes.piano_roll else {})


def _write(result: Result | NoteResult, form: Format, spec: RunSpec, beside: dict[str, str]) -> None:
    """Write the one file, and those beside it; all of them or none, so that the same command goes on."""
    wanted = [Path(path) for path in (spec.out, *beside.values())]
    new = [path for path in wanted if not path.exists()]
    try:
        _write_each(result, form, spec, beside)
    except OSError:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def _write_each(result: Result | NoteResult, form: Format, spec: RunSpec, beside: dict[str, str]) -> None:
    from sonoscope.noteapi import NoteResult

    if not isinstance(result, NoteResult):
        result.write(spec.out, form.name, raw=spec.raw)
        return
    beats: Any = spec.notes.tempo if spec.notes.tempo == "auto" else float(spec.notes.tempo)
    result.write(spec.out, form.name, raw=spec.raw, tempo=beats)
    if "audio" in beside:
        how: Any = spec.notes.audio
        result.to_wav(beside["audio"], how)
    if "piano_roll" in beside:
        result.plot(beside["piano_roll"])


def _results(
    entries: Iterable[Recording | Unlisted],
    loaded: list[Model | NoteModel],
    spec: RunSpec,
    tally: Tally,
    *,
    quiet: bool,
    special: bool = True,
) -> Iterator[Result | NoteResult]:
    """Analyse one recording after another with every model; failures are counted and said, not given.

    What is ``special`` about a recording is said on stderr: few formats have a place for it.
    """
    from sonoscope import api
    from sonoscope.cli import display
    from sonoscope.cli.progress import Place
    from sonoscope.runs import default_workers
    from sonoscope.runs.origin import Origins

    calls = [_call(model, spec) for model in loaded]
    origins = Origins.of_spec(spec)
    # Decoding may go ahead on a second core if this process has one.
    overlap = default_workers() > 1
    for entry in entries:
        place = Place(entry.name, quiet=quiet)
        found: list[Any] = []
        try:
            recording = api.found(entry)
            for call in calls:
                found.append(call(recording, overlap=overlap, progress=place))
        except UnreadableAudio as error:
            place.clear()
            tally.fail(error)
            if spec.strict:
                return
            continue
        place.clear()
        if spec.notes.tracks:
            found = _by_instrument(found)
        for result in found:
            tally.add(result)
            result = _placed(result, origins)
            if result.note and special and not quiet:
                print(f"{display.printable(result.file)}: {result.note}", file=sys.stderr)
            yield result


def _call(model: Model | NoteModel, spec: RunSpec) -> Callable[..., Result | NoteResult]:
    """A function that analyses a recording with a model, decided and heard as is asked."""
    from sonoscope.noteapi import NoteModel

    if isinstance(model, NoteModel):
        decision = spec.notes.decision(model.bundle.rules)
        return lambda recording, **options: model.analyze_recording(
            recording, decision, cents=spec.notes.tuning, channel=spec.channel, **options
        )
    events = model.decision(spec.threshold, min_duration=spec.min_duration_s, max_gap=spec.max_gap_s)
    return lambda recording, **options: model.analyze_recording(
        recording, events, hop_s=spec.hop_s, tail=spec.tail, channel=spec.channel, **options
    )


def _placed(result: Any, origins: Origins) -> Any:
    """The result with when and where it was recorded; notes have no place for that."""
    from sonoscope.api import Result

    if not isinstance(result, Result):
        return result
    origin = origins.of(result.file, result.told, result.path)
    note = "; ".join(filter(None, (result.note, origin.note)))
    return replace(result, start_datetime=origin.start, site=origin.site, recorder=origin.recorder, note=note)


def _by_instrument(found: list[Any]) -> list[Any]:
    """The results of notes only, labelled with the instruments that the other one heard."""
    from sonoscope.noteapi import NoteResult

    heard = next(result for result in found if not isinstance(result, NoteResult))
    return [result.by_instrument(heard) for result in found if isinstance(result, NoteResult)]


@contextmanager
def _stdout(binary: bool) -> Iterator[IO[Any]]:
    """stdout as the formats want it: bytes, or UTF-8 whose line ends stay as they are written."""
    sys.stdout.flush()
    if binary:
        yield sys.stdout.buffer
        return
    text = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield text
        text.flush()
    finally:
        # Detached, or collecting the wrapper would close stdout.
        text.detach()
