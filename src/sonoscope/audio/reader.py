"""What the three readers have in common: frames of all channels at the native rate, and remarks on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

#: Every remark on sound that could not be decoded to its end has this word.
DAMAGED = "damaged"


@dataclass(frozen=True)
class AudioInfo:
    """What a recording says about itself.

    Attributes
    ----------
    sample_rate : int
        Native rate in Hz.
    channels : int
    codec, container : str
        Lower-case names (``pcm_24``, ``flac``, ``aac`` in ``wav``, ``flac``, ``mov``).
    duration_hint_s : float or None
        What the header says or lets one guess; the true length is counted while decoding.
    told : mapping of str to str
        What the recorder wrote into the file about itself (:mod:`~sonoscope.audio.recorders`).
    """

    sample_rate: int
    channels: int
    codec: str
    container: str
    duration_hint_s: float | None
    told: Mapping[str, str] = field(default_factory=dict)


class NotDecodable(Exception):
    """Why a reader cannot open or finish a recording: ``reason`` and ``remedy`` of ``errors.csv``."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason, self.remedy = reason, remedy


class Reader(Protocol):
    """Delivers a recording's frames once, in order.

    Attributes
    ----------
    info : AudioInfo
    promised_s : float or None
        The length that a header states in so many words (not one guessed from bit rates), in seconds.
    left_over : bool
        After :meth:`frames` is exhausted: whether the file may hold more than this reader can give.
    remarks : list of str
        Damage and changes met while reading.
    """

    info: AudioInfo
    promised_s: float | None
    left_over: bool
    remarks: list[str]

    def frames(self, block_samples: int) -> Iterator[np.ndarray]:
        """Yield float32 arrays of shape (n, channels), full scale 1, ``n > 0`` and usually ``block_samples``.

        An array is valid until the next one is asked for, and may be changed in place. The number of channels
        may change on the way, the rate does not.
        """
        ...

    def close(self) -> None:
        """Free the decoder; the file stays open."""
        ...
