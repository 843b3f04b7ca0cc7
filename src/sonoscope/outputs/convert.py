"""From one format of events to another: read everything, then write one file, or one for each recording."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sonoscope import delimited
from sonoscope.errors import UsageError, lookup
from sonoscope.outputs import AMBIGUOUS, READERS, SCORE_TABLES, WRITERS, format_for, headers
from sonoscope.outputs.format import Format, Found, UnreadableTable, WriteOptions, gather, recording_name
from sonoscope.outputs.names import posix
from sonoscope.outputs.tables import FilesRow, read_files
from sonoscope.values import FileResult
from sonoscope.writing import beside

#: Endings that say all: of a format, or of tables of scores.
LONGER = (
    *(
        end
        for form in READERS.values()
        for end in (form.suffix, *form.extensions)
        if end not in (".csv", ".txt")
    ),
    *SCORE_TABLES,
)


@dataclass(frozen=True)
class Converted:
    """What came of a conversion: how many recordings and events, and the files written (none for stdout)."""

    recordings: int
    events: int
    files: tuple[Path, ...]


def convert(
    source: str | Path,
    target: str | Path,
    *,
    from_format: str | None = None,
    to_format: str | None = None,
    label_column: str | None = None,
    threshold: float | None = None,
    frequencies: bool = False,
    files: str | Path | None = None,
    overwrite: bool = False,
) -> Converted:
    """Turn a file of events into another format.

    Parameters
    ----------
    source : a file
    target : a file, ``-`` for stdout, or a folder
        A folder is one that exists, ends with a slash, or has no ending while ``to_format`` is given. It
        gets a file for each recording, at the recording's own place inside it.
    from_format, to_format : str, optional
        Keys of ``READERS`` and ``WRITERS``; default: what the files' names mean.
    label_column : str, optional
        Which column holds the labels (raven, birdnet, kaleidoscope), or which tier (elan).
    threshold : float, optional
        The activation above which a row counts (reading buzzdetect).
    frequencies : bool
        Write the second line of labels with a range (audacity).
    files : a ``files.csv``, optional
        Lengths, rates, times and places of the recordings, and which of them hold no event. A Raven table of
        several recordings needs the lengths.
    overwrite : bool
        Replace files that exist.

    Raises
    ------
    UsageError
        If a format is unknown or unclear, an option means nothing for it, or a file exists or cannot be read.
    UnreadableTable
        If the source is not what it should be; file, line, column and remedy are named.
    """
    into_folder = _is_folder(target, to_format)
    reader = lookup(READERS, from_format, "format") if from_format else _reader(source)
    writer = lookup(WRITERS, to_format, "format") if to_format else format_for(target)
    _refuse_idle("--label-column", "label_column", label_column is not None, reader, READERS)
    _refuse_idle("--threshold", "threshold", threshold is not None, reader, READERS)
    _refuse_idle("--audacity-frequencies", "frequencies", frequencies, writer, WRITERS)
    with opened(source, binary=reader.binary) as file:
        results = reader.read(file, name=str(source), label_column=label_column, threshold=threshold)
    results = sorted(results, key=lambda result: result.file)
    if files is not None:
        with opened(files) as file:
            results = _described(results, list(read_files(file, str(files))))
    if not results and not writer.many:
        own = recording_name(str(source), (reader.suffix, *reader.extensions))
        results = gather([Found(own, None)])
    options = WriteOptions(raw=True, frequencies=frequencies)
    if into_folder:
        written = _write_each(results, Path(target), writer, options, overwrite=overwrite)
    else:
        written = _write_one(results, target, writer, options, overwrite=overwrite)
    return Converted(len(results), sum(len(result.events) for result in results), written)


def _reader(source: str | Path) -> Format:
    """The format of a file: what its name means, and where that is left open (.txt, .csv), what its first line says."""
    name = str(source).lower()
    if name.endswith((*AMBIGUOUS, ".csv")) and not name.endswith(LONGER) and Path(source).is_file():
        with opened(source) as file:
            told = headers.told_by(headers.cells(file.readline()), Path(name).suffix)
        if told is not None:
            return READERS[told]
    return format_for(source)


def _is_folder(target: str | Path, to_format: str | None) -> bool:
    text = str(target)
    if text == "-":
        if to_format is None:
            raise UsageError("-o - needs the format: name it with --to")
        return False
    folder = text.endswith(("/", os.sep)) or Path(target).is_dir()
    if folder and to_format is None:
        raise UsageError(f"-o {text} is a folder; name the format of the files in it with --to")
    return folder or (to_format is not None and not Path(target).suffix)


def _refuse_idle(option: str, field: str, given: bool, form: Format, table: dict[str, Format]) -> None:
    if given and field not in form.takes:
        users = ", ".join(name for name, other in table.items() if field in other.takes)
        raise UsageError(f"{option} means nothing for {form.name}; it is for {users}")


@contextmanager
def opened(path: str | Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file to read: text as UTF-8 with or without BOM, or as UTF-16 with one, line ends untouched.

    Raises
    ------
    UsageError
        If it is not there, is a folder, or may not be read.
    UnreadableTable
        If it is neither.
    """
    try:
        file: Any = open(path, "rb")  # noqa: SIM115
        if not binary:
            file = io.TextIOWrapper(file, delimited.encoding(file.peek(2)), newline="")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; convert reads one file of events") from None
    with file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise UnreadableTable(
                f"{path}: byte 0x{error.object[error.start]:02x} is not UTF-8 text. Save the file as UTF-8."
            ) from None


