"""Folds for out-of-fold scores: whatever belongs together is in one fold, and labels are spread over the folds.

Rows belong together that have the same group, or are parts of the same file; a row without a group belongs to its file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonoscope.data.rows import COLUMNS, Row
from sonoscope.data.units import united
from sonoscope.errors import UsageError, nearest


def groups_of(rows: Sequence[Row], column: str = "group") -> np.ndarray:
    """A number for what each row belongs to, int64, shape (r,), counted from 0 in order of appearance.

    Parameters
    ----------
    rows : sequence of Row
    column : str
        Which column says what belongs together; ``path``: nothing but parts of one file.

    Raises
    ------
    UsageError
        If no row has such a column of text.
    """
    known = {*COLUMNS, *(key for row in rows for key in row.extra)} - {
        "start_s", "duration_s", "labels", "absent", "unknown",
    }  # fmt: skip
    if column not in known:
        raise UsageError(
            f"no column {column!r} of text to group by.{nearest(column, known)} Known: {', '.join(sorted(known))}."
        )
    ties: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        ties.setdefault(("path", row.path), []).append(place)
        value = getattr(row, column) if column in COLUMNS else row.extra.get(column, "")
        if value:
            ties.setdefault((column, str(value)), []).append(place)
    return united(len(rows), ties.values())


def assign(groups: np.ndarray, targets: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Put every group into one of ``count`` folds so that each fold has about its share of every label.

    The largest groups are placed first, each where it makes the shares most even (as scikit-learn's
    ``StratifiedGroupKFold`` does for one label a row); so a label that two groups have is in two folds.

    Parameters
    ----------
    groups : np.ndarray, shape (r,), int
    targets : np.ndarray, shape (r, c), 0/1
    count : int
        Fewer groups than folds make as many folds as groups.
    seed : int
        Breaks ties.

    Returns
    -------
    np.ndarray, shape (r,), int64

    Raises
    ------
    UsageError
        If ``count`` < 2, or all rows are one group.
    """
    if count < 2:
        raise UsageError(f"folds={count} must be at least 2")
    n_groups = int(groups.max(initial=-1)) + 1
    if n_groups < 2:
        raise UsageError(
            f"all {len(groups)} rows belong to one group, so no head can be tested on rows that it did not learn from: "
            "fill the column 'group', or group by 'path'"
        )
    count = min(count, n_groups)
    # The last column, rows, evens out what has no label at all.
    columns = np.column_stack([targets, np.ones(len(groups))]).astype(np.float64)
    held = np.zeros((n_groups, columns.shape[1]))
    np.add.at(held, groups, columns)
    held /= np.maximum(held.sum(axis=0), 1.0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-held[order].max(axis=1), kind="stable")]
    filled = np.zeros((count, columns.shape[1]))
    fold_of = np.zeros(n_groups, dtype=np.int64)
    for group in order:
        # The sum of squares grows least where the labels of the group are rarest.
        growth = (filled * held[group]).sum(axis=1)
        fold_of[group] = np.lexsort((filled.sum(axis=1), growth.round(12)))[0]
        filled[fold_of[group]] += held[group]
    return fold_of[groups]
