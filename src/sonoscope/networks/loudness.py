"""How hard a note is struck, measured: the level of its first partials where it begins.

A network that learns velocity from mixtures of parts at any gain learns to say the mean: what a level means for one
part it does not for the next. Within a recording, though, louder means struck harder, and how loud a key's partials are
stands in the rows. So velocity is not learnt:

    velocity = 80 + 1.95 (level + 48) + 11.6 o + 3.3 o²

with ``level`` the mean, over the first three partials, of the highest level in dB of the short spectrogram from the
frame on as far as the network looks ahead, and ``o`` the octaves above E4 (high notes are softer as hard struck). The
last three numbers are a least-squares fit to songs rendered on two sound fonts (``recipes/notes/velocity.py``),
deviations within a song only; the first two say what is told for a recording at a usual level, and leave room below.
The gain of a recording moves all its velocities alike: rules may ask for a median (``NoteRules.median_velocity``).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

#: Partials whose level counts.
PARTIALS = (1, 2, 3)
#: Velocity at a level in dB re full scale for E4; units of velocity for a dB; for an octave, and its square.
USUAL, LEVEL_DB, PER_DB, PER_OCTAVE, BEND = 80.0, -48.0, 1.95, 11.6, 3.3
MIDDLE = 64
#: Velocities lie this far, as shares of 127, from 0 and 1, so that they have a logit.
NEAREST = 1e-3


class Loudness(nn.Module):
    """The velocity of every key in every frame, from rows of ``notefreq``.

    Parameters
    ----------
    lowest, keys : int
        MIDI number of the first key, which the first bin is tuned to; how many there are.
    bins_per_key, n_pitches : int
        Of the short spectrogram.
    look_ahead : int
        Frames after one in which its level is looked for.
    """

    places: torch.Tensor
    offset: torch.Tensor

    def __init__(self, *, lowest: int, keys: int, bins_per_key: int, n_pitches: int, look_ahead: int) -> None:
        super().__init__()
        self.look_ahead = look_ahead
        key = np.arange(keys)
        shifts = np.round(12 * bins_per_key * np.log2(PARTIALS)).astype(int)
        # What lies beyond the axis is read at its end: highest keys, third partial.
        places = np.minimum(key[:, None] * bins_per_key + shifts, n_pitches - 1)
        octaves = (lowest + key - MIDDLE) / 12.0
        offset = USUAL - PER_DB * LEVEL_DB + PER_OCTAVE * octaves + BEND * octaves**2
        self.register_buffer("places", torch.from_numpy(places.ravel()), persistent=False)
        self.register_buffer("offset", torch.from_numpy(offset.astype(np.float32)), persistent=False)

    def forward(self, short: torch.Tensor) -> torch.Tensor:
        """Levels in dB, (batch, time, n_pitches), to logits of velocity / 127, (batch, time - look_ahead, keys)."""
        highest = functional.max_pool2d(
            short[:, None], (self.look_ahead + 1, 3), stride=1, padding=(0, 1)
        ).squeeze(1)
        level = highest.index_select(2, self.places).unflatten(2, (-1, len(PARTIALS))).mean(dim=3)
        return torch.logit((PER_DB * level + self.offset) / 127.0, eps=NEAREST)
