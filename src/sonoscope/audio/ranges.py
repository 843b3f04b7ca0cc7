"""A file at a URL, read by ranges: what a decoder will ask for next is on its way before it asks.

Blocks of 1 MiB are fetched; once a file is read in order the next four are fetched ahead, in threads, so that a store
that answers after 50 ms gives 80 MB/s. At most eight blocks of a file are in memory. A server that knows no ranges
gives the whole file, which is kept in a temporary file until it is closed.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from sonoscope.audio import stores

BLOCK, AHEAD, KEPT = 1 << 20, 4, 8
#: A temporary file may take this share of what is free on its disk.
SHARE = 0.5


class Waiting:
    """Seconds in which readers of this process waited for bytes, and bytes that came: for measurements."""

    seconds = 0.0
    n_bytes = 0
    lock = threading.Lock()


def open_url(url: str) -> BinaryIO:
    """What lies at ``url`` as a seekable binary file.

    Raises
    ------
    OSError
        If it is not there, may not be read, or the place does not answer.
    """
    fs, path = stores.filesystem(url)
    entry = stores.details(url)
    if entry.is_folder:
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if entry.size_bytes >= 0 and (
        stores.scheme_of(url) not in stores.WEB or _gives_parts(fs, path, entry.size_bytes)
    ):
        return cast(
            BinaryIO, RangeFile(lambda start, end: stores.fetch(fs, path, start, end), entry.size_bytes)
        )
    return _whole(url, entry.size_bytes)


def _gives_parts(fs: Any, path: str, size: int) -> bool:
    """Whether a web server honours a range, which it need not say and may deny."""
    if size < 2:
        return True
    try:
        return len(stores.again(lambda: stores.fetch(fs, path, 0, 1))) == 1
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise


def _whole(url: str, size: int) -> BinaryIO:
    """A temporary file, gone when it is closed."""
    room = int(shutil.disk_usage(tempfile.gettempdir()).free * SHARE)
    if size > room:
        raise OSError(
            errno.EFBIG,
            f"the server gives it as a whole only, and {tempfile.gettempdir()} has no room for it (TMPDIR)",
        )
    handle, name = tempfile.mkstemp(prefix="sonoscope-")
    os.close(handle)
    began = time.monotonic()
    try:
        stores.download(url, Path(name))
    except BaseException:
        Path(name).unlink()
        raise
    with Waiting.lock:
        Waiting.seconds += time.monotonic() - began
    return cast(BinaryIO, _Temporary(name))


class _Temporary(io.FileIO):
    """A file that goes when it is closed."""

    def close(self) -> None:
        super().close()
        with suppress(OSError):
            Path(str(self.name)).unlink()


class Sized(io.RawIOBase):
    """A file to read whose size is known, and where one is in it; ``readinto`` is left to say."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._position = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position


class RangeFile(Sized):
    """``size`` bytes that ``fetch(start, end)`` gives; what it raises is tried again as :func:`stores.again` does.

    Parameters
    ----------
    fetch : callable
        Bytes ``[start, end)``, from any thread.
    size : int
    """

    def __init__(
        self, fetch: Callable[[int, int], bytes], size: int, *, block: int = BLOCK, ahead: int = AHEAD
    ) -> None:
        super().__init__(size)
        self._fetch, self._block, self._ahead, self._last = fetch, block, ahead, -1
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self._size - self._position), 0)
        done = 0
        while done < wanted:
            number, inside = divmod(self._position, self._block)
            piece = self._piece(number)[inside : inside + wanted - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._blocks.clear()
        super().close()

    def _piece(self, number: int) -> bytes:
        """A block; the ones after it are asked for if the file is read in order."""
        # Headers are read in the first block; what follows it is not asked for until a reader goes there.
        in_order, self._last = number > 0 and number in (self._last, self._last + 1), number
        began = time.monotonic()
        found = self._asked(number)
        if in_order:
            for following in range(number + 1, min(number + 1 + self._ahead, -(-self._size // self._block))):
                self._asked(following)
        try:
            piece = found.result()
        except BaseException:
            self._blocks.pop(number, None)
            raise
        self._blocks.move_to_end(number)
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        with Waiting.lock:
            Waiting.seconds += time.monotonic() - began
        return piece

    def _asked(self, number: int) -> Future[bytes]:
        if number not in self._blocks:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._ahead, thread_name_prefix="ranges")
            self._blocks[number] = self._pool.submit(self._get, number)
        return self._blocks[number]

    def _get(self, number: int) -> bytes:
        start = number * self._block
        end = min(start + self._block, self._size)

        def ask() -> bytes:
            piece = self._fetch(start, end)
            if len(piece) != end - start:
                raise ConnectionError(f"{len(piece)} bytes came of {end - start}")
            return piece

        piece = stores.again(ask)
        with Waiting.lock:
            Waiting.n_bytes += len(piece)
        return piece
