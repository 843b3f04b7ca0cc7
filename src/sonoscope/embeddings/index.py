"""An index of sounds: vectors of length 1 on disk, and the ones nearest to a query, exactly.

In its folder lie ``vectors.bin`` (16 or 32 bits), ``rows.bin`` (recording, start, end), ``files.jsonl`` (one line for
each recording) and ``index.json``, which is written last and says how many of them count: an addition that was
interrupted left nothing. The similarity is the cosine of the angle between two embeddings, 1 for the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.embeddings.rows import BLOCK, Rows
from sonoscope.embeddings.vectors import Embedder, Piece
from sonoscope.errors import Locked, UsageError
from sonoscope.runs.lock import Lock
from sonoscope.values import Recording
from sonoscope.writing import told_of

SCHEMA = "1"
#: What an embedding is kept in: 16 bits leave a similarity right to about 5e-4.
DTYPES: dict[str, np.dtype] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class Hit:
    """A window of the index: its recording, seconds, and its cosine to the query."""

    file: str
    start: float
    end: float
    similarity: float


class Index:
    """An index that lies in ``folder``, or with ``make`` a new one if there is none.

    Parameters
    ----------
    folder : str or Path
    embedder : Embedder
        The model whose embeddings it holds; of an index that exists, the same graph at the same hop.
    make : bool
    dtype : str
        ``float16`` or ``float32``, of a new index.

    Raises
    ------
    UsageError
        If there is no index, or it is another model's, of another hop, or of a schema that is not known.
    """

    def __init__(
        self, folder: str | Path, embedder: Embedder, *, make: bool = False, dtype: str = "float16"
    ) -> None:
        self._folder = folder = Path(folder)
        self._embedder = embedder
        mine: dict[str, Any] = {
            "schema": SCHEMA, "model": embedder.bundle.name, "sha256": embedder.bundle.sha256,
            "hop_samples": embedder.hop_samples, "size": embedder.size,
        }  # fmt: skip
        if make and not (folder / "index.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise UsageError(f"{folder} is no index and not empty: name a new folder")
            self._about = {**mine, "dtype": dtype, "rows": 0, "files": 0, "files_bytes": 0}
            self._keep()
        self._about = about(folder)
        if wrong := [key for key in mine if mine[key] != self._about[key]]:
            listed = ", ".join(f"{key} {self._about[key]}, not {mine[key]}" for key in wrong)
            raise UsageError(
                f"{folder} holds embeddings of another model or hop ({listed}): embeddings of different models "
                "cannot be compared. Take the model it was built with, or build another index."
            )
        self._rows = Rows(folder, embedder.size, DTYPES[self._about["dtype"]], self._about["rows"])
        self._files = self._listed()
        self._known = {tuple(entry["known_by"]) for entry in self._files}

    def __len__(self) -> int:
        return self._rows.count

    def holds(self, recording: Recording) -> bool:
        """Whether this recording, unchanged by its size and time, has been added."""
        return (*_place(recording), recording.size_bytes, recording.modified_ns) in self._known

    def add(self, recording: Recording) -> int:
        """Add the windows of a recording, all or none; how many.

        Raises
        ------
        UnreadableAudio
            If it cannot be decoded; the index is then what it was.
        Locked
            If another process adds to the index, or has since it was opened.
        """
        known_by: tuple[str | int, ...] = (*_place(recording), recording.size_bytes, recording.modified_ns)
        return self.insert(recording.name, self._embedder.pieces(recording), known_by)

    def insert(self, name: str, pieces: Iterable[Piece], known_by: Sequence[str | int] = ()) -> int:
        """Add windows under a name, all or none; how many. ``known_by``: path, member, bytes and time of a file.

        Raises what ``pieces`` raises, and ``Locked`` if another process adds to the index.
        """
        digest = hashlib.sha256()

        def unit() -> Iterator[Piece]:
            for piece in pieces:
                digest.update(piece.vectors.tobytes())
                yield piece._replace(vectors=normalised(piece.vectors))

        with Lock(self._folder, "all"), told_of(self._folder):
            if about(self._folder) != self._about:
                raise Locked(f"{self._folder} was added to by another process. Run again.")
            count = self._rows.add(len(self._files), unit())
            entry = {"name": name, "known_by": list(known_by), "digest": digest.hexdigest()}
            line = json.dumps(entry).encode("ascii") + b"\n"
            with open(self._folder / "files.jsonl", "ab") as file:
                # Lines behind those that count are of an addition that was interrupted.
                file.truncate(self._about["files_bytes"])
                file.write(line)
            self._files.append(entry)
            self._known.add(tuple(known_by))
            self._about |= {
                "rows": self._rows.count, "files": len(self._files),
                "files_bytes": self._about["files_bytes"] + len(line),
            }  # fmt: skip
            self._keep()
        return count

    def query(self, recording: Recording, count: int = 10) -> list[Hit]:
        """The windows nearest to a recording's mean embedding, the nearest first; none of the recording itself.

        The recording itself is what lies at the same place or gives the same embeddings, bit for bit.

        Raises
        ------
        UnreadableAudio
            If it cannot be decoded.
        """
        digest, total = hashlib.sha256(), np.zeros(self._embedder.size)
        for piece in self._embedder.pieces(recording):
            digest.update(piece.vectors.tobytes())
            total += normalised(piece.vectors).sum(axis=0)
        itself = [
            number
            for number, entry in enumerate(self._files)
            if entry["known_by"][:2] == _place(recording) or entry["digest"] == digest.hexdigest()
        ]
        return self.nearest(total, count, without=itself)

    def nearest(self, vector: np.ndarray, count: int = 10, *, without: Sequence[int] = ()) -> list[Hit]:
        """The ``count`` windows nearest to a vector (size,) of any length; recordings ``without`` left out."""
        if count < 1:
            raise UsageError(f"k={count} must be at least 1")
        table, vectors = self._rows.table(), self._rows.vectors()
        wanted = normalised(np.asarray(vector, dtype=np.float32)[None])[0]
        best, where = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
        for first in range(0, self._rows.count, BLOCK):
            found = vectors[first : first + BLOCK].astype(np.float32) @ wanted
            if without:
                found[np.isin(table["file"][first : first + BLOCK], without)] = -np.inf
            best, where = np.append(best, found), np.append(where, first + np.arange(len(found)))
            # Equal ones in their order in the index.
            order = np.lexsort((where, -best))[:count] if len(best) <= BLOCK else _top(best, where, count)
            best, where = best[order], where[order]
        return [
            Hit(self._files[row["file"]]["name"], float(row["start"]), float(row["end"]), float(similarity))
            for row, similarity in zip(table[where], best, strict=True)
            if similarity > -np.inf
        ]

    def _listed(self) -> list[dict[str, Any]]:
        if not self._about["files"]:
            return []
        with open(self._folder / "files.jsonl", "rb") as file:
            return [json.loads(line) for line in file.read(self._about["files_bytes"]).splitlines()]

    def _keep(self) -> None:
        """Say how much counts, beside and moved into place."""
        beside = self._folder / ".index.json.part"
        beside.write_text(json.dumps(self._about, indent=1) + "\n", encoding="utf-8")
        beside.replace(self._folder / "index.json")


def about(folder: str | Path) -> dict[str, Any]:
    """What ``index.json`` says: ``model``, ``sha256``, ``hop_samples``, ``size``, ``dtype``, ``rows``, ``files``.

    Raises
    ------
    UsageError
        If there is none, or it is of a schema that this version does not know.
    """
    folder = Path(folder)
    try:
        found = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{folder} holds no index: make one with --build INPUT") from None
    except ValueError as error:
        raise UsageError(f"{folder / 'index.json'} cannot be read ({error}): build the index again") from None
    if found.get("schema") != SCHEMA:
        raise UsageError(
            f"{folder}: an index of schema {found.get('schema')}, not {SCHEMA}. Update sonoscope."
        )
    return found


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32 (k, d); a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _top(best: np.ndarray, where: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` greatest of many, sorted: those that reach the ``count``-th are few."""
    reached = np.flatnonzero(best >= np.partition(best, -min(count, len(best)))[-min(count, len(best))])
    return reached[np.lexsort((where[reached], -best[reached]))][:count]


def _place(recording: Recording) -> list[str]:
    """Where a recording's bytes are, through all links; a list, as JSON gives it back."""
    return [os.path.realpath(recording.path), recording.member or ""]
