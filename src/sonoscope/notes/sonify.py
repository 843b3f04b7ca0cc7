"""Notes made heard: harmonics that die away, to be listened to beside the recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Literal, get_args

import numpy as np
import soundfile

from sonoscope.errors import UsageError
from sonoscope.values import Event

#: Harmonics, each as loud as its number says how weak; those above half the rate are left out.
HARMONICS = 8
ATTACK_S, RELEASE_S = 0.004, 0.03
#: Seconds in which middle C falls to a tenth; an octave higher it falls in two thirds of the time.
DECAY_S = 2.0
PEAK = 0.5
#: How loud a note of full velocity is where the loudest moment is not known, beside that of :func:`_one`.
LOUDNESS = 0.25

How = Literal["notes", "stereo", "mixed"]
HOW = get_args(How)
#: Samples that are played at a time.
BLOCK = 65_536
#: What the 32 bits of a WAV file's sizes can state.
LONGEST_BYTES = 2**32 - 4096


def sonify(notes: Iterable[Event], sample_rate: int, duration_s: float) -> np.ndarray:
    """The sound of notes, shape (n,), float32, its peak at 0.5 (or silence).

    ``velocity`` is loudness, 64 where it is missing; fractional pitches are heard as such. Notes that end after
    ``duration_s`` are cut; events without a pitch are left out.

    Raises
    ------
    UsageError
        If the rate or the duration is not positive.
    """
    if sample_rate <= 0 or not duration_s >= 0:
        raise UsageError(f"sample_rate={sample_rate}, duration_s={duration_s}: a rate above 0 is needed")
    sound = np.zeros(round(duration_s * sample_rate), np.float32)
    for note in notes:
        first = round(note.start_s * sample_rate)
        if note.pitch is not None and 0 <= first < len(sound):
            one = _one(note, note.pitch, sample_rate)[: len(sound) - first]
            sound[first : first + len(one)] += one
    loudest = np.abs(sound).max(initial=0.0)
    return sound * np.float32(PEAK / loudest) if loudest else sound


def _one(note: Event, pitch: float, sample_rate: int) -> np.ndarray:
    length_s = max(note.end_s - note.start_s, ATTACK_S)
    t = np.arange(round((length_s + RELEASE_S) * sample_rate)) / sample_rate
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    decay_s = DECAY_S * (2 / 3) ** ((pitch - 60) / 12)
    envelope = np.minimum(t / ATTACK_S, 1.0) * 10 ** (-t / decay_s)
    envelope *= np.clip(1 - (t - length_s) / RELEASE_S, 0.0, 1.0)
    turn = 2 * np.pi * hertz * t
    audible = [k for k in range(1, HARMONICS + 1) if k * hertz < sample_rate / 2]
    wave = sum((np.sin(k * turn) / k for k in audible), np.zeros(len(t)))
    loudness = (64 if note.velocity is None else note.velocity) / 127
    return (loudness * envelope * wave).astype(np.float32)


def beside(
    recording: np.ndarray, notes: np.ndarray, how: Literal["stereo", "mixed"] = "stereo"
) -> np.ndarray:
    """Recording and notes to compare: ``stereo`` has the recording on the left and the notes on the right, shape
    (n, 2); ``mixed`` has both in one, shape (n,). The shorter is followed by silence.

    The recording is brought to the same peak as the notes.

    Raises
    ------
    UsageError
        If ``how`` is neither.
    """
    if how not in ("stereo", "mixed"):
        raise UsageError(f"beside={how!r}: either 'stereo' or 'mixed'")
    both = np.zeros((max(len(recording), len(notes)), 2), np.float32)
    loudest = np.abs(recording).max(initial=0.0)
    both[: len(recording), 0] = recording * (PEAK / loudest) if loudest else 0.0
    both[: len(notes), 1] = notes
    return both if how == "stereo" else both.sum(axis=1)


def write(path: str | Path, sound: np.ndarray, sample_rate: int) -> None:
    """Write sound as WAV, 16 bit; shape (n,) or (n, channels)."""
    soundfile.write(str(path), sound, sample_rate, subtype="PCM_16", format="WAV")


# ---- long recordings -------------------------------------------------------------------------------------------


class Player:
    """Plays notes a stretch at a time, in the memory of those that sound.

    As :func:`sonify`, but since the loudest moment is not known beforehand, loud ones are bent softly towards
    :data:`PEAK` instead of making all others quieter. ``place`` is how many samples have been played.
    """

    def __init__(self, notes: Iterable[Event], sample_rate: int) -> None:
        self._notes = deque(sorted(note for note in notes if note.pitch is not None))
        self._rate, self.place = sample_rate, 0
        self._sounding: list[tuple[int, np.ndarray]] = []

    def next(self, n_samples: int) -> np.ndarray:
        """The next stretch of sound, shape (n_samples,), float32."""
        first, last = self.place, self.place + n_samples
        while self._notes and round(self._notes[0].start_s * self._rate) < last:
            note = self._notes.popleft()
            begin = round(note.start_s * self._rate)
            self._sounding.append((begin, _one(note, note.pitch or 0.0, self._rate)))
        sound = np.zeros(n_samples, np.float32)
        for begin, wave in self._sounding:
            low, high = max(begin, first), min(begin + len(wave), last)
            sound[low - first : high - first] += wave[low - begin : high - begin]
        self._sounding = [part for part in self._sounding if part[0] + len(part[1]) > last]
        self.place = last
        return np.float32(PEAK) * np.tanh(np.float32(LOUDNESS / PEAK) * sound)


def write_played(
    file: IO[bytes],
    notes: Iterable[Event],
    sample_rate: int,
    duration_s: float,
    *,
    how: How = "notes",
    recording: Iterable[np.ndarray] = (),
) -> None:
    """Write the sound of notes as WAV, 16 bit, block by block, as long as the recording.

    Parameters
    ----------
    how : str
        ``notes``: alone. ``stereo``: the recording on the left, the notes on the right. ``mixed``: both in one.
    recording : iterable of np.ndarray
        The recording's blocks, mono at ``sample_rate``, for ``stereo`` and ``mixed``; as loud as it is.

    Raises
    ------
    UsageError
        If ``how`` is none of these, or the recording is too long for such a file.
    """
    if how not in HOW:
        raise UsageError(f"audio={how!r}: one of {', '.join(HOW)}")
    channels, total = 2 if how == "stereo" else 1, round(duration_s * sample_rate)
    if total * channels * 2 > LONGEST_BYTES:
        raise UsageError(f"{duration_s:.0f} s of sound are more than a WAV file holds: leave out --audio")
    player = Player(notes, sample_rate)
    with soundfile.SoundFile(file, "w", sample_rate, channels, "PCM_16", format="WAV") as out:
        for block in recording if how != "notes" else ():
            block = block[: total - player.place]
            played = player.next(len(block))
            out.write(np.stack([block, played], axis=1) if how == "stereo" else (block + played) / 2)
        while (left := total - player.place) > 0:
            played = player.next(min(left, BLOCK))
            silence = np.zeros_like(played)
            parts = {"notes": played, "mixed": played / 2, "stereo": np.stack([silence, played], axis=1)}
            out.write(parts[how])
