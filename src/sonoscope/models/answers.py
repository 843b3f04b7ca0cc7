"""What graphs answer must be numbers: NaN is smaller than every threshold, and would pass for silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sonoscope.errors import NoNumbers, UnreadableAudio
from sonoscope.models.bundle import Bundle
from sonoscope.models.short import Scorer


class Numbers:
    """A scorer whose answers are looked at before anybody counts with them.

    Infinite logits are certain; they saturate (:func:`sonoscope.scores.quantise`). Embeddings must be finite.

    Raises
    ------
    NoNumbers
        By ``push`` and ``close``, if the model answers by what is none.
    """

    def __init__(self, scorer: Scorer, bundle: Bundle) -> None:
        self._scorer, self._name = scorer, bundle.name

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take samples (n,); give what became ready."""
        return self._sure(*self._scorer.push(samples))

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        """Give what is left."""
        return self._sure(*self._scorer.close())

    def _sure(self, logits: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        refuse(self._name, "scores", np.isnan(logits))
        refuse(self._name, "values of embeddings", ~np.isfinite(vectors))
        return logits, vectors


def refuse(model: str, what: str, wrong: np.ndarray) -> None:
    """Raise ``NoNumbers`` if any of the answers is ``wrong``."""
    if wrong.any():
        raise NoNumbers(model, f"{np.count_nonzero(wrong)} of {wrong.size} {what}")


@contextmanager
def answering(recording: str) -> Iterator[None]:
    """What a model has no numbers for is a recording that cannot be analysed with it; the others are not affected.

    Raises
    ------
    UnreadableAudio
        Instead of ``NoNumbers``.
    """
    try:
        yield
    except NoNumbers as error:
        raise UnreadableAudio(recording, error.reason, error.remedy) from None
