"""What is heard, kept as a WAV file that takes its place once it is complete."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile

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
            self._file = soundfile.SoundFile(
                self._part, "w", source.sample_rate, source.channels, source.subtype, format="WAV"
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
        self._file.write(samples)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()
        self._part.replace(self._path)
