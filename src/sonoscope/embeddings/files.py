"""Tables of embeddings as files: one npz or Parquet file for all recordings, or an npz for each.

While recordings are read their rows lie beside the file on disk; what is written at the end is copied from there a
block at a time, and moved into place when it is whole.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sonoscope.embeddings.rows import BLOCK, Rows
from sonoscope.embeddings.vectors import Embedder, Piece
from sonoscope.errors import UsageError, optional
from sonoscope.writing import told_of

#: What the file of one recording ends with in a folder.
ENDING = ".embeddings.npz"


class OneFile:
    """The embeddings of all recordings in one ``.npz`` or ``.parquet`` file; a context that removes what is half done.

    Raises
    ------
    UsageError
        If the ending is another one, the folder does not exist, the file does and ``overwrite`` is not said, or
        Parquet is asked for and pyarrow is not installed.
    """

    def __init__(self, target: Path, embedder: Embedder, *, overwrite: bool = False) -> None:
        if target.suffix.lower() not in (".npz", ".parquet"):
            raise UsageError(
                f"{target}: embeddings are written as .npz or .parquet, or into a folder (NAME/)"
            )
        if target.is_dir() or (target.exists() and not overwrite):
            raise UsageError(f"{target} exists: name another file, or say --overwrite")
        if not target.parent.is_dir():
            raise UsageError(f"{target}: there is no folder {str(target.parent)!r}. Make it first.")
        if target.suffix.lower() == ".parquet":
            optional("pyarrow.parquet", "tables", "embeddings in Parquet")
        self._target, self._embedder, self._names = target, embedder, list[str]()
        self._beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        self._rows = Rows(self._beside, embedder.size, np.dtype("<f4"))

    def __enter__(self) -> OneFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._beside, ignore_errors=True)

    def add(self, name: str, pieces: Iterable[Piece]) -> int:
        """Add a recording, all of it or nothing; how many windows. Raises ``UnreadableAudio``."""
        with told_of(self._target, self._beside):
            added = self._rows.add(len(self._names), pieces)
        self._names.append(name)
        return added

    def close(self) -> None:
        """Write the file and move it into place."""
        parquet, whole = self._target.suffix.lower() == ".parquet", self._beside / "whole"
        with told_of(self._target, self._beside):
            (_write_parquet if parquet else _write_npz)(whole, self._rows, self._names, self._embedder)
            whole.replace(self._target)


class Folder:
    """A file ``NAME.embeddings.npz`` for each recording in a folder that is made if it is not there.

    Raises
    ------
    UsageError
        If the folder is a file, or (by ``add``) a recording's file exists and ``overwrite`` is not said.
    """

    def __init__(self, target: Path, embedder: Embedder, *, overwrite: bool = False) -> None:
        if target.exists() and not target.is_dir():
            raise UsageError(f"{target} is a file, no folder: name another")
        target.mkdir(parents=True, exist_ok=True)
        self._target, self._embedder, self._overwrite = target, embedder, overwrite

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def add(self, name: str, pieces: Iterable[Piece]) -> int:
        """Write a recording's file; how many windows. Raises ``UnreadableAudio``."""
        path = self._target / f"{name}{ENDING}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with OneFile(path, self._embedder, overwrite=self._overwrite) as file:
            added = file.add(name, pieces)
            file.close()
        return added

    def close(self) -> None:
        """Every file is complete already."""


def _blocks(rows: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and their vectors, a block at a time."""
    table, vectors = rows.table(), rows.vectors()
    for first in range(0, rows.count, BLOCK):
        yield table[first : first + BLOCK], vectors[first : first + BLOCK]


def _write_npz(path: Path, rows: Rows, names: list[str], embedder: Embedder) -> None:
    """``files``, ``file`` (number in ``files``), ``start``, ``end``, ``vector``, ``model``, ``sha256``."""
    bundle = embedder.bundle
    small: dict[str, Any] = {"files": names, "model": bundle.name, "sha256": bundle.sha256}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, value in small.items():
            with archive.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(member, np.array(value, dtype=np.str_), allow_pickle=False)
        for key, dtype in (("file", "<u4"), ("start", "<f8"), ("end", "<f8"), ("vector", "<f4")):
            shape = (rows.count, rows.size) if key == "vector" else (rows.count,)
            about = {"descr": dtype, "fortran_order": False, "shape": shape}
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, about)
                for table, vectors in _blocks(rows):
                    member.write((vectors if key == "vector" else table[key]).tobytes())


def _write_parquet(path: Path, rows: Rows, names: list[str], embedder: Embedder) -> None:
    """``file`` as text, ``start`` and ``end`` in seconds, ``vector`` as a list of fixed length of float32."""
    arrow = optional("pyarrow", "tables", "embeddings in Parquet")
    parquet = optional("pyarrow.parquet", "tables", "embeddings in Parquet")
    fields = [("file", arrow.string()), ("start", arrow.float64()), ("end", arrow.float64())]
    schema = arrow.schema([*fields, ("vector", arrow.list_(arrow.float32(), rows.size))])
    bundle = embedder.bundle
    schema = schema.with_metadata({"sonoscope.model": bundle.name, "sonoscope.sha256": bundle.sha256})
    with parquet.ParquetWriter(path, schema) as writer:
        for table, vectors in _blocks(rows):
            flat = arrow.array(np.ascontiguousarray(vectors).reshape(-1))
            columns = [
                arrow.array([names[number] for number in table["file"]], arrow.string()),
                arrow.array(np.ascontiguousarray(table["start"])),
                arrow.array(np.ascontiguousarray(table["end"])),
                arrow.FixedSizeListArray.from_arrays(flat, rows.size),
            ]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
