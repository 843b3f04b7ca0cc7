"""Judging arrays: truth and scores that somebody already has, by any protocol of clips.

This is ``sonoscope.evaluate``; what the arrays must be is checked here, and every difference is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.evaluation import protocols
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.tagging import Answers
from sonoscope.values import as_array

#: Rows that a message names.
NAMED = 10


def evaluate(
    y_true: Any,
    y_score: Any,
    labels: Sequence[str],
    *,
    protocol: str = "clip",
    mask: Any = None,
    groups: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    thresholds: float | Sequence[float] | np.ndarray | Mapping[str, float] | None = None,
    validation: tuple[Any, ...] | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    **options: Any,
) -> Result:
    """How right scores of clips are, as a published protocol counts.

    Parameters
    ----------
    y_true : array of shape (n, c) of 0 and 1, or of shape (n,) with the number of each clip's one label
    y_score : array of shape (n, c)
        Larger means more likely; as they come, not rounded.
    labels : sequence of str, length c
    protocol : str
        ``clip``, ``irmas`` or ``openmic``.
    mask : array of shape (n, c), optional
        True where a label was judged; default: everywhere.
    groups : sequence of str, length n, optional
        What clips have in common (recording, player): intervals draw whole groups. Default: every clip by itself.
    names : sequence of str, length n, optional
        Default: ``0``, ``1``, …
    thresholds : optional
        One number: the fixed row's (default 0.5). One for each label: a row of their own.
    validation : (y_true, y_score) or (y_true, y_score, mask), optional
        Other clips, to fit thresholds on.
    parts : mapping of str to sequence of str, length n, optional
        Columns (site, source, split) to report by.
    options
        Of the protocol: ``draws=0``, ``aggregate="sum-max"`` (what was done to the scores) and others.

    Returns
    -------
    Result
        ``.figures["lrap"].value``, ``.tables``, ``.text()``, ``.to_dict()``.

    Raises
    ------
    UsageError
        If shapes differ, truth is not 0 or 1, a score is not finite, or an option is out of range.

    Examples
    --------
    >>> result = evaluate([[1, 0], [0, 1]], [[0.9, 0.2], [0.6, 0.4]], ["a", "b"], draws=0)
    >>> result.figures["lrap"].value
    0.75
    """
    found = protocols.find(protocol)
    if found.kind != "clip":
        raise UsageError(
            f"protocol={protocol!r} judges {found.kind}, not scores of clips: call "
            f"sonoscope.evaluation.protocols.find({protocol!r}).measure"
        )
    columns = tuple(map(str, labels))
    if len(set(columns)) < len(columns) or not columns:
        raise UsageError(f"labels must be one or more different names, got {', '.join(columns) or 'none'}")
    answers = _answers("", y_true, y_score, mask, columns, groups, names)
    for name, values in (parts or {}).items():
        _as_long(f"parts[{name!r}]", values, len(answers.truth))
    own = None
    if isinstance(thresholds, Real):
        options["threshold"] = float(thresholds)
    elif thresholds is not None:
        own = _thresholds(thresholds, columns)
    return found.measure(
        answers, found.filled(options), own=own, own_title="given", validation=_validation(validation, columns),
        parts=parts,
    )  # fmt: skip


def _validation(given: tuple[Any, ...] | None, labels: tuple[str, ...]) -> Answers | None:
    """The other clips, that thresholds are fitted on."""
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise UsageError("validation must be (y_true, y_score) or (y_true, y_score, mask)")
    true, score, *judged = given
    return _answers("validation ", true, score, judged[0] if judged else None, labels)


def _answers(
    what: str,
    y_true: Any,
    y_score: Any,
    mask: Any,
    labels: tuple[str, ...],
    groups: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Answers:
    truth, scores = _read(f"{what}y_true", y_true), _read(f"{what}y_score", y_score, np.float64)
    judged = None if mask is None else _read(f"{what}mask", mask)
    if truth.ndim == 1 and len(truth) and np.issubdtype(truth.dtype, np.integer):
        truth = _one_hot(what, truth, len(labels))
    n = len(truth)
    for name, array in (
        ("y_true", truth),
        ("y_score", scores),
        ("mask", judged),
    ):
        if array is not None and (array.shape != (n, len(labels)) or not n):
            raise UsageError(
                f"{what}{name} has shape {array.shape}; {n} clips and {len(labels)} labels need ({n}, {len(labels)})"
                + ("" if n else ", with at least one clip")
            )
    known = np.ones(truth.shape, dtype=bool) if judged is None else judged.astype(bool)
    _refuse(f"{what}y_true is not 0 or 1", ~np.isin(truth, (0, 1)) & known)
    _refuse(f"{what}y_score is not finite", ~np.isfinite(scores) & known)
    return Answers(
        np.where(known, truth, 0).astype(np.float32),
        known,
        np.where(known, scores, 0.0) if not np.isfinite(scores).all() else scores,
        labels,
        _as_long(f"{what}groups", range(n) if groups is None else groups, n),
        _as_long(f"{what}names", range(n) if names is None else names, n),
    )


def _read(name: str, given: Any, kind: type | None = None) -> np.ndarray:
    try:
        return as_array(given).astype(kind) if kind else as_array(given)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"{name} is no array of numbers: {problem}") from None


def _one_hot(what: str, numbers: np.ndarray, count: int) -> np.ndarray:
    _refuse(f"{what}y_true is no number of a label, 0..{count - 1}", (numbers < 0) | (numbers >= count))
    return np.eye(count, dtype=np.float32)[numbers]


def _refuse(what: str, wrong: np.ndarray) -> None:
    if wrong.any():
        places = [str(tuple(map(int, place))) for place in np.argwhere(wrong)]
        more = f" and {len(places) - NAMED:,} more" if len(places) > NAMED else ""
        raise UsageError(f"{what} at {', '.join(places[:NAMED])}{more} (places count from 0)")


def _as_long(name: str, values: Any, n: int) -> tuple[str, ...]:
    if not isinstance(values, Iterable):
        raise UsageError(f"{name}={values!r} must have an entry for each of the {n} clips")
    held = tuple(str(value) for value in values)
    if len(held) != n:
        raise UsageError(f"{name} has {len(held)} entries for {n} clips")
    return held


def _thresholds(given: Any, labels: tuple[str, ...]) -> np.ndarray:
    if isinstance(given, Mapping):
        for name in given:
            if name not in labels:
                raise UnknownName(
                    f"thresholds: unknown label {name!r}.{nearest(str(name), labels)} Known: {', '.join(labels)}."
                )
        missing = [label for label in labels if label not in given]
        if missing:
            raise UsageError(f"thresholds lack {', '.join(missing)}")
        given = [given[label] for label in labels]
    values = _read("thresholds", given, np.float64)
    if values.shape != (len(labels),) or not np.isfinite(values).all():
        raise UsageError(f"thresholds must be {len(labels)} finite numbers, got shape {values.shape}")
    return values
