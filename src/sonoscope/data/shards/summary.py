"""What is said about a prepared folder as a whole: its statistics and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sonoscope.data.rows import Row
from sonoscope.data.shards.content import FULL_SCALE, Content
from sonoscope.data.shards.folder import Shard, made_of, map_npy
from sonoscope.data.shards.statistics import Moments


def statistics(
    shards: Sequence[Shard], index: np.ndarray, rows: Sequence[Row], content: Content
) -> dict[str, Any]:
    """Mean and standard deviation of what is stored: of ``all`` rows and, in ``splits``, of each split.

    Frames past the end of a row do not count, nor what rows that are gone have left behind.
    """
    by_split: dict[str, Moments] = {}
    for position, shard in enumerate(shards):
        data = map_npy(shard.path, content)
        mine = np.flatnonzero(index["shard"] == position)
        for row_index in mine[np.argsort(index["first"][mine])]:
            entry = index[row_index]
            moments = by_split.setdefault(rows[row_index].split, Moments(content.row_shape))
            unit = entry["scale"] / FULL_SCALE if content.feature is None else 1.0
            moments.add(data[entry["first"] : entry["first"] + entry["count"]], float(unit))
    whole = Moments(content.row_shape)
    for moments in by_split.values():
        whole.merge(moments)
    named = {split: moments.to_dict() for split, moments in sorted(by_split.items()) if split}
    return {"all": whole.to_dict(), "splits": named}


def fingerprint(content: Content, shards: Sequence[Shard], digests: Mapping[str, str]) -> str:
    """What training on this folder depends on: the data, the rows and their labels, and how they were made."""
    told = [made_of(content), [shard.sha256 for shard in shards], dict(sorted(digests.items()))]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
