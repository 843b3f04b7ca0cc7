"""``-o URL``: results in a store. They are made in a folder of this machine, which is kept the same as the place.

What an earlier run left there is fetched first, so that the same command goes on from any machine. While the run goes
on, a thread puts there what is finished: first results, then the journal that tells of them, so that what the place
says is always true. In the end all of it is there, and the folder on this machine goes away. If the place could not be
reached to the end, the folder stays, and the same command puts there what is missing.

The lock of a run is that of the folder on this machine: two machines must not write the same part of a run at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sonoscope.audio import stores
from sonoscope.errors import SonoscopeError, Stopped, UsageError
from sonoscope.models import cache
from sonoscope.runs import lock
from sonoscope.runs.folder import STATE
from sonoscope.runs.journal import Journal, merge
from sonoscope.runs.progress import FileDone, Reporter
from sonoscope.runs.spec import RunSummary

log = logging.getLogger("sonoscope")

#: Seconds between two looks at what is new, at least; looking and sending may take this share of the time.
LOOK_S, LOOK_SHARE = 5.0, 10.0
#: What says where the results are: in the store, not on this machine.
_TELLING = ("run.json", "part-")


class Mirror:
    """A folder of this machine and a place in a store, kept the same.

    Parameters
    ----------
    url : str
        Of a folder in the store.
    shard : (int, int), optional
        The part of a run that is done here: only what it has made is fetched.

    Attributes
    ----------
    folder : Path
        On this machine; the same for one URL and part.
    """

    def __init__(self, url: str, shard: tuple[int, int] | None = None) -> None:
        if stores.scheme_of(url) in stores.WEB:
            raise UsageError(f"-o {url}: a web server takes no results; s3, abfs and sftp do")
        self.url = url.rstrip("/")
        self._part = f"{shard[0]}of{shard[1]}" if shard else ""
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.folder = (
            cache.folder("stores") / f"{self.url.rpartition('/')[2]}-{digest}{self._part and '-'}{self._part}"
        )
        self._sent: dict[str, tuple[int, int]] = {}
        self._stop = threading.Event()

    def fetch(self) -> None:
        """Bring here what is there and not here yet, or newer there than here.

        A folder is here already where a run was killed, or could not send. Others may have gone on there since, so
        the journals are put together, and each input has the results of its newest record.

        Raises
        ------
        OSError
            If the place cannot be reached.
        Locked
            If another process of this machine is at work in the folder.
        """
        state = self.folder / STATE
        with lock.Lock(state, self._part or "all") if state.is_dir() else contextlib.nullcontext():
            self._fetch(state / "tmp-fetched")

    def _fetch(self, desk: Path) -> None:
        shutil.rmtree(desk, ignore_errors=True)
        there = None if self._part else dict(stores.files(self.url))
        own = [f"{STATE}/journal-{self._part}.jsonl"] if there is None else filter(_is_journal, there)
        journals = [name for name in own if self._download(name, desk / Path(name).name)]
        with (
            contextlib.closing(Journal(self.folder / STATE, None)) as mine,
            contextlib.closing(Journal(desk, None)) as theirs,
        ):
            newer_here, newer_there, same = _compared(mine, theirs)
            is_older = theirs.last_at > mine.last_at
        names = {f"{STATE}/settings.json", *newer_there, *same} if there is None else set(there)
        for name in names.difference(journals, newer_here):
            file = self.folder / name
            if not file.is_file() or name in newer_there or (is_older and name not in same):
                self._download(name, file)
            elif name in same and (there is None or there[name] == file.stat().st_size):
                self._sent[name] = _known(file)
        if is_older and there is not None:
            for name in set(self._names()).difference(there, newer_here):
                if not _is_journal(name):
                    (self.folder / name).unlink()
        # Last: a journal here never tells of what is not here yet.
        for name in journals:
            self._join(desk / Path(name).name, self.folder / name)
        shutil.rmtree(desk, ignore_errors=True)

    def _download(self, name: str, file: Path) -> bool:
        """Bring one file, whole; False if there is none."""
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{file.name}.fetched")
        try:
            stores.download(stores.below(self.url, name), beside)
        except FileNotFoundError:
            beside.unlink(missing_ok=True)
            return False
        beside.replace(file)
        if file == self.folder / name:
            self._sent[name] = _known(file)
        return True

    def _join(self, fetched: Path, file: Path) -> None:
        """Put a journal that was there and the one that is here together."""
        if file.is_file():
            beside = file.with_name(f"new-{file.name}")
            merge(file, fetched, beside)
            beside.replace(file)
        else:
            fetched.replace(file)

    def send(self) -> None:
        """Put there what is new here; what has gone here goes there. Raises ``OSError``."""
        # What the journals say now; what they tell of is sent before them.
        journals = {name: (self.folder / name).read_bytes() for name in self._names() if _is_journal(name)}
        there = set(self._sent)
        for name in self._names():
            there.discard(name)
            file = self.folder / name
            with contextlib.suppress(FileNotFoundError):
                known = _known(file)
                if name in journals or self._sent.get(name) == known:
                    continue
                self._put(name, file)
                self._sent[name] = known
        for name, text in journals.items():
            known = (len(text), hash(text))
            if self._sent.get(name) != known:
                beside = self.folder / STATE / f"sent-{Path(name).name}"
                beside.write_bytes(text)
                stores.upload(beside, stores.below(self.url, name))
                beside.unlink()
                self._sent[name] = known
        for name in there:
            stores.remove(stores.below(self.url, name))
            del self._sent[name]

    def _put(self, name: str, file: Path) -> None:
        if not file.name.startswith(_TELLING) or file.suffix != ".json":
            stores.upload(file, stores.below(self.url, name))
            return
        values = json.loads(file.read_text(encoding="utf-8"))
        if "settings" in values:
            values["settings"]["out"] = self.url
        beside = self.folder / STATE / f"sent-{file.name}"
        beside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        stores.upload(beside, stores.below(self.url, name))
        beside.unlink()

    def _names(self) -> list[str]:
        """Files that belong there: all but what is unfinished and who is writing."""
        found = []
        for folder, folders, names in os.walk(self.folder):
            below = Path(folder).relative_to(self.folder).as_posix()
            if below == STATE:
                folders[:] = [name for name in folders if not name.startswith("tmp-")]
                names = [name for name in names if _is_kept(name)]
            found += [name if below == "." else f"{below}/{name}" for name in names]
        return found

    def keep_sending(self) -> None:
        """In a thread of its own, until :meth:`stop`: a place that is away is tried again later."""
        while not self._stop.wait(LOOK_S):
            began = time.monotonic()
            try:
                self.send()
            except (OSError, ValueError) as error:
                log.info("not sent yet: %s", error)
            self._stop.wait(LOOK_SHARE * (time.monotonic() - began))

    def stop(self) -> None:
        self._stop.set()

    def words(self, text: str) -> str:
        """A message about the folder, as one about the place."""
        return text.replace(str(self.folder), self.url)


@contextlib.contextmanager
def mirrored(url: str, shard: tuple[int, int] | None = None) -> Iterator[Mirror]:
    """The folder for a URL, filled with what is there; what is made in it is there afterwards.

    Raises
    ------
    UsageError
        If the place cannot be reached, or takes no results.
    Stopped
        If what was made could not be put there to the end.
    """
    mirror = Mirror(url, shard)
    mirror.folder.mkdir(parents=True, exist_ok=True)
    try:
        mirror.fetch()
    except OSError as error:
        raise UsageError(f"-o {mirror.url}: {error.strerror or error}") from None
    thread = threading.Thread(target=mirror.keep_sending, daemon=True, name="sending")
    thread.start()
    try:
        yield mirror
    except SonoscopeError as error:
        text = mirror.words(str(error))
        raise (type(error)(text) if text != str(error) else error) from None
    finally:
        mirror.stop()
        thread.join()
        _end(mirror)


def _end(mirror: Mirror) -> None:
    """Send the rest; then nothing is needed here any more."""
    try:
        mirror.send()
    except OSError as error:
        raise Stopped(
            f"{mirror.url} cannot be written ({error.strerror or error}). What was made is in {mirror.folder}; the "
            "same command again puts it there"
        ) from None
    if not _is_in_use(mirror.folder):
        shutil.rmtree(mirror.folder, ignore_errors=True)


class Telling:
    """Passes on how a run goes, in the words of the place."""

    def __init__(self, report: Reporter, mirror: Mirror) -> None:
        self._report, self._mirror = report, mirror

    def start(self, total: int | None, *, out: str, workers: int) -> None:
        self._report.start(total, out=self._mirror.words(out), workers=workers)

    def listed(self, total: int, size_bytes: int, *, complete: bool) -> None:
        self._report.listed(total, size_bytes, complete=complete)

    def working(self, name: str, audio_s: float) -> None:
        self._report.working(name, audio_s)

    def file_done(self, file: FileDone) -> None:
        self._report.file_done(file)

    def note(self, text: str) -> None:
        self._report.note(self._mirror.words(text))

    def finish(self, summary: RunSummary) -> None:
        self._report.finish(told(summary, self._mirror))


def told(summary: RunSummary, mirror: Mirror) -> RunSummary:
    """A summary in the words of the place."""
    return replace(
        summary,
        out=mirror.url,
        message=mirror.words(summary.message),
        remarks=tuple(map(mirror.words, summary.remarks)),
    )


def _compared(mine: Journal, theirs: Journal) -> tuple[set[str], set[str], set[str]]:
    """Results that are newer here, that are newer there, and that are the same."""
    newer_here, newer_there, same = set[str](), set[str](), set[str]()
    for record in mine.records():
        other = theirs.get(record.name)
        if other is None or other.at < record.at:
            newer_here.update(record.outputs)
        elif other.at == record.at:
            same.update(record.outputs)
    for record in theirs.records():
        other = mine.get(record.name)
        if other is None or other.at < record.at:
            newer_there.update(record.outputs)
    return newer_here, newer_there, same


def _known(file: Path) -> tuple[int, int]:
    """What tells that a file has changed."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _is_journal(name: str) -> bool:
    return name.startswith(f"{STATE}/journal-")


def _is_kept(name: str) -> bool:
    """Whether a file of the run's own belongs into the store."""
    return name.startswith(("settings.json", "journal-", "part-", "log-")) and not name.endswith(
        (".new", ".fetched")
    )


def _is_in_use(folder: Path) -> bool:
    """Whether another process of this machine writes there, another part of the run."""
    return any((folder / STATE).glob(f"{lock.PREFIX}*"))
