"""What is done with one input: score it or read its kept scores, decide, and write every result into ``tmp``.

The same code runs in the process of the run and in its workers. Nothing here touches a finished result: the
run moves what was written into place (see ``engine``), so a worker that dies, or outlives its run, can spoil
nothing.
"""

from __future__ import annotations

import errno
import functools
import heapq
import itertools
import os
import shutil
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from sonoscope import outputs
from sonoscope.audio import away, ranges, secrets, stores
from sonoscope.errors import BadBundle, SonoscopeError, Stopped, UnreadableAudio
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.outputs import events_csv, scoretable
from sonoscope.pipeline import is_silent
from sonoscope.runs import extras, folder, hearing, staging
from sonoscope.runs.hearing import AnyDecision, Heard
from sonoscope.runs.journal import DONE, FAILED, Record
from sonoscope.runs.memory import peak_rss_bytes
from sonoscope.runs.origin import Origins
from sonoscope.runs.spec import RunSpec
from sonoscope.runs.written import Written
from sonoscope.values import FileResult, Recording

if TYPE_CHECKING:
    from sonoscope.models.runtime import Runtime
    from sonoscope.runs.setup import Setup

#: Formats that hold notes and nothing else of use.
NOTE_FORMATS = ("midi", "notes")

#: Write errors that are about one input's name, not about the folder.
_OF_THE_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


@dataclass(frozen=True)
class Gpu:
    """A GPU whose graphs are run by a process of their own (:mod:`~sonoscope.runs.feeding`), and where to find it."""

    name: str
    address: str


@dataclass(frozen=True)
class Task:
    """What is the same for all inputs of a run.

    ``decisions`` belong to ``bundles`` one by one; ``decision`` is the fingerprint of all decision settings.
    Kept scores are read in the folder ``source``. With ``gpu`` graphs are run by the process of that GPU.
    """

    spec: RunSpec
    bundles: tuple[Bundle, ...]
    decisions: tuple[AnyDecision, ...]
    decision: str
    source: Path
    tmp: Path
    log: Path
    gpu: Gpu | None = None

    @classmethod
    def of(cls, setup: Setup, place: folder.Folder, source: Path | None = None) -> Task:
        """The task of a request; kept scores are in the folder of the run itself where no ``source`` is named."""
        return cls(
            setup.spec,
            setup.bundles,
            setup.decisions,
            setup.decision,
            source or place.out,
            place.tmp,
            place.log,
        )

    def model(self, bundle: Bundle) -> str:
        """What tells the files of several models apart; nothing where there is one."""
        return bundle.name if len(self.bundles) > 1 else ""

    def formats(self, bundle: Bundle) -> tuple[str, ...]:
        """The formats that are written for a model: in company, each those that have a place for what it says."""
        wanted = self.spec.formats
        if bundle.task == NOTES:
            return tuple(name for name in wanted if not outputs.WRITERS[name].needs_scores)
        if any(other.task == NOTES for other in self.bundles):
            return tuple(name for name in wanted if name not in NOTE_FORMATS)
        return wanted

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


