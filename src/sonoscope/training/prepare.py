"""From DATA to prepared sound: rows in parts that share nothing, labels, and samples on the disk."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from sonoscope.data import certificate, shards, sources, splits, units
from sonoscope.data.certificate import Certificate
from sonoscope.data.manifest import merge
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards import Content, Shards
from sonoscope.data.survey import Problem
from sonoscope.errors import Locked, UsageError
from sonoscope.features import Feature
from sonoscope.training.config import Data

TRAIN, VALIDATION, TEST = "train", "val", "test"
#: What data sets call the parts.
SPOKEN = {"train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
          "dev": VALIDATION, "test": TEST, "testing": TEST, "eval": TEST}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """What will be learned from, before any of it is decoded.

    Attributes
    ----------
    manifest : Manifest
        Rows with their part.
    labels : tuple of str
    by : str
        The column that no part cuts.
    """

    manifest: Manifest
    labels: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Prepared:
    """What a training learns from.

    Attributes
    ----------
    shards : Shards
        Samples of all rows, or frames; their ``split`` is ``train``, ``val`` or ``test``.
    labels : tuple of str
    certificate : Certificate
        What the parts share.
    problems : tuple of Problem
        Rows that could not be used.
    """

    shards: Shards
    labels: tuple[str, ...]
    certificate: Certificate
    problems: tuple[Problem, ...]


def prepare(
    data: Data,
    folder: Path,
    sample_rate: int,
    *,
    quick: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Prepared:
    """Load, split, and decode: :func:`planned`, then :func:`decoded`."""
    return decoded(planned(data, quick=quick), folder, sample_rate, say=say)


def planned(data: Data, *, quick: bool = False, labelled: bool = True) -> Planned:
    """Load and split.

    Parameters
    ----------
    data : Data
    quick : bool
        At most ``QUICK_ROWS`` rows of each part.
    labelled : bool
        Whether labels are needed; without, there are none, whatever the rows say.

    Raises
    ------
    UsageError
        If there is nothing to learn from, or a part is empty.
    """
    whole = limited(divided(data), data, quick=quick)
    _check_parts(whole.rows)
    labels = () if not labelled else whole.label_map or whole.labels()
    if labelled and not labels:
        raise UsageError("no row has a label: name the labels' column, or train on a folder for each label")
    return Planned(whole, tuple(labels), data.by)


def decoded(
    plan: Planned,
    folder: Path,
    sample_rate: int,
    *,
    build: bool = True,
    feature: Feature | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Prepared:
    """Decode into ``folder`` what it does not hold yet.

    Parameters
    ----------
    plan : Planned
    folder : Path
        Of what is prepared; may be shared by trainings one after the other, and at once by those of the same rows.
    sample_rate : int
        Hz.
    build : bool
        Decode what is missing; False: another process has done so.
    feature : Feature, optional
        Keep its frames, in place of samples.
    say : callable
        Told when another training prepares the folder, which is waited for.

    Raises
    ------
    UsageError
        If nothing of a part can be decoded, or another training prepares other rows there meanwhile.
    """
    whole = plan.manifest
    problems: tuple[Problem, ...] = ()
    if build:
        content = shards.audio(sample_rate) if feature is None else shards.frames(feature)
        problems = _built(whole, folder, content, progress, say)
    held = shards.open(folder)
    if build:
        _check_rows(held, whole, len(problems))
    _check_parts(held.rows)
    found = certificate.certify(held.manifest, by=(plan.by,), seconds=(held.lengths / sample_rate).tolist())
    return Prepared(held, plan.labels, found, problems)


def _check_parts(rows: Sequence[Row]) -> None:
    """See that there is something to learn from and to validate on."""
    for part in (TRAIN, VALIDATION):
        if not any(row.split == part for row in rows):
            raise UsageError(
                f"there is no {part} recording that can be used: give more data, or another split"
            )


def _built(
    whole: Manifest,
    folder: Path,
    content: Content,
    progress: Callable[[int, int], None] | None,
    say: Callable[[str], None],
) -> tuple[Problem, ...]:
    """What could not be decoded; a training that began at the same time with the same folder is waited for."""
    for number in itertools.count():
        try:
            return tuple(shards.build(whole, folder, content, progress=progress).problems)
        except Locked:
            if not number:
                say(f"{folder} is being prepared by another training: waiting for it")
            time.sleep(WAIT_S)
    raise AssertionError


def _check_rows(held: Shards, whole: Manifest, bad: int) -> None:
    """See that the folder is of these rows still: another training may have prepared others in it meanwhile."""
    # Paths are told from another folder here and there.
    there, wanted = (
        Counter((PurePath(row.path).name, row.start_s, row.split, row.group, row.labels) for row in each.rows)
        for each in (held, whole)
    )
    if there.total() != wanted.total() - bad or there - wanted:
        raise UsageError(
            f"{held.folder} was prepared for other rows meanwhile, by another training: at the same time only "
            "trainings of the same rows and parts may share it. Name another data.folder, or train one after the other"
        )


#: Seconds between looks at a folder that another training prepares.
WAIT_S = 2.0
#: Rows of each part in a quick run.
QUICK_ROWS = 5


def divided(data: Data) -> Manifest:
    """All rows, each with its part."""
    if not data.train:
        raise UsageError("nothing to train on: give a folder, a manifest or a data set (data.train=…)")
    found = sources.load(list(data.train), labels=data.labels)
    to_test = selected(found, data.test_where)
    allowed = selected(found, data.train_where) if data.train_where else None
    stated = {part: getattr(data, name) for part, name in ((VALIDATION, "validation"), (TEST, "test"))}
    found = _spoken(found)
    if data.test_where:
        rows = tuple(
            replace(row, split=TEST if test else "") for row, test in zip(found.rows, to_test, strict=True)
        )
        found = replace(found, rows=rows)
    if allowed is not None:
        rows = tuple(row for row, may in zip(found.rows, allowed, strict=True) if may or row.split == TEST)
        found = replace(found, rows=rows)
    for part, words in stated.items():
        if words:
            more = sources.load(list(words), labels=data.labels)
            rows = tuple(replace(row, split=part) for row in more.rows)
            found = merge(_all(found, TRAIN, keep=(VALIDATION, TEST)), replace(more, rows=rows))
    if data.folds:
        return _folded(found, data)
    have = {row.split for row in found.rows}
    shares = {
        TRAIN: 1.0 - data.validation_share - data.test_share,
        VALIDATION: data.validation_share,
        TEST: data.test_share,
    }
    if {TRAIN, VALIDATION} <= have:
        return _all(found, TRAIN, keep=(TRAIN, VALIDATION, TEST), only_empty=True)
    if TEST in have:
        # What is there to test on stays; the rest is divided.
        return _shared(found, {TRAIN: 1 - data.validation_share, VALIDATION: data.validation_share}, data)
    return _shared(found, {part: share for part, share in shares.items() if share > 0}, data)


def selected(manifest: Manifest, wish: str | None) -> list[bool]:
    """Which rows ``column=value,value`` names; none without a wish.

    Raises
    ------
    UsageError
        If that is no wish, or no row has such a value.
    """
    if not wish:
        return [False] * len(manifest.rows)
    name, sign, values = wish.partition("=")
    if not sign or not name:
        raise UsageError(f"{wish!r} must be column=value, such as split=A or trainable=yes")
    wanted = {value.strip() for value in values.split(",")}
    found = [cell in wanted for cell in units.column(manifest, name)]
    if not any(found):
        raise UsageError(f"no row has {wish!r}: look at the values of that column")
    return found


def _spoken(manifest: Manifest) -> Manifest:
    """Splits under the names used here; other names (folds of a data set) are forgotten."""
    rows = tuple(replace(row, split=SPOKEN.get(row.split.lower(), "")) for row in manifest.rows)
    return replace(manifest, rows=rows)


def _all(manifest: Manifest, part: str, *, keep: Sequence[str], only_empty: bool = False) -> Manifest:
    rows = tuple(
        row if row.split in keep or (only_empty and row.split) else replace(row, split=part)
        for row in manifest.rows
    )
    return replace(manifest, rows=rows)


def _shared(manifest: Manifest, shares: dict[str, float], data: Data) -> Manifest:
    """Rows that are not for testing dealt out by whole groups; those that are stay."""
    stays = [row.split == TEST and TEST not in shares for row in manifest.rows]
    rest = tuple(replace(row, split="") for row, kept in zip(manifest.rows, stays, strict=True) if not kept)
    # Lengths that nobody stated are not counted here: that would decode everything once more.
    seconds = None if all(row.duration_s is not None for row in rest) else [1.0] * len(rest)
    dealt = splits.assign(
        replace(manifest, rows=rest), parts=shares, by=(data.by,), seconds=seconds, seed=data.split_seed
    )
    place = iter(dealt.rows)
    rows = tuple(row if kept else next(place) for row, kept in zip(manifest.rows, stays, strict=True))
    return replace(manifest, rows=rows)


def _folded(manifest: Manifest, data: Data) -> Manifest:
    """One of ``data.folds`` equal parts to test on, and a share of the others to validate on."""
    seconds = None if all(row.duration_s is not None for row in manifest.rows) else [1.0] * len(manifest.rows)
    dealt = splits.folds(
        replace(manifest, rows=tuple(replace(row, split="") for row in manifest.rows)),
        data.folds, by=(data.by,), seconds=seconds, seed=data.split_seed,
    )  # fmt: skip
    name = f"fold{data.fold + 1}"
    rows = tuple(replace(row, split=TEST if row.split == name else "") for row in dealt.rows)
    shares = {TRAIN: 1 - data.validation_share, VALIDATION: data.validation_share}
    return _shared(replace(dealt, rows=rows), shares, data)


def limited(manifest: Manifest, data: Data, *, quick: bool) -> Manifest:
    """At most so many rows of each part, by whole groups where a share of the training is wanted."""
    rng = np.random.default_rng(data.split_seed)
    most = {
        TRAIN: data.max_samples, VALIDATION: data.max_test_samples, TEST: data.max_test_samples,
    }  # fmt: skip
    if quick:
        most = {part: min(count or QUICK_ROWS, QUICK_ROWS) for part, count in most.items()}
    keep = np.zeros(len(manifest.rows), dtype=bool)
    for part, limit in most.items():
        places = np.array([i for i, row in enumerate(manifest.rows) if row.split == part], dtype=np.int64)
        if part == TRAIN and data.share < 1:
            places = _share_of(manifest.rows, places, data, rng)
        keep[_spread(manifest.rows, places, limit, rng)] = True
    return replace(manifest, rows=tuple(row for row, kept in zip(manifest.rows, keep, strict=True) if kept))


def _share_of(rows: Sequence[Row], places: np.ndarray, data: Data, rng: np.random.Generator) -> np.ndarray:
    """A share of the groups that those places are of."""
    groups = [getattr(rows[i], data.by, "") or rows[i].extra.get(data.by, "") or rows[i].path for i in places]
    names = sorted(set(groups))
    chosen = set(rng.permutation(names)[: max(round(len(names) * data.share), 1)].tolist())
    return np.array([i for i, group in zip(places, groups, strict=True) if group in chosen], dtype=np.int64)


def _spread(
    rows: Sequence[Row], places: np.ndarray, limit: int | None, rng: np.random.Generator
) -> np.ndarray:
    """At most ``limit`` of the places, the labels in turn."""
    if limit is None or len(places) <= limit:
        return places
    waiting: dict[str, list[int]] = {}
    for place in rng.permutation(places).tolist():
        waiting.setdefault(rows[place].labels[0] if rows[place].labels else "", []).append(place)
    taken: list[int] = []
    while len(taken) < limit:
        for label in sorted(waiting):
            if waiting[label] and len(taken) < limit:
                taken.append(waiting[label].pop())
    return np.array(sorted(taken), dtype=np.int64)
