"""What is done with one input: score it or read its kept scores, decide, and write every result into ``tmp``.

The same code runs in the process of the run and in its workers. Nothing here touches a finished result: the
run moves what was written into place (see ``engine``), so a worker that dies, or outlives its run, can spoil
nothing.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from sonoscope import events as event_rules
from sonoscope import outputs
from sonoscope import scores as score_tables
from sonoscope.errors import BadBundle, SonoscopeError, UnreadableAudio
from sonoscope.models.bundle import Bundle
from sonoscope.outputs import events_csv
from sonoscope.runs import folder
from sonoscope.runs.journal import DONE, FAILED, Record
from sonoscope.runs.spec import RunSpec
from sonoscope.values import FileResult, Recording, Scores

if TYPE_CHECKING:
    from sonoscope.models.runtime import Runtime

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: Write errors that are about one input's name, not about the folder.
_OF_THE_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


@dataclass(frozen=True)
class Task:
    """What is the same for all inputs of a run.

    ``decisions`` belong to ``bundles`` one by one; ``decision`` is the fingerprint of all decision settings.
    Kept scores are read in the folder ``source``.
    """

    spec: RunSpec
    bundles: tuple[Bundle, ...]
    decisions: tuple[event_rules.Decision, ...]
    decision: str
    source: Path
    tmp: Path
    log: Path

    def model(self, bundle: Bundle) -> str:
        """What tells the files of several models apart; nothing where there is one."""
        return bundle.name if len(self.bundles) > 1 else ""

    @property
    def moves(self) -> bool:
        """Whether kept scores come from another folder."""
        return self.source != Path(self.spec.out)

    @property
    def merges(self) -> bool:
        """Whether an input's events for ``events.csv`` are no result of their own."""
        return "csv" not in self.spec.formats or len(self.bundles) > 1


