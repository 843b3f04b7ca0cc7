"""Products of rows with fixed matrices: filter banks over a spectrum, bases over a bank.

On NumPy no single product is as large as :data:`BLAS_ONE_THREAD`, so that BLAS runs it in the calling thread
whatever the environment says, and the bits do not depend on how many threads there are. Filters that reach over a
few bins only are applied in groups, each over the bins that it uses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sonoscope.features.frames import Array, constant

#: Filters that are applied together: the width that a BLAS micro-kernel fills.
GROUPED_FILTERS = 16
#: Multiplications up to which OpenBLAS starts no threads: 65536 times its GEMM_MULTITHREAD_THRESHOLD of 4.
BLAS_ONE_THREAD = 1 << 18


def groups(support: np.ndarray, n_rows: int) -> Iterator[tuple[slice, slice]]:
    """Runs of filters, each with the bins it uses, that are worth one product over ``n_rows`` rows.

    ``support`` (filters, 2) holds the first bin of each filter and the one after its last.
    """
    first, edges = 0, support.tolist()
    start, stop = edges[0]
    for last, (low, high) in enumerate(edges):
        wider = min(start, low), max(stop, high)
        size = n_rows * (wider[1] - wider[0]) * (last + 1 - first)
        if last > first and (last - first == GROUPED_FILTERS or size > BLAS_ONE_THREAD):
            yield slice(first, last), slice(start, stop)
            first, wider = last, (low, high)
        start, stop = wider
    yield slice(first, len(edges)), slice(start, stop)


def support_of(matrix: np.ndarray) -> np.ndarray:
    """First bin that is not zero in each column of (bins, filters), and the one after the last, (filters, 2)."""
    used = matrix != 0.0
    return np.stack([used.argmax(axis=0), used.shape[0] - used[::-1].argmax(axis=0)], axis=1)


class Bank:
    """A matrix that rows are multiplied by, (bins, filters) float32; it never changes.

    Calling it with (..., rows, bins) gives (..., rows, filters).
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        support, n_filters = support_of(self.matrix), self.matrix.shape[1]
        self._pieces = []
        for first in range(0, n_filters, GROUPED_FILTERS):
            filters = slice(first, min(first + GROUPED_FILTERS, n_filters))
            bins = slice(int(support[filters, 0].min()), int(support[filters, 1].max()))
            self._pieces.append((bins, filters, np.ascontiguousarray(self.matrix[bins, filters])))

    def __call__(self, rows: Array) -> Array:
        """``rows @ matrix``, on the device and in the precision of the rows."""
        if not isinstance(rows, np.ndarray):
            return rows @ constant(self.matrix, rows)
        # BLAS takes no overlapping rows, as those of frames are.
        flat = np.ascontiguousarray(rows).reshape(-1, rows.shape[-1])
        out = np.empty((len(flat), self.matrix.shape[1]), dtype=np.float32)
        for bins, filters, piece in self._pieces:
            at_once = max(1, BLAS_ONE_THREAD // piece.size)
            for first in range(0, len(flat), at_once):
                chosen = slice(first, first + at_once)
                np.matmul(flat[chosen, bins], piece, out=out[chosen, filters])
        return out.reshape(*rows.shape[:-1], -1)
