"""What is taught: snippets in a folder for each class, annotated recordings, manifests, and judged clips.

All of them become rows of manifests (:class:`~sonoscope.data.rows.Row`), one for each stretch of sound, with the
site it is from as ``group``. The rules of a folder:

- each folder is a class, in the grammar of :mod:`~sonoscope.data.foldernames` (``noise``, ``background``, ``other``
  hold none, ``buzz,bird`` both); sounds in folders of it are its too, and those folders are sites;
- a folder without folders is one class of its own name;
- sounds beside the folders belong to no class: they are not used, and counted;
- recordings with annotations beside them are taught by what is marked; what is not marked holds none of the classes
  (unless it shall say nothing).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from sonoscope.audio.find import SUFFIXES
from sonoscope.data import annotation, sources
from sonoscope.data.datasets import annotated
from sonoscope.data.foldernames import NON_EVENTS, labels_of
from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest, Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.outputs import headers

#: Where rows come from, in ``Row.source``.
SNIPPET, MARKED, UNMARKED, VERDICT = "snippet", "marked", "not marked", "verdict"
#: In ``Row.extra``: the second of the file about which one window is heard, and nothing else; of a judged clip the
#: recording that it was cut out of, and where in that it was judged.
MIDDLE, RECORDING, JUDGED = "middle", "file", "judged"
#: Of sounds that lie beside the folders of sites.
NO_SITE = "(no folder)"


@dataclass
class Taught:
    """Rows by the folder that their paths are relative to, and what there is to say about them."""

    manifests: list[Manifest] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return [row for each in self.manifests for row in each.rows]

    def labels(self) -> tuple[str, ...]:
        """Every class that sounds somewhere, sorted."""
        return tuple(sorted({label for row in self.rows for label in row.labels}))


def read(inputs: Sequence[str], group_by: str | None) -> Taught:
    """Read everything that is named.

    Parameters
    ----------
    inputs : sequence of str
        Folders, annotation files, manifests, data sets.
    group_by : str, optional
        ``folder`` or a regular expression; see :func:`grouped`.

    Raises
    ------
    UsageError
        If one does not exist, holds nothing, or does not fit ``group_by``.
    """
    found = Taught()
    for text in inputs:
        path = Path(text)
        if path.is_dir() and not (path / sources.OWN_MANIFEST).is_file() and not sources.sets_in(path):
            rows = _of_folder(path, found.remarks)
            by = group_by
        elif path.is_file() and not _is_manifest(path):
            rows, by = list(_of_table(path)), group_by
            path = path.parent
        else:
            loaded = sources.load(text)
            path, by = loaded.root, group_by
            rows = [replace(row, source=SNIPPET, group=row.group or row.site) for row in loaded.rows]
        rows = grouped(rows, by)
        found.manifests.append(Manifest(tuple(rows), path.absolute()))
    if not found.labels() and not any(row.annotation for row in found.rows):
        raise UsageError(
            f"{', '.join(inputs)}: no class is named. Put the snippets into a folder of its name"
        )
    return found


def _is_manifest(path: Path) -> bool:
    """Whether a file is a manifest or a list of sources, and not a table of annotations."""
    if path.suffix.lower() in (".parquet",) or path.suffix.lower() in sources.LIST_SUFFIXES[1:]:
        return not path.name.endswith(".events.parquet")
    if path.suffix.lower() != ".csv":
        return False
    return {"path", "labels"} <= set(headers.first(path))


# ---- folders -----------------------------------------------------------------------------------------------


def _of_folder(root: Path, remarks: list[str]) -> list[Row]:
    """The rows of a folder, annotated or sorted into classes."""
    if _has_annotations(root):
        rows = [replace(row, source=MARKED) for row in annotated.rows(root)]
        left = sum(1 for _ in _sounds(root)) - len(rows)
        if left:
            remarks.append(
                f"{root}: {left} recordings have no annotation beside them and were not used (an empty one says that "
                "nothing sounds)"
            )
        return rows
    classes = sorted(
        entry
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and any(_sounds(entry))
    )
    loose = [path for path in sorted(root.iterdir()) if _is_sound(path)]
    if not classes and not loose:
        raise UsageError(f"{root}: no sound in it. Put the snippets of each class into a folder of its name")
    if not classes:
        labels, absent = _named(root)
        remarks.append(
            f"{root}: no folders in it, so all {len(loose)} sounds are taken for one class, {root.name}"
        )
        return [Row(path.name, labels=labels, absent=absent, source=SNIPPET) for path in loose]
    if loose:
        remarks.append(
            f"{root}: {len(loose)} sounds lie beside the folders of classes and were not used, such as "
            f"{loose[0].name}: move them into a folder of their class"
        )
    rows = []
    for place in classes:
        labels, absent = _named(place)
        for path in _sounds(place):
            inside = path.relative_to(place).parent.as_posix()
            site = "" if inside == "." else inside
            name = path.relative_to(root).as_posix()
            rows.append(Row(name, labels=labels, absent=absent, group=site, site=site, source=SNIPPET))
    if any(row.group for row in rows):
        rows = [row if row.group else replace(row, group=NO_SITE) for row in rows]
    return rows


def _named(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the name of a folder says. Raises ``UsageError`` if it says nothing."""
    labels, absent = labels_of(folder.resolve().name)
    if not labels and not absent and folder.name.casefold() not in NON_EVENTS:
        raise UsageError(f"{folder}: the name holds no class. Name it like buzz, or buzz,bird, or noise")
    return labels, absent


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _sounds(folder: Path) -> Iterator[Path]:
    """Recordings in a folder and the folders in it, sorted; hidden ones are passed over."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if _is_sound(Path(place, name)):
                yield Path(place, name)


def _has_annotations(root: Path) -> bool:
    for _, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(annotated._pairs(sorted(name for name in names if not name.startswith(".")))):
            return True
    return False


# ---- annotation files --------------------------------------------------------------------------------------


def _of_table(path: Path) -> Iterator[Row]:
    """A row for each recording that an annotation file is about.

    Raises
    ------
    UsageError
        If a recording is not where the file says, nor beside it.
    """
    for name in annotation.recordings(path):
        audio = _recording_of(path, name)
        if audio is None:
            raise UsageError(
                f"{path}: its recording {name!r} is not beside it: copy the annotations to the recordings, or correct "
                "the name"
            )
        place = Path(os.path.relpath(audio, path.parent)).as_posix()
        above = PurePosixPath(place).parent.as_posix()
        group = PurePosixPath(place).stem if above == "." else above
        yield Row(place, group=group, source=MARKED, annotation=path.name, extra={"recording": name})


def _recording_of(path: Path, name: str) -> Path | None:
    """The recording that an annotation names, relative to it or beside it, with any ending."""
    for place in (path.parent / name, path.parent / PurePosixPath(name.replace("\\", "/")).name):
        if place.is_file() and place.suffix.lower() in SUFFIXES:
            return place
    stems = [PurePosixPath(name).name, path.name]
    for entry in sorted(path.parent.iterdir()):
        if _is_sound(entry) and any(
            stem == entry.stem or stem.startswith((f"{entry.name}.", f"{entry.stem}.")) for stem in stems
        ):
            return entry
    return None


# ---- sites -------------------------------------------------------------------------------------------------


def grouped(rows: Iterable[Row], by: str | None) -> list[Row]:
    """The rows with the site that each is from, as ``group``.

    Parameters
    ----------
    by : str, optional
        ``folder``: the folder of the recording (of snippets, inside that of the class). Else a regular expression,
        which is looked for in the path: its first group, or all that it matches. None: what is known.

    Raises
    ------
    UsageError
        If the expression cannot be read, a path does not match, or there are no folders.
    """
    rows = list(rows)
    if by is None:
        return [row if row.group else replace(row, group=row.path) for row in rows]
    if by == "folder":
        if not any(row.site for row in rows):
            raise UsageError(
                "--group-by folder: there are no folders of sites. Put each site's snippets into a folder inside that "
                "of their class (buzz/meadow/1.wav), or give a regular expression that finds the site in a path"
            )
        return [replace(row, group=row.site or NO_SITE) for row in rows]
    try:
        pattern = re.compile(by)
    except re.error as problem:
        raise UsageError(
            f"--group-by {by!r} is neither folder nor a regular expression ({problem})"
        ) from None
    found = []
    for row in rows:
        match = pattern.search(row.path)
        site = match and (match[1] if pattern.groups else match[0])
        if not site:
            raise UsageError(f"--group-by {by!r} finds no site in {row.path!r}")
        found.append(replace(row, group=site, site=site))
    return found


# ---- marked recordings -------------------------------------------------------------------------------------


def stretches(found: Manifest, row: Row, *, window_s: float, length_s: float, only_marked: bool) -> list[Row]:
    """The stretches of an annotated recording: one about each event, and those in which nothing is marked.

    An event shorter than the window is heard in the middle of one. Another event that lies in a stretch by half
    of either counts as sounding there; one that lies in it by less is not judged.
    """
    recording = row.extra.get("recording", row.path)
    events = annotation.read(found.root / row.annotation, recording=recording)
    starts, ends = (np.array(times) for times in ([e.start_s for e in events], [e.end_s for e in events]))
    plain = replace(row, labels=(), annotation="", extra={})
    made = []
    for event in events:
        if not event.label.strip():
            raise BadManifest(f"{row.annotation}: the event at {event.start_s:g} s has no label. Name it")
        if event.start_s >= length_s:
            raise BadManifest(
                f"{row.annotation}: the event at {event.start_s:g} s is beyond the end of {row.path}, {length_s:.2f} s"
            )
        middle = (event.start_s + min(event.end_s, length_s)) / 2
        half = max(window_s, event.end_s - event.start_s) / 2
        start = max(min(middle - half, length_s - 2 * half), 0.0)
        end = min(start + 2 * half, length_s)
        within = {
            other.label: min(other.end_s, end) - max(other.start_s, start)
            >= 0.5 * min(other.end_s - other.start_s, end - start)
            for other in sorted(
                (events[i] for i in np.flatnonzero((ends > start) & (starts < end))),
                key=lambda e: min(e.end_s, end) - max(e.start_s, start),
            )
        }
        within[event.label] = True
        labels = tuple(sorted(label for label, sure in within.items() if sure))
        unknown = tuple(sorted(label for label, sure in within.items() if not sure))
        made.append(replace(plain, start_s=start, duration_s=end - start, labels=labels, unknown=unknown))
    if not only_marked:
        made += [
            replace(plain, start_s=start, duration_s=end - start, source=UNMARKED)
            for start, end in _gaps([(e.start_s, e.end_s) for e in events], length_s)
            if end - start >= window_s
        ]
    return made


def _gaps(spans: Sequence[tuple[float, float]], length_s: float) -> Iterator[tuple[float, float]]:
    """What no span covers."""
    last = 0.0
    for start, end in sorted(spans):
        if start > last:
            yield last, start
        last = max(last, end)
    if last < length_s:
        yield last, length_s


# ---- judged clips ------------------------------------------------------------------------------------------


def judged(rows: Iterable[Row]) -> dict[str, list[tuple[float, float]]]:
    """Where in which recordings clips were judged, in seconds."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if JUDGED in row.extra:
            start, end = map(float, row.extra[JUDGED].split())
            found.setdefault(row.extra[RECORDING], []).append((start, end))
    return found


