"""Doing a run: :func:`run` from recordings, :func:`decide` from kept scores.

For each input, in this order: its results are written into ``tmp``, moved into place, and then recorded in
the journal. A run that is killed at any moment therefore leaves whole files only, and the next one goes on
behind the last line of the journal; what it does not find there it does again, with the same bytes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from sonoscope.audio import secrets, stores
from sonoscope.errors import RunRefused, Stopped, UsageError, count
from sonoscope.runs import afar, afterwards, folder, parts
from sonoscope.runs.folder import Folder
from sonoscope.runs.job import Task
from sonoscope.runs.journal import Journal
from sonoscope.runs.listing import Listing
from sonoscope.runs.origin import Origins
from sonoscope.runs.progress import Reporter, Silent
from sonoscope.runs.setup import Setup, prepare
from sonoscope.runs.spec import RunSpec, RunSummary
from sonoscope.runs.underway import Jobs, Run
from sonoscope.runs.watching import Watch
from sonoscope.writing import FULL

log = logging.getLogger("sonoscope")


def run(spec: RunSpec, *, report: Reporter | None = None) -> RunSummary:
    """Analyse every input of ``spec`` into the folder ``spec.out``; go on where an earlier run stopped.

    Inputs that cannot be analysed are listed in ``errors.csv`` and do not stop the others.

    Raises
    ------
    UsageError, UnknownName, BadBundle
        If an option is wrong, or there is no input at all; nothing has been written then.
    RunRefused
        If the folder holds something else; the message lists the differences.
    Locked
        If another process writes this run.
    Stopped
        If the run was interrupted or cannot go on (a full disk). What is there is whole, and the same call
        goes on.
    """
    if stores.is_url(spec.out):
        if spec.checked().dask not in (None, "local"):
            raise UsageError(
                f"--dask {spec.dask} with -o {spec.out}: workers of a cluster write into a folder that all see; "
                "give -o FOLDER, and --then to send it"
            )
        with afar.mirrored(folder.dated(spec.out), spec.shard) as mirror:
            here = replace(spec, out=str(mirror.folder))
            return afar.told(run(here, report=afar.Telling(report or Silent(), mirror)), mirror)
    setup = prepare(replace(spec.checked(), out=folder.dated(spec.out)))
    first = list(islice(parts.inputs(replace(setup.spec, shard=None)), 2))
    if len(first) > 1 and Origins.of_spec(setup.spec).is_fixed:
        raise UsageError(
            f"--start-time {setup.spec.start_time} is when one recording began, and there are more: give a pattern "
            "such as %Y%m%d_%H%M%S, which finds the time in names"
        )
    if not first and not setup.spec.watch:
        raise UsageError(
            f"nothing to analyse in {', '.join(setup.spec.inputs)}: no recordings were found there"
        )
    place = Folder(setup.spec.out, setup.spec.shard)
    stop = threading.Event()

    def from_inputs(running: Run) -> Jobs:
        if setup.spec.watch:
            yield from running.jobs_watched(Watch(setup.spec.inputs, stop))
            return
        listing = Listing(parts.inputs(setup.spec), place.tmp / "listing")
        try:
            yield from running.jobs_of(listing)
        finally:
            listing.close()

    return _carry_out(setup, place, place.out, from_inputs, report or Silent(), stop)


def decide(
    source: str | Path, given: dict[str, Any] | None = None, *, report: Reporter | None = None
) -> RunSummary:
    """Decide again from the scores kept in the folder ``source``; no recording is touched.

    Parameters
    ----------
    source : path
        The folder of an earlier run.
    given : dict, optional
        Fields of :class:`RunSpec` that shall differ from those of that run. With ``out`` the results, and a
        copy of the kept scores, go into another folder, which is then a run of its own. ``notes`` is a dictionary
        of the fields of :class:`NoteWishes` that shall differ.

    Raises
    ------
    RunRefused
        If the folder holds no run or no scores, or ``given`` asks for what needs the recordings (model, hop, channel).
    """
    if stores.is_url(str(source)):
        with afar.mirrored(str(source)) as mirror:
            summary = decide(mirror.folder, given, report=afar.Telling(report or Silent(), mirror))
            return afar.told(summary, mirror)
    if stores.is_url((given or {}).get("out", "")):
        raise UsageError(f"-o {(given or {})['out']}: with --from-scores name a folder of this machine")
    origin = Folder(source)
    settings = origin.read_settings()
    if settings is None:
        raise RunRefused(f"{origin.out} holds no run of sonoscope: --from-scores takes the folder of one")
    if not (origin.state / "scores").is_dir():
        raise RunRefused(
            f"{origin.out} has kept no scores (--no-scores): the recordings are needed, analyse them again"
        )
    wanted = {"out": str(origin.out), "inputs": tuple(settings["inputs"]), **(given or {})}
    earlier = _earlier(origin, settings)
    wanted["notes"] = replace(earlier.notes, **wanted.get("notes", {}))
    spec = replace(earlier, **wanted)
    if spec.shard:
        raise UsageError("--from-scores decides for the whole folder at once: leave out --shard")
    if spec.notes.audio not in (None, "notes"):
        raise UsageError(
            f"--audio {spec.notes.audio} plays the recordings too, and --from-scores does without them: "
            "--audio notes, or analyse again"
        )
    spec = replace(spec, watch=False)
    same = Path(spec.out).resolve() == origin.out.resolve()
    setup = prepare(replace(spec, out=folder.dated(spec.out), overwrite=spec.overwrite and not same))
    changes = folder.differences(settings, setup.settings)
    if changes:
        raise RunRefused(
            f"the scores kept in {origin.out} cannot give this: {'; '.join(changes)}. Analyse again"
        )
    place = Folder(setup.spec.out)

    def from_records(running: Run) -> Jobs:
        if same:
            yield from running.jobs_again(running.journal)
            return
        with contextlib.closing(Journal(origin.state, None)) as journal:
            yield from running.jobs_again(journal)

    return _carry_out(setup, place, place.out if same else origin.out, from_records, report or Silent())


def _earlier(origin: Folder, settings: dict[str, Any]) -> RunSpec:
    """The spec of the last run in a folder; of its analysis only, if its ``run.json`` is gone."""
    file = origin.out / "run.json"
    if file.is_file():
        return RunSpec.from_run_json(file)
    models = settings["models"]
    hop_s = next(iter(models.values()))["hop_s"] if len(models) == 1 else None
    return RunSpec(
        tuple(settings["inputs"]), str(origin.out), tuple(models), hop_s=hop_s, channel=settings["channel"]
    )


def _carry_out(
    setup: Setup,
    place: Folder,
    source: Path,
    jobs: Callable[[Run], Jobs],
    reporter: Reporter,
    stop: threading.Event | None = None,
) -> RunSummary:
    """Claim the folder, do the jobs, write the tables, then what follows."""
    spec = setup.spec
    summary, complete = _done(setup, place, source, jobs, reporter, stop if spec.watch else None)
    # The folder is free again: what follows may use it.
    if spec.then and complete:
        afterwards.follow(spec.then, summary)
    return summary


def _done(
    setup: Setup,
    place: Folder,
    source: Path,
    jobs: Callable[[Run], Jobs],
    reporter: Reporter,
    stop: threading.Event | None,
) -> tuple[RunSummary, bool]:
    """What came of the jobs, and whether all parts of the run are finished."""
    spec = setup.spec
    with place.claimed(setup.settings, overwrite=spec.overwrite), _logged(place.log), _interruptible(stop):
        task = Task.of(setup, place, source)
        running = None
        try:
            with contextlib.closing(Journal(place.state, place.part)) as journal:
                running = Run(setup, place, task, journal, reporter)
                with contextlib.closing(jobs(running)) as stream:
                    summary = running.do(stream)
            reporter.finish(summary)
            return summary, running.complete
        except KeyboardInterrupt:
            if running:
                running.stopped()
            raise Stopped(_so_far("interrupted", running, place)) from None
        except Stopped:
            if running:
                running.stopped()
            raise
        except OSError as error:
            log.info("stopped", exc_info=True)
            if running:
                running.stopped()
            raise Stopped(_so_far(_trouble(error, place.out), running, place)) from None


def _so_far(what: str, running: Run | None, place: Folder) -> str:
    complete = f" {count(running.tally.done, 'input')} complete in {place.out};" if running else ""
    return f"{what}.{complete} the same command again goes on from there"


def _trouble(error: OSError, out: Path) -> str:
    if error.errno in FULL:
        return f"no space is left for {out} ({error.strerror}): make room there, or raise the limit"
    where = f" ({error.filename})" if error.filename else ""
    return f"{out} cannot be written{where}: {error.strerror or error}"


@contextlib.contextmanager
def _interruptible(stop: threading.Event | None) -> Iterator[None]:
    """Let SIGTERM, with which batch systems announce the end, interrupt as Ctrl-C does.

    With ``stop``, which a watch looks at, the first of either ends it in good order, and the second interrupts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop is None or stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log.warning("the watch ends; what is under way is finished first (Ctrl-C again stops at once)")

    signals = (signal.SIGTERM,) if stop is None else (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _QuietHandler(logging.FileHandler):
    """A log that gives up silently: a full disk is reported once, by the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextlib.contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Send what the package logs to ``file`` too."""
    handler = _QuietHandler(file, encoding="utf-8", delay=True, errors="backslashreplace")
    handler.setLevel(logging.INFO)
    handler.setFormatter(secrets.Discreet("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    if log.getEffectiveLevel() > logging.INFO:
        log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        log.info("started, process %d", os.getpid())
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        handler.close()
