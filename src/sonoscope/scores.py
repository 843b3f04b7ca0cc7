"""Logits become calibrated probabilities, are kept compactly, and pooled over a clip.

Everything counts in integers, so that a decision made again from kept scores equals the first one bit for
bit: logits in units of 1e-3 limited to int16 (saturating at ±32.767), probabilities in units of 1e-4. A
probability is ``sigmoid(a * logit + b)`` of the rounded logit, in float64, ``a, b`` per class (Platt 1999).

Window starts and ends are never stored: they follow from the grid (sample rate, window, hop, length).
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sonoscope.errors import SonoscopeError, UsageError, lookup
from sonoscope.values import LOGIT_DECIMALS, SCORE_DECIMALS, Scores

LOGITS_PER_UNIT = 10**LOGIT_DECIMALS
SCORES_PER_UNIT = 10**SCORE_DECIMALS

LARGEST_LOGIT = 32_767  # in units of 1e-3; beyond it a sigmoid is 1 to 14 decimals
KEPT_VERSION = 1  # of the kept form; another one is refused, not guessed at
ROWS_AT_ONCE = 4_096  # of logits in double precision: a few hundred kilobytes

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def quantise(logits: np.ndarray) -> np.ndarray:
    """Round logits to integers in units of 1e-3, int16, saturating at ±32767; the shape stays, and so do such integers.

    Raises
    ------
    ValueError
        If a logit is not a number: a network that returns NaN must not pass for a silent recording.
    """
    logits = np.asarray(logits)
    if logits.dtype == np.int16:
        return logits
    rounded = np.empty(logits.shape, dtype=np.int16)
    for rows in _stretches(logits):
        wide = logits[rows].astype(np.float64)
        if np.isnan(wide).any():
            raise ValueError(
                f"{int(np.isnan(wide).sum())} of {wide.size} logits are NaN; the model is damaged"
            )
        rounded[rows] = np.clip(np.rint(wide * LOGITS_PER_UNIT), -LARGEST_LOGIT, LARGEST_LOGIT)
    return rounded


def _stretches(table: np.ndarray) -> Iterator[slice | tuple[()]]:
    """Rows of a table a few thousand at a time: double precision for all of a long run would be most of its memory."""
    if table.ndim < 2:
        yield ()
        return
    for first in range(0, len(table), ROWS_AT_ONCE):
        yield slice(first, first + ROWS_AT_ONCE)


def calibrate(logits: np.ndarray, calibration: np.ndarray | None) -> np.ndarray:
    """Turn logits into probabilities.

    Parameters
    ----------
    logits : np.ndarray, shape (..., c)
        Rounded (:func:`quantise`) before anything else.
    calibration : np.ndarray, shape (c, 2), or None
        Slope and offset per class; None: a plain sigmoid.

    Returns
    -------
    np.ndarray, shape (..., c), float32
        Rounded to ``SCORE_DECIMALS``.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a logit is NaN.
    """
    logits = np.asarray(logits)
    if calibration is not None:
        calibration = np.asarray(calibration, dtype=np.float64)
        if calibration.shape != (logits.shape[-1], 2):
            raise ValueError(
                f"calibration has shape {calibration.shape}, {logits.shape[-1]} classes need ({logits.shape[-1]}, 2)"
            )
    return (_calibrated(quantise(logits), calibration) / SCORES_PER_UNIT).astype(np.float32)


def _calibrated(steps: np.ndarray, calibration: np.ndarray | None) -> np.ndarray:
    """Probabilities in steps of 1e-4 from logits in steps of 1e-3, both int16."""
    probabilities = np.empty(steps.shape, dtype=np.int16)
    for rows in _stretches(steps):
        x = steps[rows] / LOGITS_PER_UNIT
        if calibration is not None:
            x = calibration[:, 0] * x + calibration[:, 1]
        # The sigmoid, in the form that cannot overflow.
        probabilities[rows] = np.rint((0.5 + 0.5 * np.tanh(0.5 * x)) * SCORES_PER_UNIT)
    return probabilities


def assemble(
    logits: np.ndarray,
    calibration: np.ndarray | None,
    *,
    labels: Sequence[str],
    sample_rate: int,
    window_samples: int,
    hop_samples: int,
    n_samples: int,
    embeddings: np.ndarray | None = None,
) -> Scores:
    """Make :class:`Scores` from logits of shape (n, c): rounded, calibrated, on the grid of windows.

    Row ``i`` covers ``[i * hop, min(i * hop + window, n_samples))``.
    """
    if calibration is not None:
        calibration = np.asarray(calibration, dtype=np.float64)
    logits = quantise(logits)
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits have shape {logits.shape}, {len(labels)} labels need (n, {len(labels)})")
    starts = np.arange(len(logits), dtype=np.int64) * hop_samples
    return Scores(
        labels=tuple(labels),
        sample_rate=sample_rate,
        window_samples=window_samples,
        hop_samples=hop_samples,
        starts=starts,
        ends=np.minimum(starts + window_samples, n_samples),
        logits=logits,
        probabilities=_calibrated(logits, calibration),
        n_samples=n_samples,
        embeddings=embeddings,
    )


def pack(scores: Scores, *, embeddings: bool = False) -> dict[str, np.ndarray]:
    """The compact form: ``logits`` (n, c) int16 in 1e-3, and ``grid`` (5,) int64.

    The grid is sample rate, window, hop, number of samples, and the tail: 1 where the last window reaches the
    end of the recording, 0 where it was dropped. ``embeddings`` adds them as float16.

    Raises
    ------
    ValueError
        If the rows do not lie on the grid, because starts and ends would then be lost.
    """
    rebuilt = np.arange(len(scores), dtype=np.int64) * scores.hop_samples
    ends = np.minimum(rebuilt + scores.window_samples, scores.n_samples)
    if not (np.array_equal(rebuilt, scores.starts) and np.array_equal(ends, scores.ends)):
        raise ValueError(
            f"rows do not lie on the grid window={scores.window_samples} hop={scores.hop_samples}"
        )
    overhang = max(scores.n_samples - scores.window_samples, 0)
    whole = 1 + math.ceil(overhang / scores.hop_samples)
    grid = (
        scores.sample_rate,
        scores.window_samples,
        scores.hop_samples,
        scores.n_samples,
        len(scores) == whole,
    )
    arrays = {"logits": scores.held("logits"), "grid": np.array(grid, dtype=np.int64)}
    if embeddings and scores.embeddings is not None:
        arrays["embeddings"] = scores.embeddings.astype(np.float16)
    return arrays


def unpack(
    arrays: Mapping[str, np.ndarray], labels: Sequence[str], calibration: np.ndarray | None = None
) -> Scores:
    """The inverse of :func:`pack`; ``calibration`` (c, 2) as for :func:`calibrate`."""
    keys = ("sample_rate", "window_samples", "hop_samples", "n_samples")
    grid = dict(zip(keys, arrays["grid"].tolist(), strict=False))
    embeddings = arrays["embeddings"].astype(np.float32) if "embeddings" in arrays else None
    return assemble(arrays["logits"], calibration, labels=labels, embeddings=embeddings, **grid)


def save(
    file: str | Path | BinaryIO, scores: Scores, meta: Mapping[str, Any], *, embeddings: bool = False
) -> None:
    """Write the kept form as a compressed ``.npz`` that NumPy opens: same input, same bytes.

    ``meta`` is any JSON object; it and the labels lie inside as the array ``about`` (UTF-8 bytes of JSON).
    """
    about = {"version": KEPT_VERSION, "labels": list(scores.labels), "meta": dict(meta)}
    text = json.dumps(about, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    arrays = {"about": np.frombuffer(text.encode(), dtype=np.uint8), **pack(scores, embeddings=embeddings)}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # A fixed date and system: the archive must not know when or where it was written.
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as member:
                np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(array))
                for rows in _stretches(array):
                    member.write(np.ascontiguousarray(array[rows]).tobytes())


def load(file: str | Path | BinaryIO, calibration: np.ndarray | None = None) -> tuple[Scores, dict[str, Any]]:
    """Read what :func:`save` wrote: the scores, calibrated with ``calibration``, and ``meta``.

    Raises
    ------
    SonoscopeError
        If the file is damaged or of another version.
    FileNotFoundError
        If there is none.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        about = json.loads(arrays.pop("about").tobytes())
        version, labels, meta = about["version"], about["labels"], about["meta"]
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile):
        # Not with NumPy's own words: they advise to unpickle what nobody vouches for.
        raise SonoscopeError(f"{_named(file)}: kept scores are damaged. Delete it and run again.") from None
    if version != KEPT_VERSION:
        raise SonoscopeError(
            f"{_named(file)}: kept scores of version {version!r}, not {KEPT_VERSION}. Run again."
        )
    return unpack(arrays, labels, calibration), meta


