"""Rows of a manifest as embeddings of a model: a vector for every window, and one for the row.

A file is decoded once, however many of its parts are wanted (:mod:`sonoscope.data.clips`); a row is scored from its
own first sample, as a recording of its own. Windows in which next to nothing sounds say nothing about a label: they
are kept, marked as silent, and count neither in the row's vector nor as presence.

Embeddings can be saved. What is read again is used for a row only if the model is the same file and the row's file has
the same size and time, so that an audit after a correction of labels need not listen again.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope import pipeline
from sonoscope.data import clips, table
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime

#: Version of the saved form.
SCHEMA = 1
#: A window this much weaker than the row's strongest, or weaker than FLOOR_DB of full scale, is silent.
RANGE_DB, FLOOR_DB = 50.0, -80.0
#: What was heard is kept this often, so that whoever stops an audit of many hours loses little.
KEPT_EVERY_S = 300.0

Key = tuple[str, float, float | None]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Windows of rows, in the order of the rows.

    Attributes
    ----------
    rows : tuple of int, length r
        For each row that could be used, its place in the manifest, ascending.
    vectors : np.ndarray, shape (n, d), float32
        A window each.
    owner : np.ndarray, shape (n,), int64
        Which of ``rows`` (0..r-1) a window belongs to, ascending.
    start_s, end_s : np.ndarray, shape (n,), float64
        Seconds from the start of the row; ``end_s`` is cut to the row.
    level_db : np.ndarray, shape (n,), float32
        RMS of the window's own samples, in dB of full scale.
    model : str
        Checksum of the graph that made them.
    """

    rows: tuple[int, ...]
    vectors: np.ndarray
    owner: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    level_db: np.ndarray
    model: str

    def __len__(self) -> int:
        return len(self.rows)

    def sounding(self) -> np.ndarray:
        """Which windows are not silent, bool, shape (n,)."""
        loudest = np.full(len(self.rows), -np.inf, dtype=np.float32)
        np.maximum.at(loudest, self.owner, self.level_db)
        return (self.level_db >= loudest[self.owner] - RANGE_DB) & (self.level_db > FLOOR_DB)

    def seconds(self) -> np.ndarray:
        """How long each window is, float64, shape (n,)."""
        return self.end_s - self.start_s

    def of_rows(self) -> np.ndarray:
        """A vector for each row, float64, shape (r, d): the mean of its windows that sound, by their length.

        A row in which nothing sounds has the mean of all its windows.
        """
        weight = self.seconds() * self.sounding()
        total = np.bincount(self.owner, weight, minlength=len(self.rows))
        weight = np.where(total[self.owner] > 0, weight, self.seconds())
        total = np.bincount(self.owner, weight, minlength=len(self.rows))
        sums = np.zeros((len(self.rows), self.vectors.shape[1]))
        np.add.at(sums, self.owner, self.vectors * weight[:, None])
        return sums / np.maximum(total, 1e-12)[:, None]

    def taken(self, kept: Sequence[int]) -> Embeddings:
        """Those of some rows: ``kept`` are places in ``rows``, ascending."""
        places = np.full(len(self.rows), -1)
        places[np.asarray(kept, dtype=np.int64)] = np.arange(len(kept))
        windows = places[self.owner] >= 0
        return replace(
            self,
            rows=tuple(self.rows[k] for k in kept),
            vectors=self.vectors[windows],
            owner=places[self.owner[windows]],
            start_s=self.start_s[windows],
            end_s=self.end_s[windows],
            level_db=self.level_db[windows],
        )


def key_of(row: Row) -> Key:
    """What makes two rows the same part of a file."""
    return row.path, row.start_s, row.duration_s


def embed(
    manifest: Manifest,
    bundle: Bundle,
    *,
    saved: str | Path | None = None,
    report: Callable[[Problem], None] | None = None,
    progress: Callable[[int, float], None] | None = None,
    keep: Callable[[Embeddings], None] | None = None,
) -> Embeddings:
    """Embed every row that can be used.

    Parameters
    ----------
    manifest : Manifest
    bundle : Bundle
    saved : path, optional
        What :func:`save` wrote: rows that are in it unchanged are not listened to again. It need not exist.
    report : callable, optional
        Takes a :class:`~sonoscope.data.survey.Problem` for each row that cannot be used.
    progress : callable (rows so far, seconds of sound so far), optional
    keep : callable, optional
        Takes what there is so far, every few minutes and when something ends the listening early.

    Raises
    ------
    UsageError
        If the bundle gives no embeddings.
    UnreadableAudio
        If a row cannot be used and nothing takes the report.
    """
    if not bundle.embedding_size:
        raise UsageError(
            f"the model {bundle.name!r} gives no embeddings: choose one whose bundle.json has an output 'embedding'"
        )
    known = _saved(saved, manifest, bundle)
    wanted = [index for index, row in enumerate(manifest.rows) if key_of(row) not in known]
    found: dict[int, _Windows] = {}
    for index, row in enumerate(manifest.rows):
        if (old := known.get(key_of(row))) is not None:
            found[index] = old
    try:
        _listen(manifest, bundle, wanted, found, report, progress, keep)
    except BaseException:
        if keep is not None and len(found) > len(known):
            keep(_gathered(found, bundle))
        raise
    return _gathered(found, bundle)


