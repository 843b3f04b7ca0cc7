"""What may be asked of a teaching."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Wish:
    """Everything that a teaching is asked.

    Attributes
    ----------
    sounds : tuple of str
        Folders of snippets, annotations, manifests or data sets.
    unlabelled : tuple of str
        Recordings of the field that nobody listened to.
    hours : float
        How much of them is heard, at most.
    group_by : str, optional
        ``folder``, or a regular expression for paths; None: folders where there are some, else what manifests say.
    base : str
        A model with an embedding, by name or folder.
    verdicts : tuple of Path
        Folders of judged clips.
    precision : float, optional
        The precision that thresholds shall have; None: they maximise F0.5.
    only_marked : bool
        Of annotated recordings: what is not marked says nothing, instead of holding none of the classes.
    without : tuple of str
        Kinds of built-in backgrounds to leave out; ``all`` of them.
    copies : int
        Altered copies of each taught sound that are learned from too.
    mixup : bool
        Also learn from means of two examples.
    smoothing : float
        Of labels: 0 is learned as ``smoothing / 2``, 1 as ``1 - smoothing / 2``.
    seed : int
    """

    sounds: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    hours: float = 1.0
    group_by: str | None = None
    base: str = "field"
    verdicts: tuple[Path, ...] = ()
    precision: float | None = None
    only_marked: bool = False
    without: tuple[str, ...] = ()
    copies: int = 3
    mixup: bool = True
    smoothing: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sounds:
            raise UsageError("nothing to teach: name a folder of snippets, or annotations")
        if not 0 < self.hours <= 1000:
            raise UsageError(f"--hours {self.hours:g} must be above 0 and at most 1000")
        if not 0 <= self.copies <= 100:
            raise UsageError(f"--copies {self.copies} must lie in 0..100")
        if not 0 <= self.smoothing < 0.5:
            raise UsageError(f"smoothing={self.smoothing:g} must lie in 0..0.5")