def verdicts(folder: Path) -> Manifest:
    """Judged clips: each says something of one class only, in the window about the middle of what was judged.

    Where several judged, the majority counts; clips of which nobody is sure are left out.

    Raises
    ------
    UsageError
        If the folder holds no clips, or no verdicts.
    """
    from sonoscope.field import clipfolder
    from sonoscope.field import verdicts as said

    opened = clipfolder.open_folder(folder)
    answers = said.together(said.read_all(folder).values())
    said.check_clips({"the reviewers": dict.fromkeys(answers, "")}, [clip.clip for clip in opened.clips])
    rows = []
    for clip in opened.clips:
        if clip.clip not in answers:
            continue
        rows.append(
            Row(
                clip.audio,
                labels=(clip.label,) if answers[clip.clip] else (),
                absent=() if answers[clip.clip] else (clip.label,),
                unknown=(EVERYTHING_ELSE,),
                group=clip.site or clip.file,
                site=clip.site,
                source=VERDICT,
                extra={
                    MIDDLE: f"{(clip.start + clip.end) / 2 - clip.audio_start:.6f}",
                    RECORDING: clip.file,
                    JUDGED: f"{clip.start:.6f} {clip.end:.6f}",
                },
            )
        )
    if not rows:
        raise UsageError(f"{folder}: of no clip anybody is sure")
    return Manifest(tuple(rows), folder.absolute())
