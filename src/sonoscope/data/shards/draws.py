"""Which rows a training batch is made of: everything in turn, or balanced by label, group or any column.

A draw depends on the seed and the number of the batch alone, so training goes on exactly where it was interrupted, and
any number of processes can share the batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonoscope.data.rows import COLUMNS, Row
from sonoscope.errors import UsageError

#: Streams of random numbers that must not meet: order of rows, choice of rows.
_ORDER, _CHOICE = 1, 2
#: Columns that say no more than which row it is.
_NO_CLASSES = ("path", "start_s", "duration_s", "annotation")


class InTurn:
    """Every row as often as windows fit into it, then everything again in another order.

    Parameters
    ----------
    lengths : np.ndarray, shape (rows,), int64
        Samples of each row; one that is shorter than a window has a turn too.
    window : int
        Samples of a window.
    """

    def __init__(self, lengths: np.ndarray, window: int) -> None:
        self._rows = np.repeat(np.arange(len(lengths)), np.maximum(lengths // window, 1))
        self._round, self._order = -1, self._rows

    def __call__(self, seed: int, number: int, size: int) -> np.ndarray:
        """The rows of batch ``number``, shape (size,), int64."""
        drawn, position = [], number * size
        while size > 0:
            turn, offset = divmod(position, len(self._rows))
            if turn != self._round:
                self._order = np.random.default_rng([seed, _ORDER, turn]).permutation(self._rows)
                self._round = turn
            drawn.append(self._order[offset : offset + size])
            size, position = size - len(drawn[-1]), position + len(drawn[-1])
        return np.concatenate(drawn)


class Balanced:
    """A value of the first column at random, then one of the next among its rows, and so on; then one of the rows.

    So a label of ten rows is heard as often as one of a thousand, and with ``("labels", "group")`` no recordist speaks
    for a label alone. Rows that say nothing in a column are a value of their own, as rows without labels are.

    Parameters
    ----------
    rows : sequence of Row
    columns : sequence of str
        ``labels`` (a row with several counts for each), ``group``, or any other column of text.

    Raises
    ------
    UsageError
        If there is no such column.
    """

    def __init__(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        known = {*COLUMNS, *(key for row in rows for key in row.extra)} - set(_NO_CLASSES)
        for column in columns:
            if column not in known:
                raise UsageError(
                    f"balance={column!r} is no column of text of these rows. Known: {', '.join(sorted(known))}."
                )
        if len(rows) == 0 or not columns:
            raise UsageError("there is nothing to balance: no rows, or no columns")
        values = [[_values(row, column) for column in columns] for row in rows]
        # One list of rows for each way down (violin, then group 7), and the chance of that way.
        ways: dict[tuple[str, ...], list[int]] = {}
        for index, by_column in enumerate(values):
            for way in _ways(by_column):
                ways.setdefault(way, []).append(index)
        self._rows = np.concatenate([np.array(indices) for indices in ways.values()])
        counts = np.array([len(indices) for indices in ways.values()])
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._counts = counts
        self._below = np.cumsum(_chances(list(ways)))
        self.ways = dict(zip(ways, np.diff(self._below, prepend=0.0).tolist(), strict=True))

    def __call__(self, seed: int, number: int, size: int) -> np.ndarray:
        """The rows of batch ``number``, shape (size,), int64."""
        rng = np.random.default_rng([seed, _CHOICE, number])
        way = np.searchsorted(self._below, rng.random(size) * self._below[-1], side="right")
        way = np.minimum(way, len(self._counts) - 1)
        return self._rows[self._first[way] + (rng.random(size) * self._counts[way]).astype(np.int64)]


def _values(row: Row, column: str) -> tuple[str, ...]:
    value = getattr(row, column) if column in COLUMNS else row.extra.get(column, "")
    found = value if isinstance(value, tuple) else (value,)
    return found or ("",)


def _ways(by_column: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every combination of a value of each column."""
    ways: list[tuple[str, ...]] = [()]
    for values in by_column:
        ways = [(*way, value) for way in ways for value in values]
    return ways


def _chances(ways: Sequence[tuple[str, ...]]) -> np.ndarray:
    """The chance of each way: at every turn, each value that is found there is as likely as the others."""
    next_values: dict[tuple[str, ...], set[str]] = {}
    for way in ways:
        for depth, value in enumerate(way):
            next_values.setdefault(way[:depth], set()).add(value)
    return np.array(
        [np.prod([1.0 / len(next_values[way[:depth]]) for depth in range(len(way))]) for way in ways]
    )
