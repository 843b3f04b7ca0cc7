"""How many windows of a season there are for each label, site and score: what clips are drawn from.

Scores are ordered by their logits in steps of 1e-3 (as they are kept). They are cut into *bins*, from which clips are
drawn, and finer into *levels*, so that figures can be given for many thresholds. Bins follow the numbers of windows:
from the label's threshold downwards each holds about twice as many as all above it, since sounds are rare and most
windows score lowest; above the threshold there are up to four of equal size. Windows that are found are kept apart from
those that are not; those that score below the threshold, at the ends of events, go with the bin just above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope import scores as score_tables
from sonoscope.errors import SonoscopeError
from sonoscope.field.season import Season
from sonoscope.outputs.rows import Row, comma_line, read_comma
from sonoscope.values import SCORE_DECIMALS

COLUMNS = ("label", "site", "bin", "raw_from", "score_from", "found", "windows")
#: What to do about a damaged table in a folder of drawn clips.
DRAWN = "`sonoscope clips` writes this table: restore it, or draw the clips again."

#: Bins above the threshold, the smallest number of windows they are made from, and levels in a bin.
ABOVE, LEAST, LEVELS = 4, 40, 10
#: Logits as they are kept lie in ±32767; edges begin below all of them.
LOWEST = -32_768
_STEPS = 65_536
_UNITS = 10**SCORE_DECIMALS


@dataclass(frozen=True, eq=False)
class Frame:
    """The windows of one label.

    Attributes
    ----------
    label : str
    sites : tuple of str
    edges : np.ndarray, shape (levels,), int64
        The lowest logit of each level, in steps of 1e-3, rising; the first is :data:`LOWEST`.
    scores : np.ndarray, shape (levels,), float64
        The same as probabilities: what is at or above a level scores at least so much.
    bins : np.ndarray, shape (levels,), int64
        The bin of each level, rising.
    pivot : int
        The first bin above the threshold.
    windows : np.ndarray, shape (sites, levels, 2), int64
        How many; last axis: not found, found.
    """

    label: str
    sites: tuple[str, ...]
    edges: np.ndarray
    scores: np.ndarray
    bins: np.ndarray
    pivot: int
    windows: np.ndarray

    @property
    def n_bins(self) -> int:
        """Bins."""
        return max(int(self.bins[-1]), self.pivot) + 1

    def level_of(self, logits: np.ndarray) -> np.ndarray:
        """The level of logits in steps of 1e-3."""
        return np.searchsorted(self.edges, logits, side="right") - 1

    def bin_of(self, level: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The bin of windows of a level that are found, or not."""
        return np.where(found > 0, np.maximum(self.bins[level], self.pivot), self.bins[level])

    def in_bins(self) -> np.ndarray:
        """Windows by bin, not found or found, and site, shape (bins, 2, sites)."""
        counts = np.zeros((self.n_bins, 2, len(self.sites)), dtype=np.int64)
        levels = np.arange(len(self.edges))
        for found in (0, 1):
            np.add.at(
                counts[:, found],
                self.bin_of(levels, np.full(len(levels), found)),
                self.windows[:, :, found].T,
            )
        return counts


def count(
    season: Season,
    labels: Mapping[str, int],
    edges: Mapping[str, Frame] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Frame]:
    """Count the windows of a season.

    Parameters
    ----------
    season : Season
    labels : mapping, label to column of the scores
    edges : mapping of Frame, optional
        Levels and bins of an earlier count; None: made for these windows.
    report : callable (recordings done, of)

    Raises
    ------
    SonoscopeError
        If the season has no windows.
    """
    sites: dict[str, int] = {}
    # By step of the logit, half a megabyte for each label and site; by level, where levels are known, hardly anything.
    tables: dict[str, list[np.ndarray]] = {label: [] for label in labels}
    for heard in season.heard(report):
        if not len(heard.scores):
            continue  # ``frame.csv`` knows no site without windows either
        site = sites.setdefault(heard.row.site, len(sites))
        logits = heard.scores.held("logits").astype(np.int64)
        for label, column in labels.items():
            known = None if edges is None else edges[label]
            if site == len(tables[label]):
                size = _STEPS if known is None else len(known.edges)
                tables[label].append(np.zeros((size, 2), dtype=np.uint32))
            places = logits[:, column] - LOWEST if known is None else known.level_of(logits[:, column])
            np.add.at(tables[label][site], (places, heard.found[:, column].astype(np.int64)), 1)
    if not sites or not any(table.any() for table in tables[next(iter(labels))]):
        raise SonoscopeError(f"{season.out} holds no windows: there is nothing to draw from")
    order = sorted(sites)
    frames = {}
    for label, column in labels.items():
        counts = [tables[label][sites[site]] for site in order]
        if edges is not None:
            windows = np.stack(counts).astype(np.int64)
            frames[label] = replace(edges[label], sites=tuple(order), windows=windows)
            continue
        every = _probabilities(season, column)
        together = sum(each.sum(axis=1, dtype=np.int64) for each in counts)
        cuts, bins, pivot = _levels(together, every, season.decision.thresholds[label])
        windows = np.stack([np.add.reduceat(each, cuts - LOWEST, axis=0, dtype=np.int64) for each in counts])
        frames[label] = Frame(label, tuple(order), cuts, every[cuts - LOWEST] / _UNITS, bins, pivot, windows)
    return frames


