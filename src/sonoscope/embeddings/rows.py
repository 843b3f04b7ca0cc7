"""A table of windows that grows on disk: fixed-width rows beside their vectors, cut back where a recording fails."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sonoscope.embeddings.vectors import Piece

#: A row: the number of its recording, and seconds.
ROW = np.dtype([("file", "<u4"), ("start", "<f8"), ("end", "<f8")])
#: Rows that are read at a time.
BLOCK = 16_384


class Rows:
    """Rows and vectors in two raw files of a folder, ``rows.bin`` and ``vectors.bin``.

    Parameters
    ----------
    folder : Path
        Exists.
    size : int
        Values of a vector.
    dtype : np.dtype
        In which vectors are kept: float16 or float32.
    count : int
        Rows that count; what lies behind them was not completed and is cut off before the first is added.
    """

    def __init__(self, folder: Path, size: int, dtype: np.dtype, count: int = 0) -> None:
        self._rows, self._vectors = folder / "rows.bin", folder / "vectors.bin"
        self.size, self.dtype, self.count = size, np.dtype(dtype), count

    def add(self, file: int, pieces: Iterable[Piece]) -> int:
        """Append the windows of recording number ``file``, all or none; how many.

        Whatever ``pieces`` raise, the table is then what it was.
        """
        before = self.count
        with open(self._rows, "ab") as rows, open(self._vectors, "ab") as vectors:
            rows.truncate(before * ROW.itemsize)
            vectors.truncate(before * self.size * self.dtype.itemsize)
            try:
                for piece in pieces:
                    table = np.empty(len(piece.start), dtype=ROW)
                    table["file"], table["start"], table["end"] = file, piece.start, piece.end
                    rows.write(table.tobytes())
                    vectors.write(piece.vectors.astype(self.dtype).tobytes())
                    self.count += len(table)
            except BaseException:
                # What was written of it is behind the rows that count.
                self.count = before
                raise
        return self.count - before

    def table(self) -> np.ndarray:
        """All rows, of :data:`ROW`, mapped from disk."""
        return self._mapped(self._rows, ROW, (self.count,))

    def vectors(self) -> np.ndarray:
        """All vectors, (count, size), mapped from disk."""
        return self._mapped(self._vectors, self.dtype, (self.count, self.size))

    def _mapped(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        # An empty file cannot be mapped.
        return np.memmap(path, dtype, "r", 0, shape) if self.count else np.empty(shape, dtype)
