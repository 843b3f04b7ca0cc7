"""Batches of prepared sound as tensors: windows drawn for training, all windows for validation, or whole clips.

Every batch depends on the seed and its number alone, so the number of loader processes, an interruption, and the number
of machines change nothing: process ``r`` of ``w`` takes every ``w``-th batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from sonoscope.data.shards.feed import Feed
from sonoscope.data.shards.read import Shards
from sonoscope.training.batch import NO_CLIP, Batch

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

    Of a ``share``, batches are taken evenly from first to last. All processes have equally many (:func:`shared_out`).
    """

    def __init__(
        self, feed: Feed, hop: int | None = None, rank: int = 0, world: int = 1, share: float = 1.0
    ) -> None:
        self.feed, self.hop, self.rank, self.world, self.share = feed, hop, rank, world, share

    def __iter__(self) -> Iterator[Batch]:
        first, every = _worker()
        kept = [number for number in range(self.feed.count_batches(self.hop)) if _is_kept(number, self.share)]
        mine = shared_out(kept, self.rank, self.world)[first::every]
        batches = self.feed.every_window(self.hop, [number for number, _ in mine])
        for batch, (_, counts) in zip(batches, mine, strict=True):
            yield _for_the_step(_tensors(batch, self.feed.window), counts)


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
        if self.seed is None:
            kept = [place for place in range(len(self.batches)) if _is_kept(place, self.share)]
            mine = shared_out(kept, self.rank, self.world)
        else:
            order = np.random.default_rng([self.seed, _ORDER, self.epoch]).permutation(len(self.batches))
            # Processes that train together need as many batches each: some clips come twice in that epoch.
            mine = [
                (place, True) for place in np.resize(order, self.steps * self.world)[self.rank :: self.world]
            ]
        for place, counts in mine[first::every]:
            rng = np.random.default_rng([_ORDER, self.seed or 0, self.epoch, int(place)])
            yield _for_the_step(self._padded(self.batches[place], rng), counts)

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


def shared_out(numbers: Sequence[int], rank: int, world: int) -> list[tuple[int, bool]]:
    """Which batches one of several processes has, and whether they count.

    Processes that wait for each other in every step need equally many, so one that has fewer gets one more that counts
    nowhere (:data:`~sonoscope.training.batch.NO_CLIP`).
    """
    mine = [(number, True) for number in numbers[rank::world]]
    missing = -(-len(numbers) // world) - len(mine)
    return mine + [(number, False) for number in numbers[:missing]]


def _for_the_step(batch: Batch, counts: bool) -> Batch:
    """The batch, of no clip if it does not count."""
    return batch if counts else batch._replace(clips=torch.full_like(batch.clips, NO_CLIP))


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
