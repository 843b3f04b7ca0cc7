"""What a feature is, and what those with fixed-length frames share.

A feature is a frozen dataclass of its parameters that turns samples into rows: ``(..., n)`` samples to
``(..., 1 + n // hop, n_bins)`` values. Row ``k`` is centred at sample ``k * hop_samples`` and sees the half-open
interval from ``left_context`` samples before that centre to ``right_context`` after it; outside the signal there
are zeros. A row may hold several pictures of the same moment one after the other (bands, harmonics, stacked
features): ``parts`` are their widths, ``channels.split`` and ``channels.image`` take them apart.

Written once for NumPy and torch: ``compute`` is array code that both run. Torch tensors go through it whole, stay
on their device and keep their gradient; NumPy arrays go through it in batches of a fixed size (``stream.py``), so
that streamed and whole signals give the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.features.frames import Array, pad_zeros
from sonoscope.features.stream import BATCH_FRAMES, FrameStream, Kernel, in_batches


@runtime_checkable
class Feature(Protocol):
    """What the rest of the package knows of a feature.

    Attributes
    ----------
    name : str
        Its key in ``FEATURES``.
    streamable : bool
        Whether a row sees its declared context only. One that is not has neither ``stream`` nor ``kernel``.
    numpy_only : bool
        Whether it refuses tensors.
    sample_rate : int
        Hz.
    hop_samples, left_context, right_context : int
        Distance between centres, and what a row sees before and from its centre on, in samples.
    n_bins : int
        Values in a row.
    parts : tuple of int
        Widths of what lies side by side in a row; their sum is ``n_bins``.
    silence : float or np.ndarray
        What every value, or each of a row, is in digital silence.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def streamable(self) -> bool: ...
    @property
    def numpy_only(self) -> bool: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def hop_samples(self) -> int: ...
    @property
    def left_context(self) -> int: ...
    @property
    def right_context(self) -> int: ...
    @property
    def n_bins(self) -> int: ...
    @property
    def parts(self) -> tuple[int, ...]: ...
    @property
    def silence(self) -> float | np.ndarray: ...

    def shape(self, n: int) -> tuple[int, int]: ...
    def __call__(self, samples: Array) -> Array: ...
    def valid(self, samples: Array) -> Array: ...
    def kernel(self, n_frames: int) -> Kernel: ...
    def stream(self, batch_frames: int = ...) -> FrameStream: ...


class WholeArray:
    """A fixed number of rows by a feature's own array code (``stream.Kernel``)."""

    def __init__(self, feature: Framewise, n_frames: int) -> None:
        self.samples = np.zeros(samples_of(feature, n_frames), dtype=np.float32)
        self._feature = feature

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_bins), float32."""
        out[...] = self._feature.compute(self.samples)


def samples_of(feature: Feature, n_frames: int) -> int:
    """How many samples so many rows reach over."""
    return (n_frames - 1) * feature.hop_samples + feature.left_context + feature.right_context


class Framewise(ABC):
    """What follows from ``compute``, the contexts and the hop; a base because ten leaves would repeat it.

    A leaf has ``sample_rate`` and ``hop_samples`` (fields, usually), ``left_context``, ``right_context``, ``n_bins``,
    ``silence`` and ``compute``; ``parts`` if its rows have several.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]
    #: Rows that NumPy computes at a time; more where the context is long against the hop.
    batch_frames: ClassVar[int] = BATCH_FRAMES

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Hz."""

    @property
    @abstractmethod
    def hop_samples(self) -> int:
        """Distance between centres, in samples."""

    @property
    def streamable(self) -> bool:
        """Whether a row sees its declared context only."""
        return True

    @property
    def numpy_only(self) -> bool:
        """Whether tensors are refused."""
        return False

    @property
    @abstractmethod
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""

    @property
    @abstractmethod
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""

    @property
    @abstractmethod
    def n_bins(self) -> int:
        """Values in a row."""

    @property
    def parts(self) -> tuple[int, ...]:
        """Widths of what lies side by side in a row."""
        return (self.n_bins,)

    @property
    @abstractmethod
    def silence(self) -> float | np.ndarray:
        """What every value, or each of a row, is in digital silence."""

    @abstractmethod
    def compute(self, samples: Array) -> Array:
        """Rows that need no padding, as array code for NumPy and torch: (..., n) to (..., rows, n_bins)."""

    def shape(self, n: int) -> tuple[int, int]:
        """Shape of the rows of ``n`` samples: centres at 0, hop, … up to and including ``n``."""
        return 1 + n // self.hop_samples, self.n_bins

    def __call__(self, samples: Array) -> Array:
        """Rows of whole signals, zeros outside: (..., n) samples to (..., 1 + n // hop, n_bins)."""
        return self.valid(pad_zeros(samples, self.left_context, self.right_context))

    def valid(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., 1 + (n - left - right) // hop, n_bins).

        Raises
        ------
        ValueError
            If there is not one whole row; if a feature that is ``numpy_only`` is given a tensor.
        """
        if isinstance(samples, np.ndarray):
            return in_batches(self, samples, self.batch_frames) if self.streamable else self.compute(samples)
        if self.numpy_only:
            raise ValueError(
                f"feature {self.name!r} computes on NumPy arrays only, got {type(samples).__name__}: "
                "compute it beforehand, or choose a feature that is not numpy_only"
            )
        return self.compute(samples)

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``). Raises as :meth:`stream` does."""
        self._must_stream()
        return WholeArray(self, n_frames)

    def stream(self, batch_frames: int | None = None) -> FrameStream:
        """Push blocks of samples, get rows: those of everything at once (see ``FrameStream``).

        Raises
        ------
        UsageError
            If it is not ``streamable``.
        """
        self._must_stream()
        return FrameStream(self, self.batch_frames if batch_frames is None else batch_frames)

    def _must_stream(self) -> None:
        if not self.streamable:
            raise UsageError(
                f"feature {self.name!r} is not streamable: its rows depend on all that was before. "
                "Compute it for whole recordings, or choose another feature"
            )