def _named(file: object) -> str:
    return str(getattr(file, "name", file))


def aggregate(scores: Scores, how: str = "mean") -> np.ndarray:
    """One score per class for the whole recording, shape (c,), float64; zeros where there are no windows.

    - ``mean``, ``s1``: mean of the probabilities over the windows (S1 of Han et al. 2016). A window that was
      filled with zeros past the end weighs by the share of it that is recording, so a sliver of sound at the
      end does not count as much as a whole window.
    - ``max``: the largest probability of any window, however short.
    - ``s2``: the same weighted sum divided by its largest value over classes (S2 of Han et al. 2016):
      relative to the strongest class, which gets exactly 1.
    """
    function = lookup(AGGREGATES, how, "aggregation")
    return function(scores) if len(scores) else np.zeros(len(scores.labels))


def _mean(scores: Scores) -> np.ndarray:
    weights = (scores.ends - scores.starts)[:, None]  # not a matrix product: its order of sums varies
    return (weights * _exact(scores)).sum(axis=0) / max(weights.sum(), 1)


def _max(scores: Scores) -> np.ndarray:
    return _exact(scores).max(axis=0)


def _exact(scores: Scores) -> np.ndarray:
    """Probabilities in float64: in float32 a score of 0.7 lies below a threshold of 0.7."""
    return np.rint(scores.probabilities * np.float64(SCORES_PER_UNIT)) / SCORES_PER_UNIT


