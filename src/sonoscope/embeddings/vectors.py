"""A recording to the embeddings of its windows, a few at a time: nothing here grows with its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.audio.find import Unlisted
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.models.answers import answering
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording
from sonoscope.windows import in_samples


class Piece(NamedTuple):
    """Successive windows: ``start`` and ``end`` in seconds, float64 (k,); ``vectors`` float32 (k, d)."""

    start: np.ndarray
    end: np.ndarray
    vectors: np.ndarray


class Embedder:
    """A bundle that gives embeddings, ready to run.

    Parameters
    ----------
    bundle : Bundle
    hop_s : float, optional
        Seconds between window starts, in (0, window]; default: the bundle's.
    channel : int, optional
        1-based; default: the mean of all.

    Attributes
    ----------
    size : int
        Values of an embedding.
    hop_samples : int
        At the model's rate.

    Raises
    ------
    UsageError
        If the model gives no embeddings of windows, or ``hop_s`` is out of range.
    """

    def __init__(self, bundle: Bundle, hop_s: float | None = None, channel: int | None = None) -> None:
        if bundle.task == NOTES or not bundle.embedding_size:
            raise UsageError(
                f"the model {bundle.name!r} gives no embeddings of windows: take another one, such as -m field"
            )
        self.bundle, self.size, self.hop_samples = bundle, bundle.embedding_size, bundle.hop_samples
        if hop_s is not None:
            self.hop_samples = in_samples(hop_s, bundle.sample_rate, bundle.window_samples)
        self._channel, self._runtime = channel, Runtime(bundle)

    def pieces(self, recording: Recording) -> Iterator[Piece]:
        """The embeddings of a recording's windows in order of time; the last window ends where the sound does.

        Raises
        ------
        UnreadableAudio
            If the recording cannot be decoded, or the model has no numbers for it; pieces may have come before.
        """
        with answering(recording.name):
            yield from self._pieces(recording)

    def _pieces(self, recording: Recording) -> Iterator[Piece]:
        scorer = self._runtime.scorer(self.hop_samples, embeddings=True)
        first, heard, waiting = 0, 0, np.empty((0, self.size), dtype=np.float32)
        with Decoder(recording, sample_rate=self.bundle.sample_rate, channel=self._channel) as decoder:
            for block in decoder.blocks():
                waiting = np.concatenate([waiting, scorer.push(block)[1]])
                heard += block.size
                # What a window ends with is known once the sound has gone so far.
                inside = (heard - self.bundle.window_samples) // self.hop_samples + 1 - first
                if (ready := min(max(inside, 0), len(waiting))) > 0:
                    yield self._piece(first, heard, waiting[:ready])
                    first, waiting = first + ready, waiting[ready:]
        waiting = np.concatenate([waiting, scorer.close()[1]])
        if len(waiting):
            yield self._piece(first, heard, waiting)

    def _piece(self, first: int, heard: int, vectors: np.ndarray) -> Piece:
        starts = (first + np.arange(len(vectors), dtype=np.int64)) * self.hop_samples
        ends = np.minimum(starts + self.bundle.window_samples, heard)
        return Piece(starts / self.bundle.sample_rate, ends / self.bundle.sample_rate, vectors)


_embedders: dict[tuple[str, float | None, int | None], Embedder] = {}


def embedded(
    bundle: Bundle, hop_s: float | None, channel: int | None, entry: Recording | Unlisted
) -> list[Piece] | UnreadableAudio:
    """The pieces of a recording, or why there are none; for a process that is handed one recording after the other."""
    if isinstance(entry, Unlisted):
        return UnreadableAudio(entry.name, entry.reason, entry.remedy)
    key = (bundle.sha256, hop_s, channel)
    if key not in _embedders:
        _embedders.clear()
        _embedders[key] = Embedder(bundle, hop_s, channel)
    try:
        return list(_embedders[key].pieces(entry))
    except UnreadableAudio as error:
        return error
