"""Writing shards: data go to the end of one file after the other, and each becomes visible when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sonoscope.data.shards.content import Content, Converted
from sonoscope.data.shards.folder import (
    HEADER_BYTES,
    SHARD,
    Item,
    Shard,
    Source,
    header,
    made_of,
    write_shard,
)
from sonoscope.writing import told_of

#: Bytes of a shard, unless one row alone is larger.
SHARD_BYTES = 256 << 20


class Writer:
    """Appends rows to shards of a folder, from a number on; a context manager.

    Leaving it, in whatever way, keeps what was written: the shard that is open is closed and made complete.

    Parameters
    ----------
    folder : Path
    content : Content
    first_number : int
        Number of the next shard.
    shard_bytes : int
        A shard is closed when the next row would make it larger than this.

    Attributes
    ----------
    shards : list of Shard
        Those that are complete, in order.
    """

    def __init__(
        self, folder: Path, content: Content, first_number: int = 0, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.shards: list[Shard] = []
        self._folder, self._content, self._next = folder, content, first_number
        self._shard_bytes = shard_bytes
        self._made: Mapping[str, Any] = made_of(content)
        self._open: _Open | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, source: Source, start_s: float, duration_s: float | None, data: Converted) -> None:
        """Append what is stored of a part of a file."""
        size = data.rows.shape[0] * self._content.bytes_per_row
        if self._open is not None and self._open.n_bytes + size > self._shard_bytes:
            self.close()
        if self._open is None:
            path = self._folder / f"{SHARD.format(self._next)}.npy"
            self._open, self._next = _Open(path, self._content), self._next + 1
        first = self._open.append(data.rows)
        place = first, len(data.rows), data.count, data.n_samples, data.scale
        self._open.items.append(Item(source, start_s, duration_s, *place))

    def close(self) -> None:
        """Make the shard that is open complete, if one is."""
        if self._open is not None:
            opened, self._open = self._open, None
            shard = opened.finish()
            write_shard(shard, self._made)
            self.shards.append(shard)


class _Open:
    """A shard that is being written, beside its place."""

    def __init__(self, path: Path, content: Content) -> None:
        self._path, self._content = path, content
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        with told_of(path, self._beside):
            self._file: BinaryIO = open(self._beside, "w+b")  # noqa: SIM115
            self._file.write(header(content.dtype, (0, *content.row_shape)))
        self._digest = hashlib.sha256()
        self._n_rows = 0
        self.items: list[Item] = []

    @property
    def n_bytes(self) -> int:
        """Bytes of data so far."""
        return self._n_rows * self._content.bytes_per_row

    def append(self, rows: np.ndarray) -> int:
        """Write rows; the number of the first."""
        data = np.ascontiguousarray(rows, dtype=np.dtype(self._content.dtype).newbyteorder("<")).data
        with told_of(self._path, self._beside):
            self._file.write(data)
        self._digest.update(data)
        first, self._n_rows = self._n_rows, self._n_rows + len(rows)
        return first

    def finish(self) -> Shard:
        """Put the number of rows into the header, and the file into its place."""
        try:
            with told_of(self._path, self._beside):
                self._file.seek(0)
                self._file.write(header(self._content.dtype, (self._n_rows, *self._content.row_shape)))
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._beside.replace(self._path)
        except BaseException:
            self._file.close()
            with suppress(OSError):
                self._beside.unlink()
            raise
        return Shard(self._path, self._digest.hexdigest(), self._n_rows, tuple(self.items))


def data_sha256(path: Path) -> str:
    """Digest of a shard's data: what :class:`Writer` noted, if nothing changed."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
