"""The sound of a manifest's rows: a file is decoded once, however many of its parts are wanted.

This is the one place that turns a row into samples, so that everything that looks at, mixes, stores or learns from
labelled sound sees the same samples for a row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.data import survey
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio

#: Files that a process, here or elsewhere, is handed at a time.
FILES_AT_A_TIME = 16


@dataclass(frozen=True, slots=True)
class Clip:
    """Samples of a row: ``index`` counts the rows given; ``samples`` are mono float32 of shape (n,)."""

    index: int
    row: Row
    samples: np.ndarray


def each(
    manifest: Manifest,
    sample_rate: int,
    *,
    rows: Sequence[Row] | None = None,
    whole: Sequence[Row] | None = None,
    report: Callable[[Problem], None] | None = None,
) -> Iterator[Clip]:
    """Yield the samples of rows, by default all, at ``sample_rate`` Hz.

    Rows of one file come together, by start; files come in the order in which they are first named. Only the part
    of a file that rows need is kept, so memory is that of the longest row (of several that overlap, of their union).

    Parameters
    ----------
    whole : sequence of Row, optional
        Where ``rows`` are the beginnings of longer ones: those, of which problems tell.
    report : callable, optional
        Takes a :class:`~sonoscope.data.survey.Problem` for each row that cannot be used, which is then left out.

    Raises
    ------
    UnreadableAudio
        If a row cannot be used and nothing takes the report; says which, why and what to do.
    """
    rows = manifest.rows if rows is None else rows
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        first.setdefault(row.path, index)
    order = sorted(range(len(rows)), key=lambda index: (first[rows[index].path], rows[index].start_s))
    for _, indices in groupby(order, key=lambda index: rows[index].path):
        of_file = [(index, rows[index]) for index in indices]
        for found in _of_file(manifest, of_file, whole or rows, sample_rate):
            if isinstance(found, Clip):
                yield found
            elif report is None:
                raise UnreadableAudio(found.path, found.reason, found.remedy)
            else:
                report(found)


def by_files(rows: Sequence[Row], indices: Iterable[int] | None = None) -> Iterator[list[int]]:
    """Indices of rows (default: all) in lists to be handed out: a few files each, none cut, in the order of files."""
    of_file: dict[str, list[int]] = {}
    for index in range(len(rows)) if indices is None else indices:
        of_file.setdefault(rows[index].path, []).append(index)
    groups = iter(of_file.values())
    while some := list(islice(groups, FILES_AT_A_TIME)):
        yield [index for group in some for index in group]


def read(manifest: Manifest, row: Row, sample_rate: int) -> np.ndarray:
    """The samples of one row, mono float32 of shape (n,), at ``sample_rate`` Hz. Raises ``UnreadableAudio``."""
    (clip,) = each(manifest, sample_rate, rows=[row])
    return clip.samples


def _of_file(
    manifest: Manifest, rows: Sequence[tuple[int, Row]], whole: Sequence[Row], sample_rate: int
) -> Iterator[Clip | Problem]:
    """Clips and problems of the rows of one file, which are sorted by their start; ``whole`` by index."""
    kept = _Kept(sample_rate)
    waiting = list(rows)
    try:
        with Decoder(manifest.recording_of(rows[0][1]), sample_rate=sample_rate) as decoder:
            for block in decoder.blocks():
                kept.add(block)
                begun = bisect_right(waiting, kept.end / sample_rate, key=lambda each: each[1].start_s)
                if any(kept.reaches(row) for _, row in waiting[:begun]):
                    open_ = []
                    for index, row in waiting[:begun]:
                        if kept.reaches(row):
                            yield Clip(index, row, kept.part(row))
                        else:
                            open_.append((index, row))
                    waiting[:begun] = open_
                if not waiting:
                    return
                kept.forget(waiting[0][1].start_s)
            problem = (decoder.problem, "Repair or replace the file.") if decoder.problem else None
    except UnreadableAudio as error:
        problem = error.reason, error.remedy
    for index, row in waiting:
        length_s, stated = kept.end / sample_rate, whole[index]
        wrong = problem or (survey.outside(row, length_s) and survey.outside(stated, length_s))
        if wrong is None:
            yield Clip(index, row, kept.part(row))
        else:
            yield Problem(stated.path, stated.start_s, stated.duration_s, *wrong)


class _Kept:
    """The latest part of a signal that arrives in blocks: samples ``[begin, end)`` of it."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._blocks: deque[np.ndarray] = deque()
        self._begin = self.end = 0

    def add(self, block: np.ndarray) -> None:
        self._blocks.append(block.copy())
        self.end += block.size

    def forget(self, before_s: float) -> None:
        """Let go of whole blocks that end before a time."""
        before = round(before_s * self._sample_rate)
        while self._blocks and self._begin + self._blocks[0].size <= before:
            self._begin += self._blocks.popleft().size

    def reaches(self, row: Row) -> bool:
        """Whether a row's end has come; one without an end waits for the file's."""
        return row.end_s is not None and round(row.end_s * self._sample_rate) <= self.end

    def part(self, row: Row) -> np.ndarray:
        """What is there of a row, a copy. Blocks before it are passed over, not joined."""
        start = round(row.start_s * self._sample_rate)
        stop = self.end if row.end_s is None else min(round(row.end_s * self._sample_rate), self.end)
        pieces, position = [np.zeros(0, dtype=np.float32)], self._begin
        for block in self._blocks:
            pieces.append(block[max(start - position, 0) : max(stop - position, 0)])
            position += block.size
        return np.concatenate(pieces)
