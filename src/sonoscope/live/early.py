"""Note scores sooner than the network's own delay: what has not sounded yet is left out of the windows.

To answer for a frame the network wants to see rows after it, and those want to see sound after their centres: 165 ms in
all for the default feature. Where only ``after`` samples past the frame have come, later rows are made from what there
is: their windows fall within the sound that has come, as skewed as that makes them, and a row that has hardly any is a
copy of the one before. The network then sees the rising of a note a little blurred; what that costs is measured in
docs/live.md. Frame ``k`` is always answered from the same samples, whatever the blocks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.features.notefreq import NoteFreq, skewed_hann
from sonoscope.features.powers import real_fft
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.notes.scores import NoteScores

#: A window that falls within less than this, in samples, is a click: the row before it is taken instead.
SHORTEST_FALL = 96


@lru_cache(maxsize=64)
def cut_windows(feature: NoteFreq, after: int) -> tuple[np.ndarray, ...]:
    """The feature's windows, falling within ``after`` samples of their centre and zero beyond, float32."""
    found = []
    for spectrum in feature.spectra:
        before, fall = spectrum.left, min(after, spectrum.window.size - spectrum.left)
        window = np.zeros(spectrum.window.size, np.float32)
        window[: before + fall] = skewed_hann(before, fall)
        found.append(window / np.float32(window.sum()))
    return tuple(found)


class EarlyScorer(NoteScorer):
    """Takes blocks of samples at the model's rate, gives scores of a frame each, ``after`` samples past its centre.

    Parameters
    ----------
    runtime : Runtime
        Of a bundle of notes whose feature is ``notefreq``.
    after : int
        ``SHORTEST_FALL`` at least.
    cents, source_rate
        As of :class:`~sonoscope.models.notes.NoteScorer`.

    Raises
    ------
    UsageError
        If the bundle has another feature, or ``after`` is too small.
    """

    def __init__(
        self, runtime: Runtime, after: int, *, cents: float = 0.0, source_rate: int | None = None
    ) -> None:
        super().__init__(runtime, frames=1, cents=cents, source_rate=source_rate)
        if not isinstance(self._feature, NoteFreq):
            raise UsageError(
                f"{runtime.bundle.name} cannot answer before its own delay is over: ask for a longer one"
            )
        if after < SHORTEST_FALL:
            raise UsageError(f"after={after} must be at least {SHORTEST_FALL} samples")
        self._notefreq, self._after = self._feature, after
        # Rows that are final, the newest last, and how many of them have come.
        self._kept, self._final = self._rows.copy(), 0
        # Samples from ``_begin`` on: as far back as a row that is not final looks.
        self._begin = -self._notefreq.left_context
        self._held = np.zeros(-self._begin, np.float32)

    def push(self, samples: np.ndarray) -> list[NoteScores]:
        """Take samples of shape (n,), float32; the scores that became ready."""
        found, taken = [], 0
        while True:
            step = self._given * self._notefreq.hop_samples + self._after - self.n_samples
            if step > samples.size - taken:
                break
            self._hear(samples[taken : taken + step])
            taken += step
            found.append(self._answer())
        self._hear(samples[taken:])
        return found

    def close(self) -> list[NoteScores]:
        """The sound ends: what is left. There is a frame for every hop that begins in it."""
        left = -(-self.n_samples // self._notefreq.hop_samples) - self._given
        silence = np.zeros(self._after + self._notefreq.hop_samples, np.float32)
        return self.push(silence)[:left] if left > 0 else []

    def _hear(self, samples: np.ndarray) -> None:
        rows = self._stream.push(samples)
        self._final += len(rows)
        self._kept = np.concatenate([self._kept, rows])[-len(self._rows) :]
        self._held = np.concatenate([self._held, samples])
        oldest = self._final * self._notefreq.hop_samples - self._notefreq.left_context
        drop = min(max(oldest - self._begin, 0), self._held.size)
        self._held, self._begin = self._held[drop:], self._begin + drop

    def _answer(self) -> NoteScores:
        """The scores of the next frame, from the samples up to ``after`` past it."""
        hop, newest = self._notefreq.hop_samples, self._given + self._ahead
        known = len(self._rows) - max(newest + 1 - self._final, 0)
        self._rows[:known] = self._kept[len(self._kept) - known :]
        early = newest + 1 - len(self._rows) + np.arange(known, len(self._rows))
        falls = self._given * hop + self._after - early * hop
        if len(early := early[falls >= SHORTEST_FALL]):
            self._rows[known : known + len(early)] = self._early_rows(early.tolist(), falls.tolist())
        self._rows[known + len(early) :] = self._rows[known + len(early) - 1]
        return self._run(1)

    def _early_rows(self, rows: list[int], falls: list[int]) -> np.ndarray:
        """Rows ``rows`` as far as ``falls`` samples past their centres tell."""
        feature = self._notefreq
        sounds = np.zeros((len(rows), feature.left_context + feature.right_context), np.float32)
        for sound, row, fall in zip(sounds, rows, falls, strict=False):
            first = row * feature.hop_samples - feature.left_context - self._begin
            heard = self._held[first : first + feature.left_context + fall]
            sound[: heard.size] = heard
        windows = [cut_windows(feature, fall) for fall in falls[: len(rows)]]
        powers = []
        for place, spectrum in enumerate(feature.spectra):
            at = feature.left_context - spectrum.left
            reach = sounds[:, at : at + spectrum.window.size]
            spectra = real_fft(reach * np.stack([cut[place] for cut in windows]))[:, spectrum.bins]
            powers.append(spectra.real**2 + spectra.imag**2)
        return feature.rows(powers)
