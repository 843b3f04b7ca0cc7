"""Clips of one recording, cut while it is decoded once; a clip's file gets its name when its range is complete.

Clip ``i`` of a range is ``[start + i * hop, start + i * hop + length)`` in samples at the clips' rate, start being the
range's rounded to a sample, so nothing drifts. Samples become 16 bit by ``rint(32768 x)``, cut at full scale: what
was 16 bit mono at that rate is the same again. Memory does not grow with recordings or clips.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.data import survey
from sonoscope.data.extract.clipfile import ClipFile
from sonoscope.data.extract.plan import Part, Source
from sonoscope.data.extract.settings import SHORTEST_S, Settings
from sonoscope.data.rows import Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording

#: Samples beyond this, 0.1 dB over full scale, are called clipped: resampling and lossy codecs overshoot a little.
LOUDEST = 32768 * 10 ** (0.1 / 20)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that was made: its path (relative, portable), where it begins in its recording, and its length.

    ``part`` is the index of its range in the source.
    """

    path: str
    start_s: float
    duration_s: float
    part: int


@dataclass
class Cut:
    """What came of a recording.

    ``problems`` are its ranges (or all of it) that could not be cut; ``clipped`` counts clips with samples beyond full
    scale; ``short`` counts ranges too short for a clip.
    """

    clips: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    clipped: int = 0
    short: int = 0


def cut(source: Source, settings: Settings, folder: Path, prefixes: Sequence[str], work: Path) -> Cut:
    """Cut the clips of one recording.

    Parameters
    ----------
    source : Source
        With a path.
    settings : Settings
    folder : Path
        Where clips go.
    prefixes : sequence of str
        For each part, what its clips are called before the recording's name, folder included.
    work : Path
        A folder on the same disk for files that grow.
    """
    done = Cut()
    waiting: list[_Cutter] = []
    try:
        with Decoder(
            Recording(str(source.path), source.key),
            sample_rate=settings.sample_rate,
            channel=settings.channel,
        ) as decoder:
            rate = settings.sample_rate or decoder.info.sample_rate
            grid = Grid.of(settings, rate)
            number = 0
            for index, part in enumerate(source.parts):
                cutter = _Cutter(index, part, grid, prefixes[index] + source.name, number, work)
                number += 0 if cutter.end is None else len(grid.clips(cutter.end - cutter.start))
                waiting.append(cutter)
            position = 0
            for block in decoder.blocks():
                samples = _Samples(block)
                for cutter in waiting:
                    cutter.take(samples, position)
                position += block.size
                waiting = _finished(waiting, position, done, folder)
                if not waiting:
                    return done
            problem = (decoder.problem, "Repair or replace it, or name ranges before the damage.")
        _conclude(waiting, position, problem if decoder.problem else None, source, done, folder)
    except UnreadableAudio as error:
        for part in [cutter.part for cutter in waiting] or source.parts:
            done.problems.append(_problem(source, part, error.reason, error.remedy))
    finally:
        for cutter in waiting:
            cutter.discard()
    return done


def _finished(waiting: list[_Cutter], position: int, done: Cut, folder: Path) -> list[_Cutter]:
    """Finish the ranges whose end has come; the others."""
    left = []
    for cutter in waiting:
        if cutter.end is not None and cutter.end <= position:
            cutter.finish(cutter.end, done, folder)
        else:
            left.append(cutter)
    return left


def _conclude(
    waiting: list[_Cutter],
    position: int,
    problem: tuple[str, str] | None,
    source: Source,
    done: Cut,
    folder: Path,
) -> None:
    """What the end of the recording means for ranges whose end has not come."""
    for cutter in waiting:
        range_ = cutter.part.range
        duration_s = None if range_.end_s is None else range_.end_s - range_.start_s
        row = Row(source.key, range_.start_s, duration_s)
        outside = survey.outside(row, position / cutter.grid.rate)
        if problem is not None:
            done.problems.append(_problem(source, cutter.part, *problem))
        elif outside is not None:
            remedy = f"Correct line {range_.line} of the specification, or copy the file again."
            done.problems.append(_problem(source, cutter.part, outside[0], remedy))
        else:
            cutter.finish(position, done, folder)


def _problem(source: Source, part: Part, reason: str, remedy: str) -> Problem:
    range_ = part.range
    duration_s = None if range_.end_s is None else range_.end_s - range_.start_s
    return Problem(source.key, range_.start_s, duration_s, reason, remedy)


