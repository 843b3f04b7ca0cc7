"""What a prepared folder holds of each row: samples at one rate, or frames of one feature, and in which numbers.

**Samples** are mono int16 in steps of 2**-15, what 16-bit recordings at that rate hold, so those come back bit for bit.
Where a row is louder than full scale (codecs overshoot, float files may), all of it is stored softer by a factor that
the index keeps. **Frames** are float16: of a value ``x`` at most ``|x| / 2048`` is lost, for decibels above -128 at
most 0.03 dB.

A feature's frames go on past the end of a row until none sees its sound any more, so that a window which reaches past
the end holds what it holds in inference. ``frames`` gives those that :meth:`Feature.shape` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope import features
from sonoscope.errors import UsageError

#: Steps of a 16-bit sample to full scale, and the largest one.
FULL_SCALE, LARGEST = 32_768.0, 32_767.0
#: How frames may be stored.
FRAME_TYPES = ("float16", "float32")


@dataclass(frozen=True)
class Content:
    """What is stored of a row; made by :func:`audio` or :func:`frames`.

    Attributes
    ----------
    sample_rate : int
        Hz, of the samples stored or of those that frames are computed from.
    feature : Feature, optional
        None: samples.
    dtype : str
        ``int16`` for samples; ``float16`` or ``float32`` for frames.
    """

    sample_rate: int
    feature: Any = None
    dtype: str = "int16"

    @property
    def kind(self) -> str:
        """``audio``, or the feature's name."""
        return "audio" if self.feature is None else self.feature.name

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of what there is at one moment: () or (n_bins,)."""
        return () if self.feature is None else (self.feature.n_bins,)

    @property
    def step(self) -> int:
        """Samples from one moment to the next: 1, or the feature's hop."""
        return 1 if self.feature is None else self.feature.hop_samples

    @property
    def bytes_per_row(self) -> int:
        """Bytes of one moment."""
        return int(np.prod(self.row_shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def convert(self, samples: np.ndarray) -> Converted:
        """What is stored of mono float32 samples of shape (n,).

        Raises
        ------
        UsageError
            If a value of a feature cannot be held in ``dtype``.
        """
        if self.feature is None:
            return _quantised(samples)
        count = self.feature.shape(samples.size)[0]
        if self.feature.streamable:
            stream = self.feature.stream()
            total = max(count, -(-(samples.size + self.feature.left_context) // self.feature.hop_samples))
            values = np.concatenate([stream.push(samples), stream.close(total)])
        else:
            values = np.asarray(self.feature(samples))
        with np.errstate(over="ignore"):
            stored = values.astype(self.dtype)
        if not np.isfinite(stored).all():
            worst = float(np.abs(values[~np.isfinite(stored)][0]))
            remedy = (
                "Store them as float32 (--dtype float32), or choose a feature in decibels."
                if np.isfinite(worst)
                else "The feature is at fault."
            )
            raise UsageError(f"a value of {self.kind} is {worst:g}, which {self.dtype} cannot hold. {remedy}")
        return Converted(stored, count, samples.size)

    def silence(self) -> np.ndarray:
        """What is at a moment when nothing sounds, as reading gives it: float32 of shape ``row_shape``."""
        if self.feature is None:
            return np.zeros((), dtype=np.float32)
        value = np.broadcast_to(np.asarray(self.feature.silence, dtype=np.float32), self.row_shape)
        return value.astype(self.dtype).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        described = None if self.feature is None else features.to_dict(self.feature)
        return {"sample_rate": self.sample_rate, "feature": described, "dtype": self.dtype}

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> Content:
        """What :meth:`to_dict` described. Raises ``UnknownName`` for a feature that is not known here."""
        feature = None if spec["feature"] is None else features.from_dict(spec["feature"])
        return cls(spec["sample_rate"], feature, spec["dtype"])


@dataclass(frozen=True)
class Converted:
    """Moments to store, ``count`` of them the signal's own (``n_samples`` long); ``scale`` undoes the softening."""

    rows: np.ndarray
    count: int
    n_samples: int
    scale: float = 1.0


def audio(sample_rate: int) -> Content:
    """Samples at a rate in Hz. Raises ``UsageError`` if it is not at least 1."""
    if sample_rate < 1:
        raise UsageError(f"sample_rate={sample_rate} Hz must be at least 1")
    return Content(sample_rate)


def frames(feature: Any, dtype: str = "float16") -> Content:
    """Frames of a feature. Raises ``UsageError`` if ``dtype`` is not one of :data:`FRAME_TYPES`."""
    if dtype not in FRAME_TYPES:
        raise UsageError(f"dtype={dtype!r} must be one of {', '.join(FRAME_TYPES)}")
    return Content(feature.sample_rate, feature, dtype)


def _quantised(samples: np.ndarray) -> Converted:
    """Samples in steps, softer as a whole where they are louder than full scale."""
    over = max(float(samples.max(initial=0.0)) * FULL_SCALE / LARGEST, -float(samples.min(initial=0.0)))
    # Up to half a step over the top is rounding, not loudness.
    scale = over if over > 1.0 + 0.5 / LARGEST else 1.0
    steps = np.rint(samples * np.float32(FULL_SCALE / scale))
    return Converted(np.clip(steps, -FULL_SCALE, LARGEST).astype(np.int16), samples.size, samples.size, scale)
