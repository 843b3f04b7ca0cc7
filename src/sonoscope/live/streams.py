"""A model that listens: what is needed to begin a stream at any rate, and to begin again after a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sonoscope.audio.decode import BEYOND
from sonoscope.errors import UsageError
from sonoscope.events import Decision
from sonoscope.live.moments import Delay, Moment
from sonoscope.live.notes import DELAY_S, NoteStream
from sonoscope.live.tags import TagStream
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.notes.rules import NoteRules
from sonoscope.values import as_array


class Stream(Protocol):
    """Takes blocks of mono sound, (n,) float32, gives moments in the order in which they become certain."""

    @property
    def delay(self) -> Delay: ...
    def push(self, samples: np.ndarray) -> list[Moment]: ...
    def close(self) -> list[Moment]: ...


@dataclass(frozen=True, eq=False)
class Listener:
    """A model and how it decides: ``decision`` for labels, ``rules`` for notes.

    Attributes
    ----------
    hop_s : float, optional
        Between windows, for labels; default: the bundle's.
    delay_s : float
        How late notes may be told, blocks and computing apart.
    cents : float
        How far instruments are tuned above A4 = 440 Hz, for notes.
    """

    bundle: Bundle
    runtime: Runtime
    decision: Decision | None = None
    rules: NoteRules | None = None
    hop_s: float | None = None
    delay_s: float = DELAY_S
    cents: float = 0.0

    def begin(self, sample_rate: int, start_s: float = 0.0) -> Stream:
        """A stream of sound at ``sample_rate`` whose first sample is at ``start_s``.

        Raises
        ------
        UsageError
            If ``hop_s`` or ``delay_s`` cannot be.
        """
        if self.bundle.task == NOTES:
            return NoteStream(
                self.bundle, self.runtime, sample_rate, self.rules or self.bundle.rules,
                delay_s=self.delay_s, cents=self.cents, start_s=start_s,
            )  # fmt: skip
        if self.decision is None:
            raise UsageError(f"{self.bundle.name} needs thresholds")
        return TagStream(
            self.bundle, self.runtime, sample_rate, self.decision, hop_s=self.hop_s, start_s=start_s
        )

    def follow(self, blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[Moment]:
        """The moments in blocks of shape (n,) or (n, channels), floating point with full scale 1, as they come."""
        stream = self.begin(sample_rate)
        for block in blocks:
            yield from stream.push(heard(block)[0])
        yield from stream.close()


def heard(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """(n,) or (n, channels) to the mean of all channels, (n,) float32; and how often 0 stands for no sound.

    That is what is no number, or far beyond full scale.

    Raises
    ------
    ValueError
        If the array has another shape or holds no floating point numbers.
    """
    samples = as_array(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"a block must have shape (n,) or (n, channels), got {samples.shape}")
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"a block must be floating point with full scale 1, got {samples.dtype}; divide first"
        )
    if samples.ndim == 2:
        samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    sound = np.abs(samples) <= BEYOND
    strange = samples.size - int(np.count_nonzero(sound))
    return (np.where(sound, samples, np.float32(0.0)) if strange else samples), strange
