"""Batches of prepared sound as tensors: windows drawn for training, all windows for validation, or whole clips.

Every batch depends on the seed and its number alone, so the number of loader processes, an interruption, and the number
of machines change nothing: process ``r`` of ``w`` takes every ``w``-th batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from sonoscope.data.shards.feed import Feed
from sonoscope.data.shards.read import Shards
from sonoscope.training.batch import Batch

#: Random numbers of whole clips' order; ``data.shards`` has the small ones.
_ORDER = 11


class Drawn(IterableDataset):
    """An epoch of drawn windows.

    Parameters
    ----------
    feed : Feed
    steps : int
        Batches in an epoch, on each machine.
    rank, world : int
        Which of how many processes that train together.
    """

    def __init__(self, feed: Feed, steps: int, rank: int = 0, world: int = 1) -> None:
        self.feed, self.steps, self.rank, self.world = feed, steps, rank, world
        self.epoch = 0

    def __iter__(self) -> Iterator[Batch]:
        first, every = _worker()
        for step in range(first, self.steps, every):
            number = (self.epoch * self.steps + step) * self.world + self.rank
            yield _tensors(self.feed.batch(number), self.feed.window)


class All(IterableDataset):
    """All windows of all rows, in order; of several processes, each has every ``world``-th batch of them.

    Of a ``share``, batches are taken evenly from first to last.
    """

    def __init__(
        self, feed: Feed, hop: int | None = None, rank: int = 0, world: int = 1, share: float = 1.0
    ) -> None:
        self.feed, self.hop, self.rank, self.world, self.share = feed, hop, rank, world, share

    def __iter__(self) -> Iterator[Batch]:
        first, every = _worker()
        start, step = first * self.world + self.rank, every * self.world
        for turn, batch in enumerate(self.feed.every_window(self.hop, start, step)):
            if _is_kept(start + turn * step, self.share):
                yield _tensors(batch, self.feed.window)


class Whole(IterableDataset):
    """Whole clips of one split, those of like length together, padded with zeros to the longest of a batch.

    Parameters
    ----------
    shards : Shards
        Of samples.
    labels : tuple of str
    split : str
    batch_size : int
    seed : int, optional
        Order of the batches; None: as they come.
    shortest : int
        A shorter clip counts as one of so many samples, with silence at its end, as a window of it would.
    longest : int, optional
        Samples after which a clip is cut off; in training a random part of that length is taken.
    share : float
        Of the batches, taken evenly.
    """

    def __init__(
        self,
        shards: Shards,
        labels: tuple[str, ...],
        split: str,
        batch_size: int,
        *,
        seed: int | None = None,
        shortest: int = 1,
        longest: int | None = None,
        rank: int = 0,
        world: int = 1,
        share: float = 1.0,
    ) -> None:
        self.shards, self.seed, self.share = shards, seed, share
        self.shortest, self.longest = shortest, longest
        self.rank, self.world, self.epoch = rank, world, 0
        rows = np.array([i for i, row in enumerate(shards.rows) if row.split == split], dtype=np.int64)
        by_length = rows[np.argsort(shards.lengths[rows], kind="stable")]
        self.batches = [by_length[k : k + batch_size] for k in range(0, len(by_length), batch_size)]
        self._targets, self._known = shards.manifest.targets(labels)

    @property
    def steps(self) -> int:
        """Batches in an epoch, on each machine."""
        return -(-len(self.batches) // self.world)

    def __iter__(self) -> Iterator[Batch]:
        first, every = _worker()
        order = np.arange(len(self.batches))
        rng = np.random.default_rng([0 if self.seed is None else self.seed, _ORDER, self.epoch])
        if self.seed is not None:
            rng.shuffle(order)
            # Processes that train together need as many batches each: some clips come twice in that epoch.
            order = np.resize(order, self.steps * self.world)
        for place in order[first * self.world + self.rank :: every * self.world]:
            if not _is_kept(int(place), self.share):
                continue
            yield self._padded(self.batches[place], np.random.default_rng([_ORDER, self.epoch, int(place)]))

    def _padded(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        real = self.shards.lengths[rows]
        if self.longest is not None:
            real = np.minimum(real, self.longest)
        lengths = np.maximum(real, self.shortest)
        samples = np.zeros((len(rows), int(lengths.max())), dtype=np.float32)
        for out, row, length in zip(samples, rows.tolist(), real.tolist(), strict=True):
            room = int(self.shards.lengths[row]) - length
            start = int(rng.integers(room + 1)) if self.seed is not None else 0
            self.shards.read_into(out[:length], row, start)
        parts = samples, lengths, self._targets[rows], self._known[rows].astype(np.float32), rows
        return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


class EpochLoader(DataLoader):
    """A loader that tells its data set which epoch begins; ``epoch`` is the next one."""

    epoch = 0

    def __iter__(self) -> Any:
        self.dataset.epoch = self.epoch  # type: ignore[attr-defined]
        self.epoch += 1
        return super().__iter__()


def loader(dataset: IterableDataset, workers: int = 0) -> DataLoader:
    """A loader of whole batches; of a data set that knows epochs, one that counts them."""
    kind = EpochLoader if hasattr(dataset, "epoch") else DataLoader
    return kind(dataset, batch_size=None, num_workers=workers)


def _is_kept(number: int, share: float) -> bool:
    """Whether batch ``number`` is among the share of them that is taken."""
    return math.ceil((number + 1) * share - 1e-9) > math.ceil(number * share - 1e-9)


def _worker() -> tuple[int, int]:
    """Number of this loader process, and how many there are."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _tensors(batch: Any, window: int) -> Batch:
    lengths = np.full(len(batch.rows), window, dtype=np.int64)
    parts = batch.inputs, lengths, batch.targets, batch.known.astype(np.float32), batch.rows
    return Batch(*(torch.from_numpy(part) for part in parts))
