"""How many sounds a mixture has while a training goes on: from single labels to combinations, as data.

A schedule is a few points, each a share of the training that is done (0 to 1) and the probabilities of 1, 2, 3, …
sources there. Between points probabilities go over evenly (``linear``) or stay until the next point (``steps``)::

    {"between": "linear", "points": {"0": [1], "0.3": [1], "1": [0.4, 0.3, 0.2, 0.1]}}

as JSON or YAML. The same points speak to mixtures of waveforms (``recipe``) and of mel powers (``MixSpec.sources``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UsageError, lookup, nearest, one_of

#: How probabilities behave between two points.
BETWEEN = ("linear", "steps")
#: Sums of probabilities may miss 1 by this much, which is what three written decimals do.
_ROUNDING = 2e-3


def normalised(probabilities: object, where: str) -> tuple[float, ...]:
    """Probabilities of 1, 2, 3, … sources that add up to 1, without zeros at the end.

    Raises
    ------
    UsageError
        If they are no probabilities, or their sum is not 1.
    """
    try:
        values = np.array(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros((0, 0))
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or (values < 0).any():
        raise UsageError(f"{where}: {probabilities!r} are no probabilities of 1, 2, 3, … sources")
    if abs(values.sum() - 1.0) > _ROUNDING:
        raise UsageError(f"{where}: the probabilities {probabilities!r} add up to {values.sum():g}, not to 1")
    last = int(np.flatnonzero(values)[-1])
    return tuple((values[: last + 1] / values.sum()).tolist())


def uniform(fewest: int, most: int) -> tuple[float, ...]:
    """From ``fewest`` to ``most`` sources, each number as likely.

    >>> uniform(2, 3)
    (0.0, 0.5, 0.5)
    """
    if not 1 <= fewest <= most:
        raise UsageError(f"{fewest} to {most} sources: the first must be at least 1 and at most the second")
    share = 1.0 / (most - fewest + 1)
    return (0.0,) * (fewest - 1) + (share,) * (most - fewest + 1)


@dataclass(frozen=True)
class Schedule:
    """Probabilities of 1, 2, 3, … sources over the course of a training.

    Attributes
    ----------
    points : tuple of (float, tuple of float)
        Progress in 0..1, ascending, and the probabilities there; before the first and after the last they stay.
    between : {"linear", "steps"}

    Raises
    ------
    UsageError
        If there is no point, one is out of range or order, or probabilities do not add up to 1.
    """

    points: tuple[tuple[float, tuple[float, ...]], ...]
    between: str = "linear"

    def __post_init__(self) -> None:
        one_of(BETWEEN, self.between, "way between points")
        if not self.points:
            raise UsageError("a schedule has at least one point: progress and probabilities")
        places = [place for place, _ in self.points]
        if any(not 0.0 <= place <= 1.0 for place in places) or places != sorted(set(places)):
            shown = ", ".join(f"{place:g}" for place in places)
            raise UsageError(f"points of a schedule must ascend within 0..1, got {shown}")
        fixed = tuple((float(p), normalised(shares, f"progress {p:g}")) for p, shares in self.points)
        object.__setattr__(self, "points", fixed)

    @property
    def most(self) -> int:
        """The greatest number of sources that ever has a probability."""
        return max(len(shares) for _, shares in self.points)

    def at(self, progress: float) -> tuple[float, ...]:
        """Probabilities of 1, 2, 3, … sources when ``progress`` (0..1) of the training is done.

        Raises
        ------
        UsageError
            If ``progress`` is out of range.
        """
        if not 0.0 <= progress <= 1.0:
            raise UsageError(f"progress={progress} must lie in 0..1")
        places = [place for place, _ in self.points]
        after = int(np.searchsorted(places, progress, side="right"))
        if after == 0 or after == len(places) or self.between == "steps":
            return self.points[max(after - 1, 0)][1]
        (low, before), (high, behind) = self.points[after - 1 : after + 1]
        share = (progress - low) / (high - low)
        padded = np.zeros((2, self.most))
        padded[0, : len(before)], padded[1, : len(behind)] = before, behind
        return normalised(((1.0 - share) * padded[0] + share * padded[1]).tolist(), f"progress {progress:g}")

    def draw(self, rng: np.random.Generator, progress: float) -> int:
        """A number of sources."""
        shares = self.at(progress)
        return 1 + int(rng.choice(len(shares), p=shares))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON and YAML."""
        return {"between": self.between, "points": {f"{p:g}": list(shares) for p, shares in self.points}}


#: Schedules by name.
SCHEDULES: Mapping[str, Schedule] = {
    "single": Schedule(((0.0, (1.0,)),)),
    "pairs": Schedule(((0.0, (0.5, 0.5)),)),
    "combinations": Schedule(((0.0, uniform(3, 5)),)),
    # A third of the training learns what each sound is; what polyphony does to it comes bit by bit.
    "progressive": Schedule(
        ((0.0, (1.0,)), (0.3, (1.0,)), (0.6, (0.6, 0.3, 0.1)), (1.0, (0.3, 0.3, 0.2, 0.1, 0.1)))
    ),
    # The same in three steps, for trainings that change their data between stages.
    "stages": Schedule(((0.0, (1.0,)), (0.4, (0.5, 0.5)), (0.7, (0.2, 0.3, 0.3, 0.1, 0.1))), between="steps"),
}


def from_dict(spec: Mapping[str, Any]) -> Schedule:
    """The schedule that :meth:`Schedule.to_dict` described.

    Raises
    ------
    UsageError
        If a key is unknown or a point is wrong.
    """
    for key in spec:
        if key not in ("between", "points"):
            raise UsageError(f"unknown key {key!r} of a schedule.{nearest(str(key), ('between', 'points'))}")
    stated = spec.get("points")
    if not isinstance(stated, Mapping):
        raise UsageError("a schedule needs 'points': progress (0..1) to probabilities of 1, 2, 3, … sources")
    try:
        places = sorted((float(place), shares) for place, shares in stated.items())
    except (TypeError, ValueError):
        raise UsageError(f"points of a schedule must be numbers in 0..1, got {list(stated)}") from None
    points = tuple((place, normalised(shares, f"progress {place:g}")) for place, shares in places)
    return Schedule(points, str(spec.get("between", "linear")))


def load(wish: str | Path) -> Schedule:
    """A schedule by its name, or from a ``.json`` or ``.yaml`` file.

    Raises
    ------
    UnknownName
        If it is neither.
    UsageError
        If the file holds no schedule.
    """
    path = Path(wish)
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        return lookup(SCHEDULES, str(wish), "schedule")
    import yaml

    if not path.is_file():
        raise UsageError(f"{path}: there is no such schedule. Known by name: {', '.join(SCHEDULES)}.")
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))  # YAML holds JSON
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: neither JSON nor YAML ({error})") from None
    if not isinstance(spec, Mapping):
        raise UsageError(f"{path}: a schedule is an object with 'points'")
    try:
        return from_dict(spec)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
