"""Where mixtures take their sounds from: rows of a manifest, decoded when they are first wanted.

Which rows may meet is settled before anything is drawn: those of one split, and, where that is asked for, of one
genre, family of instruments, key or any other column. Such a set is a :class:`Stratum`. Decoded sounds stay in memory
up to a number of bytes, the longest unused going first; nothing that is drawn depends on what is there.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sonoscope.data import clips
from sonoscope.data.mix import levels
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio, UsageError, nearest
from sonoscope.labels import INSTRUMENTS, index
from sonoscope.values import Label

#: Rows that last longer are used in parts of this length, as if each were a row.
SEGMENT_S = 60.0
#: What the sounds in memory may take by default.
MEMORY_BYTES = 256 << 20
#: Rows of a stratum that are tried at random before all of them are looked through.
_TRIES = 16
#: The relation between rows that label families make, and the absence of any.
FAMILY, ANY = "family", "any"


def groups_of(row: Row) -> frozenset[str]:
    """What a row has in common with others that no split may cut: its groups (a mixture has several, ``;`` between
    them), or where there is none, its file."""
    return frozenset(filter(None, row.group.split(";"))) or frozenset((row.path,))


def families(labels: Iterable[Label] = INSTRUMENTS) -> dict[str, str]:
    """The family of every id, code and synonym of ``labels`` that has one (``Label.group``)."""
    labels = tuple(labels)
    return {name: labels[k].group for name, k in index(labels).items() if labels[k].group}


FAMILIES: Mapping[str, str] = families()


def check_splits(manifest: Manifest) -> None:
    """See to it that no group, and no file, of the labelled rows is in two splits.

    Raises
    ------
    UsageError
        If one is: mixtures would carry the leak on.
    """
    found: dict[tuple[str, str], str] = {}
    for row in manifest.rows:
        shared = [("group", group) for group in sorted(groups_of(row))] if row.group else []
        for what, name in (*shared, ("file", row.path)) if row.labels else ():
            other = found.setdefault((what, name), row.split)
            if other != row.split:
                raise UsageError(
                    f"the {what} {name!r} is in the splits {other!r} and {row.split!r}: what is learnt from mixtures "
                    "of one would be tested on mixtures of the same recordings. Split by group first (sonoscope "
                    "data split), or mix one split alone (--where split=NAME)."
                )


class Unusable(Exception):
    """A sound that cannot be mixed: damaged, or silent. The mixture is drawn again without it."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A decoded row, or part of a long one.

    ``samples`` are mono float32 of shape (n,), read only; ``offset`` is where they begin in the row, in samples;
    ``level_db`` is :func:`~sonoscope.data.mix.levels.loudness_db` of them.
    """

    samples: np.ndarray
    offset: int
    level_db: float


@dataclass(frozen=True, order=True)
class Place:
    """A row of the pool by its number, and which part of it (0: the first, or all of it)."""

    row: int
    segment: int = 0


class Stratum:
    """Rows that may sound together, to be drawn so that labels are equal and no library speaks for one alone.

    A label is drawn first, then a group that has it, with the square root of its rows as weight, then a row.
    """

    def __init__(self, rows: Sequence[Row], numbers: Sequence[int]) -> None:
        self.size = len(numbers)
        self._rows = rows
        by_label: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number in numbers:
            for label in rows[number].labels:
                by_label[label][";".join(sorted(groups_of(rows[number])))].append(number)
        self._members: dict[str, tuple[list[np.ndarray], np.ndarray]] = {}
        for label in sorted(by_label):
            groups = [np.array(members) for members in by_label[label].values()]
            weights = np.sqrt([float(members.size) for members in groups])
            self._members[label] = groups, np.cumsum(weights) / weights.sum()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that rows have, sorted."""
        return tuple(self._members)

    def pick(self, count: int, most_labels: int, rng: np.random.Generator) -> list[int]:
        """Numbers of ``count`` rows, none twice, that together have at most ``most_labels`` labels.

        Each row brings another label as long as ``most_labels`` and the stock allow; further ones repeat labels.
        Fewer rows come back where there are no more that fit.
        """
        chosen: list[int] = []
        have: set[str] = set()
        while len(chosen) < count:
            fresh = [label for label in self._members if label not in have]
            for wanted in (fresh if len(have) < most_labels else [], sorted(have)):
                number = self._one_of(wanted, chosen, have, most_labels, rng)
                if number is not None:
                    break
            else:
                return chosen
            chosen.append(number)
            have.update(self._rows[number].labels)
        return chosen

    def _one_of(
        self, labels: list[str], chosen: list[int], have: set[str], most: int, rng: np.random.Generator
    ) -> int | None:
        """A row with one of ``labels`` that is not among ``chosen`` and adds no label too many."""

        def fits(number: int) -> bool:
            return number not in chosen and len(have.union(self._rows[number].labels)) <= most

        labels = list(labels)
        while labels:
            label = labels.pop(int(rng.integers(len(labels))))
            groups, edges = self._members[label]
            for _ in range(_TRIES):
                members = groups[
                    min(int(np.searchsorted(edges, rng.random(), side="right")), len(groups) - 1)
                ]
                if fits(number := int(members[rng.integers(members.size)])):
                    return number
            left = [int(number) for members in groups for number in members if fits(int(number))]
            if left:
                return left[int(rng.integers(len(left)))]
        return None


