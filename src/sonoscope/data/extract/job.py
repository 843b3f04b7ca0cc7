"""The work in a folder of clips: what may be there, what is to be done, and what is listed."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sonoscope.data import labelmap, manifest
from sonoscope.data.extract import counts, plan
from sonoscope.data.extract.cut import cut
from sonoscope.data.extract.plan import Source
from sonoscope.data.extract.record import Done, Record
from sonoscope.data.extract.settings import Settings
from sonoscope.data.labelmap import Names
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import RunRefused
from sonoscope.values import format_seconds

#: What the table of clips is called.
MANIFEST = "manifest.csv"
#: Differences that a refusal names.
SHOWN = 5


@dataclass
class Job:
    """A folder of clips, what is to be in it, and what is known to be in it."""

    folder: Path
    settings: Settings
    names: Names
    sources: tuple[Source, ...]
    record: Record
    spec_name: str

    # ---- before any work ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse a folder that holds something else."""
        self._manifest()
        if self.record.settings is None:
            self._check_foreign()
            return
        if differing := self.settings.differences(self.record.settings):
            self._refuse("was cut with other settings", differing)
        of_spec = {source.key: source for source in self.sources}
        changed = []
        for key, done in self.record.done.items():
            source = of_spec.get(key)
            if source is None and done.clips:
                changed.append(f"{key} is not in this specification")
            elif source is None or done.problems:
                continue  # To correct what could not be cut is no other specification.
            elif source.to_json() != done.parts:
                changed.append(f"{key} has other ranges, labels or texts")
            elif _size(source) not in (None, done.bytes):
                changed.append(f"{key} is another file by now")
        if changed:
            self._refuse("holds clips of another specification", changed)

    def _manifest(self) -> Manifest:
        """The manifest as it is; an empty one where there is none."""
        path = self.folder / MANIFEST
        if not path.exists():
            return Manifest((), self.folder, self.names.ids)
        return manifest.read(path, labels=self.names.labels or None)

    def _check_foreign(self) -> None:
        """Refuse to write over what no run made; to a manifest that is there, rows are added."""
        stems = {
            self.folder / (plan.prefix(part, self.names) + source.name)
            for source in self.sources
            for part in source.parts
        }
        there = [self.folder / counts.NAME]
        for stem in sorted(stems):
            there += stem.parent.glob(f"{glob.escape(stem.name)}__*.{self.settings.format}")
        for path in there:
            if path.exists():
                raise RunRefused(
                    f"{path} is there already, and no run that is known here made it. Name another folder with -o, "
                    "or replace it with --overwrite."
                )

    def _refuse(self, what: str, differing: list[str]) -> None:
        shown = "; ".join(differing[:SHOWN]) + ("; ..." if len(differing) > SHOWN else "")
        raise RunRefused(
            f"{self.folder} {what}: {shown}. Name another folder with -o, or make anew what differs with --overwrite."
        )

    # ---- work --------------------------------------------------------------------------------------------

    def prepare(self, labels_given: bool, overwrite: bool) -> None:
        """Begin the record, remove what is to be made anew, and put the label map beside."""
        if overwrite and self.record.done:
            self._forget(labels_given)
        elif overwrite or self.record.settings is None:
            self.record.replace(self.settings.to_dict(), labels_given, {})
        if self.names.labels:
            known = labelmap.find(None, self.folder)
            if [label.id for label in known] != list(self.names.ids):
                labelmap.write(self.names.labels, self.folder)

    def _forget(self, labels_given: bool) -> None:
        """Begin the record anew with what is still as wanted; remove the clips of everything else, and their rows."""
        old = dict(self.record.done)
        of_spec = {source.key: source for source in self.sources}
        stay = {key: done for key, done in old.items() if key in of_spec and self._stays(of_spec[key], done)}
        gone = {clip.path for key, done in old.items() if key not in stay for clip in done.clips}
        path = self.folder / MANIFEST
        if path.is_file():
            there = manifest.read(path)
            manifest.write(
                replace(there, rows=tuple(row for row in there.rows if row.path not in gone)), path
            )
        self._remove(gone)
        self.record.replace(self.settings.to_dict(), labels_given, stay)

    def _stays(self, source: Source, done: Done) -> bool:
        """Whether what is there of a recording is what would be made of it."""
        starts = [plan.prefix(part, self.names) + source.name for part in source.parts]
        return (
            not self.settings.differences(self.record.settings or {})
            and source.to_json() == done.parts
            and _size(source) in (None, done.bytes)
            and all(clip.path.startswith(starts[clip.part]) for clip in done.clips)
        )

    def state(self, source: Source, overwrite: bool) -> str:
        """``done``, ``cut`` (it is to be cut), or why it cannot be."""
        done = self.record.done.get(source.key)
        if done is not None and self._is_done(source) and not (overwrite and not self._stays(source, done)):
            return "done"
        return "cut" if source.problem is None else source.problem[0]

    def _remove(self, clips: Iterable[str]) -> None:
        """Remove clips, and the folders that are empty then."""
        for clip in clips:
            path = self.folder / clip
            path.unlink(missing_ok=True)
            if path.parent != self.folder:
                with contextlib.suppress(OSError):
                    path.parent.rmdir()

    def cut_all(self, work: Path, progress: Callable[[int, int, str], None] | None) -> int:
        """Cut what is not done yet, in the order of the specification; how many recordings that were."""
        n_cut = 0
        for index, source in enumerate(self.sources):
            if source.path is None or self._is_done(source):
                continue
            if progress is not None:
                progress(index, len(self.sources), source.key)
            prefixes = [plan.prefix(part, self.names) for part in source.parts]
            size = _size(source)
            made = cut(source, self.settings, self.folder, prefixes, work)
            before = self.record.done.get(source.key)
            if before is not None:
                now = {clip.path for clip in made.clips}
                self._remove(clip.path for clip in before.clips if clip.path not in now)
            self.record.keep(source.key, Done.of(source, size or 0, made))
            n_cut += 1
        if progress is not None:
            progress(len(self.sources), len(self.sources), "")
        return n_cut

    def _is_done(self, source: Source) -> bool:
        """Whether a recording was cut without a problem, and its clips are there still."""
        done = self.record.done.get(source.key)
        if done is None or done.problems:
            return False
        return all((self.folder / clip.path).is_file() for clip in done.clips)

    # ---- what is told ------------------------------------------------------------------------------------

    def list_clips(self) -> None:
        """Add the clips that the manifest was never told of to it; begin it if there is none.

        Rows that somebody took out of it stay out.
        """
        path = self.folder / MANIFEST
        known = self.record.listed if path.exists() else set()
        sources = [each for each, _ in self.done() if each.key not in known]
        new = Manifest(tuple(row for each in sources for row in self.rows(each)), self.folder, self.names.ids)
        if path.exists():
            there = self._without_outdated(self._manifest(), sources)
            manifest.append(path, replace(new, rows=manifest.missing(there, new)))
        else:
            manifest.write(new, path)
        # What had a problem may bring more clips the next time.
        self.record.note_listed([each.key for each in sources if not self.record.done[each.key].problems])

    def _without_outdated(self, there: Manifest, sources: Sequence[Source]) -> Manifest:
        """The manifest without rows about clips as they were before their ranges were corrected."""
        true = {row.path: _about(row) for each in sources for row in self.rows(each)}
        keys = {each.key for each in sources}
        kept = tuple(
            row
            for row in there.rows
            if row.extra.get("original") not in keys or true.get(row.path) == _about(row)
        )
        if len(kept) == len(there.rows):
            return there
        there = replace(there, rows=kept)
        manifest.write(there, self.folder / MANIFEST)
        return there

    def rows(self, source: Source) -> list[Row]:
        """The manifest's rows about the clips of a recording that is done."""
        rows = []
        for clip in self.record.done[source.key].clips:
            part = source.parts[clip.part]
            texts = part.texts
            extra = {
                "original": source.key,
                "original_start_s": format_seconds(clip.start_s),
                "description": texts["description"],
                "url": part.url,
            }
            rows.append(
                Row(
                    clip.path,
                    0.0,
                    clip.duration_s,
                    part.labels,
                    group=source.group,
                    source=texts["source"] or self.spec_name,
                    licence=texts["licence"],
                    site=texts["site"],
                    recorder=texts["recorder"],
                    extra={key: text for key, text in extra.items() if text or key.startswith("original")},
                )
            )
        return rows

    def done(self) -> list[tuple[Source, Done]]:
        """The recordings that are done as the specification wants it, with what came of them."""
        found = ((each, self.record.done.get(each.key)) for each in self.sources)
        return [(each, one) for each, one in found if one is not None and one.parts == each.to_json()]

    def problems(self) -> list[Problem]:
        """What could not be cut."""
        done = self.done()
        found = [problem for _, one in done for problem in one.problems]
        for each in self.sources:
            if each.problem is not None and each.key not in {one.key for one, _ in done}:
                found.append(Problem(each.key, 0.0, None, *each.problem))
        return found

    def notes(self) -> tuple[str, ...]:
        """What may surprise, in words."""
        notes, done = [], self.done()
        if short := [(each.key, one.short) for each, one in done if one.short]:
            n = sum(number for _, number in short)
            notes.append(
                f"{n} {'range is' if n == 1 else 'ranges are'} too short for a clip of {self.settings.length_s:g} s "
                f"(the first in {short[0][0]}); --tail keep or pad makes one of each"
            )
        if clipped := [(each.key, one.clipped) for each, one in done if one.clipped]:
            n = sum(number for _, number in clipped)
            notes.append(
                f"{n} {'clip is' if n == 1 else 'clips are'} louder than full scale and cut off there "
                f"(the first in {clipped[0][0]})"
            )
        return tuple(notes)


def _about(row: Row) -> tuple[Any, ...]:
    """What of a row says which sound its clip holds."""
    return row.path, row.duration_s, row.labels, row.extra.get("original_start_s")


def _size(source: Source) -> int | None:
    """Bytes of a recording; None where it is not."""
    try:
        return None if source.path is None else source.path.stat().st_size
    except OSError:
        return None
