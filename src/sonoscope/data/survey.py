"""What is really there: a folder as rows of a manifest, and a manifest against its files.

Durations are counted by decoding, since headers are often wrong; that is the price of a manifest that can be
trusted, and ``durations=False`` declines. A file that cannot be decoded from its first to its last sample becomes
a :class:`Problem`, never a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sonoscope.audio.decode import Decoder
from sonoscope.audio.find import Unlisted, find
from sonoscope.data import paths
from sonoscope.data.foldernames import labels_of
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.values import Recording

#: A row may end this much after its file: codecs pad, and other programs round.
SLACK_S = 0.1
#: Where :func:`survey` may take labels from.
LABEL_SOURCES = ("folder",)


@dataclass(frozen=True)
class Problem:
    """A file, or the part of it that a row is about, that cannot be used: a row of ``bad_rows.csv``."""

    path: str
    start_s: float
    duration_s: float | None
    reason: str
    remedy: str


def survey(
    folder: str | Path,
    *,
    labels_from: str | None = None,
    durations: bool = True,
    known: Container[str] = (),
) -> Iterator[Row | Problem]:
    """Yield a row for every recording in a folder and the folders in it, sorted by path, as they are found.

    Parameters
    ----------
    folder : path
        Paths of the rows are relative to it.
    labels_from : {"folder"}, optional
        Name labels after the folder that holds the file (:mod:`~sonoscope.data.foldernames`).
    durations : bool
        Decode every file to count its length, else leave the duration open.
    known : container of str
        Paths (:func:`sonoscope.data.paths.same_name` of them) to pass over.

    Raises
    ------
    UsageError
        If ``folder`` is no folder, or ``labels_from`` is unknown.
    """
    if labels_from is not None and labels_from not in LABEL_SOURCES:
        raise UsageError(f"labels_from={labels_from!r} must be one of {', '.join(LABEL_SOURCES)}")
    if not Path(folder).is_dir():
        raise UsageError(f"{str(folder)!r} is no folder; a manifest lists what a folder holds")
    return _surveyed(os.fspath(folder), labels_from, durations, known)


def _surveyed(
    folder: str, labels_from: str | None, durations: bool, known: Container[str]
) -> Iterator[Row | Problem]:
    for found in find([folder]):
        if isinstance(found, Unlisted):
            yield Problem(found.name, 0.0, None, found.reason, found.remedy)
        elif paths.portable(found.name) != found.name or paths.is_absolute(found.name):
            reason = "its name has a back-slash, bytes that are no text, or begins like a drive of Windows"
            yield Problem(
                found.name, 0.0, None, f"{reason}: elsewhere it would mean another file", "Rename it."
            )
        elif paths.same_name(found.name) not in known:
            yield _row(found, labels_from, durations)


def _row(recording: Recording, labels_from: str | None, durations: bool) -> Row | Problem:
    above = recording.name.rpartition("/")[0].rpartition("/")[2]
    labels, absent = labels_of(above) if labels_from else ((), ())
    row = Row(recording.name, labels=labels, absent=absent)
    if not durations:
        return row
    try:
        duration_s = counted(recording)
    except UnreadableAudio as error:
        return Problem(row.path, 0.0, None, error.reason, error.remedy)
    return Row(recording.name, duration_s=duration_s, labels=labels, absent=absent)


def counted(recording: Recording) -> float:
    """The length of a recording in seconds, by decoding all of it.

    Raises
    ------
    UnreadableAudio
        If it cannot be decoded, holds no sound, or is damaged or cut short.
    """
    with Decoder(recording) as decoder:
        for _ in decoder.blocks():
            pass
    if decoder.problem or not decoder.n_decoded:
        reason = decoder.problem or "holds no sound"
        raise UnreadableAudio(recording.name, reason, "Copy it again, or leave it out.")
    return decoder.duration_s


def from_folder(
    folder: str | Path,
    *,
    labels_from: str | None = None,
    durations: bool = True,
    on_problem: Callable[[Problem], None] | None = None,
) -> Manifest:
    """The manifest of a folder: a row for every recording; see :func:`survey`.

    ``on_problem`` is told of each file that is left out.
    """
    rows = []
    for found in survey(folder, labels_from=labels_from, durations=durations):
        if isinstance(found, Row):
            rows.append(found)
        elif on_problem is not None:
            on_problem(found)
    return Manifest(tuple(rows), Path(folder).absolute())


def check(
    manifest: Manifest, *, decode: bool = True, progress: Callable[[int], None] | None = None
) -> tuple[Manifest, tuple[Problem, ...]]:
    """The rows whose sound is there and whole, and what is wrong with the others, both in order.

    Parameters
    ----------
    manifest : Manifest
    decode : bool
        Decode every file, once, to find damage and rows that reach past the end; else only see whether files
        (and annotations) are there.
    progress : function (files so far), optional
    """
    lengths: dict[str, float | UnreadableAudio] = {}
    good: list[Row] = []
    problems: list[Problem] = []
    for row in manifest.rows:
        if row.path not in lengths:
            lengths[row.path] = _length(manifest, row, decode)
            if progress is not None:
                progress(len(lengths))
        wrong = _wrong(manifest, row, lengths[row.path])
        if wrong is None:
            good.append(row)
        else:
            problems.append(Problem(row.path, row.start_s, row.duration_s, *wrong))
    return replace(manifest, rows=tuple(good)), tuple(problems)


def _length(manifest: Manifest, row: Row, decode: bool) -> float | UnreadableAudio:
    """Seconds in the row's file (infinite where it is not decoded), or why it cannot be used."""
    try:
        recording = manifest.recording_of(row)
        if not Path(recording.path).exists():
            near = manifest.tree.suggestion(row.path)
            remedy = (
                near.strip() or "Correct the path, name another root, or replace the beginning of the paths."
            )
            return UnreadableAudio(row.path, f"there is no such file below {manifest.root}", remedy)
        return counted(recording) if decode else float("inf")
    except UnreadableAudio as error:
        return error


def _wrong(manifest: Manifest, row: Row, length: float | UnreadableAudio) -> tuple[str, str] | None:
    """Reason and remedy, or None where nothing is wrong."""
    if isinstance(length, UnreadableAudio):
        return length.reason, length.remedy
    if (found := outside(row, length)) is not None:
        return found
    try:
        if row.annotation and not manifest.tree.locate(row.annotation).exists():
            return f"there is no annotation {row.annotation!r}", "Put it there, or empty that cell."
    except UnreadableAudio as error:
        return f"the annotation {row.annotation!r} {error.reason}", error.remedy
    return None


def outside(row: Row, length_s: float) -> tuple[str, str] | None:
    """Reason and remedy if a row does not lie within a file of that many seconds, else None."""
    if row.start_s >= length_s:
        return (
            f"begins at {row.start_s:g} s, the file ends at {length_s:.3f} s",
            "Correct the row, or remove it.",
        )
    if row.end_s is not None and row.end_s > length_s + SLACK_S:
        return (
            f"ends at {row.end_s:g} s, the file at {length_s:.3f} s",
            "Correct the row, or copy the file again.",
        )
    return None