def _described(results: Sequence[FileResult], rows: Sequence[FilesRow]) -> list[FileResult]:
    """The recordings with what ``files.csv`` knows of them, and those of it that hold no event."""
    known = {row.file: row for row in rows if row.status == "ok"}
    unknown = [result.file for result in results if result.file not in known]
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} is not among the {len(known)} recordings of --files; are they of one run?"
        )
    found = {result.file: result for result in results}
    empty = {result.file: result for result in gather(Found(name, None) for name in known)}
    return [
        replace(
            found.get(name, empty[name]),
            duration_s=row.duration or 0.0,
            sample_rate=row.sample_rate or 0,
            start_datetime=row.start_datetime,
            site=row.site,
            recorder=row.recorder,
        )
        for name, row in sorted(known.items())
    ]


def _write_one(
    results: Sequence[FileResult], target: str | Path, form: Format, options: WriteOptions, *, overwrite: bool
) -> tuple[Path, ...]:
    if str(target) == "-":
        form.write_many(results, sys.stdout.buffer if form.binary else sys.stdout, options)
        return ()
    path = Path(target)
    _refuse_existing([path], overwrite=overwrite)
    _write(results, path, form, options)
    return (path,)


def _write_each(
    results: Sequence[FileResult], folder: Path, form: Format, options: WriteOptions, *, overwrite: bool
) -> tuple[Path, ...]:
    paths = [folder / f"{_inside(result.file)}{form.suffix}" for result in results]
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise UsageError(f"two recordings would both be written to {twice[0]}")
    _refuse_existing(paths, overwrite=overwrite)
    for result, path in zip(results, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write([result], path, form, options)
    return tuple(paths)


def _inside(name: str) -> str:
    """A recording's name as a path that stays inside the folder it is put under."""
    parts = PurePosixPath(posix(name)).parts
    kept = [part.replace(":", "") for part in parts if part not in ("/", "//", "..", ".")]
    return "/".join(kept) or "recording"


def _refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]} exists{more}; --overwrite replaces it")


def _write(results: Sequence[FileResult], path: Path, form: Format, options: WriteOptions) -> None:
    """Write beside and move into place, so that a file that exists is whole."""
    with beside(path, binary=form.binary) as file:
        form.write_many(results, file, options)
