"""Which windows become clips: so many of each stratum, drawn at random, so that the odds of each are known.

A stratum is what is found, or not, in a bin of scores at a site; where there are too few clips for that, at all sites
together. From a stratum of ``N`` windows of which ``n`` are clips every window has the inclusion probability ``n / N``.
A later batch is drawn from the windows that are left, so that its clips and the earlier ones are together a random
sample again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from sonoscope.field.frame import Frame
from sonoscope.field.season import Heard, Season
from sonoscope.outputs.tables import FilesRow
from sonoscope.values import LOGIT_DECIMALS, SCORE_DECIMALS

#: Strata are by site if each can have so many clips.
EACH = 2


@dataclass(frozen=True)
class Drawn:
    """A window that was drawn.

    ``row`` is its recording's of ``files.csv``, ``path`` where that was, ``window`` its number in it; ``start_s`` and
    ``end_s`` are its cell, ``raw`` the logit; ``found`` says whether an event covers it.
    """

    label: str
    row: FilesRow
    path: str
    window: int
    start_s: float
    end_s: float
    score: float
    raw: float
    found: bool
    stratum: str


def strata(frame: Frame, *, by_site: bool) -> dict[str, int]:
    """Names of strata and how many windows they have; those without any are left out."""
    counts = frame.in_bins()
    sites: tuple[str | None, ...] = frame.sites
    if not by_site:
        counts, sites = counts.sum(axis=2, keepdims=True), (None,)
    return {
        named(number, bool(found), sites[place]): int(counts[number, found, place])
        for number, found, place in zip(*np.nonzero(counts), strict=True)
    }


def named(number: int, found: bool, site: str | None) -> str:
    """The name of a stratum: ``07``, ``07 found``, ``07 found at north``."""
    name = f"{number:02d} found" if found else f"{number:02d}"
    return name if site is None else f"{name} at {site}"


def by_site(frame: Frame, count: int) -> bool:
    """Whether ``count`` clips are enough for strata of their own at every site."""
    return len(frame.sites) > 1 and count >= EACH * len(strata(frame, by_site=True))


def equal(windows: Mapping[str, int], count: int, rng: np.random.Generator) -> dict[str, int]:
    """``count`` clips shared out equally, at least one for each stratum, never more than it has windows."""
    return shares(windows, dict.fromkeys(windows, 1.0), count, rng)


def shares(
    windows: Mapping[str, int],
    weights: Mapping[str, float],
    count: int,
    rng: np.random.Generator,
    least: int = 1,
) -> dict[str, int]:
    """``count`` clips shared out by ``weights``, at least ``least`` for each stratum and at most all it has.

    Where there are more strata than clips, which ones get a clip is left to chance.
    """
    names = list(windows)
    room = np.array([windows[name] for name in names])
    wish = np.array([max(weights.get(name, 0.0), 0.0) for name in names])
    given = np.minimum(least, room)
    if given.sum() > count:
        given = np.zeros_like(room)
        given[rng.permutation(len(names))[:count]] = 1
        return dict(zip(names, np.minimum(given, room).tolist(), strict=True))
    while (left := count - int(given.sum())) > 0 and (open_ := given < room).any():
        share = np.where(open_, wish, 0.0)
        share = share / share.sum() if share.sum() > 0 else open_ / open_.sum()
        whole = np.floor(left * share).astype(np.int64)
        if not whole.any():
            # What is less than a clip is drawn for, so that no stratum is always left out.
            chosen = rng.choice(len(names), size=min(left, int((share > 0).sum())), replace=False, p=share)
            whole[chosen] = 1
        given = np.minimum(given + whole, room)
    return dict(zip(names, given.tolist(), strict=True))


def draw(
    season: Season,
    frames: Mapping[str, Frame],
    columns: Mapping[str, int],
    wanted: Mapping[str, Mapping[str, int]],
    left: Mapping[str, Mapping[str, int]],
    rng: np.random.Generator,
    *,
    taken: Mapping[tuple[str, str], Collection[int]] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[Drawn]:
    """Draw windows, in one pass over the season.

    Parameters
    ----------
    season, frames, columns
        As counted; ``columns`` gives the column of each label.
    wanted, left : mapping, label to stratum to count
        How many of each stratum to draw, and how many windows it has that are not taken.
    taken : mapping, (label, recording) to numbers of windows
        Those that are clips already; they are not drawn.

    Returns
    -------
    list of Drawn, in order of recording, label and window
    """
    chosen = {
        (label, stratum): np.sort(rng.choice(left[label][stratum], size=count, replace=False, shuffle=False))
        for label, counts in wanted.items()
        for stratum, count in counts.items()
        if count
    }
    passed = dict.fromkeys(chosen, 0)
    drawn: list[Drawn] = []
    for heard in season.heard(report):
        logits = heard.scores.held("logits")
        for label, column in columns.items():
            frame, found = frames[label], heard.found[:, column].astype(np.int64)
            cells = 2 * frame.bin_of(frame.level_of(logits[:, column]), found) + found
            cells[list((taken or {}).get((label, heard.row.file), ()))] = -1
            for cell in np.unique(cells[cells >= 0]).tolist():
                # Strata are either all by site or all without; the others are not among those chosen.
                for site in (heard.row.site, None):
                    key = (label, named(cell // 2, bool(cell % 2), site))
                    if key in chosen:
                        here = np.flatnonzero(cells == cell)
                        ordinals = chosen[key]
                        first, last = np.searchsorted(ordinals, (passed[key], passed[key] + len(here)))
                        mine = here[ordinals[first:last] - passed[key]]
                        passed[key] += len(here)
                        drawn += [_drawn(heard, label, column, int(window), key[1]) for window in mine]
    return drawn


def _drawn(heard: Heard, label: str, column: int, window: int, stratum: str) -> Drawn:
    start_s, end_s = heard.edges_s[window : window + 2].tolist()
    return Drawn(
        label,
        heard.row,
        heard.path,
        window,
        start_s,
        end_s,
        int(heard.scores.held("probabilities")[window, column]) / 10**SCORE_DECIMALS,
        int(heard.scores.held("logits")[window, column]) / 10**LOGIT_DECIMALS,
        bool(heard.found[window, column]),
        stratum,
    )
