"""Tables of scores: a row for each window, a column for each label; written, and read again.

``csv`` and ``parquet`` are our own (``start,end`` and label ids), ``tsv`` is that of sed_scores_eval.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Literal

import numpy as np

from sonoscope.errors import UsageError, lookup, optional
from sonoscope.values import LOGIT_DECIMALS, SCORE_DECIMALS, Scores, format_seconds

TableKind = Literal["csv", "tsv", "parquet"]

ROWS_AT_ONCE = 4_096  # half a megabyte of text

_SEPARATORS = {"csv": ",", "tsv": "\t", "parquet": ""}


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """A table of scores as read: ``start_s``, ``end_s`` (n,) float64, ``values`` (n, c) float32."""

    labels: tuple[str, ...]
    start_s: np.ndarray
    end_s: np.ndarray
    values: np.ndarray


def write_table(
    scores: Scores,
    file: IO[Any],
    kind: TableKind = "csv",
    *,
    raw: bool = False,
    duration_s: float = math.inf,
) -> None:
    """Write a row per window: ``start,end`` and a column per label id.

    Parameters
    ----------
    file : text file for ``csv`` and ``tsv`` (UTF-8, ``newline=""``), binary file for ``parquet``
    kind : ``csv``, ``parquet``, or ``tsv``
        ``tsv`` is the form of sed_scores_eval: headers ``onset`` and ``offset``, and rows without overlap, as
        that package demands: overlapping windows are cut to their cells (:attr:`Scores.cell_edges`).
    raw : bool
        Logits with 3 decimals instead of probabilities with 4.
    duration_s : float, optional
        Length of the recording by its own count: no row ends after it, whatever resampling rounds.
    """
    separator = lookup(_SEPARATORS, kind, "kind of score table")
    if kind == "tsv":
        edges = scores.cell_edges
        scores = replace(scores, starts=edges[:-1], ends=edges[1:])
    end_s = np.minimum(scores.end_s, duration_s)
    names = (("onset", "offset") if kind == "tsv" else ("start", "end")) + scores.labels
    if kind == "parquet":
        _write_parquet(names, scores, end_s, file, raw=raw)
        return
    csv.writer(file, delimiter=separator, lineterminator="\n").writerow(names)
    for text in _formatted(scores, end_s, separator, raw=raw):
        file.write(text)


def _formatted(scores: Scores, end_s: np.ndarray, separator: str, *, raw: bool) -> Iterator[str]:
    """Blocks of lines. A score is one of some ten thousand strings, made once and then looked up."""
    values, decimals = (scores.logits, LOGIT_DECIMALS) if raw else (scores.probabilities, SCORE_DECIMALS)
    steps = np.rint(values * np.float64(10**decimals)).astype(np.int64)
    used, where = np.unique(steps, return_inverse=True)
    texts = np.array([f"{step / 10**decimals:.{decimals}f}" for step in used.tolist()], dtype=object)
    where = where.reshape(steps.shape)
    start_s = scores.start_s
    for first in range(0, len(scores), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        starts = map(format_seconds, start_s[rows].tolist())
        ends = map(format_seconds, end_s[rows].tolist())
        cells = texts[where[rows]].tolist()
        yield "".join(
            f"{start}{separator}{end}{separator}{separator.join(row)}\n"
            for start, end, row in zip(starts, ends, cells, strict=True)
        )


def _write_parquet(
    names: Sequence[str], scores: Scores, end_s: np.ndarray, file: IO[Any], *, raw: bool
) -> None:
    arrow = optional("pyarrow", "tables", "a parquet table")
    parquet = optional("pyarrow.parquet", "tables", "a parquet table")
    values = scores.logits if raw else scores.probabilities
    columns = [np.round(scores.start_s, 6), np.round(end_s, 6), *values.T]
    table = arrow.table([arrow.array(np.ascontiguousarray(c)) for c in columns], names=list(names))
    parquet.write_table(table, file)


def read_table(file: IO[Any], kind: TableKind = "csv") -> ScoreTable:
    """Read what :func:`write_table` wrote, or a table of sed_scores_eval (``tsv``).

    Raises
    ------
    UsageError
        If the first two columns are not the times, or a cell is not a number (row and column are named).
    """
    separator = lookup(_SEPARATORS, kind, "kind of score table")
    if kind == "parquet":
        table = optional("pyarrow.parquet", "tables", "a parquet table").read_table(file)
        names = list(table.column_names)
        values = np.column_stack([column.to_numpy() for column in table.columns])
    else:
        names, values = next(csv.reader(file, delimiter=separator), []), None
        names[:1] = [name.removeprefix("\ufeff") for name in names[:1]]
    if names[:2] not in (["start", "end"], ["onset", "offset"]):
        raise UsageError(
            f"{_named(file)}a table of scores begins with the columns start,end or onset,offset; "
            f"found {','.join(names[:2])!r}"
        )
    values = _read_numbers(file, separator, len(names)) if values is None else values
    times = values[:, :2].astype(np.float64)
    return ScoreTable(tuple(names[2:]), times[:, 0], times[:, 1], values[:, 2:].astype(np.float32))


def _read_numbers(file: IO[str], separator: str, width: int) -> np.ndarray:
    body = file.read()
    if not body.strip():
        return np.zeros((0, width))
    try:
        values = np.loadtxt(io.StringIO(body), delimiter=separator, ndmin=2, comments=None)
    except ValueError as error:
        raise UsageError(f"{_named(file)}{error} (rows are counted without the header)") from None
    if values.shape[1] != width:
        raise UsageError(f"{_named(file)}the header has {width} columns, the rows have {values.shape[1]}")
    return values


def _named(file: object) -> str:
    """The beginning of a message about a file that has a name."""
    return f"{file.name}: " if hasattr(file, "name") else ""
