"""Do intervals hold what they promise? Simulated seasons, judged and rated like real ones, compared with what is true.

    python recipes/field/interval_coverage.py [--runs 200] [--clips 200] [--batches 1] [--seed 0] [--hard]

Each run makes a season (:mod:`seasons`), draws clips from it, judges them by the truth, and estimates precision, recall
and corrected rates of the season, of each site, and of each hour of the day. Printed in Markdown: how many intervals
contain the true value, how many lie above and below it, and how wide they are. ``--batches 2`` draws half of the clips
where the first half leaves most in doubt; ``--hard`` takes seasons with crickets at dusk, where what is assumed inside
a season does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from seasons import LABEL, RATE, WINDOW, Nature, SimulatedSeason

from sonoscope.evaluation.result import Figure
from sonoscope.field import clock, counting, draw, evidence, frame, making, rates
from sonoscope.field.clipfolder import Clip, with_odds
from sonoscope.field.correction import Corrector
from sonoscope.field.frame import Frame

#: What is true of fewer windows than this is not compared: shares of nothing.
FEW = 5


class Compared(NamedTuple):
    """An interval and what is true."""

    what: str
    figure: Figure
    truth: float


def judged(
    season: SimulatedSeason, count: int, rng: np.random.Generator, batches: int = 1
) -> tuple[Frame, list[Clip], dict[str, bool]]:
    """Clips drawn from a season in one batch or more, and the verdicts of somebody who is always right."""
    label = LABEL.id
    frames = frame.count(season, {label: 0})
    size = count // batches
    windows = draw.strata(frames[label], by_site=draw.by_site(frames[label], size))
    wanted = draw.equal(windows, count - size * (batches - 1), rng)
    clips: list[Clip] = []
    verdicts: dict[str, bool] = {}
    for batch in range(batches):
        taken: dict[tuple[str, str], list[int]] = {}
        for clip in clips:
            taken.setdefault((label, clip.file), []).append(clip.window)
        used = [clip.stratum for clip in clips]
        left = {name: number - used.count(name) for name, number in windows.items()}
        if batch:
            doubts = making.doubts(evidence.gather(clips, frames[label], verdicts), windows)
            wanted = draw.shares(left, doubts, size, rng, least=0)
        drawn = draw.draw(season, frames, {label: 0}, {label: wanted}, {label: left}, rng, taken=taken)
        clips += [making.clip_of(each, f"{batch}-{place}", batch, 0.0) for place, each in enumerate(drawn)]
        clips = with_odds(clips, {label: windows})
        verdicts = {clip.clip: bool(season.truth[clip.file][clip.window]) for clip in clips}
    return frames[label], clips, verdicts


def compare(season: SimulatedSeason, corrector: Corrector) -> Iterator[Compared]:
    """Everything that is estimated of a season beside what is true."""
    truth, found, site, hour = _windows(season)
    for place in (None, *corrector.evidence[LABEL.id].frame.sites):
        mine = np.ones(len(truth), dtype=bool) if place is None else site == place
        name = "season" if place is None else "site"
        hits = float((truth & found & mine).sum())
        known = corrector.estimate(LABEL.id, place)
        if (found & mine).sum() >= FEW and (truth & mine).sum() >= FEW:
            yield Compared(f"precision, {name}", known.precision, hits / (found & mine).sum())
            yield Compared(f"recall, {name}", known.recall, hits / (truth & mine).sum())
    events = [
        counting.Found(file, event.start_s, event.end_s, event.label) for file, event in season.events()
    ]
    counts = counting.count(season.files.values(), events, [LABEL.id], clock.Clock("season"))
    for by, name in (("class", "season"), ("site,class", "site"), ("class,hour-of-day", "hour of the day")):
        for row in rates.table(counts, rates.by_what(by), corrector=corrector):
            mine = ((site == row.site) | (not row.site)) & (
                (hour == row.hour) if row.hour is not None else True
            )
            share = Figure(row.corrected_share, row.corrected_low, row.corrected_high)
            yield Compared(f"corrected rate, {name}", share, float(truth[mine].mean()))


def _windows(season: SimulatedSeason) -> tuple[np.ndarray, ...]:
    """Truth, found or not, site and hour of the day of every window."""
    parts = []
    for heard in season.heard():
        name, n = heard.row.file, len(heard.scores)
        starts_at = int(heard.row.start_datetime[11:13])
        hours = np.full(n, starts_at) + (np.arange(n) * WINDOW / RATE // 3600).astype(int)
        parts.append((season.truth[name], heard.found[:, 0], np.full(n, heard.row.site), hours))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def run(seed: int, count: int, batches: int = 1, **fixed: object) -> list[Compared]:
    """One season, from its making to the comparison."""
    rng = np.random.default_rng(seed)
    season = SimulatedSeason(Nature.any(rng, **fixed), rng)
    of, clips, verdicts = judged(season, count, rng, batches)
    return list(compare(season, Corrector({LABEL.id: evidence.gather(clips, of, verdicts)})))


class Covered(NamedTuple):
    """How intervals of one kind did."""

    what: str
    intervals: int
    covered: float
    truth_below: float
    truth_above: float
    width: float
    undefined: int


def summary(found: list[Compared]) -> list[Covered]:
    """A row for each kind of interval."""
    rows = []
    for what in dict.fromkeys(each.what for each in found):
        mine = [each for each in found if each.what == what]
        known = [each for each in mine if each.figure.value is not None]
        below = np.array([each.truth < (each.figure.low or 0) - 1e-9 for each in known])
        above = np.array([each.truth > (each.figure.high or 0) + 1e-9 for each in known])
        widths = [(each.figure.high or 0) - (each.figure.low or 0) for each in known]
        if "rate" in what:
            # Relative to what is true, where anything is.
            widths = [wide / each.truth for wide, each in zip(widths, known, strict=True) if each.truth > 0]
        rows.append(
            Covered(
                what, len(known), 1 - float(np.mean(below | above)), float(np.mean(below)), float(np.mean(above)),
                float(np.median(widths)), len(mine) - len(known),
            )
        )  # fmt: skip
    return rows


def table(rows: list[Covered]) -> str:
    """The rows in Markdown."""
    lines = [
        "| interval of | intervals | cover the truth | truth below | truth above | median width | none |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        width = f"{row.width:.2f}" + (" of the truth" if "rate" in row.what else "")
        lines.append(
            f"| {row.what} | {row.intervals} | {100 * row.covered:.1f} % | {100 * row.truth_below:.1f} % | "
            f"{100 * row.truth_above:.1f} % | {width} | {row.undefined} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hard", action="store_true")
    asked = parser.parse_args()
    fixed = {"crickets": True} if asked.hard else {}
    found = []
    for seed in range(asked.seed, asked.seed + asked.runs):
        found += run(seed, asked.clips, asked.batches, **fixed)
        print(f"\r{seed + 1 - asked.seed} of {asked.runs} seasons", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(summary(found)))


if __name__ == "__main__":
    main()
