"""From blocks of samples to the probabilities of notes: features and graph as they come, in a fixed memory.

The graph is fed with runs of rows of one shape, which overlap by its receptive field; before and after the recording
the rows are those of digital silence. So every answer is the same to the last bit however the sound is cut.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sonoscope.errors import BadBundle
from sonoscope.features.logfreq import LogFreq
from sonoscope.features.notefreq import NoteFreq
from sonoscope.labels import pitch_hz
from sonoscope.models.answers import refuse
from sonoscope.notes.scores import LEAST, NoteScores

if TYPE_CHECKING:
    from sonoscope.models.runtime import Runtime

#: Features whose pitches can be moved.
MOVABLE = (NoteFreq, LogFreq)
M = TypeVar("M", bound=NoteFreq | LogFreq)
#: Frames that the graph answers at a time: 3.8 s. More would make the margin of its field cheaper, but leave the cache,
#: and 256 take 20 MiB more.
FRAMES = 192


def tuned(feature: M, cents: float) -> M:
    """The feature for a recording that is tuned so many cents above A4 = 440 Hz: its pitches are those sung there."""
    return replace(feature, f_min_hz=feature.f_min_hz * 2.0 ** (cents / 1200.0)) if cents else feature


class NoteScorer:
    """Takes blocks of samples, gives the note scores that became ready.

    Parameters
    ----------
    runtime : Runtime
    frames : int
        How many the graph answers at a time. Scores are the same to the last bit for the same number, to rounding
        for another.
    cents : float
        How far the recording is tuned above A4 = 440 Hz.
    source_rate : int, optional
        The recording's own: what lies above half of it cannot be heard, and pitches there are none.

    Raises
    ------
    BadBundle
        If the model's input is no feature whose pitches can be moved, and ``cents`` is not 0.
    """

    def __init__(
        self, runtime: Runtime, *, frames: int = FRAMES, cents: float = 0.0, source_rate: int | None = None
    ) -> None:
        bundle = runtime.bundle
        feature = bundle.feature
        if feature is None or (cents and not isinstance(feature, MOVABLE)):
            raise BadBundle(f"{bundle.name}: its input cannot be tuned: leave the tuning at 0 cents")
        self._feature = tuned(feature, cents) if isinstance(feature, MOVABLE) else feature
        self._runtime, self._frames, self._margin = runtime, frames, bundle.receptive_field - 1
        self._hop_s, self._lowest = bundle.note_hop_s, bundle.lowest
        # With few frames at a time features must not wait for more of them than the graph does.
        self._stream = self._feature.stream() if frames >= 32 else self._feature.stream(frames)
        self._rows = np.full((self._margin + frames, self._feature.n_bins), self._feature.silence, np.float32)
        self._ahead = bundle.look_ahead_frames
        self._filled = self._margin - self._ahead
        self._given = 0
        pitches = bundle.lowest + np.arange(len(bundle.labels))
        hertz = np.array([pitch_hz(midi + cents / 100.0) for midi in pitches])
        self._heard = int(np.count_nonzero(hertz < (source_rate or np.inf) / 2))

    @property
    def n_samples(self) -> int:
        """How many samples have come."""
        return self._stream.n_samples

    def push(self, samples: np.ndarray) -> list[NoteScores]:
        """Take samples of shape (n,), float32, at the model's rate; the blocks of scores that became ready."""
        return self._take(self._stream.push(samples))

    def close(self) -> list[NoteScores]:
        """The sound ends: what is left. There is a frame for every hop that begins in it."""
        total = -(-self._stream.n_samples // self._feature.hop_samples)
        found = self._take(self._stream.close(total + self._ahead if total else 0))
        if (left := total - self._given) > 0:
            self._rows[self._filled :] = self._feature.silence
            found.append(self._run(left))
        return found

    def _take(self, rows: np.ndarray) -> list[NoteScores]:
        """Fill the graph's input, and run it and move on whenever it is full."""
        found, taken = [], 0
        while self._filled + len(rows) - taken >= len(self._rows):
            room = len(self._rows) - self._filled
            self._rows[self._filled :] = rows[taken : taken + room]
            taken += room
            found.append(self._run(self._frames))
        rest = rows[taken:]
        self._rows[self._filled : self._filled + len(rest)] = rest
        self._filled += len(rest)
        return found

    def _run(self, count: int) -> NoteScores:
        """The first ``count`` answers about the rows at hand."""
        onset, sustain, velocity = (table[0, :count] for table in self._runtime.notes(self._rows[None]))
        for table in (onset, sustain, velocity):
            table[:, self._heard :] = 0.0
            refuse(self._runtime.bundle.name, "scores of notes", np.isnan(table))
        onset[onset < LEAST] = 0.0
        sustain[sustain < LEAST] = 0.0
        velocity[onset == 0.0] = 0.0
        first_s = self._given * self._hop_s
        self._given += count
        self._rows[: self._margin] = self._rows[self._frames :].copy()
        self._filled = self._margin
        return NoteScores(onset, sustain, self._hop_s, first_s, velocity, self._lowest)
