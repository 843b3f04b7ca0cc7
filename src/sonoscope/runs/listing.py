"""Listing the inputs in the background, so that work begins with the first one and memory stays flat.

A thread walks the inputs once and appends what it finds to a file; the run reads that file from its
beginning, some way behind. Counts and sizes of everything listed so far are there at any time, for the
progress line.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from sonoscope.audio import find
from sonoscope.audio.find import Unlisted
from sonoscope.values import Recording

#: What is listed waits this long at most before it can be read, or until the next entry, in seconds.
FLUSH_S = 0.01


class Listing:
    """What the inputs hold, as a queue that lies on disk.

    Parameters
    ----------
    found : iterable of Recording and Unlisted
        Consumed in a thread of its own.
    spool : Path
        A file to make; removed by whoever removes its folder.

    Attributes
    ----------
    total, size_bytes : int
        Entries listed so far, and their size together.
    complete : bool
        Whether that is all.
    """

    def __init__(self, found: Iterable[Recording | Unlisted], spool: Path) -> None:
        self.total, self.size_bytes, self.complete = 0, 0, False
        self._writer = open(spool, "w", encoding="ascii")  # noqa: SIM115 (closed by the thread)
        self._reader = open(spool, "rb")  # noqa: SIM115 (closed by close)
        self._rest = b""
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(
            target=self._list, args=(found, self._writer), daemon=True, name="listing"
        )
        self._thread.start()

    def next(self, timeout_s: float = 0.0) -> Recording | Unlisted | None:
        """The next entry; None if none is known yet, or there is none left (then :attr:`exhausted` is set).

        Raises whatever stopped the listing.
        """
        line = self._line()
        if line is None and timeout_s and not self.complete:
            self._news.wait(timeout_s)
            line = self._line()
        if line is not None:
            return entry_of(json.loads(line))
        if self._error is not None:
            raise self._error
        return None

    @property
    def exhausted(self) -> bool:
        """Whether every entry has been taken."""
        if not self.complete or self._error is not None or self._rest:
            return False
        self._rest = self._reader.readline()
        return not self._rest

    def close(self) -> None:
        """Stop listing."""
        self._stop.set()
        # A folder on a server that does not answer must not keep the run from ending.
        self._thread.join(timeout=1.0)
        self._reader.close()

    def _line(self) -> bytes | None:
        self._news.clear()
        if not self._rest.endswith(b"\n"):
            self._rest += self._reader.readline()
        if not self._rest.endswith(b"\n"):
            return None
        line, self._rest = self._rest, b""
        return line

    def _list(self, found: Iterable[Recording | Unlisted], writer: IO[str]) -> None:
        flushed = 0.0
        try:
            with writer:
                for entry in found:
                    writer.write(json.dumps(values_of(entry)) + "\n")
                    self.total += 1
                    if isinstance(entry, Recording):
                        self.size_bytes += max(entry.size_bytes, 0)
                    if time.monotonic() - flushed > FLUSH_S:
                        writer.flush()
                        self._news.set()
                        flushed = time.monotonic()
                    if self._stop.is_set():
                        return
        except BaseException as error:
            self._error = error
        finally:
            self.complete = True
            self._news.set()


def entries(inputs: Sequence[str], shard: tuple[int, int] | None) -> Iterator[Recording | Unlisted]:
    """Everything the inputs hold that belongs to the part ``shard``."""
    wanted = belongs_to(shard)
    return (entry for entry in find.find(inputs) if wanted(entry.name))


def belongs_to(shard: tuple[int, int] | None) -> Callable[[str], bool]:
    """Whether a name belongs to part ``i`` of ``n``: by its CRC-32, so that a file that appears between the
    start of two parts moves no other file from one part to another.
    """
    if shard is None:
        return lambda name: True
    part, parts = shard
    return lambda name: crc32(name.encode("utf-8", "surrogatepass")) % parts == part - 1


def values_of(entry: Recording | Unlisted) -> list[Any]:
    """An entry as JSON values."""
    if isinstance(entry, Recording):
        return [entry.path, entry.name, entry.member, entry.size_bytes, entry.modified_ns]
    return [entry.name, entry.reason, entry.remedy]


def entry_of(values: Sequence[Any]) -> Recording | Unlisted:
    """The inverse of :func:`values_of`."""
    return Recording(*values) if len(values) == 5 else Unlisted(*values)
