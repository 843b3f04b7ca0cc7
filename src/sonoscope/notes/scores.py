"""What a network for notes says: for every frame and pitch, does a note begin, and does one sound?

Kept in a file, decisions can be made again without the sound. A file is written block by block, so that a recording
of any length needs the memory of one: a ``.npz`` (a zip of arrays, as ``numpy.load`` reads it) with ``about`` (JSON)
and for each block ``onset_00000``, ``sustain_00000`` and, where there is one, ``velocity_00000``: frames by pitches,
uint16 in steps of 1/10000 or uint8 in steps of 1/250. A pitch after the other, which takes a third less room than a
frame after the other.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.values import SCORE_DECIMALS

#: The lowest key of a piano, A0; with 88 pitches the highest is C8, 108.
LOWEST = 21

#: Probabilities meet thresholds in whole steps of this: those of a 16-bit file.
STEPS = 10**SCORE_DECIMALS

#: Bits in which runs and results keep scores: 5 MB for an hour of piano.
KEPT_BITS = 8
#: Steps from 0 to 1 in a file, by bits.
STEPS_OF_BITS = {8: 250, 16: STEPS}

#: Probabilities below this count as 0, and so does the velocity of what is no onset: zeros take no room in files, and
#: there are many. It is below every threshold that makes sense.
LEAST = 0.02

SCHEMA = 1

#: Of zlib. More takes five times as long and saves 3 %.
COMPRESSION = 6


class UnreadableScores(SonoscopeError):
    """A file of note scores that is damaged, or no such file; the message names it, and what to do."""

    exit_code = 1


@dataclass(frozen=True, eq=False, repr=False)
class NoteScores:
    """Probabilities of notes in frames of time.

    Attributes
    ----------
    onset, sustain : np.ndarray, shape (t, p), float
        Probability that a note of the pitch begins at the frame, and that one sounds there. 0..1.
    hop_s : float
        Distance of frames.
    first_s : float
        Time of the centre of frame 0, from the start of the recording.
    velocity : np.ndarray, shape (t, p), float, optional
        How hard a note that begins there is struck, 0..1.
    lowest : int
        MIDI number of the first pitch; the others follow in semitones.

    Raises
    ------
    UsageError
        If shapes differ, the hop is not positive, or pitches are no MIDI numbers.
    """

    onset: np.ndarray
    sustain: np.ndarray
    hop_s: float
    first_s: float = 0.0
    velocity: np.ndarray | None = None
    lowest: int = LOWEST

    def __post_init__(self) -> None:
        shapes = [table.shape for table in self.tables().values()]
        if len(shapes[0]) != 2 or len(set(shapes)) != 1:
            raise UsageError(
                f"note scores have shapes {', '.join(map(str, shapes))}; all must be the same (frames, pitches)"
            )
        if not 0 < self.hop_s < math.inf or not math.isfinite(self.first_s):
            raise UsageError(
                f"hop_s={self.hop_s} and first_s={self.first_s}: seconds are needed, a hop above 0"
            )
        if not 0 <= self.lowest <= 128 - shapes[0][1]:
            raise UsageError(
                f"{shapes[0][1]} pitches from {self.lowest} on are no MIDI numbers; those are 0..127"
            )

    def __repr__(self) -> str:
        frames, pitches = self.onset.shape
        return f"NoteScores({frames} frames, {pitches} pitches, {frames * self.hop_s:g} s)"

    def tables(self) -> dict[str, np.ndarray]:
        """The arrays by name; without velocity where there is none."""
        found = {"onset": self.onset, "sustain": self.sustain, "velocity": self.velocity}
        return {name: table for name, table in found.items() if table is not None}

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def n_pitches(self) -> int:
        """How many pitches there are."""
        return int(self.onset.shape[1])

    def rows(self, first: int, last: int) -> NoteScores:
        """Frames ``first`` to ``last`` (exclusive), at their own time."""
        cut: dict[str, Any] = {name: table[first:last] for name, table in self.tables().items()}
        return replace(self, first_s=self.first_s + first * self.hop_s, **cut)

    def blocks(self, n_frames: int) -> Iterator[NoteScores]:
        """All frames in order, ``n_frames`` at a time."""
        for first in range(0, len(self), n_frames):
            yield self.rows(first, first + n_frames)

    def rounded(self, bits: int = 16) -> NoteScores:
        """What a file with so many bits gives back."""
        steps = _steps(bits)
        found: dict[str, Any] = {
            name: _probabilities(_held(table, bits), steps) for name, table in self.tables().items()
        }
        return replace(self, **found)

    def pitch_classes(self) -> NoteScores:
        """Twelve pitches instead of all: each C is the likeliest of all C, and so on.

        They are called by the octave of middle C, 60..71, so that ``pitch % 12`` is 0 for C.
        """
        of_column = (np.arange(self.n_pitches) + self.lowest) % 12
        folded: dict[str, Any] = {}
        for name, table in self.tables().items():
            folded[name] = np.zeros((len(self), 12), dtype=table.dtype)
            for column, place in enumerate(of_column.tolist()):
                np.maximum(folded[name][:, place], table[:, column], out=folded[name][:, place])
        return replace(self, lowest=60, **folded)

    def strength(self) -> np.ndarray:
        """How many notes are expected to begin at each frame, shape (t,): what a tempo is heard in."""
        return self.onset.sum(axis=1, dtype=np.float64)


def concatenate(blocks: Iterable[NoteScores]) -> NoteScores:
    """Blocks that follow each other as one.

    Raises
    ------
    UsageError
        If there is none.
    """
    parts = list(blocks)
    if not parts:
        raise UsageError("note scores of no block: at least one is needed, it may be empty")
    joined: dict[str, Any] = {
        name: np.concatenate([part.tables()[name] for part in parts]) for name in parts[0].tables()
    }
    return replace(parts[0], **joined)


# ---- files -------------------------------------------------------------------------------------------------


class Keeper:
    """Writes scores block by block; a context manager. The file appears when the context ends without an error.

    Parameters
    ----------
    file : path or binary file
        ``.npz`` by custom. An open file is written as it is, and stays open.
    bits : 8 or 16
        16 gives exactly the decisions that the scores themselves give; 8 is half the size.

    Attributes
    ----------
    about : dict
        What else the file says of them, JSON; to be filled before the context ends.
    """

    def __init__(self, file: str | Path | BinaryIO, *, bits: int = 16) -> None:
        _steps(bits)
        self._bits, self._blocks = bits, 0
        self.about: dict[str, Any] = {}
        self._about: dict[str, Any] = {"schema": SCHEMA, "bits": bits}
        self._path = Path(file) if isinstance(file, str | Path) else None
        self._beside = self._path and self._path.with_name(f".{self._path.name}-{os.getpid()}.part")
        self._into: Path | BinaryIO = self._beside or cast(BinaryIO, file)
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Keeper:
        self._zip = zipfile.ZipFile(self._into, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION)
        return self

    def add(self, block: NoteScores) -> None:
        """Write the block that follows those before."""
        if not self._blocks:
            self._about |= {"hop_s": block.hop_s, "first_s": block.first_s, "lowest": block.lowest}
        for name, table in block.tables().items():
            self._put(f"{name}_{self._blocks:05}", _held(table, self._bits))
        self._blocks += 1

    def _put(self, name: str, array: np.ndarray) -> None:
        assert self._zip is not None
        entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))  # the same bytes every time
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.asarray(array, order="F"), allow_pickle=False)

    def __exit__(self, kind: object, *_: object) -> None:
        assert self._zip is not None
        try:
            if kind is None:
                about = self.about | self._about | {"blocks": self._blocks}
                self._put("about", np.array(json.dumps(about)))
            self._zip.close()
            if kind is None and self._beside and self._path:
                self._beside.replace(self._path)
        finally:
            if self._beside:
                self._beside.unlink(missing_ok=True)


def save(scores: NoteScores, path: str | Path, *, bits: int = 16) -> None:
    """Write scores that are at hand."""
    with Keeper(path, bits=bits) as keeper:
        keeper.add(scores)


def load_about(path: str | Path | BinaryIO) -> dict[str, Any]:
    """What a file says of its scores. Raises as :func:`load_blocks`."""
    with _opened(path) as file:
        return dict(json.loads(str(file["about"])))


def load_blocks(path: str | Path | BinaryIO) -> Iterator[NoteScores]:
    """The blocks of a file, in order, each read when it is asked for. Without any there were no frames.

    Raises
    ------
    UnreadableScores
        If it is not such a file, or a later version wrote it.
    """
    with _opened(path) as file:
        about = json.loads(str(file["about"]))
        if about["schema"] != SCHEMA:
            raise UnreadableScores(
                f"{path}: note scores of version {about['schema']}, this program reads {SCHEMA}. Update it."
            )
        steps = _steps(about["bits"])
        given = {name: about[name] for name in ("hop_s", "first_s", "lowest") if name in about}
        frames = 0
        count = sum(name.startswith("onset_") for name in file.files)
        kinds = ["onset", "sustain"] + (["velocity"] if "velocity_00000" in file.files else [])
        if len(file.files) != 1 + count * len(kinds) or count != about.get("blocks", count):
            raise ValueError(f"{len(file.files)} parts, some are missing")
        for number in range(count):
            tables: dict[str, Any] = {
                name: _probabilities(file[f"{name}_{number:05}"], steps) for name in kinds
            }
            first_s = about["first_s"] + frames * about["hop_s"]
            frames += len(tables["onset"])
            yield NoteScores(**tables, **(given | {"first_s": first_s}))


#: What zipfile and NumPy raise about files that are damaged, or none of theirs.
_NOT_OURS = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError)


@contextmanager
def _opened(path: str | Path | BinaryIO) -> Iterator[Any]:
    """The arrays of a file; whatever is wrong with it is said as ``UnreadableScores``."""
    try:
        if not isinstance(path, str | Path):
            path.seek(0)
        with np.load(path, allow_pickle=False) as file:
            yield file
    except (*_NOT_OURS, zipfile.BadZipFile, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnreadableScores(
            f"{path}: no note scores can be read from it ({reason}). Analyse the recording again."
        ) from None


def load(path: str | Path | BinaryIO) -> NoteScores:
    """All of a file. Raises as :func:`load_blocks`."""
    return concatenate(load_blocks(path))


def in_steps(table: np.ndarray, steps: int) -> np.ndarray:
    """Probabilities in whole steps, float32 in the table's order: cut to 0..steps, 0 for what is no number.

    The decoder and files round in the same way, in single precision, so that both see the same numbers.
    """
    held = np.multiply(table, np.float32(steps), dtype=np.float32)
    np.clip(np.rint(held, out=held), 0, steps, out=held)
    return np.nan_to_num(held, copy=False)


def _steps(bits: int) -> int:
    if bits not in STEPS_OF_BITS:
        raise UsageError(f"bits={bits}: note scores are kept in 8 or 16 bits")
    return STEPS_OF_BITS[bits]


def _held(table: np.ndarray, bits: int) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    steps = STEPS_OF_BITS[bits]
    return in_steps(table, steps).astype(kind)


def _probabilities(held: np.ndarray, steps: int) -> np.ndarray:
    return (held / np.float64(steps)).astype(np.float32)
