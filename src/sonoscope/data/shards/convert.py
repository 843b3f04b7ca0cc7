"""Rows of a manifest as what is stored of them, in one process or several; the order and the bytes are the same."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from sonoscope.data import clips
from sonoscope.data.rows import Manifest
from sonoscope.data.shards.content import Content, Converted
from sonoscope.data.survey import Problem

#: How many hands-out of files may wait for each process.
WAITING = 2

Found = tuple[int, Converted] | Problem
#: Shares calls out: takes a function and items, gives results in their order.
Share = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


def each(
    manifest: Manifest,
    indices: Sequence[int],
    content: Content,
    workers: int = 1,
    share: Share | None = None,
) -> Iterator[Found]:
    """Yield index and data of each of these rows, or the problem that it has; rows of one file together.

    Parameters
    ----------
    workers : int
        Processes; with 1 it is done in this one.
    share : function, optional
        Shares calls out to other machines: takes a function and items, gives results in their order.
    """
    if share is not None:
        parts = ((_part(manifest, some), some) for some in clips.by_files(manifest.rows, indices))
        for found in share(partial(_of_part, content), parts):
            yield from found
        return
    if workers < 2:
        yield from _converted(manifest, indices, content)
        return
    hands_out = iter(clips.by_files(manifest.rows, indices))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:

        def submit(some: list[int]) -> Future[list[Found]]:
            # Only their rows: a manifest of a hundred thousand would be sent each time.
            return pool.submit(_listed, _part(manifest, some), some, content)

        waiting = [submit(some) for some in islice(hands_out, workers * WAITING)]
        try:
            while waiting:
                yield from waiting.pop(0).result()
                waiting += [submit(some) for some in islice(hands_out, 1)]
        finally:
            for future in waiting:
                future.cancel()


def _part(manifest: Manifest, some: Sequence[int]) -> Manifest:
    return replace(manifest, rows=tuple(manifest.rows[index] for index in some))


def _of_part(content: Content, item: tuple[Manifest, list[int]]) -> list[Found]:
    return _listed(*item, content)


def _listed(part: Manifest, indices: Sequence[int], content: Content) -> list[Found]:
    """What a process does: ``part`` has the rows with these indices."""
    found = _converted(part, range(len(part)), content)
    return [each if isinstance(each, Problem) else (indices[each[0]], each[1]) for each in found]


def _converted(manifest: Manifest, indices: Sequence[int], content: Content) -> Iterator[Found]:
    rows = [manifest.rows[index] for index in indices]
    problems: list[Problem] = []
    for clip in clips.each(manifest, content.sample_rate, rows=rows, report=problems.append):
        yield from problems
        problems.clear()
        yield indices[clip.index], content.convert(clip.samples)
    yield from problems
