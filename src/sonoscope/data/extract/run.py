"""The whole of an extraction: a specification and a folder in, clips with their manifest out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack

from sonoscope.data import download, labelmap, manifest, update
from sonoscope.data.extract import cap as caps
from sonoscope.data.extract import counts, plan, spec
from sonoscope.data.extract.counts import Count
from sonoscope.data.extract.cut import Grid
from sonoscope.data.extract.job import MANIFEST, Job
from sonoscope.data.extract.media import Media
from sonoscope.data.extract.plan import Source
from sonoscope.data.extract.record import Record, alone
from sonoscope.data.extract.settings import Settings
from sonoscope.data.labelmap import Names
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.values import Label

#: Clips of a class that are enough to begin with.
TARGET = 700


@dataclass(frozen=True)
class Extracted:
    """What a run did.

    Attributes
    ----------
    manifest : Path
        The table of clips, which lies beside them.
    cut, kept : int
        Recordings that were decoded in this run, and those that were done before.
    clips : int
        All clips that there are of the specification.
    counts : tuple of Count
        For each label.
    problems : tuple of Problem
        Recordings and ranges that could not be cut.
    notes : tuple of str
        What may surprise.
    capped : tuple of Count
        Of what ``capped.csv`` lists; empty where nothing was to be capped.
    """

    manifest: Path
    cut: int
    kept: int
    clips: int
    counts: tuple[Count, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    capped: tuple[Count, ...] = ()


class Where(TypedDict, total=False):
    """What is found where, and may be replaced; each may be left out.

    Attributes
    ----------
    media : path
        What relative paths are relative to, and where the files of addresses are; default: the specification's folder.
    remap : sequence of (old, new)
        Beginnings of paths to be replaced, portable (:func:`sonoscope.data.paths.parse_remaps`).
    labels : str, path or sequence
        The labels there are; default: the ``labels.json`` in the folder, or else those that the specification names.
    decimals : {"seconds", "minutes"}
        What times such as 2.30 mean; default: they are refused.
    overwrite : bool
        Make anew what another specification or other settings made in the folder.
    """

    media: str | Path | None
    remap: Sequence[tuple[str, str]]
    labels: str | Path | Sequence[str | Label] | None
    decimals: str | None
    overwrite: bool


def extract(
    specification: str | Path,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    target: int = TARGET,
    cap: int | None = None,
    fetch: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    say: Callable[[str], None] = lambda message: None,
    downloading: download.Progress = lambda name, done, total: None,
    **where: Unpack[Where],
) -> Extracted:
    """Cut the clips that a specification asks for, and list them in ``manifest.csv`` beside them.

    A recording is decoded once. The same call goes on where an interrupted one was; a specification that has grown
    adds to what is there.

    Parameters
    ----------
    specification : path
        :mod:`~sonoscope.data.extract.spec`.
    folder : path
        Made if it is not there.
    settings : Settings, optional
        How clips are cut; default: 3 s without overlap, 44.1 kHz, WAV.
    target : int
        Clips that each label should have.
    cap : int, optional
        Write ``capped.csv`` beside: at most so many clips of each label.
    fetch : bool
        Fetch what addresses lead to directly.
    progress : function (recordings done, recordings in all, the next one), optional
    say, downloading : functions
        Told what is fetched.
    where
        :class:`Where`.

    Raises
    ------
    BadSpec
        If the specification is wrong; nothing was done then.
    RunRefused
        If the folder holds clips of another specification or of other settings.
    UsageError
        If an option is out of range, or the label map is wrong.
    Locked
        If another process writes into the folder.
    Stopped
        If the disk is full; the same call goes on.
    """
    for name, value, least in (("target", target, 0), ("cap", 1 if cap is None else cap, 1)):
        if value < least:
            raise UsageError(f"{name}={value} must be at least {least} clips")
    ready = _ready(specification, Path(folder), settings, where)
    job = ready.job
    if fetch:
        job.sources = _fetched(ready, say, downloading)
    with alone(job.folder) as work:
        job.prepare(ready.labels_given, where.get("overwrite", False))
        try:
            n_cut = job.cut_all(work, progress)
        finally:
            job.list_clips()
    return _concluded(job, n_cut, target, cap)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do with a recording.

    ``state`` is ``cut`` (it would be cut), ``done`` (it is), or why it cannot be cut; ``seconds`` and ``clips`` are
    None where a range reaches to the recording's end, which only decoding tells.
    """

    recording: str
    ranges: int
    seconds: float | None
    clips: int | None
    labels: tuple[str, ...]
    state: str


