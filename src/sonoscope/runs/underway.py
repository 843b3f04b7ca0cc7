"""A run under way: which jobs there are, who does them, and what becomes of their outcomes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from sonoscope import models
from sonoscope.audio.find import Unlisted
from sonoscope.errors import Stopped, count
from sonoscope.models.bundle import NOTES
from sonoscope.models.devices import CUDA
from sonoscope.runs import afterwards, combine, dasked, feeding, folder, remarks, report, workers
from sonoscope.runs.cores import default_workers
from sonoscope.runs.folder import Folder
from sonoscope.runs.job import Job, Outcome, Task, failed, is_about_the_name, unwritable
from sonoscope.runs.journal import DONE, FAILED, GONE, Journal, Record
from sonoscope.runs.listing import Listing, belongs_to
from sonoscope.runs.memory import Budget
from sonoscope.runs.progress import FileDone, Reporter
from sonoscope.runs.setup import Setup
from sonoscope.runs.spec import RunSummary
from sonoscope.runs.standing import standing
from sonoscope.runs.watching import Watch
from sonoscope.values import Recording

log = logging.getLogger("sonoscope")

#: From how many new decisions on other processes are worth starting for them.
MANY_DECISIONS = 64
#: How long the run looks for a next input before it does something else, in seconds.
PATIENCE_S = 0.05
#: How long a watch must have had nothing to settle before it writes tables, in seconds, and how much rarer than long
#: that may be.
PAUSE_S, TABLES_SHARE = 3.0, 20.0

Jobs = Generator[Job | None, None, None]


class Run:
    """One run; ``tally`` counts what has been settled so far."""

    def __init__(self, setup: Setup, place: Folder, task: Task, journal: Journal, reporter: Reporter) -> None:
        self.tally = report.Tally()
        self.journal = journal
        self._setup, self._place, self._task, self._reporter = setup, place, task, reporter
        self._workers = setup.spec.workers or default_workers()
        self._hears_notes = any(bundle.task == NOTES for bundle in setup.bundles)
        #: Whether all parts of the run are finished, once it is over.
        self.complete = False
        self._settled_at = self._next_tables = 0.0
        self._in_process = True
        self._budget = Budget(setup.spec.max_memory)
        self._changed = False
        self._listing: Listing | None = None
        self._gpus: list[dict[str, Any]] = []
        # Inputs that had failed and are not found again are no inputs any more; a list made beforehand says what are.
        mine = belongs_to(setup.spec.shard)
        self._lost = set() if setup.spec.listed else {name for name in journal.failed if mine(name)}

    def do(self, jobs: Jobs) -> RunSummary:
        """Do all jobs, then write the tables.

        Raises
        ------
        OSError
            For what no other input would escape, such as a full disk.
        """
        earlier = remarks.earlier(self._place.out)
        combine.begin(self._place, self._report("running"))
        self._reporter.start(None, out=str(self._place.out), workers=self._workers)
        self.journal.begin(self._task.decision)
        try:
            with contextlib.closing(self._outcomes(jobs)) as outcomes:
                for outcome in outcomes:
                    self._settle(outcome)
        except FirstFailure as failure:
            combine.begin(self._place, self._report("stopped"))
            return self._summary(f"{failure} {count(self.tally.done, 'input')} done.", 1)
        for name in self._lost:
            self._change()
            self.journal.add(Record(name, "", GONE))
        missing = self._write_tables("done")
        self.complete = not missing
        changes = remarks.changes(earlier, self._setup.effective()) if earlier else []
        counted = "note" if all(b.task == NOTES for b in self._setup.bundles) else "event"
        text = remarks.message(self.tally, self._place.out, changes=changes, missing=missing, counted=counted)
        spec = self._setup.spec
        said = (
            *remarks.about_special(self.tally),
            *remarks.about_damaged(self.tally),
            *remarks.about_origins(self.tally, spec.site_from, spec.recorded_in),
            *remarks.about_absent(self._absent()),
            *remarks.about_unknown(self.tally.unknown, self._models()),
        )
        log.info("finished: %s", "; ".join((text, *said)))
        return self._summary(text, 1 if self.tally.failed else 0, said)

    def _write_tables(self, status: str) -> int:
        """The tables of all inputs; how many parts are not finished."""
        self.journal.sync()
        mine = self._report(status)
        missing = combine.finish(self._place, self._task, self.journal, mine, changed=self._changed)
        self._changed = False
        return missing

    def _rest(self) -> None:
        """In a pause of a watch: write the tables, if there is news, and do what follows."""
        now = time.monotonic()
        if not self._changed or now < max(self._settled_at + PAUSE_S, self._next_tables):
            return
        self._write_tables("running")
        if self._setup.spec.then:
            try:
                afterwards.follow(self._setup.spec.then, self._summary("", 1 if self.tally.failed else 0))
            except Stopped as error:
                # The watch goes on; the next time may be better.
                log.warning("%s", error)
        self._next_tables = time.monotonic() + TABLES_SHARE * (time.monotonic() - now)

    def _absent(self) -> int:
        """How many recordings were analysed earlier and are not among the inputs any more."""
        tally = self.tally
        if self._setup.spec.listed or len(self.journal) == tally.done + tally.failed:
            return 0
        mine = belongs_to(self._setup.spec.shard)
        done = sum(record.status == DONE and mine(record.name) for record in self.journal.records())
        return done - tally.done

    def _models(self) -> tuple[list[str], list[str]]:
        """The names of the models that ran, and of the others there are."""
        mine = [bundle.name for bundle in self._setup.bundles]
        return mine, sorted(set(models.names()).difference(mine))

    def stopped(self) -> None:
        """Note in ``run.json`` that the run was stopped, if that can still be written."""
        with contextlib.suppress(OSError):
            combine.begin(self._place, self._report("stopped"))

    # Which jobs there are

    def jobs_of(self, listing: Listing) -> Jobs:
        """A job for every listed input that is not complete; the others are settled at once."""
        self._listing = listing
        while True:
            entry = listing.next(PATIENCE_S)
            self._tell_listed()
            if entry is None:
                if listing.exhausted:
                    return
                yield None
                continue
            yield from self._of_entry(entry)

    def jobs_watched(self, watch: Watch) -> Jobs:
        """A job for every recording as it becomes complete; the tables are written whenever there is a pause."""
        for entry in watch.entries():
            self._reporter.listed(watch.listed, 0, complete=False)
            if entry is None:
                self._rest()
                yield None
            else:
                yield from self._of_entry(entry)
        for unlisted in watch.unlisted.values():
            yield from self._of_entry(unlisted)

    def _of_entry(self, entry: Recording | Unlisted) -> Iterator[Job]:
        self._lost.discard(entry.name)
        if isinstance(entry, Unlisted):
            self._settle(failed(Recording(entry.name, entry.name), entry.reason, entry.remedy))
        elif not folder.is_inside(entry.name):
            reason = "its results would lie outside the folder"
            self._settle(failed(entry, reason, "Rename the recording, then run again."))
        else:
            yield from self._left(standing(entry, self._task, self.journal))

    def jobs_again(self, source: Journal) -> Jobs:
        """A job for every input of an earlier run that was analysed; those that failed stay failed."""
        self._lost.clear()
        self._reporter.listed(len(source), 0, complete=True)
        for record in source.records():
            recording = Recording(record.path, record.name, None, record.size_bytes, record.modified_ns)
            if record.status == FAILED:
                self._settle(failed(recording, record.reason, record.remedy))
                continue
            left = standing(recording, self._task, self.journal)
            yield from self._left(Job(recording, kept=record, audio=False) if isinstance(left, Job) else left)

    def _left(self, left: Record | Job) -> Iterator[Job]:
        if isinstance(left, Job):
            yield left
        else:
            self.tally.skipped += 1
            self._count(left, "skipped")

    # Who does them

    def _outcomes(self, jobs: Jobs) -> Generator[Outcome, None, None]:
        """Do the jobs here if that is enough, or in as many processes as there are workers, or on a cluster."""
        if self._setup.spec.dask is not None:
            self._in_process = False
            return dasked.clustered(jobs, self._task)
        first: list[Job] = []
        worth = False
        while self._workers > 1 and not worth and not self._setup.spec.watch:
            job = next(jobs, _END)
            if job is _END:
                break
            if isinstance(job, Job):
                first.append(job)
            worth = sum(job.kept is None for job in first) > 1 or len(first) >= MANY_DECISIONS

        def all_jobs() -> Jobs:
            yield from first
            yield from jobs

        # What is to be kept below a limit must be something that can be ended.
        worth = worth or self._budget.limit is not None or (self._setup.spec.watch and self._workers > 1)
        self._in_process = not worth
        if worth and self._setup.spec.on == CUDA:
            return self._fed(all_jobs())
        if worth:
            return workers.pooled(all_jobs(), self._task, self._workers, self._budget, working=self._working)
        return workers.here(all_jobs(), self._task, overlap=self._workers > 1, working=self._working)

    def _fed(self, jobs: Jobs) -> Generator[Outcome, None, None]:
        """Workers decode, and a process for each GPU runs the graphs."""
        with feeding.Gpus(self._task, self._workers) as gpus:
            yield from workers.pooled(
                jobs, self._task, self._workers, self._budget, working=self._working, gpus=gpus.places
            )
        self._gpus = gpus.told

    def _working(self, name: str, seconds: float) -> None:
        self._tell_listed()
        self._reporter.working(name, seconds)

    def _tell_listed(self) -> None:
        if self._listing is not None:
            listing = self._listing
            self._reporter.listed(listing.total, listing.size_bytes, complete=listing.complete)

    # What becomes of an outcome

    def _settle(self, outcome: Outcome) -> None:
        """Move results into place, record them, tell about it."""
        self.tally.measure(outcome)
        if outcome.trace:
            log.info("%s: %s", outcome.record.name, outcome.trace)
        if outcome.stop is not None:
            raise outcome.stop
        self._change()
        self._settled_at = time.monotonic()
        record = self._placed(outcome)
        before = self.journal.get(record.name)
        if before is not None:
            folder.remove(self._place.out, before.outputs.keys() - record.outputs.keys())
        self.journal.add(record)
        self._count(record, "decided" if outcome.decided else "done")
        if record.status == FAILED:
            log.info("%s: failed: %s", record.name, record.reason)
            if self._setup.spec.strict:
                raise FirstFailure(f"stopped at {record.name} (--strict): {record.reason}. {record.remedy}")

    def _placed(self, outcome: Outcome) -> Record:
        """Move results into place; the record, which says so if they cannot have their names."""
        record = outcome.record
        if record.status != DONE:
            return record
        try:
            folder.move(self._place.tmp, self._place.out, outcome.moves)
        except OSError as error:
            if not is_about_the_name(error):
                raise
            folder.remove(self._place.out, [place for _, place in outcome.moves])
            reason, remedy = unwritable(error)
            return replace(record, status=FAILED, outputs={}, reason=reason, remedy=remedy)
        return record

    def _count(self, record: Record, status: str) -> None:
        tally = self.tally
        if record.status == FAILED:
            status = FAILED
            tally.failed += 1
        else:
            tally.done += 1
            tally.events += record.events
            tally.audio_s += record.duration_s
            tally.decided += status == "decided"
            tally.unknown += record.unknown
            tally.place(record)
            if self._hears_notes:
                # Rates and tunings decide which notes there can be.
                tally.remark(record.name, record.note)
        self._reporter.file_done(
            FileDone(
                record.name, status, record.duration_s, record.size_bytes, record.events,
                record.remarks, record.reason, record.remedy,
            )
        )  # fmt: skip

    def _change(self) -> None:
        """Before the first change: the tables of all inputs stop being true."""
        if not self._changed:
            self._changed = True
            combine.discard(self._place.out)

    # What is said about it all

    def _report(self, status: str) -> dict[str, Any]:
        about = report.describe(
            self._setup, self.tally, status=status, workers=self._workers, in_process=self._in_process
        )
        if self._budget.limit is not None:
            about["max_memory_mib"] = report.in_mib(self._budget.limit)
            about["peak_rss_mib"]["together"] = report.in_mib(self._budget.peak)
        if self._gpus:
            about["gpus"] = self._gpus
        return about | {"part": self._place.part}

    def _summary(self, message: str, exit_code: int, said: tuple[str, ...] = ()) -> RunSummary:
        tally = self.tally
        return RunSummary(
            str(self._place.out), tally.done, tally.failed, tally.events, tally.skipped, tally.decided,
            tally.audio_s, tally.elapsed_s, exit_code, message, said,
        )  # fmt: skip


class FirstFailure(Exception):
    """An input failed, under ``--strict``."""


_END = object()
