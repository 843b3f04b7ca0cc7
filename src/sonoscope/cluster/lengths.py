"""How long recordings are, estimated from their sizes: opening a hundred thousand files only to plan is too slow.

The first recordings of each kind (by suffix) are opened and their headers read; the others of that kind are taken to
hold as much sound per byte as those. A share of a plan is off by what that varies, a few percent among the files of one
recorder.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from statistics import median

from sonoscope.audio.decode import Decoder
from sonoscope.errors import SonoscopeError
from sonoscope.values import Recording

#: How many recordings of a kind are opened.
OPENED = 12
#: Bytes per second where no header tells: 128 kbit/s.
BYTES_PER_S = 16_000.0


class Lengths:
    """Estimates, the better the more of a kind have been seen."""

    def __init__(self) -> None:
        self._seen: dict[str, list[float]] = {}
        self._tried: dict[str, int] = {}

    def of(self, recording: Recording) -> float:
        """Seconds of sound that ``recording`` probably holds; 0 if it is empty."""
        kind = PurePosixPath(recording.member or recording.path).suffix.lower()
        if recording.size_bytes == 0:
            return 0.0
        if recording.member is None and self._tried.get(kind, 0) < OPENED:
            self._tried[kind] = self._tried.get(kind, 0) + 1
            seconds = _stated(recording)
            if seconds:
                self._seen.setdefault(kind, []).append(max(recording.size_bytes, 1) / seconds)
                return seconds
        return max(recording.size_bytes, 0) / median(self._seen.get(kind) or [BYTES_PER_S])


def _stated(recording: Recording) -> float | None:
    """What the header says or lets one guess."""
    try:
        with Decoder(recording) as decoder:
            return decoder.info.duration_hint_s
    except (SonoscopeError, OSError):
        return None
