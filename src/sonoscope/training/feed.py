"""The batches of a prepared folder as tensors, for a ``DataLoader``.

    loader = DataLoader(Prepared(feed), batch_size=None, num_workers=4)

However many workers there are, the batches are the same and come in the same order: worker ``k`` of ``n`` makes the
batches ``k``, ``k + n``, …, and the loader takes them in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch.utils.data import IterableDataset, get_worker_info

from sonoscope.data.shards.feed import Batch, Feed


class Prepared(IterableDataset):
    """Random windows from batch ``first`` on, or every window once.

    An item is a batch: ``inputs``, ``targets``, ``known``, ``rows`` and ``starts`` (``feed.Batch``) as tensors.

    Parameters
    ----------
    feed : Feed
    first : int
        Number of the first batch, where training goes on.
    batches : int, optional
        How many; default: without end.
    hop : int, optional
        Every window once, in order, so many samples apart; ``first`` and ``batches`` mean the same.
    """

    def __init__(
        self, feed: Feed, *, first: int = 0, batches: int | None = None, hop: int | None = None
    ) -> None:
        self.feed, self.first, self.batches, self.hop = feed, first, batches, hop

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        count = None if self.batches is None else -(-max(self.batches - mine, 0) // workers)
        first = self.first + mine
        if self.hop is None:
            found = self.feed.batches(first, workers)
        else:
            found = self.feed.every_window(self.hop, first, workers)
        for batch in islice(found, count):
            yield as_tensors(batch)


def as_tensors(batch: Batch) -> tuple[torch.Tensor, ...]:
    """The arrays of a batch as tensors over the same memory."""
    return tuple(torch.from_numpy(array) for array in batch)
