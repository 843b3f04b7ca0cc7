"""Simulated seasons: recorders at several sites, sounds that come and go with the hour, a detector's scores; no audio.

What is true of every window is known, so that estimates can be compared with it. A season is a
:class:`~sonoscope.field.season.Season`: what draws clips, counts rates and estimates runs on it as on a folder.

Sounds come as runs of windows, more around noon, with a loudness of their own; sites differ in how many there are, how
loud they are, and how often something else (a plane, a mower, a gust) scores high. The score of a window rises with
the loudness of its sound and is never below that of the background, so faint sounds score as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from sonoscope import events, scores
from sonoscope.events import Decision
from sonoscope.field.season import Heard, Season
from sonoscope.outputs.tables import FilesRow
from sonoscope.values import Label

RATE, WINDOW = 1000, 2880  # samples of a window: 2.88 s
LABEL = Label("buzz", "buzz", low_hz=100.0, high_hz=1000.0)
START = datetime(2025, 6, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Nature:
    """What a season is drawn from.

    ``prevalence`` is the share of windows with the sound, ``loudness`` the mean signal-to-noise ratio in units of
    its standard deviation (2), ``others`` the share of windows with something else that scores high. With
    ``crickets`` the latter come at dusk only, which no correction inside a season can know.
    """

    sites: int = 4
    days: int = 6
    hours: int = 10
    prevalence: float = 0.01
    loudness: float = 1.5
    others: float = 0.002
    crickets: bool = False

    @classmethod
    def any(cls, rng: np.random.Generator, **fixed: Any) -> Nature:
        """A season as they come: one window in a thousand to one in twenty, faint to loud."""
        nature = cls(
            prevalence=float(10 ** rng.uniform(-3, -1.3)),
            loudness=float(rng.uniform(-1, 4)),
            others=float(0.002 * np.exp(rng.normal(0, 0.5))),
        )
        return replace(nature, **fixed)


class SimulatedSeason(Season):
    """A season that was never recorded: one recording for each site, day and hour.

    Attributes
    ----------
    truth : dict, recording to np.ndarray of bool
        Which windows have the sound.
    """

    def __init__(self, nature: Nature, rng: np.random.Generator, threshold: float = 0.5) -> None:
        self.bundle = SimpleNamespace(
            name="simulated",
            sha256="",
            labels=(LABEL,),
            label_ids=(LABEL.id,),
            calibration=np.array([[1.0, 0.0]]),
        )
        self.decision = Decision({LABEL.id: threshold}, {LABEL.id: 0.6 * threshold})
        self.spec = SimpleNamespace(tail="keep", channel=None)
        self.out = "a simulated season"
        self.files: dict[str, FilesRow] = {}
        self.truth: dict[str, np.ndarray] = {}
        self._logits: dict[str, np.ndarray] = {}
        self._heard_before: list[Heard] = []
        n = 3_600_000 // WINDOW
        for site in range(nature.sites):
            self._record(f"site{site + 1}", nature, n, rng)

    def _record(self, site: str, nature: Nature, n: int, rng: np.random.Generator) -> None:
        hours = np.arange(nature.hours)
        shape = np.exp(-0.5 * ((hours - nature.hours / 2 + 0.5) / (nature.hours / 5)) ** 2) + 0.02
        share = nature.prevalence * float(np.exp(rng.normal(0, 0.6))) * shape / shape.mean()
        loudness = nature.loudness + rng.normal(0, 0.5)
        others = nature.others * np.exp(rng.normal(0, 0.7)) * np.ones(nature.hours)
        if nature.crickets:
            others *= np.where(hours >= 0.7 * nature.hours, 10 / 3, 0.0)
        for day in range(nature.days):
            for hour in hours.tolist():
                name = f"{site}/{day:02d}-{hour:02d}.wav"
                truth, logits = _windows(n, min(share[hour], 0.6), loudness, others[hour], rng)
                start = START + timedelta(days=day, hours=hour)
                self.files[name] = FilesRow(
                    name, "ok", start.isoformat(), site, "", n * WINDOW / RATE, n * WINDOW / RATE, RATE, 0
                )
                self.truth[name], self._logits[name] = truth, scores.quantise(logits[:, None])

    def heard(self, report: Callable[[int, int], None] | None = None) -> Iterator[Heard]:
        if not self._heard_before:
            self._heard_before = [self._made(name, row) for name, row in self.files.items()]
        yield from self._heard_before

    def _made(self, name: str, row: FilesRow) -> Heard:
        table = scores.assemble(
            self._logits[name], self.bundle.calibration, labels=[LABEL.id], sample_rate=RATE,
            window_samples=WINDOW, hop_samples=WINDOW, n_samples=len(self._logits[name]) * WINDOW,
        )  # fmt: skip
        return Heard(row, "", table, self._found(table, float(row.duration or 0.0)))

    def events(self) -> Iterator[tuple[str, events.Event]]:
        """All events, as ``events.csv`` has them."""
        for heard in self.heard():
            for event in events.find(heard.scores, self.decision, (LABEL,)):
                yield heard.row.file, event


def _windows(
    n: int, share: float, loudness: float, others: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Truth and logits of ``n`` windows: sounds last three windows on average, other things two."""
    truth, sound = np.zeros(n, dtype=bool), np.full(n, -99.0)
    for first in np.flatnonzero(rng.random(n) < share / 3):
        run = slice(first, first + rng.geometric(1 / 3))
        truth[run], sound[run] = True, rng.normal(loudness, 2.0)
    background = rng.normal(-4.5, 1.2, n)
    for first in np.flatnonzero(rng.random(n) < others / 2):
        run = slice(first, first + rng.geometric(1 / 2))
        background[run] = rng.normal(-0.5, 1.3, len(background[run]))
    heard = np.where(truth, 1.2 * sound - 2.5 + rng.normal(0, 0.8, n), -99.0)
    return truth, np.logaddexp(background, heard)
