"""Mixtures on disk: a folder of sound with a manifest beside it, and a record of what each was made of.

``write(folder, pool, recipe, count)`` makes::

    folder/mix.json             what was asked for: a folder holds mixtures of one kind
    folder/mixtures.jsonl       an object for each mixture: its labels, and every source with start, onset and gain
    folder/manifest.csv         a row for each mixture; labels.json and labels.txt say which labels there are
    folder/sound/000/000000.flac, 000000.labels.txt     a mixture, and which label sounds when

Mixture ``i`` depends on the recipe, the rows, the seed and ``i`` alone. What is there is not made again, so an
interrupted call is finished by the same one, and a larger count adds to the folder. A record is enough to make its
mixture again (:func:`sonoscope.data.mix.mixrecords.again`), whatever later versions would draw: a ``mixtures.jsonl``
kept under version control states a data set that weighs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data import badrows, labelmap, manifest
from sonoscope.data.mix import mixrecords
from sonoscope.data.mix.mixing import Mixtures, Recipe, united
from sonoscope.data.mix.mixrecords import Record, Rows
from sonoscope.data.mix.pool import Pool, check_splits
from sonoscope.data.rendering.render import FORMATS, write_sound
from sonoscope.data.rows import BadManifest, Manifest
from sonoscope.data.survey import Problem
from sonoscope.data.table import put
from sonoscope.errors import RunRefused, UnreadableAudio, UsageError, lookup
from sonoscope.labels import INSTRUMENTS
from sonoscope.values import Label

SETTINGS, RECORDS, MANIFEST = "mix.json", "mixtures.jsonl", "manifest.csv"
SCHEMA = 1
#: Sounds in one folder.
_PER_FOLDER = 1000


@dataclass(frozen=True)
class Written:
    """The manifest, how many mixtures were made now and were there, and rows that could not be used."""

    manifest: Path
    made: int
    kept: int
    problems: tuple[Problem, ...]


def write(
    folder: str | Path,
    pool: Pool,
    recipe: Recipe,
    count: int,
    *,
    seed: int = 0,
    format: str = "flac",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Make mixtures 0 to ``count - 1``, or those of them that the folder does not hold.

    Parameters
    ----------
    folder : path
        Made if absent. If it holds mixtures, recipe, rows, seed, rate and format must be the same.
    pool : Pool
        Its splits must not share groups.
    recipe : Recipe
    count : int
        A smaller one than the folder holds leaves the others, and their rows.
    seed : int
        Not negative.
    format : str
        ``flac`` or ``wav``, 16 bit.
    workers : int
        Processes. They do not change what is made, and share the pool's memory between them.
    progress : callable (done, count), optional

    Raises
    ------
    UsageError
        For a value out of range, or splits that share groups.
    RunRefused
        If the folder holds other mixtures.
    """
    folder = Path(folder)
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise UsageError(f"{name}={value} must be at least {least}")
    lookup(FORMATS, format, "format")
    check_splits(pool.manifest)
    pool.check(recipe.alike, recipe.labels_of_a_row, recipe.fewest)
    settings = {
        "recipe": recipe.to_dict(), "seed": seed, "sample_rate": pool.sample_rate, "format": format,
        "rows": len(pool.rows), "rows_sha256": fingerprint(pool.manifest),
    }  # fmt: skip
    maker = _Maker(folder, format, Mixtures(recipe, pool, seed))
    return _write(folder, settings, maker, range(count), pool.manifest, workers, progress)