def _relative_sum(scores: Scores) -> np.ndarray:
    mean = _mean(scores)  # sums and means differ by a factor that the division removes
    return mean / mean.max() if mean.max() > 0 else mean


AGGREGATES = {"mean": _mean, "max": _max, "s1": _mean, "s2": _relative_sum}


def pick(
    clip_scores: np.ndarray,
    labels: Sequence[str],
    *,
    threshold: float | Mapping[str, float] | None = None,
    top_k: int | None = None,
) -> list[str]:
    """The labels of a clip, best first (ties in the order of ``labels``).

    ``threshold`` keeps scores at or above it (one number, or one per label), ``top_k`` the best so many; with
    both, the best ``top_k`` of those that reach the threshold.

    Raises
    ------
    UsageError
        If neither is given, or one is out of range.
    """
    if threshold is None and top_k is None:
        raise UsageError("pick needs threshold= or top_k=")
    if top_k is not None and not 1 <= top_k <= len(labels):
        raise UsageError(f"top_k={top_k} must lie in 1..{len(labels)}")
    order = sorted(range(len(labels)), key=lambda i: -clip_scores[i])
    if threshold is not None:
        given = dict(threshold) if isinstance(threshold, Mapping) else dict.fromkeys(labels, threshold)
        least = [lookup(given, label, "label with a threshold") for label in labels]
        if wrong := [value for value in least if not 0 <= value <= 1]:
            raise UsageError(f"threshold={wrong[0]} must lie in 0..1")
        order = [i for i in order if clip_scores[i] >= least[i]]
    return [labels[i] for i in order[:top_k]]