def _probabilities(season: Season, column: int) -> np.ndarray:
    """The probability of every logit, in steps of 1e-4, shape (65536,); rising."""
    logits = np.arange(LOWEST + 1, -LOWEST, dtype=np.int16)[:, None]
    rising = score_tables.calibrate(logits, season.bundle.calibration[column : column + 1])[:, 0]
    steps = np.rint(rising.astype(np.float64) * _UNITS).astype(np.int64)
    return np.concatenate([steps[:1], steps])


def _levels(
    histogram: np.ndarray, probabilities: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Lowest logits of levels, their bins, and the first bin above the threshold, from how often each logit occurs.

    Edges of levels whose probability is not 0 are the lowest logits of that probability, so that every level above
    begins at a threshold that can be written.
    """
    above = np.cumsum(histogram[::-1])[::-1]  # windows at or above each place
    total = int(above[0])
    # Events begin at the threshold: the first place that reaches it.
    at = int(np.searchsorted(probabilities, round(threshold * _UNITS)))
    found = int(above[at]) if at < len(above) else 0

    def place(count: float) -> int:
        """The highest place at or above which there are at least ``count`` windows."""
        return int(np.searchsorted(-above, -count, side="right")) - 1

    bins = {0, min(at, len(above) - 1)}
    size = 2 * max(found, LEAST)
    while size < 0.75 * total:
        bins.add(place(size))
        size *= 2
    if found >= ABOVE * LEAST:
        bins |= {place(found * k / ABOVE) for k in range(1, ABOVE)}
    edges = sorted(bins)
    fine = set(edges)
    for first, last in zip(edges, [*edges[1:], len(above)], strict=True):
        beyond = int(above[last]) if last < len(above) else 0
        inside = int(above[first]) - beyond
        fine |= {place(beyond + inside * k / LEVELS) for k in range(1, LEVELS)} if inside >= LEVELS else set()
    levels = np.array(sorted({_snapped(edge, probabilities) for edge in fine}))
    whole = np.array(sorted({_snapped(edge, probabilities) for edge in edges}))
    pivot = int(np.searchsorted(whole, min(at, len(above) - 1), side="right")) - 1
    return levels + LOWEST, np.searchsorted(whole, levels, side="right") - 1, pivot


def _snapped(edge: int, probabilities: np.ndarray) -> int:
    """The lowest place of the same probability; a place whose probability rounds to 0 stays."""
    return int(np.searchsorted(probabilities, probabilities[edge])) if probabilities[edge] > 0 else edge


# ---- frame.csv ---------------------------------------------------------------------------------------------


def text(frames: Mapping[str, Frame]) -> str:
    """``frame.csv``: a line for each label, site, level and found or not that has windows."""
    lines = [comma_line(COLUMNS)]
    for frame in frames.values():
        for site, level, found in zip(*np.nonzero(frame.windows), strict=True):
            lines.append(
                comma_line(
                    (
                        frame.label,
                        frame.sites[site],
                        str(frame.bins[level]),
                        f"{frame.edges[level] / 1000:.3f}",
                        f"{frame.scores[level]:.4f}",
                        str(found),
                        str(frame.windows[site, level, found]),
                    )
                )
            )
    return "".join(lines)


def read(path: Path, pivots: Mapping[str, int]) -> dict[str, Frame]:
    """The frames in a ``frame.csv``, by label; ``pivots`` are theirs.

    Raises
    ------
    UnreadableTable
        If it is none.
    """
    rows: dict[str, list[Row]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in read_comma(file, str(path), COLUMNS, remedy=DRAWN):
            rows.setdefault(row.get("label"), []).append(row)
    return {label: _frame(label, found, int(pivots[label])) for label, found in rows.items()}


def _frame(label: str, rows: Sequence[Row], pivot: int) -> Frame:
    sites = sorted({row.get("site") for row in rows})
    levels = {
        round(row.number("raw_from") * 1000): (row.number("score_from"), int(row.number("bin")))
        for row in rows
    }
    known = [levels[edge] for edge in sorted(levels)]
    edges = np.array([LOWEST, *sorted(levels)[1:]])
    windows = np.zeros((len(sites), len(edges), 2), dtype=np.int64)
    for row in rows:
        level = int(np.searchsorted(edges, round(row.number("raw_from") * 1000), side="right")) - 1
        windows[sites.index(row.get("site")), level, int(row.number("found"))] += int(row.number("windows"))
    bins = np.array([number for _, number in known])
    return Frame(label, tuple(sites), edges, np.array([score for score, _ in known]), bins, pivot, windows)