@dataclass(frozen=True)
class Job:
    """One input. With ``kept`` its scores are there already; ``audio`` says whether the recording may be
    read.
    """

    recording: Recording
    kept: Record | None = None
    audio: bool = True
    overlap: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the record for the journal, and which files in ``tmp`` go where.

    ``stop`` is an OSError that no other input would escape (a full disk); ``trace`` the traceback of what was
    unexpected.
    """

    record: Record
    moves: tuple[tuple[str, str], ...] = ()
    decided: bool = False
    stop: OSError | None = None
    trace: str = ""
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0


@dataclass
class _Written:
    """Files of one job so far: where they are in ``tmp``, where they belong, and their sizes."""

    tmp: Path
    stem: str
    moves: list[tuple[str, str]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def open(self, place: str, *, binary: bool) -> Iterator[IO[Any]]:
        name = f"{self.stem}-{len(self.moves)}"
        self.moves.append((name, place))
        path = self.tmp / name
        with path.open("wb") if binary else path.open("w", encoding="utf-8", newline="") as file:
            yield file
        self.sizes[place] = path.stat().st_size

    def discard(self) -> None:
        for name, _ in self.moves:
            with contextlib.suppress(OSError):
                (self.tmp / name).unlink()


class Desk:
    """Where jobs are done, one at a time; graphs are loaded with the first job that needs them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._runtimes: dict[str, Runtime] = {}
        self._count = 0

    def do(self, job: Job, progress: Callable[[float], None] | None = None) -> Outcome:
        """Do one job. Every failure that is the input's own becomes a failed record.

        Raises
        ------
        BadBundle
            If a model cannot be loaded: no input would succeed.
        """
        began = time.process_time()
        self._count += 1
        written = _Written(self._task.tmp, f"{os.getpid()}-{self._count}")
        try:
            outcome = self._attempt(job, written, progress)
        except BaseException:
            written.discard()
            raise
        if outcome.record.status != DONE:
            written.discard()
            if job.kept is not None and not job.audio and not self._task.moves:
                # Without the recording the earlier results cannot be had again: they stay, whatever they are worth.
                outcome = replace(outcome, record=replace(outcome.record, outputs=job.kept.outputs))
        return replace(outcome, peak_rss_bytes=peak_rss_bytes(), cpu_s=time.process_time() - began)

    def _attempt(self, job: Job, written: _Written, progress: Callable[[float], None] | None) -> Outcome:
        recording = job.recording
        try:
            facts, tables, decided = self._scores(job, progress)
        except UnreadableAudio as error:
            return failed(recording, error.reason, error.remedy)
        except BadBundle:
            raise
        except SonoscopeError as error:
            return failed(recording, str(error), "")
        except OSError as error:
            reason = f"cannot be read ({error.strerror or error})"
            return failed(recording, reason, "Check that the file is there and may be read, then run again.")
        except MemoryError:
            return failed(recording, "not enough memory", "Run again with fewer --workers.")
        except Exception as error:
            return self._unexpected(recording, error)
        try:
            record = self._write(job, facts, tables, written, keep=not decided)
        except OSError as error:
            if is_about_the_name(error):
                return failed(recording, *unwritable(error))
            return replace(failed(recording, str(error), ""), stop=OSError(error.errno, error.strerror))
        except SonoscopeError as error:
            return failed(recording, str(error), "")
        except Exception as error:
            return self._unexpected(recording, error)
        return Outcome(record, tuple(written.moves), decided)

    def _unexpected(self, recording: Recording, error: Exception) -> Outcome:
        remedy = f"This is a mistake of the program: {self._task.log} says where; please report it."
        outcome = failed(recording, f"{type(error).__name__}: {error}", remedy)
        return replace(outcome, trace=traceback.format_exc())

    def _scores(
        self, job: Job, progress: Callable[[float], None] | None
    ) -> tuple[Record, list[Scores], bool]:
        """Facts about the recording, its scores per model, and whether they were kept ones."""
        if job.kept is not None:
            try:
                return job.kept, [self._kept(job.kept.name, bundle) for bundle in self._task.bundles], True
            except (SonoscopeError, OSError) as error:
                if not job.audio:
                    raise UnreadableAudio(
                        job.kept.name,
                        f"its kept scores cannot be read ({error})",
                        "Analyse the recording again.",
                    ) from None
        return *self._heard(job, progress), False

    def _kept(self, name: str, bundle: Bundle) -> Scores:
        file = self._task.source / folder.kept_scores(name, self._task.model(bundle))
        scores, _ = score_tables.load(file, bundle.calibration)
        if scores.labels != tuple(label.id for label in bundle.labels):
            raise SonoscopeError(f"{file} holds other labels than the model {bundle.name}")
        return scores

    def _heard(self, job: Job, progress: Callable[[float], None] | None) -> tuple[Record, list[Scores]]:
        """Analyse the recording with every model.

        What is decided is what would be kept, so that a later decision begins with the same numbers: logits
        in units of 1e-3, limited to 16 bits.
        """
        from sonoscope import pipeline

        spec, tables, notes = self._task.spec, [], dict[str, None]()
        for bundle in self._task.bundles:
            analysis = pipeline.score_recording(
                job.recording, bundle, self._runtime(bundle), hop_s=spec.hop_s, channel=spec.channel,
                overlap=job.overlap, progress=progress,
            )  # fmt: skip
            tables.append(analysis.scores)
            notes |= dict.fromkeys(filter(None, analysis.note.split("; ")))
        facts = replace(
            blank(job.recording),
            duration_s=analysis.duration_s,
            sample_rate=analysis.info.sample_rate,
            channels=analysis.info.channels,
            note="; ".join(notes),
        )
        return facts, tables

    def _runtime(self, bundle: Bundle) -> Runtime:
        if bundle.name not in self._runtimes:
            from sonoscope.models.runtime import Runtime

            self._runtimes[bundle.name] = Runtime(bundle, on=self._task.spec.on)
        return self._runtimes[bundle.name]

    def _write(
        self, job: Job, facts: Record, tables: list[Scores], written: _Written, *, keep: bool
    ) -> Record:
        """Decide, and write every result of one input; ``keep`` says that its scores are new."""
        task, spec, results = self._task, self._task.spec, []
        unknown = "silent" not in facts.note
        kept_sizes = {}
        for bundle, decision, scores in zip(task.bundles, task.decisions, tables, strict=True):
            place = folder.kept_scores(job.recording.name, task.model(bundle))
            if keep and spec.keep_scores:
                meta = {"name": facts.name, "model": bundle.name, "version": bundle.version}
                with written.open(place, binary=True) as file:
                    score_tables.save(cast(BinaryIO, file), scores, meta | {"duration": facts.duration_s})
            elif task.moves and spec.keep_scores:
                with written.open(place, binary=True) as file, open(task.source / place, "rb") as kept:
                    shutil.copyfileobj(kept, file)
            elif not keep and place in facts.outputs:
                kept_sizes[place] = facts.outputs[place]
            counted = without_tail(scores) if spec.tail == "drop" else scores
            result = file_result(job.recording, bundle, decision, counted, facts, channel=spec.channel)
            self._write_result(result, task.model(bundle), written)
            results.append(result)
            missed = event_rules.unknown_windows(scores, decision, bundle.labels)
            unknown = unknown and 2 * missed > len(scores)
        if task.merges:
            with written.open(folder.kept_events(job.recording.name), binary=False) as file:
                write_merged(results, file, raw=spec.raw)
        return replace(
            facts,
            status=DONE,
            decision=task.decision,
            analysed_s=analysed_s(counted, facts.duration_s, tail=spec.tail),
            events=sum(len(result.events) for result in results),
            unknown=unknown,
            outputs={**kept_sizes, **written.sizes},
        )

    def _write_result(self, result: FileResult, model: str, written: _Written) -> None:
        spec = self._task.spec
        for name in spec.formats:
            form = outputs.WRITERS[name]
            with written.open(folder.result(result.file, form.suffix, model), binary=form.binary) as file:
                form.write(result, file, raw=spec.raw)
        if spec.scores and result.scores is not None:
            place = folder.result(result.file, f".scores.{spec.scores}", model)
            with written.open(place, binary=spec.scores == "parquet") as file:
                score_tables.write_table(
                    result.scores,
                    file,
                    cast(score_tables.TableKind, spec.scores),
                    raw=spec.raw,
                    duration_s=result.duration_s,
                )


