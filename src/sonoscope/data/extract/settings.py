"""How clips are cut: what must be equal for two runs to belong into one folder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from sonoscope.errors import UsageError, nearest

#: What becomes of the end of a range that fills no clip.
TAILS = ("drop", "keep", "pad")
#: Formats of clips, 16 bit both.
FORMATS = ("wav", "flac")
#: An end shorter than this is never a clip: codecs pad by as much.
SHORTEST_S = 0.1
#: The longest overlap: so many clips may sound at once.
MOST_OPEN = 100


@dataclass(frozen=True)
class Settings:
    """How clips are cut.

    Attributes
    ----------
    length_s : float
        Length of a clip.
    hop_s : float, optional
        From the start of a clip to that of the next one; default: the length, so clips do not overlap.
    tail : {"drop", "keep", "pad"}
        What becomes of the end of a range that fills no clip: nothing, a shorter clip, or one filled up with zeros.
    sample_rate : int, optional
        Of the clips in Hz; None: each recording's own.
    channel : int, optional
        The channel to take, from 1; default: the mean of all. Clips are mono.
    format : {"wav", "flac"}
        16 bit both.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    length_s: float = 3.0
    hop_s: float | None = None
    tail: str = "drop"
    sample_rate: int | None = 44_100
    channel: int | None = None
    format: str = "wav"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.length_s) and self.length_s >= SHORTEST_S):
            raise UsageError(f"length={self.length_s:g} s must be at least {SHORTEST_S} s")
        if self.hop_s is not None and not (
            math.isfinite(self.hop_s) and self.hop_s * MOST_OPEN >= self.length_s
        ):
            raise UsageError(
                f"hop={self.hop_s:g} s must be at least {self.length_s / MOST_OPEN:g} s (a hundredth of the length)"
            )
        for name, known in (("tail", TAILS), ("format", FORMATS)):
            value = getattr(self, name)
            if value not in known:
                raise UsageError(
                    f"{name}={value!r} must be one of {', '.join(known)}.{nearest(value, known)}"
                )
        if self.sample_rate is not None and not 1_000 <= self.sample_rate <= 768_000:
            raise UsageError(f"sample_rate={self.sample_rate} must lie in 1000..768000 Hz")
        if self.channel is not None and self.channel < 1:
            raise UsageError(f"channel={self.channel}: channels count from 1")

    @property
    def step_s(self) -> float:
        """The hop, or the length where none was given."""
        return self.length_s if self.hop_s is None else self.hop_s

    def to_dict(self) -> dict[str, Any]:
        """All values by name; the hop as it is, given or not."""
        return {**asdict(self), "hop_s": self.step_s}

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Where these settings are others than those of a dictionary, in words."""
        mine = self.to_dict()
        return [
            f"{name.removesuffix('_s')} {_shown(mine[name])} (there: {_shown(other.get(name))})"
            for name in (each.name for each in fields(self))
            if mine[name] != other.get(name)
        ]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "not given" if value is None else str(value)
