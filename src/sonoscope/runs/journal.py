"""The record of what is complete: a line of JSON for every input that was settled.

``journal-<part>.jsonl`` is only ever appended to, after the input's results are in place, so a line says the
truth whenever the process dies. What a kill leaves of a line is cut off when the journal is opened again.
Where an input has several lines the newest counts. Every part of a run reads the journals of all parts and
writes its own.

A run also notes its decision settings where they change. What was recorded under others before is not trusted
from then on: the run may have been killed between moving a new result into place and saying so.

In memory there is one small entry per input (a hash of its name, and where its line is), never the lines.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

from sonoscope.values import Recording

#: The journal reaches the disk itself this often. A killed process loses nothing either way; after a power
#: failure at most so many seconds of work are done again.
SYNC_S = 1.0

#: A journal of more lines than this, and so many per input, is written anew when it is opened.
COMPACT_FROM, COMPACT_RATIO = 1000, 4

#: Journals that are open for reading at a time.
MAX_HANDLES = 64

DONE, FAILED, GONE = "ok", "failed", "gone"

#: What remarks say of a recording of which no model knew most.
UNKNOWN = "mostly unknown to the model"


@dataclass(frozen=True)
class Record:
    """What came of one input.

    Attributes
    ----------
    name, path, size_bytes, modified_ns :
        As in :class:`Recording`; size and time are the identity of what was analysed.
    status : {"ok", "failed", "gone"}
        ``gone``: it had failed, and is not among the inputs any more.
    decision : str
        Fingerprint of the decision settings that the results on disk come from.
    duration_s, analysed_s : float
        Counted length, and how much of it has scores that count.
    sample_rate, channels : int
        The recording's own; 0 where unknown.
    unknown : bool
        No model knew most of it, and it was not silent.
    told : dict of str to str
        What the recorder wrote into the file about itself.
    start_datetime, site, recorder, origin_note : str
        When and where it was recorded, as decided, and what is odd about that.
    outputs : dict of str to int
        Every file that belongs to this input, relative to the folder of the run, with its size in bytes.
    at : float
        Seconds since the epoch; orders lines of different journals.
    """

    name: str
    path: str = ""
    status: str = FAILED
    size_bytes: int = -1
    modified_ns: int = -1
    decision: str = ""
    duration_s: float = 0.0
    analysed_s: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    events: int = 0
    note: str = ""
    unknown: bool = False
    reason: str = ""
    remedy: str = ""
    outputs: dict[str, int] = field(default_factory=dict)
    at: float = 0.0
    told: dict[str, str] = field(default_factory=dict)
    start_datetime: str = ""
    site: str = ""
    recorder: str = ""
    origin_note: str = ""

    @property
    def remarks(self) -> str:
        """What is special about the recording, ``;``-joined: its sound, what was heard of it, then its start."""
        return "; ".join(filter(None, (self.note, UNKNOWN if self.unknown else "", self.origin_note)))

    def describes(self, recording: Recording) -> bool:
        """Whether this is about the recording as it is now."""
        mine = (self.name, self.size_bytes, self.modified_ns)
        return mine == (recording.name, recording.size_bytes, recording.modified_ns)


_FIELDS = {f.name for f in fields(Record)}


class Journal:
    """The journals of all parts of a run; this process appends to that of ``part``.

    Parameters
    ----------
    folder : Path
        Where the journals lie.
    part : str, optional
        Whose journal is continued; None: only read.

    Attributes
    ----------
    failed : set of str
        Inputs that had failed when the journal was opened.
    """

    def __init__(self, folder: Path, part: str | None) -> None:
        self._files = sorted(folder.glob("journal-*.jsonl"))
        self._mine: IO[bytes] | None = None
        self._synced = time.monotonic()
        self._last_at = 0.0
        self._handles: dict[int, IO[bytes]] = {}
        # Hash of the name -> number of the journal and offset of the line in it, packed into one integer.
        self._where: dict[int, int] = {}
        self.failed: set[str] = set()
        self._sessions: list[tuple[float, str]] = []
        self._lines = 0
        self._disturbed_at = 0.0
        if part is not None:
            own = folder / f"journal-{part}.jsonl"
            if own in self._files:
                _cut_partial_line(own)
            else:
                self._files.append(own)
            self._number = self._files.index(own)
            self._mine = open(own, "ab")  # noqa: SIM115 (lives as long as the journal)
        self._read_all()
        if part is not None and self._lines > COMPACT_FROM + COMPACT_RATIO * len(self._where):
            self._compact()
            self._read_all()

    def _read_all(self) -> None:
        self._where.clear()
        self._sessions.clear()
        self._lines = 0
        newest: dict[int, float] = {}
        failed: dict[int, str] = {}
        for number, file in enumerate(self._files):
            for offset, values in _lines(file):
                at = float(values.get("at", 0.0))
                self._last_at = max(self._last_at, at)
                if "session" in values:
                    self._sessions.append((at, values["session"]))
                    continue
                name = values.get("name", "")
                key = _key(name)
                self._lines += self._mine is not None and number == self._number
                if at >= newest.get(key, 0.0):
                    newest[key] = at
                    self._where[key] = _pack(number, offset)
                    failed.pop(key, None)
                    if values.get("status") == FAILED:
                        failed[key] = name
        self.failed = set(failed.values())
        self._sessions.sort()

    def _compact(self) -> None:
        """Write this part's journal anew without the lines that newer ones have replaced."""
        assert self._mine is not None
        own = self._files[self._number]
        beside = own.with_name(f"new-{own.name}")
        mine = (w for w in self._where.values() if w >> _OFFSET_BITS == self._number)
        live = {where & _OFFSET_MASK for where in mine}
        with open(own, "rb") as old, open(beside, "wb") as new:
            offset = 0
            for line in old:
                if offset in live or "session" in (_parse(line) or {}):
                    new.write(line)
                offset += len(line)
            new.flush()
            os.fsync(new.fileno())
        self._mine.close()
        beside.replace(own)
        self._mine = open(own, "ab")  # noqa: SIM115

    def begin(self, decision: str) -> None:
        """Note that results are made under ``decision`` from now on."""
        others = [at for at, session in self._sessions if session != decision]
        self._disturbed_at = max(others, default=0.0)
        if not self._sessions or self._sessions[-1][1] != decision:
            self._append({"session": decision})

    def trusted(self, record: Record) -> bool:
        """Whether what is on disk for a record is what it says."""
        return record.at > self._disturbed_at

    def __len__(self) -> int:
        return len(self._where)

    def get(self, name: str) -> Record | None:
        """The newest record of an input, if there is one."""
        where = self._where.get(_key(name))
        record = self._read(where) if where is not None else None
        return record if record is not None and record.name == name else None

    def add(self, record: Record) -> None:
        """Append a record, stamped with the time.

        Raises
        ------
        OSError
            If it cannot be written; the journal then ends with its last whole line.
        """
        values = {k: v for k, v in vars(record).items() if v not in ("", {})}
        self._where[_key(record.name)] = _pack(self._number, self._append(values))
        if time.monotonic() - self._synced > SYNC_S:
            self.sync()

    def _append(self, values: dict[str, Any]) -> int:
        """Write a line, stamped with the time; returns where it begins."""
        assert self._mine is not None, "this journal was opened for reading"
        # Clocks may be set back; the newest line must stay the newest.
        self._last_at = max(time.time(), self._last_at + 1e-6)
        offset = self._mine.tell()
        try:
            self._mine.write((json.dumps(values | {"at": self._last_at}) + "\n").encode("ascii"))
            self._mine.flush()
        except OSError:
            self._reopen(offset)
            raise
        return offset

    @property
    def last_at(self) -> float:
        """When the newest line was added; 0 of a journal without lines."""
        return self._last_at

    def sync(self) -> None:
        """Wait until what was added is on the disk."""
        if self._mine is not None:
            os.fsync(self._mine.fileno())
            self._synced = time.monotonic()

    def records(self) -> Iterator[Record]:
        """The newest record of every input, sorted by name; inputs that are gone are left out."""
        names = []
        for where in sorted(self._where.values()):
            record = self._read(where)
            if record is not None and record.status != GONE:
                names.append((sort_key(record.name), where))
        for name, where in sorted(names):
            record = self._read(where)
            # A journal that another process has written anew meanwhile says something else there.
            if record is not None and sort_key(record.name) == name:
                yield record

    def close(self) -> None:
        """Sync and close."""
        self._close_handles()
        if self._mine is not None:
            with contextlib.suppress(OSError):
                self.sync()
            self._mine.close()
            self._mine = None

    def _close_handles(self) -> None:
        for handle in self._handles.values():
            handle.close()
        self._handles.clear()

    def _reopen(self, offset: int) -> None:
        """Go on after a failed write: what the buffer still holds is dropped, half a line is cut off."""
        assert self._mine is not None
        with contextlib.suppress(OSError):
            self._mine.close()
        file = self._files[self._number]
        with contextlib.suppress(OSError):
            os.truncate(file, offset)
        self._mine = open(file, "ab")  # noqa: SIM115

    def _read(self, where: int) -> Record | None:
        number, offset = where >> _OFFSET_BITS, where & _OFFSET_MASK
        handle = self._handles.get(number)
        if handle is None:
            # A division into a thousand parts must not need a thousand open files.
            if len(self._handles) >= MAX_HANDLES:
                self._close_handles()
            handle = self._handles[number] = open(self._files[number], "rb")  # noqa: SIM115
        handle.seek(offset)
        values = _parse(handle.readline())
        return None if values is None else Record(**{k: v for k, v in values.items() if k in _FIELDS})


