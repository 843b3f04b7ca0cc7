"""Windows by integer arithmetic: where they start, how many there are, cutting them from a stream of rows.

Window ``i`` covers the half-open interval ``[i * hop, i * hop + window)`` of samples. There are
``1 + ceil(max(n - window, 0) / hop)`` of them, so that every sample of a non-empty recording is covered;
only the last may reach past the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Grid:
    """Window length and hop in samples; ``0 < hop <= window``."""

    window: int
    hop: int

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.window:
            raise ValueError(f"hop={self.hop} must lie in 1..window={self.window} samples")

    def count(self, n: int) -> int:
        """Windows that cover ``n`` samples; 0 for none."""
        return 1 + -(-max(n - self.window, 0) // self.hop) if n > 0 else 0

    def starts(self, n: int) -> np.ndarray:
        """First samples, shape (count,), int64."""
        return np.arange(self.count(n), dtype=np.int64) * self.hop

    def ends(self, n: int) -> np.ndarray:
        """First samples after each window, cut to the recording, shape (count,), int64."""
        return np.minimum(self.starts(n) + self.window, n)


def from_milliseconds(milliseconds: float, sample_rate: int) -> int:
    """A length in milliseconds as whole samples, cut (not rounded) as Kaldi does.

    25 ms and 10 ms at 44.1 kHz are 1102 and 441 samples.

    >>> from_milliseconds(25, 44_100), from_milliseconds(10, 44_100)
    (1102, 441)
    """
    # Exact in integers for lengths to a microsecond: 0.29 * 100 must not become 28.
    return round(milliseconds * 1000) * sample_rate // 1_000_000


def centred_frames(n_samples: int, hop_samples: int) -> int:
    """Frames centred at 0, hop, 2 hop, … that ``n_samples`` have: 3.0 s at a hop of 10 ms are 301.

    >>> centred_frames(3 * 22_050, from_milliseconds(10, 22_050))
    301
    """
    return 1 + n_samples // hop_samples


def samples_of_frames(n_frames: int, hop_samples: int) -> int:
    """Fewest samples with ``n_frames`` centred frames: the inverse of :func:`centred_frames`."""
    return (n_frames - 1) * hop_samples


def in_samples(seconds: float, sample_rate: int, window: int) -> int:
    """A hop in seconds as samples of the model's rate, to the nearest sample.

    Raises
    ------
    UsageError
        If the hop is not in ``(0, window]`` seconds.
    """
    if not 0 < seconds <= window / sample_rate or (hop := round(seconds * sample_rate)) < 1:
        raise UsageError(
            f"hop={seconds} s is out of range: it must be at least one sample ({1 / sample_rate:.6f} s) "
            f"and at most the model's window ({window / sample_rate:g} s)"
        )
    return hop


class Cutter:
    """Cuts equal, possibly overlapping pieces from rows that arrive in blocks.

    Parameters
    ----------
    length, hop : int
        Rows in a piece and between piece starts; ``0 < hop <= length``.
    batch : int
        Pieces handed out at a time; all batches but the last are full.
    """

    def __init__(self, length: int, hop: int, batch: int) -> None:
        if not 0 < hop <= length:
            raise ValueError(f"hop={hop} must lie in 1..length={length} rows")
        self._length, self._hop, self._batch = length, hop, batch
        self._need = length + (batch - 1) * hop
        self._rows: list[np.ndarray] = []
        self._held = 0

    def push(self, rows: np.ndarray) -> list[np.ndarray]:
        """Take rows of shape (k, …) or (k,); return batches of pieces, each (batch, length, …)."""
        if len(rows):
            self._rows.append(rows)
            self._held += len(rows)
        batches = []
        while self._held >= self._need:
            batches.append(self._cut(self._batch))
        return batches

    def close(self) -> np.ndarray | None:
        """The pieces that are left, (k, length, …) with ``k < batch``, or None."""
        left = 1 + (self._held - self._length) // self._hop if self._held >= self._length else 0
        return self._cut(left) if left else None

    def rest(self) -> np.ndarray | None:
        """The rows from where the next piece starts, (k, …), or None."""
        return np.concatenate(self._rows) if self._held else None

    def _cut(self, pieces: int) -> np.ndarray:
        rows = self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)
        view = np.lib.stride_tricks.sliding_window_view(rows, self._length, axis=0)[:: self._hop][:pieces]
        # The window axis comes last from NumPy; a piece has it first.
        batch = np.moveaxis(view, -1, 1)
        rest = rows[pieces * self._hop :]
        self._rows, self._held = [rest], len(rest)
        return batch
