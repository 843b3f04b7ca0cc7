"""What verdicts say about the windows of a label: clips with their weights, in the cells of its frame.

Weights are inverse odds among the clips that were judged: windows of the stratum over its verdicts. Clips that nobody
judged, or of which nobody was sure, count as if they had not been drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.field.clipfolder import Clip, ClipFolder
from sonoscope.field.frame import Frame


@dataclass(frozen=True, eq=False)
class Evidence:
    """The verdicts on one label.

    Attributes
    ----------
    frame : Frame
    level, site, found : np.ndarray, shape (n,), int64
        Of each clip: level of its score, site in ``frame.sites``, 1 if an event covers it.
    weight : np.ndarray, shape (n,), float64
        How many windows it stands for.
    yes : np.ndarray, shape (n,), bool
        Whether the sound is in it.
    """

    frame: Frame
    level: np.ndarray
    site: np.ndarray
    found: np.ndarray
    weight: np.ndarray
    yes: np.ndarray

    def __len__(self) -> int:
        return len(self.yes)

    def at(self, site: str) -> Evidence:
        """The windows and verdicts of one site, as evidence of its own."""
        place = self.frame.sites.index(site)
        frame = self.frame
        alone = Frame(
            frame.label,
            (site,),
            frame.edges,
            frame.scores,
            frame.bins,
            frame.pivot,
            frame.windows[place : place + 1],
        )
        mine = self.site == place
        none = np.zeros(int(mine.sum()), dtype=np.int64)
        return Evidence(alone, self.level[mine], none, self.found[mine], self.weight[mine], self.yes[mine])


def gather(
    clips: Sequence[Clip], frame: Frame, verdicts: Mapping[str, bool], found: Mapping[str, bool] | None = None
) -> Evidence:
    """The evidence on a label.

    Parameters
    ----------
    clips : sequence of Clip
        Those of the label.
    frame : Frame
    verdicts : mapping, clip to bool
        Those that are judged, and whether the sound is in them.
    found : mapping, clip to bool, optional
        Whether events cover them, where that has changed since they were drawn.
    """
    judged = [clip for clip in clips if clip.clip in verdicts]
    level = frame.level_of(np.array([round(clip.raw * 1000) for clip in judged], dtype=np.int64))
    flags = [clip.found if found is None else found[clip.clip] for clip in judged]
    drawn, kept = (Counter(clip.stratum for clip in some) for some in (clips, judged))
    # Windows of the stratum over its verdicts.
    weight = [drawn[c.stratum] / c.inclusion_probability / kept[c.stratum] for c in judged]
    return Evidence(
        frame,
        level,
        np.array([frame.sites.index(clip.site) for clip in judged], dtype=np.int64),
        np.array(flags, dtype=np.int64),
        np.array(weight, dtype=np.float64),
        np.array([verdicts[clip.clip] for clip in judged], dtype=bool),
    )


def unjudged(clips: Sequence[Clip], verdicts: Mapping[str, bool]) -> float:
    """The share of a label's windows that lie in strata of which no clip was judged: a site left out, for example."""
    drawn = Counter(clip.stratum for clip in clips)
    windows = {clip.stratum: drawn[clip.stratum] / clip.inclusion_probability for clip in clips}
    known = {clip.stratum for clip in clips if clip.clip in verdicts}
    return sum(size for stratum, size in windows.items() if stratum not in known) / sum(windows.values())


def of_folder(folder: ClipFolder, verdicts: Mapping[str, bool]) -> dict[str, Evidence]:
    """The evidence on each label of a folder, as things stood when its clips were drawn."""
    return {label: gather(folder.of(label), folder.frames[label], verdicts) for label in folder.labels}
