"""Real noise from a folder of recordings, behind the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sonoscope.audio.decode import Decoder
from sonoscope.audio.find import find
from sonoscope.data.mix.combine import faded
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.training.augment.protocol import (
    Draws,
    EachRow,
    Spread,
    decibels,
    mean_square,
    only_real,
    spread,
)
from sonoscope.values import Recording

#: Recordings are joined with fades of this length: a join would click.
FADE_S = 0.02


class Background(EachRow):
    """Add a random part of the recordings of a folder.

    They are decoded once, joined end to end and kept in memory: 4 bytes a sample, 6 MB a minute at 24 kHz.

    Parameters
    ----------
    folder : str
        Or one recording. What is quieter than the rest of them is so behind the sound too: parts are brought to the
        drawn level each by its own mean square.
    snr_db : float or pair
        Power of the row over that of the noise. A silent row stays silent.
    most_s : float
        Seconds that are kept; the rest of the folder is not read.

    Raises
    ------
    UsageError
        If there is no recording that can be read.
    """

    def __init__(
        self, *, sample_rate: int, folder: str, share: float = 0.5, snr_db: Spread = (0.0, 30.0),
        most_s: float = 1200.0,
    ) -> None:  # fmt: skip
        super().__init__(sample_rate=sample_rate, share=share)
        self.snr_db = spread("snr_db", snr_db)
        if not most_s > 0:
            raise ValueError(f"most_s={most_s} must be greater than 0 seconds")
        self.tape = torch.from_numpy(joined(folder, sample_rate, most_s))

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        tape = self.tape
        if len(tape) < n:
            tape = tape.repeat(-(-n // len(tape)))
        start = self.whole(rows, 0, len(tape) - n, rng)
        return {"noise": tape.unfold(0, n, 1)[start], "snr_db": self.uniform(rows, *self.snr_db, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        noise = only_real(drawn["noise"], real)
        ratio = mean_square(samples, real) / mean_square(noise, real).clamp(min=1e-20)
        return samples + noise * ratio.sqrt() / decibels(drawn["snr_db"])[:, None]


def joined(folder: str, sample_rate: int, most_s: float) -> np.ndarray:
    """The samples of a folder's recordings one after another, float32; at most ``most_s`` seconds."""
    room = round(most_s * sample_rate)
    pieces: list[np.ndarray] = []
    for found in find([Path(folder)]):
        if not isinstance(found, Recording):
            continue
        try:
            samples = _decoded(found, sample_rate, room)
        except UnreadableAudio:
            continue  # whoever wants to know runs `data audit` on the folder; noise has no labels to lose
        if samples.any():
            pieces.append(faded(samples, round(FADE_S * sample_rate), begin=True, end=True))
        room -= samples.size
        if room <= 0:
            break
    if not pieces:
        raise UsageError(f"background: {folder} holds no recording with sound that can be read")
    return np.concatenate(pieces)


def _decoded(recording: Recording, sample_rate: int, most: int) -> np.ndarray:
    """At most the first ``most`` samples of a recording."""
    kept: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]
    with Decoder(recording, sample_rate=sample_rate) as decoder:
        for block in decoder.blocks():
            kept.append(block[:most].copy())
            most -= block.size
            if most <= 0:
                break
    return np.concatenate(kept)