@dataclass(frozen=True, slots=True)
class Grid:
    """Settings in samples at the rate of clips."""

    rate: int
    length: int
    hop: int
    shortest: int
    tail: str
    format: str

    @classmethod
    def of(cls, settings: Settings, rate: int) -> Grid:
        """The grid at ``rate`` Hz."""
        length, hop, shortest = (
            round(seconds * rate) for seconds in (settings.length_s, settings.step_s, SHORTEST_S)
        )
        return cls(rate, max(length, 1), max(hop, 1), shortest, settings.tail, settings.format)

    def clips(self, n: int) -> list[tuple[int, int]]:
        """Start and end of the clips of a range of ``n`` samples, from its start.

        The last one is shorter if the tail is kept or padded and fills no clip: it begins where the next clip would,
        and is there if it brings at least :data:`~sonoscope.data.extract.settings.SHORTEST_S` of new sound.

        >>> Grid(10, 30, 30, 1, "keep", "wav").clips(65), Grid(10, 30, 10, 1, "drop", "wav").clips(45)
        ([(0, 30), (30, 60), (60, 65)], [(0, 30), (10, 40)])
        """
        full = 1 + (n - self.length) // self.hop if n >= self.length else 0
        found = [(i * self.hop, i * self.hop + self.length) for i in range(full)]
        start = full * self.hop
        new_from = max(start, found[-1][1] if found else 0)
        if self.tail != "drop" and n - new_from >= max(self.shortest, 1):
            found.append((start, n))
        return found


class _Samples:
    """A block as 16-bit integers, made once for all ranges, and only if one of them wants it."""

    def __init__(self, block: np.ndarray) -> None:
        self._block, self._made = block, False
        self.size = block.size

    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """The samples as int16, and which of them were beyond :data:`LOUDEST`."""
        if not self._made:
            scaled = np.rint(self._block * np.float32(32768))
            self._beyond = np.abs(scaled) > LOUDEST
            self._integers = np.clip(scaled, -32768, 32767).astype(np.int16)
            self._made = True
        return self._integers, self._beyond


class _Cutter:
    """Cuts one range of a recording that arrives in blocks."""

    def __init__(self, index: int, part: Part, grid: Grid, stem: str, number: int, work: Path) -> None:
        self.part, self.grid = part, grid
        self.start = round(part.range.start_s * grid.rate)
        self.end = None if part.range.end_s is None else round(part.range.end_s * grid.rate)
        self._index, self._stem, self._number, self._work = index, stem, number, work
        self._next = self.start
        self._open: list[ClipFile] = []
        self._ready: list[ClipFile] = []

    def take(self, samples: _Samples, position: int) -> None:
        """Write what a block, which begins at ``position``, has for the clips of this range."""
        stop = position + samples.size
        if self.end is not None:
            stop = min(stop, self.end)
        if stop <= self.start or position >= stop:
            return
        while self._next < stop:
            self._open.append(self._begin())
            self._next += self.grid.hop
        integers, beyond = samples.integers()
        for clip in self._open:
            first = clip.start + clip.n
            part = slice(first - position, min(stop, clip.start + self.grid.length) - position)
            if part.stop > part.start:
                clip.write(integers[part])
                clip.is_clipped = clip.is_clipped or bool(beyond[part].any())
        while self._open and self._open[0].n == self.grid.length:
            clip = self._open.pop(0)
            clip.close()
            self._ready.append(clip)

    def _begin(self) -> ClipFile:
        path = self._work / f"{os.getpid()}-{self._index}-{self._next}.part"
        return ClipFile(path, self.grid.rate, self.grid.format, self._next)

    def finish(self, end: int, done: Cut, folder: Path) -> None:
        """Give the clips of the range, which ends at sample ``end``, their names; forget what is none."""
        wanted = {start: stop - start for start, stop in self.grid.clips(max(end - self.start, 0))}
        clips = self._ready + [clip for clip in self._open if clip.start - self.start in wanted]
        for clip in clips[len(self._ready) :]:
            if self.grid.tail == "pad":
                clip.write(np.zeros(self.grid.length - clip.n, np.int16))
            clip.close()
            self._open.remove(clip)
        for number, clip in enumerate(clips, start=self._number + 1):
            name = f"{self._stem}__{number}.{self.grid.format}"
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            clip.path.replace(target)
            done.clips.append(Clip(name, clip.start / self.grid.rate, clip.n / self.grid.rate, self._index))
            done.clipped += clip.is_clipped
        self._ready.clear()
        done.short += not clips
        self.discard()

    def discard(self) -> None:
        """Remove what has no name yet."""
        for clip in (*self._open, *self._ready):
            clip.discard()
        self._open.clear()
        self._ready.clear()