def file_result(
    recording: Recording,
    bundle: Bundle,
    decision: event_rules.Decision,
    scores: Scores,
    facts: Record,
    *,
    channel: int | None,
) -> FileResult:
    """Decide, and put together all that is written about one recording."""
    found = event_rules.find(scores, decision, bundle.labels, duration_s=facts.duration_s, channel=channel)
    return FileResult(
        file=recording.name,
        path=facts.path,
        model=bundle.name,
        labels=bundle.labels,
        duration_s=facts.duration_s,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        events=found,
        scores=scores,
        note=facts.note,
    )


def write_merged(results: Sequence[FileResult], file: IO[str], *, raw: bool) -> None:
    """The events that several models found in one recording as one table, in order of (start, end, label)."""
    file.write(events_csv.HEADER)
    streams = [zip(result.in_order(), itertools.repeat(result)) for result in results]
    for event, result in heapq.merge(*streams, key=lambda pair: pair[0]):
        file.write(events_csv.line(result, event, raw=raw))


def without_tail(scores: Scores) -> Scores:
    """The scores without windows that reach past the audio."""
    whole = ~scores.padded
    if whole.all():
        return scores
    rows = {name: getattr(scores, name)[whole] for name in ("starts", "ends", "logits", "probabilities")}
    return replace(scores, **rows)


def analysed_s(scores: Scores, duration_s: float, *, tail: str) -> float:
    """How many seconds of a recording have scores that count."""
    if tail == "keep":
        return duration_s
    return min(float(np.max(scores.end_s, initial=0.0)), duration_s)


def blank(recording: Recording) -> Record:
    """A record that says which recording it is about, and no more."""
    member = f"/{recording.member}" if recording.member else ""
    return Record(
        name=recording.name,
        path=recording.path + member,
        status=FAILED,
        size_bytes=recording.size_bytes,
        modified_ns=recording.modified_ns,
    )


def failed(recording: Recording, reason: str, remedy: str) -> Outcome:
    """The outcome of an input that could not be analysed."""
    return Outcome(
        replace(blank(recording), reason=" ".join(reason.split()), remedy=" ".join(remedy.split()))
    )


def is_about_the_name(error: OSError) -> bool:
    """Whether a write failed because of one input's name, and not of the folder."""
    return error.errno in _OF_THE_NAME


def unwritable(error: OSError) -> tuple[str, str]:
    """Reason and remedy for an input whose results cannot have the name they should."""
    return f"its results cannot be written ({error.strerror})", "Rename the recording, then run again."


def peak_rss_bytes() -> int:
    """The largest amount of memory that this process has held so far; 0 where that is not known."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