def preview(
    specification: str | Path,
    folder: str | Path,
    settings: Settings | None = None,
    **where: Unpack[Where],
) -> tuple[Planned, ...]:
    """What :func:`extract` would do, in its order; nothing is decoded or written. Raises what it would raise."""
    job = _ready(specification, Path(folder), settings, where).job
    grid = Grid.of(job.settings, job.settings.sample_rate or 48_000)
    planned = []
    for source in job.sources:
        lengths = [
            each.range.end_s - each.range.start_s for each in source.parts if each.range.end_s is not None
        ]
        is_known = len(lengths) == len(source.parts)
        planned.append(
            Planned(
                source.key,
                len(source.parts),
                sum(lengths) if is_known else None,
                sum(len(grid.clips(round(s * grid.rate))) for s in lengths) if is_known else None,
                tuple(dict.fromkeys(label for part in source.parts for label in part.labels)),
                job.state(source, where.get("overwrite", False)),
            )
        )
    return tuple(planned)


@dataclass(frozen=True)
class _Ready:
    """What is settled before any work."""

    wanted: spec.Spec
    media: Media
    job: Job
    labels_given: bool


def _ready(specification: str | Path, folder: Path, settings: Settings | None, where: Where) -> _Ready:
    wanted = spec.read(specification, decimals=where.get("decimals"))
    found = Media(_media_folder(where.get("media"), wanted.path.parent), folder, where.get("remap", ()))
    overwrite = where.get("overwrite", False)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; clips go into a folder")
    record = Record.read(folder, damaged=overwrite)
    names, given = _names(wanted, folder, where.get("labels"), record, overwrite)
    sources = plan.settle(wanted, found, names, {key: done.name for key, done in record.done.items()})
    job = Job(folder, settings or Settings(), names, sources, record, wanted.path.stem)
    if not overwrite:
        job.check()
    return _Ready(wanted, found, job, given)


def _concluded(job: Job, n_cut: int, target: int, most: int | None) -> Extracted:
    """Count, write ``counts.csv``, what is capped, and the bad rows."""
    done = job.done()
    rows = [row for each, _ in done for row in job.rows(each)]
    found = counts.count(rows, job.names.ids, target, job.settings.length_s)
    counts.write(found, job.folder / counts.NAME)
    problems, path = tuple(job.problems()), job.folder / MANIFEST
    update.tell(path, problems)
    chosen = () if most is None else _capped(job, path, most)
    return Extracted(path, n_cut, len(done) - n_cut, len(rows), found, problems, job.notes(), chosen)


def _capped(job: Job, path: Path, most: int) -> tuple[Count, ...]:
    """Write the table of at most so many clips of each label, and count those."""
    whole = manifest.read(path)
    chosen = caps.capped(whole.rows, most)
    manifest.write(replace(whole, rows=chosen), job.folder / caps.NAME)
    return counts.count(chosen, job.names.ids, most, job.settings.length_s)


def _fetched(ready: _Ready, say: Callable[[str], None], downloading: download.Progress) -> tuple[Source, ...]:
    """The recordings once those to which addresses lead directly have been fetched."""
    urls = [entry.url for entry in ready.wanted.entries if not entry.file]
    failed = ready.media.fetch(urls, say, downloading)
    known = {source.key: source.name for source in ready.job.sources}
    sources = plan.settle(ready.wanted, ready.media, ready.job.names, known)
    return tuple(
        each.failed(failed[each.key]) if each.path is None and each.key in failed else each
        for each in sources
    )


def _media_folder(media: str | Path | None, beside: Path) -> Path:
    if media is not None and not Path(media).is_dir():
        raise UsageError(f"--media {str(media)!r} is no folder")
    return Path(media) if media is not None else beside


def _names(
    wanted: spec.Spec,
    folder: Path,
    labels: str | Path | Sequence[str | Label] | None,
    record: Record,
    overwrite: bool,
) -> tuple[Names, bool]:
    """The label map, and whether somebody gave it (else the specification says which labels there are)."""
    is_own = record.settings is not None and not record.labels_given
    there = labelmap.find(None, folder)
    if labels is not None:
        found = labelmap.find(labels, folder)
        if not overwrite:
            labelmap.is_kept(found, folder)
        return Names(found), True
    if there and not is_own:
        return Names(there), True
    named = dict.fromkeys(label for entry in wanted.entries for label in entry.labels)
    kept = Names(() if overwrite else there)
    new = [Label(name) for name in named if kept.find(name) is None]
    return Names([*kept.labels, *new]), False
