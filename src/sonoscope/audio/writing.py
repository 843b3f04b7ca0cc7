"""Writing sound, so that what a disk refuses is told: libsndfile neither says nor remembers what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

import soundfile


class Disk:
    """A file for libsndfile; ``error`` is the first that the system gave.

    That it is no file of the system's also spares a wait for the disk at the end of each.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        done = 0
        try:
            while done < len(
                data
            ):  # A file without a buffer may take a part, and says why no more the next time.
                done += self._file.write(data[done:])
        except OSError as error:
            self.error = self.error or error
        return done

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:  # What was held back is written first.
            self.error = self.error or error
            return 0

    def tell(self) -> int:
        return self._file.tell()

    def read(self, n: int) -> bytes:
        return self._file.read(n)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error


@contextmanager
def guarded(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """An open file for sound that libsndfile writes; ``OSError`` if the disk takes no more. It stays open."""
    disk = Disk(file)
    try:
        yield cast(IO[bytes], disk)
    except (soundfile.LibsndfileError, AssertionError):  # Fewer samples were written than given.
        if disk.error is None:
            raise
    if disk.error is not None:
        raise disk.error
