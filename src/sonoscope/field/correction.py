"""From found time to time with the sound, by what verdicts say about misses and false alarms.

Verdicts give two error rates of a season (or of a site): the *recall* ``R``, the share of windows with the sound that
are found, and the *false-alarm rate* ``F``, the share of the others that are. Of ``N`` windows of a bin with ``T`` that
have the sound ``D = R T + F (N - T)`` are found, so

    T = (D - F N) / (R - F)        (Rogan and Gladen 1978).

Over the whole season this is found windows times precision over recall. Inside, precision is not a constant: where
there are no sounds every find is a false alarm. What is taken to be constant instead are the error rates, from one hour
to the next within what they were estimated for. The interval carries the verdicts' uncertainty (draws of ``R`` and
``F``) and that of the misses and false alarms of a part of the season, which come in runs as long as events are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sonoscope.evaluation.result import Figure
from sonoscope.field import evidence, frame, making
from sonoscope.field.clipfolder import ClipFolder
from sonoscope.field.estimates import Estimate, by_events, estimate, middle
from sonoscope.field.evidence import Evidence
from sonoscope.field.season import Season

#: Recall and false-alarm rate must differ by this much, in this share of the draws, or nothing can be said.
APART, SURE = 0.02, 0.95


class Whole(NamedTuple):
    """All that estimates are about: analysed and found seconds, and events."""

    analysed_s: float
    found_s: float
    events: int


@dataclass(eq=False)
class Corrector:
    """What verdicts say about each label, in all windows and at each site.

    Attributes
    ----------
    evidence : mapping, label to Evidence
        As things are found now.
    """

    evidence: Mapping[str, Evidence]
    _known: dict[tuple[str, str | None], Estimate] = field(default_factory=dict)

    def estimate(self, label: str, site: str | None = None) -> Estimate:
        """Precision and recall of a label, of all sites or of one."""
        if (label, site) not in self._known:
            known = self.evidence[label]
            if site is not None:
                known = known.at(site)
            self._known[label, site] = estimate(known, by_events(known))
        return self._known[label, site]

    def share(
        self, label: str, site: str | None, found_s: float, analysed_s: float, whole: Whole, seed: int = 0
    ) -> Figure:
        """The share of analysed time with the sound, in part of a season.

        Parameters
        ----------
        label : str
        site : str, optional
            Of whose verdicts the error rates are; None: of all.
        found_s, analysed_s : float
            Of the part.
        whole : Whole
            Of all that the error rates are of.
        seed : int
        """
        known = self.estimate(label, site)
        if known.precision.value is None and known.found:
            return Figure(None, why=known.precision.why)
        if known.recall.value is None:
            return Figure(None, why=known.recall.why)
        sounds = known.hits + known.missed
        part = min(analysed_s / whole.analysed_s, 1.0)
        if part > 1 - 1e-6:
            return middle(np.clip(sounds / known.windows, 0.0, 1.0))
        recall = known.hits / np.maximum(sounds, 1e-9)
        alarms = (known.found - known.hits) / np.maximum(known.windows - sounds, 1e-9)
        apart = recall - alarms
        if np.mean(apart > APART) < SURE:
            return Figure(None, why="verdicts do not tell what is found from chance")
        cell_s = whole.analysed_s / known.windows
        windows, found = analysed_s / cell_s, found_s / cell_s
        apart = np.maximum(apart, APART)
        true = np.clip((found - alarms * windows) / apart, 0.0, windows)
        # Misses and false alarms of a part are not its share of those of the whole: they are chance, and come in runs.
        runs = max(whole.found_s / cell_s / max(whole.events, 1), 1.0)
        chance = true * recall * (1 - recall) + (windows - true) * alarms * (1 - alarms)
        spread = np.sqrt(chance * runs * (1 - part)) / apart
        drawn = true + spread * np.random.default_rng(seed).standard_normal(len(true))
        return middle(np.clip(drawn / windows, 0.0, 1.0))


def corrector(
    season: Season,
    folder: ClipFolder,
    verdicts: Mapping[str, bool],
    report: Callable[[int, int], None] | None = None,
) -> Corrector:
    """What verdicts on clips say about the events that a season has now, however they were decided.

    Raises
    ------
    UsageError
        If the clips were drawn from other windows than the season has.
    """
    columns = season.columns(folder.labels)
    now = frame.count(season, columns, folder.frames, report)
    making.check_same(now, folder, season, decided=False)
    found: dict[str, bool] = {}
    clips: dict[str, list[tuple[str, int, int]]] = {}
    for clip in folder.clips:
        clips.setdefault(clip.file, []).append((clip.clip, clip.window, columns[clip.label]))
    for heard in season.heard():
        for number, window, column in clips.get(heard.row.file, ()):
            found[number] = bool(heard.found[window, column])
    return Corrector(
        {label: evidence.gather(folder.of(label), now[label], verdicts, found) for label in folder.labels}
    )
