"""Splits that cut no group: shares of every label, folds, leaving one value out, moving from part to part.

What may not be cut is a unit (:mod:`~sonoscope.data.units`), which goes to one part as a whole. Parts get their shares
of the seconds (or rows) in all and of each label, so far as units allow (:mod:`~sonoscope.data.stratify`); partially
labelled rows count for what they say is absent, too. A row that has a split keeps it, unless ``anew``; units with such
rows are dealt already. The same seed gives the same split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from sonoscope.data import lengths, stratify
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.data.units import BY, Units, column, units
from sonoscope.errors import UnknownName, UsageError, count, nearest

PARTS: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
#: The part that is left out, when one value of a column is.
TEST = "test"
#: A part that misses its share of the whole by more than this is told.
TOLD_BEYOND = 0.05

Tell = Callable[[str], None]


# ---- shares ------------------------------------------------------------------------------------------------


def assign(
    manifest: Manifest,
    *,
    parts: Mapping[str, float] = PARTS,
    by: Sequence[str] = BY,
    ties: Sequence[Sequence[int]] = (),
    seconds: Sequence[float] | None = None,
    seed: int = 0,
    anew: bool = False,
    tell: Tell | None = None,
) -> Manifest:
    """Fill the column ``split``.

    Parameters
    ----------
    manifest : Manifest
    parts : mapping of str to float
        Names and shares, which sum to 1.
    by : sequence of str
        Columns whose values no split may cut.
    ties : sequence of sequences of int
        Places of rows that belong together for other reasons.
    seconds : sequence of float, optional
        What each row weighs; by default its seconds, which are counted where the manifest does not say. Ones make
        shares of rows.
    seed : int
    anew : bool
        Forget the splits that rows have.
    tell : callable, optional
        Told in a sentence what shares could not be met, and why.

    Raises
    ------
    UsageError
        If shares are no shares, there are fewer units than parts (they are named), rows have a split that is none
        of ``parts``, or all rows have one.
    UnknownName
        If there is no such column.
    UnreadableAudio
        If a length must be counted and cannot be.
    """
    _check_parts(parts)
    names, shares = list(parts), np.array(list(parts.values()))
    found = units(manifest, by=by, ties=ties)
    had = [-1 if anew else _part(row, names) for row in manifest.rows]
    if had and min(had) >= 0:
        raise UsageError(
            "every row has a split already, and is left in it. Forget them with anew (--anew), or move a share from "
            "one to another (--move train:val=0.15)."
        )
    fixed = np.full(len(found), -1)
    for unit, part in zip(found.of.tolist(), had, strict=True):
        fixed[unit] = max(fixed[unit], part) if fixed[unit] < 0 else fixed[unit]
    _check_enough(found, names, fixed)
    weights, labels = weigh(manifest, found, seconds)
    dealt = stratify.deal(weights, shares, np.random.default_rng(seed), fixed=fixed)
    rows = tuple(
        replace(row, split=names[dealt[unit] if part < 0 else part])
        for row, unit, part in zip(manifest.rows, found.of.tolist(), had, strict=True)
    )
    if tell is not None:
        _tell(tell, found, weights, labels, dealt, parts)
    return replace(manifest, rows=rows)


def folds(manifest: Manifest, k: int, **options: object) -> Manifest:
    """``k`` equal parts ``fold1`` to ``fold<k>``; options as :func:`assign`.

    Raises
    ------
    UsageError
        If ``k`` is less than 2, or as :func:`assign`.
    """
    if k < 2:
        raise UsageError(f"folds={k} must be at least 2")
    return assign(manifest, parts={f"fold{i + 1}": 1 / k for i in range(k)}, **options)  # type: ignore[arg-type]


def _check_parts(parts: Mapping[str, float]) -> None:
    if len(parts) < 2:
        raise UsageError(f"parts={dict(parts)} must be two or more, such as train=0.7,val=0.15,test=0.15")
    for name, share in parts.items():
        if not name.strip() or not 0 < share < 1:
            raise UsageError(
                f"part {name!r}: share={share} must lie between 0 and 1, and the part have a name"
            )
    if abs(sum(parts.values()) - 1) > 1e-6:
        raise UsageError(f"the shares {', '.join(f'{n}={s:g}' for n, s in parts.items())} sum to "
                         f"{sum(parts.values()):g}, not 1")  # fmt: skip


def _part(row: Row, names: Sequence[str]) -> int:
    if not row.split:
        return -1
    if row.split not in names:
        raise UsageError(
            f"{row.path} has the split {row.split!r}, which is none of {', '.join(names)}. Name it among the parts, "
            "or forget the splits that rows have with anew (--anew)."
        )
    return names.index(row.split)


def _check_enough(found: Units, names: Sequence[str], fixed: np.ndarray) -> None:
    empty = [name for part, name in enumerate(names) if not (fixed == part).any()]
    free = np.flatnonzero(fixed < 0).tolist()
    if len(free) < len(empty):
        what = count(len(free), "group is", "groups are")
        raise UsageError(
            f"{what} too few for the {count(len(empty), 'part')} {', '.join(empty)}, as no group is cut: "
            f"{found.listed(free) or 'there is none'}. Give sound of more groups, ask for fewer parts (train: "
            "data.test_share=0), or name a finer column (data split --by, train data.by=path)."
        )


def weigh(
    manifest: Manifest, found: Units, seconds: Sequence[float] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """What units weigh in all and of each label, shape (units, 1 + labels), and the labels.

    ``-piano`` is being known without a piano, where rows are partially labelled; an empty name is having no label.
    """
    lasting = np.asarray(lengths.seconds(manifest) if seconds is None else seconds, dtype=np.float64)
    # A row without length still counts as a row, or it would be dealt to no purpose.
    lasting = np.maximum(lasting, 1e-3)
    said = [
        (*row.labels, *(f"-{name}" for name in row.absent if EVERYTHING_ELSE in row.unknown)) or ("",)
        for row in manifest.rows
    ]
    labels = tuple(sorted({label for line in said for label in line}))
    place = {label: i + 1 for i, label in enumerate(labels)}
    weights = np.zeros((len(found), 1 + len(labels)))
    for unit, line, weight in zip(found.of.tolist(), said, lasting.tolist(), strict=True):
        weights[unit, 0] += weight
        for label in set(line):
            weights[unit, place[label]] += weight
    return weights, labels


def _tell(
    tell: Tell,
    found: Units,
    weights: np.ndarray,
    labels: Sequence[str],
    dealt: np.ndarray,
    parts: Mapping[str, float],
) -> None:
    """Say which shares were not met because groups are too large, and which labels are not everywhere."""
    names = list(parts)
    total = weights[:, 0].sum()
    for part, name in enumerate(names):
        share = weights[dealt == part, 0].sum() / total
        if abs(share - parts[name]) > TOLD_BEYOND:
            heaviest = int(np.argmax(weights[:, 0]))
            tell(
                f"{name} has {share:.0%} of the whole, not {parts[name]:.0%}: of {len(found):,} groups, "
                f"{found.names[heaviest]} alone has {weights[heaviest, 0] / total:.0%}"
            )
    for label, weight in zip(labels, weights.T[1:], strict=True):
        missing = [name for part, name in enumerate(names) if not weight[dealt == part].any()]
        having = np.flatnonzero(weight)
        if missing and label:
            some = "groups" if having.size > 1 else "group"
            tell(
                f"{label} is missing from {', '.join(missing)}: it is in {having.size} {some}"
                f"{' only' if having.size < len(names) else ''}: "
                f"{found.listed(having.tolist())}"
            )


# ---- one value left out ------------------------------------------------------------------------------------


def leave_out(
    manifest: Manifest,
    name: str,
    value: str | None = None,
    *,
    parts: Mapping[str, float] | None = None,
    by: Sequence[str] = BY,
    ties: Sequence[Sequence[int]] = (),
    seconds: Sequence[float] | None = None,
    seed: int = 0,
    tell: Tell | None = None,
) -> Manifest:
    """Test on what training never met: a site, a recorder, a player, any column.

    Without ``value`` every value of the column ``name`` is a fold of its own, called like it; test on each in turn.
    With it, rows that have it are ``test``, the others are ``train``, or dealt by ``parts``; ``ties`` hold among
    those only (the certificate tells what ties them to the test).

    Raises
    ------
    UsageError
        If a row has no value, there are fewer than two, no row has ``value``, or a unit has several: it is named,
        since whatever is left out, the others would hold a piece of it.
    """
    cells = column(manifest, name)
    for row, cell in zip(manifest.rows, cells, strict=True):
        if not cell:
            raise UsageError(f"{row.path} has no {name}. Fill it in, or leave the row out of the manifest.")
    values = sorted(set(cells))
    if len(values) < 2:
        raise UsageError(f"all rows have the same {name}, {values[0]!r}: nothing is left to train on")
    if value is not None and value not in values:
        raise UnknownName(f"no row has {name}={value!r}.{nearest(value, values)} Known: {', '.join(values)}.")
    found = units(manifest, by=by)
    of_unit: dict[int, str] = {}
    for unit, cell in zip(found.of.tolist(), cells, strict=True):
        if of_unit.setdefault(unit, cell) != cell:
            _refuse_cut(found, unit, name, of_unit[unit], cell)
    if value is None:
        rows = tuple(replace(row, split=cell) for row, cell in zip(manifest.rows, cells, strict=True))
        return replace(manifest, rows=rows)
    rest = [place for place, cell in enumerate(cells) if cell != value]
    others = replace(manifest, rows=tuple(replace(manifest.rows[place], split="") for place in rest))
    if parts is None:
        dealt = ["train"] * len(rest)
    else:
        if TEST in parts:
            raise UsageError(
                f"{TEST} is what is left out; name the parts of the rest, such as train=0.85,val=0.15"
            )
        new_place = {place: number for number, place in enumerate(rest)}
        kept = [[new_place[place] for place in tie if place in new_place] for tie in ties]
        shared = None if seconds is None else [seconds[place] for place in rest]
        split = assign(
            others, parts=parts, by=by, ties=[t for t in kept if t], seconds=shared, seed=seed, tell=tell
        )
        dealt = [row.split for row in split.rows]
    parted = dict(zip(rest, dealt, strict=True))
    rows = tuple(replace(row, split=parted.get(place, TEST)) for place, row in enumerate(manifest.rows))
    return replace(manifest, rows=rows)


def _refuse_cut(found: Units, unit: int, name: str, one: str, other: str) -> NoReturn:
    raise UsageError(
        f"the group {found.names[unit]} has rows with {name}={one!r} and with {name}={other!r}: leaving one out would "
        "leave a piece of the group in. Correct them, or name another column."
    )


# ---- from part to part -------------------------------------------------------------------------------------


def move(
    manifest: Manifest,
    source: str,
    target: str,
    share: float = 0.5,
    *,
    by: Sequence[str] = BY,
    ties: Sequence[Sequence[int]] = (),
    seconds: Sequence[float] | None = None,
    seed: int = 0,
    tell: Tell | None = None,
) -> Manifest:
    """Move a share of one part to another, whole units only, such that both keep their labels' proportions.

    A unit that is in ``source`` and ``target`` both goes over as a whole, which mends that leak. One that some third
    part has a piece of stays where it is. The other rows keep their split.

    Parameters
    ----------
    source, target : str
        ``move(m, "val", "train")``; ``move(m, "train", "val", 0.15)`` cuts a validation set from a training set.
    share : float
        Of the seconds of ``source``, in (0, 1).

    Raises
    ------
    UsageError
        If the share is out of range, no row is in ``source``, or there are not two units that can be told apart.
    """
    if not 0 < share < 1:
        raise UsageError(f"share={share} must lie between 0 and 1: something must stay in {source!r}")
    present = sorted({row.split for row in manifest.rows if row.split})
    if source not in present:
        raise UnknownName(f"no row is in {source!r}.{nearest(source, present)} Known: {', '.join(present)}.")
    if source == target or not target:
        raise UsageError(f"rows of {source!r} cannot be moved to {target!r}: name another part")
    found = units(manifest, by=by, ties=ties)
    parts_of: dict[int, set[str]] = {}
    for unit, row in zip(found.of.tolist(), manifest.rows, strict=True):
        parts_of.setdefault(unit, set()).add(row.split)
    inside = [unit for unit, parts in parts_of.items() if source in parts]
    held = {unit for unit in inside if parts_of[unit] - {source, target, ""}}
    if len(inside) - len(held) < 2:
        raise UsageError(
            f"{source!r} has too few groups that can be moved without cutting one: {found.listed(inside)}. "
            "Name a finer column (--by)."
        )
    if tell is not None and held:
        tell(f"left in {source}, since other parts hold pieces of them: {found.listed(sorted(held))}")
    weights, labels = weigh(manifest, found, _only(manifest, source, seconds))
    fixed = np.array([0 if u in held else 1 if target in parts_of[u] else -1 for u in inside], dtype=np.int64)
    dealt = stratify.deal(
        weights[inside], np.array([1 - share, share]), np.random.default_rng(seed), fixed=fixed
    )
    moved = {unit for unit, part in zip(inside, dealt, strict=True) if part}
    if tell is not None:
        wanted = {source: 1 - share, target: share}
        chosen = np.full(len(found), -1)
        chosen[inside] = dealt
        _tell(tell, found, np.where((chosen >= 0)[:, None], weights, 0.0), labels, chosen, wanted)
    rows = tuple(
        replace(row, split=target) if unit in moved and row.split == source else row
        for row, unit in zip(manifest.rows, found.of.tolist(), strict=True)
    )
    return replace(manifest, rows=rows)


def _only(manifest: Manifest, source: str, seconds: Sequence[float] | None) -> list[float]:
    """The weights of the rows of one part, 0 for the others."""
    lasting = lengths.seconds(manifest) if seconds is None else seconds
    return [float(s) if row.split == source else 0.0 for s, row in zip(lasting, manifest.rows, strict=True)]