class Desk:
    """Where jobs are done, one at a time; graphs are loaded with the first job that needs them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._origins = Origins.of_spec(task.spec)
        self._patience = away.Patience()
        self._runtimes: dict[str, Runtime] = {}
        self._count = 0
        # Processes of several machines may write into one folder.
        self._host = socket.gethostname()

    def do(self, job: Job, progress: Callable[[float], None] | None = None) -> Outcome:
        """Do one job. Every failure that is the input's own becomes a failed record.

        Raises
        ------
        BadBundle
            If a model cannot be loaded: no input would succeed.
        Stopped
            If the process that runs graphs on a GPU has ended.
        """
        began = time.process_time()
        with staging.desk(self._task.spec, self._task.tmp) as place:
            outcome = self._done(job, place, progress)
        if outcome.stop is not None and place != self._task.tmp:
            # Its disk may be full, which is no reason to stop: what else is on it is not ours.
            outcome = self._done(job, self._task.tmp, progress)
        failed_again = outcome.record.status != DONE and job.kept is not None and not job.audio
        if failed_again and not self._task.moves:
            assert job.kept is not None
            # Without the recording the earlier results cannot be had again: they stay, whatever they are worth.
            outcome = replace(outcome, record=replace(outcome.record, outputs=job.kept.outputs))
        return replace(outcome, peak_rss_bytes=peak_rss_bytes(), cpu_s=time.process_time() - began)

    def _done(self, job: Job, place: Path, progress: Callable[[float], None] | None) -> Outcome:
        """One job, its results made in ``place``; nothing is left of them if it fails."""
        self._count += 1
        written = Written(place, f"{self._host}-{os.getpid()}-{self._count}")
        try:
            outcome = self._attempt(job, written, progress)
        except BaseException:
            written.discard()
            raise
        if outcome.record.status != DONE:
            written.discard()
        return outcome

    def _attempt(self, job: Job, written: Written, progress: Callable[[float], None] | None) -> Outcome:
        recording = job.recording
        try:
            facts, heard, decided = self._scores(job, written, progress)
        except UnreadableAudio as error:
            cause = error.__context__
            gone = isinstance(cause, OSError) and away.is_away(recording.path, cause)
            return failed(recording, error.reason, away.REMEDY if gone else error.remedy)
        except (BadBundle, Stopped):
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
            record = self._write(job, self._placed(facts), heard, written, keep=not decided)
            written.tidy()
            written.send(self._task.tmp)
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
        outcome = failed(recording, secrets.redacted(f"{type(error).__name__}: {error}"), remedy)
        return replace(outcome, trace=secrets.redacted(traceback.format_exc()))

    def _scores(
        self, job: Job, written: Written, progress: Callable[[float], None] | None
    ) -> tuple[Record, list[Heard], bool]:
        """Facts about the recording, what each model heard, and whether that was kept from before."""
        if job.kept is not None:
            try:
                return job.kept, [self._kept(job.kept.name, bundle) for bundle in self._task.bundles], True
            except (SonoscopeError, OSError) as error:
                if not job.audio:
                    raise UnreadableAudio(
                        job.kept.name,
                        "its kept scores cannot be read",
                        f"{error}{'' if isinstance(error, SonoscopeError) else '. Analyse the recording again.'}",
                    ) from None
        read = functools.partial(self._heard, job, written, progress)
        return *self._patience.keep(job.recording.path, read), False

    def _kept(self, name: str, bundle: Bundle) -> Heard:
        return hearing.recall(self._task.source / folder.kept_scores(name, self._task.model(bundle)), bundle)

    def _heard(
        self, job: Job, written: Written, progress: Callable[[float], None] | None
    ) -> tuple[Record, list[Heard]]:
        """Analyse the recording with every model.

        What is decided is what would be kept, so that a later decision begins with the same numbers.
        """
        found, notes = [], []
        with staging.local(job.recording, self._task.spec) as recording:
            for bundle in self._task.bundles:
                heard, analysis = hearing.hear(
                    recording, bundle, self._runtime(bundle), self._task.spec, written,
                    overlap=job.overlap, progress=progress,
                )  # fmt: skip
                found.append(heard)
                notes.append((bundle.name, analysis.note))
        _check_unchanged(job.recording)
        facts = replace(
            blank(job.recording),
            duration_s=analysis.duration_s,
            sample_rate=analysis.info.sample_rate,
            channels=analysis.info.channels,
            note=_together(notes),
            told=dict(analysis.info.told),
        )
        return facts, found

    def _placed(self, facts: Record) -> Record:
        """The facts with when and where the recording was made."""
        origin = self._origins.of(facts.name, facts.told, facts.path)
        return replace(
            facts,
            start_datetime=origin.start,
            site=origin.site,
            recorder=origin.recorder,
            origin_note=origin.note,
        )

    def _runtime(self, bundle: Bundle) -> Runtime:
        if bundle.name not in self._runtimes:
            from sonoscope.models.runtime import Runtime

            opener = None
            if self._task.gpu is not None:
                from sonoscope.runs.feeding import Door

                opener = Door(self._task.gpu, bundle)
            self._runtimes[bundle.name] = Runtime(bundle, on=self._task.spec.on, opener=opener)
        return self._runtimes[bundle.name]

    def _write(self, job: Job, facts: Record, heard: list[Heard], written: Written, *, keep: bool) -> Record:
        """Decide, and write every result of one input; ``keep`` says that its scores are new."""
        task, spec = self._task, self._task.spec
        kept_sizes = {}
        results = [
            one.result(job.recording, decision, facts, spec)
            for one, decision in zip(heard, task.decisions, strict=True)
        ]
        # Without a model of labels there is none that could know it: drums have no notes.
        labels = any(one.bundle.task != NOTES for one in heard)
        unknown = (
            labels
            and not is_silent(facts.note)
            and all(
                one.is_unknown(result, decision)
                for one, result, decision in zip(heard, results, task.decisions, strict=True)
            )
        )
        if spec.notes.tracks:
            results = extras.by_instrument(results, heard)
        for one, result in zip(heard, results, strict=True):
            self._write_result(job, one.bundle, result, written)
        for one in heard:
            place = folder.kept_scores(job.recording.name, task.model(one.bundle))
            if keep and spec.keep_scores:
                one.keep(written, place, facts)
            elif task.moves and spec.keep_scores:
                with written.open(place, binary=True) as file, open(task.source / place, "rb") as kept:
                    shutil.copyfileobj(kept, file)
            elif not keep and place in facts.outputs:
                kept_sizes[place] = facts.outputs[place]
        if task.merges:
            with written.open(folder.kept_events(job.recording.name), binary=False) as file:
                write_merged(results, file, raw=spec.raw)
        return replace(
            facts,
            status=DONE,
            decision=task.decision,
            analysed_s=min(one.analysed_s(facts.duration_s, spec) for one in heard),
            events=sum(len(result.events) for result in results),
            unknown=unknown,
            outputs={**kept_sizes, **written.sizes},
        )

    def _write_result(self, job: Job, bundle: Bundle, result: FileResult, written: Written) -> None:
        spec, model = self._task.spec, self._task.model(bundle)
        for name in self._task.formats(bundle):
            form = outputs.WRITERS[name]
            with written.open(folder.result(result.file, form.suffix, model), binary=form.binary) as file:
                form.write(result, file, raw=spec.raw, tempo=extras.tempo(result, spec.notes))
        if bundle.task == NOTES:
            extras.write(result, job.recording if job.audio else None, bundle, spec, model, written)
        if spec.scores and result.scores is not None:
            place = folder.result(result.file, f".scores.{spec.scores}", model)
            with written.open(place, binary=spec.scores == "parquet") as file:
                scoretable.write_table(
                    result.scores,
                    file,
                    cast(scoretable.TableKind, spec.scores),
                    raw=spec.raw,
                    duration_s=result.duration_s,
                )


def write_merged(results: Sequence[FileResult], file: IO[str], *, raw: bool) -> None:
    """The events that several models found in one recording as one table, in order of (start, end, label)."""
    file.write(events_csv.HEADER)
    streams = [zip(result.in_order(), itertools.repeat(result)) for result in results]
    for event, result in heapq.merge(*streams, key=lambda pair: pair[0]):
        file.write(events_csv.line(result, event, raw=raw))


def _together(notes: list[tuple[str, str]]) -> str:
    """What models (name and note) say of a recording, ``;``-joined; behind its name what not all of them say."""
    said = [(name, part) for name, note in notes for part in filter(None, note.split("; "))]
    times = Counter(part for _, part in said)
    return "; ".join(
        dict.fromkeys(part if times[part] == len(notes) else f"{name}: {part}" for name, part in said)
    )


def _check_unchanged(recording: Recording) -> None:
    """Raise ``UnreadableAudio`` for a recording in a store that was replaced while it was read, a piece at a time."""
    if not stores.is_url(recording.path) or 0 <= recording.size_bytes <= ranges.BLOCK:
        return
    size = -1 if recording.member else recording.size_bytes
    if stores.changed(recording.path, size, recording.modified_ns):
        raise UnreadableAudio(
            recording.name, "it was changed while it was read", "Run again when it is not written any more."
        )


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
