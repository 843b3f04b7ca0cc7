"""What is heard, kept as a WAV file that takes its place once it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.audio.writing import Disk
from sonoscope.errors import UsageError
from sonoscope.live.sources import Block, Source

#: What is written at once, in seconds. Block by block a disk that takes 30 ms for each write would hold up listening.
STRETCH_S = 0.5


class Recorder:
    """Writes blocks; what was lost is silence, so that times in the file are those that were told.

    Until it is closed the sound is in a hidden file beside ``path``. A disk that takes no more ends the recording and
    not the listening: what it took is complete in ``path`` from then on, ``say`` is told, and ``refused`` says why.

    Raises
    ------
    UsageError
        If ``path`` exists and is not to be replaced, or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        source: Source,
        *,
        overwrite: bool = False,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._path, self._say, self.refused = Path(path), say, ""
        if self._path.exists() and not overwrite:
            raise UsageError(f"--record {path} exists: --overwrite replaces it")
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            # Without a buffer: what the disk refuses is known at once, and is not in the way of the header.
            self._disk = Disk(open(self._part, "w+b", buffering=0))  # noqa: SIM115 (closed in close)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._file = soundfile.SoundFile(
                self._disk, "w", source.sample_rate, source.channels, source.subtype, format="WAV"
            )
            if self._disk.error is not None:  # Not even the header has room.
                self._file.close()
                raise self._disk.error
        except (soundfile.LibsndfileError, OSError, ValueError) as error:
            self._disk.close()
            self._part.unlink(missing_ok=True)
            raise self._unwritable(error) from None
        self._held: list[np.ndarray] = []
        self._stretch = round(STRETCH_S * source.sample_rate)

    def _unwritable(self, error: Exception) -> UsageError:
        why = getattr(error, "strerror", None) or error
        return UsageError(f"--record {self._path} cannot be written: {why}. Name another place.")

    def write(self, block: Block) -> None:
        """Add a block, or nothing any more if the disk refused one."""
        if self.refused:
            return
        if block.lost:
            self._held.append(np.zeros((block.lost, self._file.channels), np.float32))
        self._held.append(block.samples)
        if sum(map(len, self._held)) >= self._stretch:
            self._write()

    def _write(self) -> None:
        """Hand over what is held; if the disk refuses it, that is the end of the recording."""
        if not self._held:
            return
        samples = np.concatenate(self._held)
        self._held.clear()
        try:
            self._hand_over(samples)
        except OSError as error:
            self._end(error)

    def _hand_over(self, samples: np.ndarray) -> None:
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

    def _end(self, error: OSError) -> None:
        self.refused = error.strerror or str(error)
        self._complete()
        kept_s = soundfile.info(str(self._path)).duration
        self._say(
            f"{self._path}: {self.refused}. The first {kept_s:.2f} s of what was heard are kept there; "
            "listening goes on"
        )

    def close(self) -> None:
        """Complete the file, if that was not done before."""
        if not self.refused:
            self._write()
        if not self.refused:
            self._complete()

    def _complete(self) -> None:
        self._file.close()  # The header says how much the file holds.
        self._disk.close()
        self._part.replace(self._path)
