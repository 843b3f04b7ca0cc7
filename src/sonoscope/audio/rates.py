"""Sound at another rate, block by block: the same bits for blocks of any size, from a file or from memory.

soxr (HQ, streaming) does it. A block never becomes larger than :data:`LARGEST`, however low the rate is from which it
is brought up: a header may state 1 Hz, and so may somebody who has an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

QUALITY = "HQ"
#: Samples that a piece of a block becomes at most: 3 minutes at 22,050 Hz.
LARGEST = 1 << 22


def at_rate(blocks: Iterable[np.ndarray], sample_rate: int, wanted: int) -> Iterator[np.ndarray]:
    """Mono float32 blocks, (n,), at another rate in Hz; those that are at it already as they are."""
    if sample_rate == wanted:
        yield from blocks
        return
    stream = soxr.ResampleStream(sample_rate, wanted, 1, dtype="float32", quality=QUALITY)
    for block in blocks:
        for piece in pieces(block, wanted / sample_rate):
            given = stream.resample_chunk(piece)
            if given.size:
                yield given
    rest = stream.resample_chunk(np.empty(0, np.float32), last=True)
    if rest.size:
        yield rest


def pieces(samples: np.ndarray, longer: float) -> Iterator[np.ndarray]:
    """All of it, or pieces of which none is larger than :data:`LARGEST` when it is so many times longer."""
    step = max(1, int(LARGEST / longer))
    return (samples[place : place + step] for place in range(0, len(samples), step))
