"""White and coloured noise at a drawn level below the sound.

One stretch of noise of each colour is made for a batch, by shaping a spectrum; it repeats without a seam, and every row
takes it from a place of its own. Rows of a batch are thus given different noise for the price of one row's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sonoscope.errors import lookup
from sonoscope.training.augment.protocol import Draws, EachRow, Spread, decibels, mean_square, spread

#: Colours to how their power goes with frequency: 0 dB an octave, -3 dB, -6 dB, 3 dB, 6 dB.
COLOURS = {"white": 0.0, "pink": -1.0, "brown": -2.0, "blue": 1.0, "violet": 2.0}
#: Below this no colour rises or falls: nobody hears it, and brown noise would be nothing else.
LOWEST_HZ = 20.0


class Noise(EachRow):
    """Add noise.

    Parameters
    ----------
    snr_db : float or pair
        Power of the row over that of the noise. A silent row stays silent.
    colours : sequence of str
        Each row has one of them: ``white``, ``pink``, ``brown``, ``blue``, ``violet``.

    Raises
    ------
    UnknownName
        If there is no such colour.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        share: float = 0.5,
        snr_db: Spread = (5.0, 40.0),
        colours: str | Sequence[str] = ("white", "pink", "brown"),
    ) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        self.snr_db = spread("snr_db", snr_db)
        names = [colours] if isinstance(colours, str) else list(colours)
        if not names:
            raise ValueError(f"colours={colours!r} must name at least one of {', '.join(COLOURS)}")
        self.slopes = [lookup(COLOURS, name, "colour of noise") for name in names]

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        colour = self.whole(rows, 0, len(self.slopes) - 1, rng)
        start = self.whole(rows, 0, n - 1, rng)
        snr_db = self.uniform(rows, *self.snr_db, rng)
        tapes = torch.stack([coloured(n, slope, self.sample_rate, rng) for slope in self.slopes])
        # Two turns of every tape, so that what begins anywhere in the first is a plain part of it.
        turned = torch.cat([tapes, tapes], dim=1).flatten()
        return {"noise": turned.unfold(0, n, 1)[colour * 2 * n + start], "snr_db": snr_db}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        wanted = mean_square(samples, real).sqrt() / decibels(drawn["snr_db"])[:, None]
        return samples + wanted * drawn["noise"]


def coloured(n: int, slope: float, sample_rate: int, rng: torch.Generator) -> torch.Tensor:
    """``n`` samples of noise whose power goes with ``frequency ** slope``: mean square 1, float32, periodic."""
    spectrum = torch.view_as_complex(torch.randn(n // 2 + 1, 2, generator=rng))
    frequencies = torch.arange(n // 2 + 1) * (sample_rate / n)
    shaped = spectrum * frequencies.clamp(min=LOWEST_HZ) ** (slope / 2.0)
    shaped[0] = 0.0
    noise = torch.fft.irfft(shaped, n=n)
    return noise / noise.square().mean().sqrt()