def merge(one: Path, other: Path, out: Path) -> None:
    """Write the lines of two journals of one part in order of time, what both have once."""
    last = b""
    with open(one, "rb") as first, open(other, "rb") as second, open(out, "wb") as file:
        for line in heapq.merge(_whole(first), _whole(second), key=_when):
            if line != last:
                file.write(line)
            last = line


def sort_key(name: str) -> bytes:
    """Names in the order in which they are written: by their UTF-8, bytes that are no text as ``\\udcXX``."""
    return name.encode("utf-8", "backslashreplace")


_OFFSET_BITS = 44
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1


def _pack(number: int, offset: int) -> int:
    return (number << _OFFSET_BITS) | offset


def _key(name: str) -> int:
    """64 bits of a name. Two names of a million share them once in 10^7 runs; the later then counts as
    unknown.
    """
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Offset and content of every whole line; lines that cannot be understood are passed over."""
    offset = 0
    with open(file, "rb") as handle:
        for line in handle:
            values = _parse(line)
            if values is not None:
                yield offset, values
            offset += len(line)


def _whole(file: IO[bytes]) -> Iterator[bytes]:
    """The lines that can be understood."""
    return (line for line in file if _parse(line) is not None)


def _when(line: bytes) -> tuple[float, bytes]:
    """Where a line stands in time; of lines of one moment those that are the same lie together."""
    return float(json.loads(line).get("at", 0.0)), line


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return values if isinstance(values, dict) and ("name" in values or "session" in values) else None


def _cut_partial_line(file: Path) -> None:
    """Shorten a journal to its last line end."""
    with open(file, "rb+") as handle:
        end = handle.seek(0, os.SEEK_END)
        while end:
            begin = max(end - 65_536, 0)
            handle.seek(begin)
            found = handle.read(end - begin).rfind(b"\n")
            if found >= 0:
                handle.truncate(begin + found + 1)
                return
            end = begin
        handle.truncate(0)
