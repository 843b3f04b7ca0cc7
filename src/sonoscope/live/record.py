"""What is heard, kept as a WAV file that takes its place once it is complete."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.audio.writing import Disk
from sonoscope.errors import UsageError
from sonoscope.live.sources import Block, Source


class Recorder:
    """Writes blocks; what was lost is silence, so that times in the file are those that were told.

    Until it is closed the sound is in a hidden file beside ``path``.

    Raises
    ------
    UsageError
        If ``path`` exists and is not to be replaced, or cannot be written.
    """

    def __init__(self, path: str | Path, source: Source, *, overwrite: bool = False) -> None:
        self._path = Path(path)
        if self._path.exists() and not overwrite:
            raise UsageError(f"--record {path} exists: --overwrite replaces it")
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            self._disk = Disk(open(self._part, "w+b"))  # noqa: SIM115 (closed in close)
            self._file = soundfile.SoundFile(
                self._disk, "w", source.sample_rate, source.channels, source.subtype, format="WAV"
            )
        except (soundfile.LibsndfileError, OSError) as error:
            raise UsageError(f"--record {path} cannot be written: {error}") from None

    def write(self, block: Block) -> None:
        """Add a block."""
        if block.lost:
            self._write(np.zeros((block.lost, self._file.channels), np.float32))
        self._write(block.samples)

    def _write(self, samples: np.ndarray) -> None:
        if self._file.subtype.startswith("PCM"):
            # libsndfile scales floats by 32767, integers by their upper bits: those are what came in.
            samples = np.clip(np.rint(samples.astype(np.float64) * 2.0**31), -(2.0**31), 2.0**31 - 1).astype(
                np.int32
            )
        try:
            self._file.write(samples)
        except (soundfile.LibsndfileError, AssertionError):  # Fewer were written than given.
            if self._disk.error is None:
                raise
            raise self._disk.error from None

    def close(self) -> None:
        """Complete the file. Raises ``OSError`` if the disk takes no more."""
        self._file.close()
        self._disk.close()
        if self._disk.error is not None:
            raise self._disk.error
        self._part.replace(self._path)
