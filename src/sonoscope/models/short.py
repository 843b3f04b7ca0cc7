"""Recordings shorter than a window: heard again and again until they fill one, where the bundle says so.

What a network learnt from are windows full of sound. A note of a third of a second at the edge of a second of silence
is not among them; the same note played three times is.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sonoscope.models.bundle import Bundle

#: Shorter ones are brought to this by silence first: clicks must not become a tone.
LEAST_PERIOD_S = 0.2


class Scorer(Protocol):
    """Takes blocks of samples, gives logits (k, c) and embeddings (k, d) of the windows that became ready."""

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def close(self) -> tuple[np.ndarray, np.ndarray]: ...


def least_period(bundle: Bundle) -> int:
    """Samples after which a short recording begins again at the earliest."""
    return min(round(LEAST_PERIOD_S * bundle.sample_rate), bundle.window_samples)


def filled(samples: np.ndarray, window: int, least: int) -> np.ndarray:
    """Samples (n,), 0 < n < window, again and again: (window,)."""
    return np.resize(np.pad(samples, (0, max(least - samples.size, 0))), window)


class Repeating:
    """A scorer that waits for a window of samples; a recording that ends before has filled one by repetition."""

    def __init__(self, scorer: Scorer, bundle: Bundle) -> None:
        self._scorer = scorer
        self._window, self._least = bundle.window_samples, least_period(bundle)
        self._held: list[np.ndarray] | None = []

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take samples (n,); give what became ready."""
        if self._held is None:
            return self._scorer.push(samples)
        self._held.append(samples.copy())
        if sum(block.size for block in self._held) < self._window:
            return self._scorer.push(samples[:0])
        held, self._held = np.concatenate(self._held), None
        return self._scorer.push(held)

    def close(self) -> tuple[np.ndarray, np.ndarray]:
        """Give what is left."""
        held = np.concatenate(self._held) if self._held else np.empty(0, dtype=np.float32)
        self._held = None
        if not held.size:
            return self._scorer.close()
        logits, vectors = self._scorer.push(filled(held, self._window, self._least))
        more, further = self._scorer.close()
        return np.concatenate([logits, more]), np.concatenate([vectors, further])
