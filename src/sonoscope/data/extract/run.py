"""The whole of an extraction: a specification and a folder in, clips with their manifest out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonoscope.data import download, labelmap, update
from sonoscope.data.extract import counts, plan, spec
from sonoscope.data.extract.counts import Count
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
    """

    manifest: Path
    cut: int
    kept: int
    clips: int
    counts: tuple[Count, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def extract(
    specification: str | Path,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    media: str | Path | None = None,
    remap: Sequence[tuple[str, str]] = (),
    labels: str | Path | Sequence[str | Label] | None = None,
    decimals: str | None = None,
    target: int = TARGET,
    fetch: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    say: Callable[[str], None] = lambda message: None,
    downloading: download.Progress = lambda name, done, total: None,
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
    media : path, optional
        What relative paths are relative to, and where the files of addresses are; default: the specification's folder.
    remap : sequence of (old, new)
        Beginnings of paths to be replaced, portable (:func:`sonoscope.data.paths.parse_remaps`).
    labels : str, path or sequence, optional
        The labels there are; default: the ``labels.json`` in ``folder``, or else those that the specification names.
    decimals : {"seconds", "minutes"}, optional
        What times such as 2.30 mean; default: they are refused.
    target : int
        Clips that each label should have.
    fetch : bool
        Fetch what addresses lead to directly.
    overwrite : bool
        Make anew what another specification or other settings made in ``folder``.
    progress : function (recordings done, recordings in all, the next one), optional
    say, downloading : functions
        Told what is fetched.

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
    folder, settings = Path(folder), settings or Settings()
    if target < 0:
        raise UsageError(f"target={target} must be at least 0 clips")
    wanted = spec.read(specification, decimals=decimals)
    where = _media_folder(media, wanted.path.parent)
    found = Media(where, folder, remap)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; clips go into a folder")
    record = Record.read(folder, damaged=overwrite)
    names, given = _names(wanted, folder, labels, record, overwrite)
    sources = plan.settle(wanted, found, names, {key: done.name for key, done in record.done.items()})
    job = Job(folder, settings, names, sources, record, wanted.path.stem)
    if not overwrite:
        job.check()
    if fetch:
        job.sources = _fetched(wanted, found, job, say, downloading)
    with alone(folder) as work:
        job.prepare(given, overwrite)
        try:
            n_cut = job.cut_all(work, progress)
        finally:
            job.list_clips()
    return _concluded(job, n_cut, target)


def _concluded(job: Job, n_cut: int, target: int) -> Extracted:
    """Count, write ``counts.csv`` and the bad rows."""
    done = job.done()
    rows = [row for each, _ in done for row in job.rows(each)]
    found = counts.count(rows, job.names.ids, target, job.settings.length_s)
    counts.write(found, job.folder / counts.NAME)
    problems, path = tuple(job.problems()), job.folder / MANIFEST
    update.tell(path, problems)
    return Extracted(path, n_cut, len(done) - n_cut, len(rows), found, problems, job.notes())


def _fetched(
    wanted: spec.Spec, media: Media, job: Job, say: Callable[[str], None], downloading: download.Progress
) -> tuple[Source, ...]:
    """The recordings once those to which addresses lead directly have been fetched."""
    failed = media.fetch([entry.url for entry in wanted.entries if not entry.file], say, downloading)
    sources = plan.settle(wanted, media, job.names, {source.key: source.name for source in job.sources})
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
    kept = [] if overwrite else [label.id for label in there]
    return Names([Label(name) for name in dict.fromkeys([*kept, *named])]), False