def _listen(
    manifest: Manifest,
    bundle: Bundle,
    wanted: Sequence[int],
    found: dict[int, _Windows],
    report: Callable[[Problem], None] | None,
    progress: Callable[[int, float], None] | None,
    keep: Callable[[Embeddings], None] | None,
) -> None:
    """Add the windows of the rows at ``wanted`` to ``found``."""
    runtime = Runtime(bundle) if wanted else None
    rows = [manifest.rows[index] for index in wanted]
    done, heard, kept = 0, 0.0, time.monotonic()
    for clip in clips.each(manifest, bundle.sample_rate, rows=rows, report=report):
        assert runtime is not None
        if not clip.samples.size:
            continue
        found[wanted[clip.index]] = _windows(clip.samples, bundle, runtime)
        done, heard = done + 1, heard + clip.samples.size / bundle.sample_rate
        if progress is not None:
            progress(done, heard)
        if keep is not None and time.monotonic() - kept > KEPT_EVERY_S:
            keep(_gathered(found, bundle))
            kept = time.monotonic()


@dataclass(frozen=True, eq=False)
class _Windows:
    """The windows of one row: columns of :class:`Embeddings`."""

    vectors: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    level_db: np.ndarray


def _windows(samples: np.ndarray, bundle: Bundle, runtime: Runtime) -> _Windows:
    scores = pipeline.score_samples(samples, bundle.sample_rate, bundle, runtime, embeddings=True).scores
    assert scores.embeddings is not None
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    energy = power[scores.ends] - power[scores.starts]
    mean = energy / np.maximum(scores.ends - scores.starts, 1)
    level = 10.0 * np.log10(np.maximum(mean, 1e-20))
    return _Windows(scores.embeddings.copy(), scores.start_s, scores.end_s, level.astype(np.float32))


def _gathered(found: dict[int, _Windows], bundle: Bundle) -> Embeddings:
    indices = tuple(sorted(found))
    parts = [found[index] for index in indices]
    empty = np.zeros(0)

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts]) if parts else empty

    vectors = column("vectors") if parts else np.zeros((0, bundle.embedding_size), dtype=np.float32)
    owner = np.repeat(np.arange(len(parts)), [len(part.start_s) for part in parts])
    return Embeddings(
        indices, vectors, owner, column("start_s"), column("end_s"), column("level_db"), bundle.sha256
    )


# ---- kept ----------------------------------------------------------------------------------------------------


def save(embeddings: Embeddings, manifest: Manifest, path: str | Path) -> None:
    """Write embeddings as ``.npz``, whole or not at all, with the identity of the files they are of."""
    rows = [manifest.rows[index] for index in embeddings.rows]
    told = {
        "schema": SCHEMA,
        "model": embeddings.model,
        "rows": [[row.path, row.start_s, row.duration_s, *_identity(manifest, row)] for row in rows],
    }
    file = io.BytesIO()
    np.savez(
        file,
        told=np.frombuffer(json.dumps(told).encode(), dtype=np.uint8),
        vectors=embeddings.vectors,
        owner=embeddings.owner,
        start_s=embeddings.start_s,
        end_s=embeddings.end_s,
        level_db=embeddings.level_db,
    )
    table.put(Path(path), file.getvalue())


def _saved(path: str | Path | None, manifest: Manifest, bundle: Bundle) -> dict[Key, _Windows]:
    """Windows of rows that a file has for this model and unchanged files; nothing if it is of anything else."""
    if path is None or not Path(path).is_file():
        return {}
    try:
        with np.load(path) as held:
            arrays = {name: held[name] for name in held.files}
        told = json.loads(arrays.pop("told").tobytes())
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return {}
    if told.get("schema") != SCHEMA or told.get("model") != bundle.sha256:
        return {}
    owner = arrays.pop("owner")
    edges = np.searchsorted(owner, np.arange(len(told["rows"]) + 1))
    now = {key_of(row): row for row in manifest.rows}
    found: dict[Key, _Windows] = {}
    for place, (name, start_s, duration_s, size, modified) in enumerate(told["rows"]):
        row = now.get((name, start_s, duration_s))
        if row is not None and _identity(manifest, row) == (size, modified):
            part = slice(edges[place], edges[place + 1])
            found[key_of(row)] = _Windows(**{name: values[part] for name, values in arrays.items()})
    return found


def _identity(manifest: Manifest, row: Row) -> tuple[int, int]:
    """Size and time of a row's file; what is not there has a time of its own, so that it is looked at again."""
    try:
        status = manifest.path_of(row).stat()
    except OSError:
        return -1, time.time_ns()
    return status.st_size, status.st_mtime_ns
