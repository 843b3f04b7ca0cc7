"""Training batches from a prepared folder: NumPy in, NumPy out, no decoder, the same for the same seed and number.

    feed = Feed(prepared, ("piano", "violin"), window=3 * 22_050, batch_size=64, balance=("labels",))
    for batch in feed.batches(): batch.inputs, batch.targets, batch.known

A window is cut as ``windows.py`` and ``pipeline.py`` cut it: ``window`` samples from a start, or the ``window /
hop_samples`` frames that are centred in it, each seeing the sound before and after the window as far as it reaches;
silence where the row does not reach. Frames come from a folder of frames, or are computed from a folder of samples
(``feature=``), with the same numbers up to the rounding of float16. In a folder of frames windows start on a frame, in
one of samples on any sample.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sonoscope.data.rows import Manifest
from sonoscope.data.shards.draws import Balanced, InTurn
from sonoscope.data.shards.read import Shards
from sonoscope.errors import UsageError
from sonoscope.windows import Grid

#: The stream of random numbers that starts come from; ``draws.py`` has 1 and 2.
_STARTS = 3


class Batch(NamedTuple):
    """Windows, and what their rows say about every label.

    Attributes
    ----------
    inputs : np.ndarray, float32
        Samples (size, window), or frames (size, window // hop_samples, n_bins).
    targets : np.ndarray, shape (size, labels), float32
        1 where the label sounds, else 0.
    known : np.ndarray, shape (size, labels), bool
        False where nobody judged it.
    rows : np.ndarray, shape (size,), int64
        Which row of the folder each window is of.
    starts : np.ndarray, shape (size,), int64
        Where in the row it starts, in samples.
    """

    inputs: np.ndarray
    targets: np.ndarray
    known: np.ndarray
    rows: np.ndarray
    starts: np.ndarray


class Feed:
    """Cuts batches from the rows of a prepared folder.

    Parameters
    ----------
    shards : Shards
    labels : sequence of str, optional
        Columns of the targets; default: those of the folder's manifest.
    window : int
        Samples; a multiple of the feature's hop where there are frames.
    batch_size : int
    seed : int
    split : str, optional
        Only rows of this split.
    balance : sequence of str
        Columns to balance by (``draws.Balanced``); empty: every row in turn (``draws.InTurn``).
    feature : Feature, optional
        Compute its frames from the folder's samples.
    frames : int, optional
        Frames of a window; default: those centred in it, ``window // hop_samples``. One more takes in the frame centred
        on the window's end: 3.0 s at a hop of 10 ms are 301.
    margins : (before, after)
        Samples around each window that come with it, where samples are given.
    normalise : bool
        Take the folder's mean from every bin and divide by its standard deviation. Where frames are computed,
        that of the folder is of samples, so ``statistics`` must be given.
    statistics : (mean, std), optional
        To normalise with instead, arrays of shape (n_bins,).

    Raises
    ------
    UsageError
        If no row is left, the window does not fit the feature, the feature is of another rate, or the folder holds
        frames already.
    """

    def __init__(
        self,
        shards: Shards,
        labels: Sequence[str] | None = None,
        *,
        window: int,
        batch_size: int,
        seed: int = 0,
        split: str | None = None,
        balance: Sequence[str] = (),
        feature: Any = None,
        frames: int | None = None,
        margins: tuple[int, int] = (0, 0),
        normalise: bool = False,
        statistics: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.shards, self.window, self.batch_size, self.seed = shards, window, batch_size, seed
        manifest: Manifest = shards.manifest
        self.labels = tuple(manifest.labels() if labels is None else labels)
        self._targets, self._known = manifest.targets(self.labels)
        self._of_split = np.array(
            [i for i, row in enumerate(manifest.rows) if split is None or row.split == split], dtype=np.int64
        )
        self._check(feature, split, frames, margins)
        self.feature = feature
        step = shards.content.step
        #: Moments of the folder in a window, and samples between starts.
        self._step = step
        hop = (feature or shards.feature).hop_samples if feature or shards.feature else step
        self._length = window // hop if frames is None else frames
        self._margins = margins
        rows = [manifest.rows[i] for i in self._of_split]
        self._lengths = shards.lengths[self._of_split]
        self._draw = Balanced(rows, balance) if balance else InTurn(self._lengths, window)
        self._shift, self._scale = self._normaliser(normalise, statistics)

    def _check(self, feature: Any, split: str | None, frames: int | None, margins: tuple[int, int]) -> None:
        if self.batch_size < 1 or self.window < 1:
            raise UsageError(f"window={self.window} and batch_size={self.batch_size} must be at least 1")
        if not self._of_split.size:
            raise UsageError(
                f"{self.shards.folder} has no rows" + (f" with split={split!r}" if split else "")
            )
        held = self.shards.feature
        if feature is not None and held is not None:
            raise UsageError(f"{self.shards.folder} holds frames of {held.name} already: leave feature out")
        if feature is not None and feature.sample_rate != self.shards.sample_rate:
            raise UsageError(
                f"{feature.name} has sample_rate={feature.sample_rate}, the folder {self.shards.sample_rate} Hz. "
                "Prepare the folder at that rate."
            )
        hop = (feature or held).hop_samples if feature or held else 1
        if frames is None and self.window % hop:
            nearest = max(round(self.window / hop), 1) * hop
            raise UsageError(
                f"window={self.window} samples must be a multiple of hop_samples={hop}, such as {nearest}, or frames "
                "must say how many there are in it"
            )
        if any(margins) and (feature is not None or held is not None):
            raise UsageError(
                f"margins={margins} are for samples: frames see around their window by themselves"
            )

    def _normaliser(
        self, wanted: bool, given: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What to add to each bin after multiplying it, both float32; None: nothing."""
        if not wanted and given is None:
            return None, None
        if given is None and self.feature is not None:
            raise UsageError(
                "frames that are computed need statistics=(mean, std) of that feature: prepare a folder of its frames, "
                "and take its statistics()"
            )
        mean, std = given if given is not None else self.shards.statistics()
        # A bin that never changes says nothing: it becomes 0, not infinite.
        scale = 1.0 / np.where(np.asarray(std) > 0, std, np.inf)
        return (-np.asarray(mean) * scale).astype(np.float32), scale.astype(np.float32)

    # ---- random windows ------------------------------------------------------------------------------------

    def batch(self, number: int) -> Batch:
        """Batch ``number``, counted from 0: it depends on that and the seed alone."""
        chosen = self._draw(self.seed, number, self.batch_size)
        rng = np.random.default_rng([self.seed, _STARTS, number])
        room = np.maximum(self._lengths[chosen] - self.window, 0) // self._step + 1
        starts = (rng.random(self.batch_size) * room).astype(np.int64) * self._step
        return self._cut(self._of_split[chosen], starts)

    def batches(self, first: int = 0, step: int = 1) -> Iterator[Batch]:
        """Endless batches ``first``, ``first + step``, …: processes that share them take every ``step``-th."""
        return (self.batch(number) for number in itertools.count(first, step))

    # ---- all windows ---------------------------------------------------------------------------------------

    def every_window(self, hop: int | None = None, numbers: Iterable[int] | None = None) -> Iterator[Batch]:
        """All windows of all rows in order, on the grid of ``windows.Grid``; the last batch may be smaller.

        Parameters
        ----------
        hop : int, optional
            Samples between starts, a multiple of the feature's hop; default: the window.
        numbers : iterable of int, optional
            Of the batches that are wanted, in 0..``count_batches(hop)``; default: all.

        Raises
        ------
        UsageError
            If ``hop`` is not in 1..window, or does not fit the frames.
        """
        hop, counts = self._on_grid(hop)
        ends = np.cumsum(counts)
        total = int(ends[-1])
        for number in range(-(-total // self.batch_size)) if numbers is None else numbers:
            start = number * self.batch_size
            positions = np.arange(start, min(start + self.batch_size, total))
            which = np.searchsorted(ends, positions, side="right")
            starts = (positions - (ends - counts)[which]) * hop
            yield self._cut(self._of_split[which], starts)

    def count_batches(self, hop: int | None = None) -> int:
        """How many batches :meth:`every_window` has."""
        return -(-int(self._on_grid(hop)[1].sum()) // self.batch_size)

    def _on_grid(self, hop: int | None) -> tuple[int, np.ndarray]:
        """Samples between starts, and how many windows each row has."""
        hop = self.window if hop is None else hop
        if not 0 < hop <= self.window or hop % self._step:
            raise UsageError(
                f"hop={hop} must lie in 1..window={self.window} samples and be a multiple of {self._step}"
            )
        grid = Grid(self.window, hop)
        return hop, np.array([grid.count(n) for n in self._lengths.tolist()], dtype=np.int64)

    # ---- cutting -------------------------------------------------------------------------------------------

    def _cut(self, rows: np.ndarray, starts: np.ndarray) -> Batch:
        left, span = self._margins[0], self._length + sum(self._margins)
        if self.feature is not None:
            left, span = 0, self.window
            if self.feature.streamable:
                left = self.feature.left_context
                span = (self._length - 1) * self.feature.hop_samples + left + self.feature.right_context
        held = np.empty((len(rows), span, *self.shards.content.row_shape), dtype=np.float32)
        read, step = self.shards.read_into, self._step
        for out, row, start in zip(held, rows.tolist(), starts.tolist(), strict=True):
            read(out, row, start // step - left)
        inputs = held if self.feature is None else self._frames(held)
        if self._scale is not None:
            inputs *= self._scale
            inputs += self._shift
        return Batch(inputs, self._targets[rows], self._known[rows], rows, starts)

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        """Frames of every window, (size, frames, n_bins); a feature that sees all of a signal sees the window."""
        if self.feature.streamable:
            return self.feature.valid(samples)
        return np.stack([self.feature(window)[: self._length] for window in samples])
