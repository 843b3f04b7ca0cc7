"""A prepared folder, opened: rows, and what is stored of each, straight from the disk.

Nothing is read before it is asked for, and nothing is kept: the system's page cache is shared by all processes that
read. An opened folder may be used by several threads, passed to other processes and survive a fork.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data import forms, labelmap, table
from sonoscope.data.labelmap import Names
from sonoscope.data.roots import ROOT_COLUMN
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import folder as files
from sonoscope.data.shards.content import FULL_SCALE, Content
from sonoscope.errors import UnknownName, UsageError, nearest

#: The split whose statistics normalise, if there is one of that name: the others must not be known beforehand.
TRAIN = "train"


class Shards:
    """An opened folder; see :func:`sonoscope.data.shards.open`.

    Positions and lengths are *moments*: samples in a folder of samples, frames in one of frames.

    Attributes
    ----------
    folder : Path
    content : Content
    counts, lengths : np.ndarray, shape (rows,), int64
        Moments of each row, and its samples; in a folder of samples they are the same.
    fingerprint : str
        Differs if anything that training depends on does: data, labels, order.
    seconds : float
        Of all rows.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        told = files.read_json(self.folder / files.DESCRIPTION)
        self.content = Content.from_dict(told["content"])
        self.fingerprint: str = told["fingerprint"]
        self.seconds: float = told["seconds"]
        self._names: list[str] = told["shards"]
        self._digests: dict[str, str] = told["digests"]
        index = self._checked_index(told["rows"])
        self.counts = index["count"].astype(np.int64)
        self.lengths = index["n_samples"].astype(np.int64)
        # Plain lists: reading an element of an array takes longer than all else that a read does.
        self._places: list[tuple[int, int, int, float]] = list(
            zip(*(index[key].tolist() for key in ("shard", "first", "stored", "scale")), strict=True)
        )
        self._silence = self.content.silence()
        self._maps: list[np.ndarray | None] = [None] * len(self._names)

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple:
        return Shards, (self.folder,)  # Another process maps the files itself.

    # ---- what the rows are ---------------------------------------------------------------------------------

    @property
    def shard_paths(self) -> list[Path]:
        """The shards, in the order in which the index counts them."""
        return [self.folder / name for name in self._names]

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.content.sample_rate

    @property
    def feature(self) -> Any:
        """The feature whose frames are stored; None: samples are."""
        return self.content.feature

    @cached_property
    def manifest(self) -> Manifest:
        """The rows as a manifest of the recordings that they are parts of.

        Raises
        ------
        UsageError
            If the table is not the one that was written with the data.
        """
        path = self.folder / files.MANIFEST
        self._check(files.MANIFEST, path.read_bytes() if path.is_file() else b"")
        found = table.read(path)
        names = Names(labelmap.find(None, self.folder))
        reader = forms.recognise(found).reader(found, names)
        stated = found.lines[0].cells.get(ROOT_COLUMN, "") if found.lines else ""
        # ".." is taken out of the text; links stay.
        root = Path(os.path.abspath(self.folder / stated))  # noqa: PTH100
        return Manifest(tuple(reader(line) for line in found.lines), root, names.ids)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows, in the order of all indices."""
        return self.manifest.rows

    # ---- what is stored of them ----------------------------------------------------------------------------

    def samples(self, index: int) -> np.ndarray:
        """All samples of a row, float32 of shape (n,). Raises ``UsageError`` in a folder of frames."""
        if self.feature is not None:
            raise UsageError(f"{self.folder} holds frames of {self.content.kind}, no samples: read frames(i)")
        return self.window(index, 0, int(self.counts[index]))

    def frames(self, index: int) -> np.ndarray:
        """All frames of a row, float32 of shape (frames, bins). Raises ``UsageError`` in a folder of samples."""
        if self.feature is None:
            raise UsageError(f"{self.folder} holds samples: read samples(i), or compute frames of them")
        return self.window(index, 0, int(self.counts[index]))

    def stored(self, index: int) -> np.ndarray:
        """What the disk holds of a row, read-only: int16 samples, or frames with those past its end."""
        shard, first, stored, _ = self._places[index]
        return self._map(shard)[first : first + stored]

    def window(self, index: int, start: int, length: int) -> np.ndarray:
        """``length`` moments of a row from ``start`` on, float32; silence where the row does not reach."""
        out = np.empty((length, *self.content.row_shape), dtype=np.float32)
        self.read_into(out, index, start)
        return out

    def read_into(self, out: np.ndarray, index: int, start: int) -> None:
        """The same into float32 memory of shape (length, ...); ``start`` may be negative."""
        shard, first, stored, scale = self._places[index]
        begin, end = max(start, 0), min(start + len(out), stored)
        if begin >= end:
            out[...] = self._silence
            return
        before, after = begin - start, end - start
        if before:
            out[:before] = self._silence
        if after < len(out):
            out[after:] = self._silence
        data = self._map(shard)[first + begin : first + end]
        if self.feature is None:
            np.multiply(data, np.float32(scale / FULL_SCALE), out=out[before:after])
        else:
            out[before:after] = data

    def random_window(self, rng: np.random.Generator, index: int, length: int) -> tuple[int, np.ndarray]:
        """A window of ``length`` moments from anywhere in a row, within it if it fits; its start, and its moments."""
        step = self.content.step
        room = max(int(self.lengths[index]) - length * step, 0) // step
        start = int(rng.integers(room + 1))
        return start, self.window(index, start, length)

    # ---- statistics ----------------------------------------------------------------------------------------

    @property
    def mean(self) -> np.ndarray:
        """Of each bin (of the samples: one number), over the rows of the split ``train``, or of all: float64."""
        return self.statistics()[0]

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, likewise."""
        return self.statistics()[1]

    def statistics(self, split: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each bin over a split; without one: of ``train``, or of all rows.

        Raises
        ------
        UnknownName
            If no row is of that split.
        """
        told = files.read_json(self.folder / files.STATISTICS)
        splits = told["splits"]
        if split is None:
            found = splits.get(TRAIN, told["all"])
        elif split in splits:
            found = splits[split]
        else:
            raise UnknownName(
                f"no row has split={split!r}.{nearest(split, splits)} Known: {', '.join(splits)}."
            )
        return np.array(found["mean"]), np.array(found["std"])

    # ---- files ---------------------------------------------------------------------------------------------

    def _map(self, number: int) -> np.ndarray:
        found = self._maps[number]
        if found is None:
            found = self._maps[number] = files.map_npy(self.folder / self._names[number], self.content)
        return found

    def _checked_index(self, n_rows: int) -> np.ndarray:
        path = self.folder / files.INDEX
        self._check(files.INDEX, path.read_bytes() if path.is_file() else b"")
        index = np.load(path)
        if index.dtype != files.INDEX_TYPE or len(index) != n_rows:
            raise UsageError(f"{path} is not the index of this folder. {files.REMEDY}")
        return index

    def _check(self, name: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != self._digests[name]:
            raise UsageError(
                f"{self.folder / name} is not the one that was written with the data: it was edited, or the folder is "
                "being built. Edit the manifest that the folder was made from, and prepare it again; that takes "
                "seconds where sound has not changed."
            )
