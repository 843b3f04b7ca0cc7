"""One labelling against another: how often they agree, and what the first leaves out.

For data labelled with the predominant instrument only (IRMAS) and labelled again by listening, the question is how
dirty the labels are: whether the one given is right, and what else sounds that nobody wrote down. Only labels that both
labellings judged in a row count, so a partial labelling can be set against a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data.audit import intervals
from sonoscope.data.audit.folds import groups_of
from sonoscope.data.audit.matching import Finder
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Share:
    """A figure over rows with its 95 % interval (groups are drawn) and the number of rows."""

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class OfLabel:
    """How both labellings use a label, in rows that both judged for it.

    ``first`` and ``second`` count the rows in which each has it, ``both`` those in which both do. ``unlisted`` counts
    rows whose own labels in the first are all right, and in which only the second has this one: it sounds beside what
    was written down.
    """

    label: str
    judged: int
    first: int
    second: int
    both: int
    unlisted: int

    @property
    def precision(self) -> float:
        """Of the rows in which the first has it, the share in which the second agrees."""
        return self.both / self.first if self.first else float("nan")

    @property
    def recall(self) -> float:
        """Of the rows in which the second has it, the share in which the first has."""
        return self.both / self.second if self.second else float("nan")

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond that of chance; nan where there is no doubt."""
        if not self.judged:
            return float("nan")
        p, q = self.first / self.judged, self.second / self.judged
        chance = p * q + (1 - p) * (1 - q)
        same = 1 - (self.first + self.second - 2 * self.both) / self.judged
        return (same - chance) / (1 - chance) if chance < 1 else float("nan")


@dataclass(frozen=True)
class Agreement:
    """Figures over rows, figures for each label, pairs of rows that differ, and rows that only one has."""

    shares: tuple[Share, ...]
    labels: tuple[OfLabel, ...]
    differing: tuple[tuple[Row, Row], ...]
    only_first: int
    only_second: int


def agree(first: Manifest, second: Manifest, *, by: str = "group") -> Agreement:
    """Set two labellings of the same recordings against each other, the second being the truth where one is.

    Rows are matched by path and start, or by file name where that is unique; ``by`` is the column of ``first`` whose
    values the intervals draw.

    Raises
    ------
    UsageError
        If they have no row in common, or two rows of the second match the same one.
    """
    finder = Finder(first.rows)
    pairs: dict[int, Row] = {}
    unmatched = 0
    for row in second.rows:
        place = finder.find(row.path, row.start_s)
        if isinstance(place, str):
            unmatched += 1
        elif place in pairs:
            raise UsageError(f"{row.path!r} from {row.start_s:g} s is labelled twice in the second labelling")
        else:
            pairs[place] = row
    if not pairs:
        raise UsageError(
            "the two labellings have no row in common: paths, or at least file names, and starts must agree"
        )
    places = sorted(pairs)
    rows = [first.rows[place] for place in places]
    others = [pairs[place] for place in places]
    labels = tuple(dict.fromkeys((*first.labels(), *second.labels())))
    given, known = _says(first, rows, labels)
    heard, judged = _says(second, others, labels)
    both = known & judged
    shares = _shares(given & both, heard & both, both, groups_of(rows, by))
    differing = tuple(
        (rows[k], others[k]) for k in range(len(rows)) if (both[k] & (given[k] != heard[k])).any()
    )
    return Agreement(
        shares,
        _by_label(labels, given & both, heard & both, both),
        differing,
        len(first) - len(pairs),
        unmatched,
    )


def _shares(given: np.ndarray, heard: np.ndarray, both: np.ndarray, groups: np.ndarray) -> tuple[Share, ...]:
    differs = (given != heard).sum(axis=1)
    counted = both.sum(axis=1)
    right = np.asarray(~(given & ~heard).any(axis=1))
    more = np.asarray((heard & ~given).any(axis=1))
    listed = np.asarray(given.any(axis=1))
    every = np.ones(len(given), dtype=bool)
    columns: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = [
        ("exactly right", differs == 0, every, np.ones(len(given))),
        ("at least one right", (given & heard).any(axis=1), listed, np.ones(len(given))),
        ("Hamming distance", differs, every, counted),
        ("more sounds than is listed", right & more, listed & right, np.ones(len(given))),
        ("labels not listed, a row", (heard & ~given).sum(axis=1), every, np.ones(len(given))),
    ]
    found = []
    for name, values, among, weight in columns:
        rows = np.flatnonzero(among & (weight > 0))

        def mean(
            drawn: np.ndarray, values: np.ndarray = values[rows], weight: np.ndarray = weight[rows]
        ) -> float:
            total = weight[drawn].sum()
            return float(values[drawn].sum() / total) if total else float("nan")

        low, high = intervals.interval(mean, groups[rows])
        found.append(Share(name, mean(np.arange(len(rows))), low, high, len(rows)))
    return tuple(found)


def _by_label(
    labels: tuple[str, ...], given: np.ndarray, heard: np.ndarray, both: np.ndarray
) -> tuple[OfLabel, ...]:
    right = given.any(axis=1) & ~(given & ~heard).any(axis=1)
    return tuple(
        OfLabel(
            label,
            int(both[:, k].sum()),
            int(given[:, k].sum()),
            int(heard[:, k].sum()),
            int((given[:, k] & heard[:, k]).sum()),
            int((right & heard[:, k] & ~given[:, k]).sum()),
        )
        for k, label in enumerate(labels)
    )


def _says(manifest: Manifest, rows: list[Row], labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What rows say, bool, and whether they do, bool; shape (r, c) both."""
    sounds, known = replace(manifest, rows=tuple(rows)).targets(labels)
    return sounds.astype(bool), known