def write_again(
    folder: str | Path,
    records: str | Path,
    source: Manifest,
    *,
    format: str = "flac",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Make the mixtures that a ``mixtures.jsonl`` states; ``source`` has the rows that they are made of.

    Raises
    ------
    BadManifest
        If a record is damaged, or a row that it needs is not in ``source``.
    RunRefused
        If the folder holds other mixtures.
    """
    folder, path = Path(folder), Path(records)
    found = mixrecords.read(path)
    if not found:
        raise BadManifest(f"{path}: no mixtures in it")
    lookup(FORMATS, format, "format")
    settings = {"again_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "format": format}
    maker = _Again(folder, format, found, Rows(source))
    for record in found.values():
        maker.rows.of(record)
    return _write(folder, settings, maker, sorted(found), source, workers, progress)


# ---- making one ------------------------------------------------------------------------------------------------


#: The record of a mixture, or None if it could not be made, and the rows that are not good.
Made = tuple[Record | None, tuple[Problem, ...]]


@dataclass(frozen=True)
class _Maker:
    """Makes a mixture by number and writes its sound. Picklable: workers get it once."""

    folder: Path
    format: str
    mixtures: Mixtures

    def __call__(self, number: int) -> Made:
        mixed = self.mixtures[number]
        pool = self.mixtures.pool
        record = mixrecords.record_of(mixed, number, sound_path(number, self.format), pool.sample_rate)
        put_mixture(self.folder, record, mixed.samples)
        return record, pool.problems

    def sharing(self, workers: int) -> _Maker:
        """The same for one of several workers."""
        return replace(self, mixtures=replace(self.mixtures, pool=self.mixtures.pool.sharing(workers)))


@dataclass(frozen=True)
class _Again:
    folder: Path
    format: str
    records: Mapping[int, Record]
    rows: Rows

    def __call__(self, number: int) -> Made:
        record = self.records[number]
        try:
            samples, parts = mixrecords.again(record, self.rows)
        except UnreadableAudio as error:
            row = next(row for row in self.rows.of(record) if row.path == error.file)
            return None, (Problem(row.path, row.start_s, row.duration_s, error.reason, error.remedy),)
        # Labels are those that the rows have now: a corrected label corrects the mixture.
        labels, absent, unknown = united(self.rows.manifest, [part.row for part in parts])
        said = {"labels": list(labels), "absent": list(absent), "unknown": list(unknown)}
        found = {**record, **said, "path": sound_path(number, self.format)}
        put_mixture(self.folder, found, samples)
        return found, ()

    def sharing(self, workers: int) -> _Again:
        return self


def sound_path(number: int, format: str) -> str:
    """Where the sound of a mixture is, relative to the folder."""
    return f"sound/{number // _PER_FOLDER:03d}/{number:06d}.{format}"


def put_mixture(folder: Path, record: Record, samples: np.ndarray) -> None:
    """Write a mixture: who sounds when, and then the sound, 16 bit, so that a sound that exists has its labels."""
    path = folder / record["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    put(folder / mixrecords.annotation_of(record), mixrecords.label_track(record).encode())
    write_sound(path, samples, record["sample_rate"])


# ---- the folder ------------------------------------------------------------------------------------------------


def _write(
    folder: Path,
    settings: dict[str, Any],
    maker: _Maker | _Again,
    numbers: Sequence[int],
    source: Manifest,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Written:
    _keep_settings(folder, settings)
    labelmap.keep(_labels(source), folder)
    records = {
        number: record
        for number, record in mixrecords.read(folder / RECORDS).items()
        if (folder / record["path"]).is_file()
    }
    todo = [number for number in numbers if number not in records]
    problems = {_key(p): p for p in _known_problems(folder)}
    kept, made = len(numbers) - len(todo), 0
    try:
        _drop_cut_line(folder / RECORDS)
        with open(folder / RECORDS, "a", encoding="utf-8", newline="\n") as journal:
            for done, (record, found) in enumerate(_made(maker, todo, workers), start=kept + 1):
                if record is not None:
                    journal.write(mixrecords.line_of(record))
                    journal.flush()
                    records[record["index"]] = record
                    made += 1
                problems |= {_key(problem): problem for problem in found}
                if progress is not None:
                    progress(done, len(numbers))
    finally:
        _publish(folder, records, problems.values(), source)
    listed = tuple(sorted(problems.values(), key=lambda problem: (problem.path, problem.start_s)))
    return Written(folder / MANIFEST, made, kept, listed)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and those of the recipe side by side; a checksum is told by its beginning."""
    flat = {**{k: v for k, v in settings.items() if k != "recipe"}, **settings.get("recipe", {})}
    return {key: value[:12] if key.endswith("sha256") else value for key, value in flat.items()}


def _publish(
    folder: Path, records: Mapping[int, Record], problems: Iterable[Problem], source: Manifest
) -> None:
    """Records in order, the manifest, and the rows that could not be used."""
    put(folder / RECORDS, "".join(mixrecords.line_of(records[number]) for number in sorted(records)).encode())
    rows = tuple(mixrecords.row_of(records[number]) for number in sorted(records))
    manifest.write(Manifest(rows, folder.absolute(), source.labels()), folder / MANIFEST)
    found = sorted(problems, key=lambda problem: (problem.path, problem.start_s))
    if found:
        badrows.write(found, badrows.beside(folder / MANIFEST))


def _made(maker: _Maker | _Again, todo: Sequence[int], workers: int) -> Iterator[Made]:
    if workers == 1 or len(todo) < 2:
        yield from map(maker, todo)
        return
    # A fresh interpreter each: threads of libraries do not survive a fork.
    executor = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=(maker.sharing(workers),)
    )
    try:
        yield from executor.map(_work, todo, chunksize=4)
    finally:
        executor.shutdown(cancel_futures=True)


_own: list[_Maker | _Again] = []  # of a worker process: what it makes mixtures with


def _start_worker(maker: _Maker | _Again) -> None:
    _own[:] = [maker]


def _work(number: int) -> Made:
    return _own[0](number)


def _keep_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write ``mix.json``, or see that the one that is there says the same. Raises ``RunRefused``."""
    path = folder / SETTINGS
    settings = {"schema": SCHEMA, **settings}
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        there, now = _flat(held), _flat(settings)
        differ = [
            f"{key}: {there.get(key, 'nothing')} there, {now.get(key, 'nothing')} now"
            for key in dict.fromkeys((*there, *now))
            if there.get(key) != now.get(key)
        ]
        if differ:
            raise RunRefused(
                f"{folder} holds other mixtures ({'; '.join(differ)}). Give another folder, or the same values."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    put(path, (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())


def _drop_cut_line(path: Path) -> None:
    """Remove what an interruption left of a line, so that the next record begins one."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        put(path, content[: content.rfind(b"\n") + 1])


def _labels(source: Manifest) -> tuple[Label, ...]:
    known = {label.id: label for label in INSTRUMENTS}
    return tuple(known.get(label, Label(label)) for label in source.labels())


def _known_problems(folder: Path) -> list[Problem]:
    path = badrows.beside(folder / MANIFEST)
    return badrows.read(path) if path.is_file() else []


def _key(problem: Problem) -> tuple:
    return problem.path, problem.start_s, problem.duration_s


def fingerprint(source: Manifest) -> str:
    """What can be drawn from a manifest, as a sha256: every row with all that it says, in any order."""
    said = sorted(
        json.dumps(
            [r.path, r.start_s, r.duration_s, r.labels, r.absent, r.unknown, r.group, r.split, dict(r.extra)]
        )
        for r in source.rows
    )
    return hashlib.sha256("\n".join((*source.labels(), *said)).encode()).hexdigest()
