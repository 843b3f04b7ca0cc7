"""How long an exact search takes: random vectors of the length of the model ``field`` in an index on disk.

A million vectors, in 16 bits and in 32. A query is timed by the clock when the index has been read once, and the
best counts: what else the machine does can only make it slower.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np

from measure import Figure, Settings
from sonoscope import models
from sonoscope.embeddings import Embedder, Index, Piece
from sonoscope.embeddings.index import DTYPES
from sonoscope.embeddings.rows import BLOCK

COUNT, QUICK_COUNT = 1_000_000, 10_000


def run(settings: Settings) -> list[Figure]:
    """Seconds of a query in each kind of index."""
    embedder = Embedder(models.load("field"))
    count = QUICK_COUNT if settings.quick else COUNT
    query = np.random.default_rng(1).standard_normal(embedder.size)
    figures = []
    for dtype, kind in DTYPES.items():
        folder = settings.folder / f"index-{dtype}"
        shutil.rmtree(folder, ignore_errors=True)
        index = fill(folder, embedder, dtype, count)
        index.nearest(query, 10)
        seconds = []
        for _ in range(settings.repeats):
            begun = time.perf_counter()
            index.nearest(query, 10)
            seconds.append(time.perf_counter() - begun)
        shutil.rmtree(folder)
        details = {"megabytes": round(count * embedder.size * kind.itemsize / 1e6), "seconds": seconds}
        what = f"the 10 nearest of {count:,} vectors of {embedder.size} values in {dtype}"
        figures.append(Figure(what, min(seconds), "s", "", details))
    return figures


def fill(folder: Path, embedder: Embedder, dtype: str, count: int) -> Index:
    """An index of ``count`` random vectors, a block of them to a recording."""
    rng, index = np.random.default_rng(0), Index(folder, embedder, make=True, dtype=dtype)
    for number, first in enumerate(range(0, count, BLOCK)):
        vectors = rng.standard_normal((min(BLOCK, count - first), embedder.size), dtype=np.float32)
        start = np.arange(len(vectors), dtype=np.float64)
        index.insert(f"{number}.wav", [Piece(start, start + 1, vectors)])
    return index