class Pool:
    """The sounds of a manifest, for mixing.

    Parameters
    ----------
    manifest : Manifest
        Rows without labels are not mixed. The order of rows does not matter.
    sample_rate : int
        Hz.
    families : mapping, optional
        Label to family; default: those of the label set ``instruments``. A label without one is its own.
    memory_bytes : int
        What decoded sounds may take; the one in use is always held.
    read : callable (Row) -> samples, optional
        Takes the place of decoding: mono float32 of shape (n,) at ``sample_rate``, for rows and parts of them.

    Raises
    ------
    UsageError
        If no row has a label.
    """

    def __init__(
        self,
        manifest: Manifest,
        sample_rate: int,
        *,
        families: Mapping[str, str] = FAMILIES,
        memory_bytes: int = MEMORY_BYTES,
        read: Callable[[Row], np.ndarray] | None = None,
    ) -> None:
        rows = sorted(
            (r for r in manifest.rows if r.labels), key=lambda r: (r.path, r.start_s, r.end_s or -1.0)
        )
        if not rows:
            raise UsageError(f"none of the {len(manifest)} rows has a label, so there is nothing to mix")
        # With the map stated, nobody looks through all rows for labels again.
        self.manifest = replace(manifest, rows=tuple(rows), label_map=manifest.labels())
        self.sample_rate = sample_rate
        self._families = dict(families)
        self._memory_bytes = memory_bytes
        self._read = read or partial(_decoded, manifest, sample_rate)
        self._held: OrderedDict[Place, Sound] = OrderedDict()
        self._held_bytes = 0
        self._unusable: dict[Place, Problem] = {}
        self._strata: dict[tuple[str, int, int], tuple[list[Stratum], np.ndarray]] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that can be drawn; a :class:`Place` counts them."""
        return self.manifest.rows

    @property
    def held_bytes(self) -> int:
        """What the sounds in memory take."""
        return self._held_bytes

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Rows that were wanted and cannot be used, sorted by path."""
        return tuple(sorted(self._unusable.values(), key=lambda problem: (problem.path, problem.start_s)))

    # ---- which rows may meet -------------------------------------------------------------------------------

    def stratum(self, alike: str, most_labels: int, fewest: int, rng: np.random.Generator) -> Stratum:
        """Draw a set of rows that may sound together, by the number of its rows.

        Parameters
        ----------
        alike : str
            ``any``, ``family``, or a column that rows must have in common (``genre``, ``key``).
        most_labels : int
            Rows with more labels are left out.
        fewest : int
            Sets with fewer rows are left out.

        Raises
        ------
        UsageError
            If there is no such column, or no set is left.
        """
        wish = alike, most_labels, fewest
        if wish not in self._strata:
            self._strata[wish] = self._sorted_out(*wish)
        strata, edges = self._strata[wish]
        return strata[min(int(np.searchsorted(edges, rng.random(), side="right")), len(strata) - 1)]

    def check(self, alike: str, most_labels: int, fewest: int) -> None:
        """See to it that :meth:`stratum` will find a set. Raises ``UsageError`` as it does."""
        self.stratum(alike, most_labels, fewest, np.random.default_rng(0))

    def sharing(self, count: int) -> Pool:
        """A pool of the same rows, with nothing decoded yet and a ``count``-th of the memory."""
        other = copy(self)
        other._memory_bytes = self._memory_bytes // count
        other._held, other._held_bytes, other._unusable = OrderedDict(), 0, {}
        return other

    def _sorted_out(self, alike: str, most_labels: int, fewest: int) -> tuple[list[Stratum], np.ndarray]:
        self._check_column(alike)
        sets: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, row in enumerate(self.rows):
            if len(row.labels) <= most_labels:
                for value in self._values(row, alike):
                    sets[row.split, value].append(number)
        strata = [Stratum(self.rows, sets[key]) for key in sorted(sets) if len(sets[key]) >= fewest]
        if not strata:
            largest = max(map(len, sets.values()), default=0)
            of = "" if alike == ANY else f" and one {alike}"
            raise UsageError(
                f"no split{of} has the {fewest} rows with at most {most_labels} label(s) that a mixture needs: "
                f"the largest has {largest}. Ask for fewer files, more labels each, or less in common."
            )
        sizes = np.array([stratum.size for stratum in strata], dtype=np.float64)
        return strata, np.cumsum(sizes) / sizes.sum()

    def _check_column(self, alike: str) -> None:
        known = {"group", "source", "site", "recorder", *(key for row in self.rows for key in row.extra)}
        if alike not in (ANY, FAMILY) and alike not in known:
            choices = (ANY, FAMILY, *sorted(known))
            raise UsageError(
                f"the same {alike!r}: no column of that name in this manifest.{nearest(alike, choices)} "
                f"Known: {', '.join(choices)}."
            )

    def _values(self, row: Row, alike: str) -> tuple[str, ...]:
        """What a row may have in common with others: one value, or none if the column is empty.

        Rows of several labels belong to a family only if all their labels do.
        """
        if alike == ANY:
            return ("",)
        if alike == FAMILY:
            found = {self._families.get(label, label) for label in row.labels}
            return tuple(found) if len(found) == 1 else ()
        value = (getattr(row, alike, "") or row.extra.get(alike, "")).strip()
        return (value,) if value else ()

    # ---- their sound ---------------------------------------------------------------------------------------

    def place(self, number: int, rng: np.random.Generator) -> Place:
        """A row, or a random part of it if it is long."""
        return Place(number, int(rng.integers(_segments(self.rows[number]))))

    def take(self, place: Place) -> Sound:
        """The sound at a place.

        Raises
        ------
        Unusable
            If it cannot be decoded or is silent; damage, and silence of a whole row, joins :attr:`problems`.
        """
        if (held := self._held.get(place)) is not None:
            self._held.move_to_end(place)
            return held
        if place in self._unusable:
            raise Unusable(self._unusable[place].reason)
        row = self.rows[place.row]
        part = _part(row, place.segment)
        try:
            samples = self._read(part)
        except UnreadableAudio as error:
            raise self._refuse(place, error.reason, error.remedy) from None
        level_db = levels.loudness_db(samples, self.sample_rate)
        if level_db < levels.SILENT_DB:
            reason = f"silent: its level is {level_db:.0f} dB, under {levels.SILENT_DB:.0f} dB"
            if part is not row:
                raise Unusable(f"{row.path}: {reason}")
            raise self._refuse(place, reason, "Remove the row, or correct the part that it is about.")
        samples.setflags(write=False)
        offset = round(part.start_s * self.sample_rate) - round(row.start_s * self.sample_rate)
        return self._hold(place, Sound(samples, offset, level_db))

    def _refuse(self, place: Place, reason: str, remedy: str) -> Unusable:
        row = self.rows[place.row]
        self._unusable[place] = Problem(row.path, row.start_s, row.duration_s, reason, remedy)
        return Unusable(f"{row.path}: {reason}")

    def _hold(self, place: Place, sound: Sound) -> Sound:
        self._held[place] = sound
        self._held_bytes += sound.samples.nbytes
        while self._held_bytes > self._memory_bytes and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= dropped.samples.nbytes
        return sound


def _segments(row: Row) -> int:
    return 1 if row.duration_s is None else max(int(row.duration_s // SEGMENT_S), 1)


def _part(row: Row, segment: int) -> Row:
    if _segments(row) == 1:
        return row
    return replace(row, start_s=row.start_s + segment * SEGMENT_S, duration_s=SEGMENT_S)


def _decoded(manifest: Manifest, sample_rate: int, row: Row) -> np.ndarray:
    return clips.read(manifest, row, sample_rate)
