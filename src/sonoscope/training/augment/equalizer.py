"""Another microphone, another room: parametric bands that lift and lower, and shelves at both ends."""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.filtering import Section
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, spread

#: Corners of the shelves, in Hz; the upper one at most at a third of the rate.
LOW_HZ, HIGH_HZ = 150.0, 6000.0
#: Quality of the shelves: as steep as they get without a bump.
SHELF_Q = math.sqrt(0.5)


class Equalizer(EachRow):
    """Filter rows by parametric bands.

    Parameters
    ----------
    bands : int
        Bells, each of its own frequency, gain and quality.
    gain_db : float or pair
        Of bells and shelves.
    frequency_hz : pair
        Of the bells; every octave is as likely. Above 0.45 of the rate it is that.
    q : float or pair
        Quality of the bells: frequency over width.
    shelves : bool
        Whether there are shelves below 150 Hz and above 6 kHz.
    """

    def __init__(
        self, *, sample_rate: int, share: float = 0.5, bands: int = 3, gain_db: Spread = (-9.0, 9.0),
        frequency_hz: Spread = (60.0, 10_000.0), q: Spread = (0.5, 2.0), shelves: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        if bands < 0 or not (bands or shelves):
            raise ValueError(f"bands={bands} must be at least 1, or 0 with shelves=true")
        self.bands, self.shelves = bands, shelves
        self.gain_db, self.q = spread("gain_db", gain_db, -40.0, 40.0), spread("q", q, 0.1, 20.0)
        self.frequency_hz = spread("frequency_hz", frequency_hz, 10.0)

    def sections(self, rows: int, rng: torch.Generator) -> list[Section]:
        """The filters of so many rows."""
        found = []
        for _ in range(self.bands):
            w = self._angle(self.logarithmic(rows, *self.frequency_hz, rng))
            q, gain = self.logarithmic(rows, *self.q, rng), self.uniform(rows, *self.gain_db, rng)
            found.append(filtering.peak(w, filtering.alpha_of_q(w, q.double()), gain.double()))
        if self.shelves:
            for hz, make in ((LOW_HZ, filtering.low_shelf), (HIGH_HZ, filtering.high_shelf)):
                w = self._angle(torch.tensor([min(hz, self.sample_rate / 3)]))
                alpha = filtering.alpha_of_q(w, torch.tensor(SHELF_Q))
                found.append(make(w, alpha, self.uniform(rows, *self.gain_db, rng).double()))
        return found

    def _angle(self, hz: torch.Tensor) -> torch.Tensor:
        return 2 * math.pi * (hz.double() / self.sample_rate).clamp(max=0.45)

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        size = filtering.ring(self.sample_rate)
        return {"impulse": filtering.impulses(self.sections(rows, rng), size)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return filtering.convolved(samples, drawn["impulse"])
