"""What a file format is, and what its writer and reader share.

A writer turns one :class:`FileResult` (or several, where the format has a place for the recording's name)
into a file; a reader turns a file back into ``FileResult`` values, one per recording, with what the format
could hold: ``duration_s`` and ``sample_rate`` are 0 and ``score`` is NaN where it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.values import Event, FileResult, Label

#: Beats a minute that MIDI files state where nobody asks, and where no tempo can be heard.
TEMPO = 120.0


class UnreadableTable(SonoscopeError):
    """An annotation file that is not what it should be; the message names file, line, column and remedy."""

    exit_code = 1


@dataclass(frozen=True)
class WriteOptions:
    """What may be asked of a writer; each takes what its format has a place for.

    ``raw`` adds logits; ``frequencies`` the second line of an Audacity label; ``detections`` makes a
    buzzdetect table hold 0 and 1 instead of activations; ``tempo`` is what a MIDI file states, in beats a minute.
    """

    raw: bool = False
    frequencies: bool = False
    detections: bool = False
    tempo: float = TEMPO


@dataclass(frozen=True)
class ReadOptions:
    """``name`` of the file, for messages and, in formats for one recording, for the recording's name;
    ``label_column`` that holds the labels; ``threshold`` above which a raw activation counts (buzzdetect)."""

    name: str = "input"
    label_column: str | None = None
    threshold: float | None = None


Writer = Callable[[Iterable[FileResult], IO[Any], WriteOptions], None]
Reader = Callable[[IO[Any], ReadOptions], list[FileResult]]


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name, suffix : str
        What ``--format`` calls it, and what its files end with.
    writer, reader : functions, or None where there is none
    binary : bool
        Whether files are opened in binary mode. Text is UTF-8 with ``newline=""`` both ways.
    many : bool
        Whether one file can hold several recordings.
    needs_scores : bool
        Whether it holds a value for every window, so that events alone cannot fill it.
    extensions : tuple of str
        Other endings that mean this format, such as ``.csv`` in ``-o song.csv``.
    takes : tuple of str
        Which fields of :class:`WriteOptions` and :class:`ReadOptions` change anything.
    """

    name: str
    suffix: str
    writer: Writer | None
    reader: Reader | None
    binary: bool = False
    many: bool = True
    needs_scores: bool = False
    extensions: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    def write(
        self,
        result: FileResult,
        file: IO[Any],
        *,
        raw: bool = False,
        frequencies: bool = False,
        detections: bool = False,
        tempo: float = TEMPO,
    ) -> None:
        """Write one recording."""
        self.write_many([result], file, WriteOptions(raw, frequencies, detections, tempo))

    def write_many(
        self, results: Iterable[FileResult], file: IO[Any], options: WriteOptions = WriteOptions()
    ) -> None:
        """Write several recordings, in the order given, as they come.

        Raises
        ------
        UsageError
            If the format holds one recording only, or needs what ``results`` lacks.
        """
        if self.writer is None:
            raise UsageError(f"{self.name} can be read but not written")
        self.writer(results if self.many else _only(results, self.name), file, options)

    def read(
        self,
        file: IO[Any],
        *,
        name: str = "",
        label_column: str | None = None,
        threshold: float | None = None,
    ) -> list[FileResult]:
        """Read all recordings of a file, in the order in which they appear, events sorted.

        Raises
        ------
        UnreadableTable
            If the file is not of this format.
        """
        if self.reader is None:
            raise UsageError(f"{self.name} can be written but not read")
        name = name or str(getattr(file, "name", "input"))
        return self.reader(file, ReadOptions(name, label_column, threshold))


def _only(results: Iterable[FileResult], name: str) -> Iterator[FileResult]:
    for count, result in enumerate(results):
        if count:
            raise UsageError(
                f"a file of the format {name} holds one recording; give a folder as output for a file each"
            )
        yield result


@dataclass(frozen=True)
class Found:
    """One event as read, with what its row says of the recording."""

    file: str
    event: Event | None
    path: str = ""
    model: str = ""
    start_datetime: str = ""
    site: str = ""
    recorder: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0


def gather(found: Iterable[Found]) -> list[FileResult]:
    """Group rows into recordings, in order of first appearance; one without event only names a recording."""
    groups: dict[str, list[Found]] = {}
    for row in found:
        groups.setdefault(row.file, []).append(row)
    return [_recording(rows) for rows in groups.values()]


def _recording(rows: Sequence[Found]) -> FileResult:
    events = tuple(sorted(row.event for row in rows if row.event is not None))
    first = rows[0]
    return FileResult(
        file=first.file,
        path=first.path,
        model=first.model,
        labels=tuple(Label(name) for name in sorted({event.label for event in events})),
        duration_s=first.duration_s,
        sample_rate=first.sample_rate,
        channels=0,
        events=events,
        start_datetime=first.start_datetime,
        site=first.site,
        recorder=first.recorder,
    )


def probability(score: float | None) -> float:
    """A score of another program: NaN where there is none or it is no probability (a distance, say)."""
    return score if score is not None and 0 <= score <= 1 else math.nan


def recording_name(name: str, suffixes: Iterable[str]) -> str:
    """The recording that a file of annotations belongs to: its name without the format's ending.

    >>> recording_name("out/night1/a.flac.labels.txt", (".labels.txt", ".txt"))
    'a.flac'
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    for suffix in sorted(suffixes, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name
