"""A clip's file while it grows: 16-bit samples in, WAV or FLAC out, and no error of the disk lost on the way."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.audio.writing import Disk
from sonoscope.errors import Stopped


class ClipFile:
    """A mono file of 16 bit that is being written.

    Parameters
    ----------
    path : Path
    rate : int
        In Hz.
    format : {"wav", "flac"}
    start : int
        The sample of the recording with which the clip begins.

    Attributes
    ----------
    n : int
        Samples so far.
    is_clipped : bool
        Kept for whoever writes.
    """

    def __init__(self, path: Path, rate: int, format: str, start: int) -> None:
        self.path, self.start, self.n, self.is_clipped = path, start, 0, False
        self._disk = Disk(open(path, "w+b"))  # noqa: SIM115 (closed in close)
        self._file = soundfile.SoundFile(self._disk, "w", rate, 1, "PCM_16", format=format.upper())

    def write(self, samples: np.ndarray) -> None:
        """Add int16 samples, shape (n,).

        Raises
        ------
        Stopped
            If the disk takes no more.
        """
        try:
            self._file.write(samples)
        except (soundfile.LibsndfileError, AssertionError):  # Fewer were written than given.
            raise self._stopped() from None
        self.n += samples.size

    def close(self) -> None:
        """Finish the file.

        Raises
        ------
        Stopped
            If the disk took not all of it.
        """
        self._file.close()
        self._disk.close()
        if self._disk.error is not None:
            raise self._stopped()

    def discard(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(Stopped, soundfile.LibsndfileError):
            self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _stopped(self) -> Stopped:
        error = self._disk.error
        why = f"{error.strerror}" if error is not None else "the disk took less than was written"
        return Stopped(f"{self.path}: {why}. Make room; the same call goes on from here.")
