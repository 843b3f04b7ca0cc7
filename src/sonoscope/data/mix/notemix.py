"""Training segments for notes: stems with exact notes mixed in the power domain, and what each frame holds.

As in :mod:`sonoscope.data.mix.powermix`, a mixture's power is the sum of its parts' powers, so polyphony, gain,
equaliser and noise cost no waveform. On the logarithmic axis of ``notefreq`` a transposition is a shift by three bins a
semitone, and a detuning by a third of a semitone a shift by one: every stem is heard in many keys and tunings.

Targets (:func:`targets`) of frame ``k``, centred at ``k * hop``: *sustain* is 1 where the centre lies in the note
(``windowing.frame_labels``), *onset* a triangle that reaches 1.6 frames to both sides of the onset, *velocity* that of
the loudest note whose onset is near, from 0 to 1.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonoscope.data import windowing
from sonoscope.data.mix.bank import Bank
from sonoscope.errors import UsageError
from sonoscope.values import Event

#: The lowest of 88 keys, as a MIDI number.
LOWEST = 21
KEYS = 88
#: Frames on each side of an onset over which its target falls to 0.
ONSET_REACH = 1.6
_TO_NATURAL = np.float32(np.log(10.0) / 10.0)
_TO_DB = np.float32(10.0 / np.log(10.0))


@dataclass(frozen=True)
class NoteMixSpec:
    """How segments are drawn. Shares are probabilities; ``(low, high)`` pairs are ranges of a uniform draw.

    Attributes
    ----------
    frames : int
        Frames that are judged in a segment; the network's field comes on top.
    names : mapping
        How often an instrument is the first of a segment, relative to the others; missing ones weigh 1.
    parts : tuple of float
        Probability of 1, 2, 3, … pitched stems.
    drums_share : float
        Segments that a drum stem is added to.
    part_gain_db, level_db : (float, float)
        Loudness of further stems against the first, and of the whole: dB of its loud frames.
    transpose : int
        Semitones up or down at most.
    detune_share : float
        Stems that are moved by a bin, a third of a semitone, their labels unmoved.
    equaliser_db : float
        Standard deviation of the random smooth gain curve of each stem.
    noise_share, snr_db : float, (float, float)
    band_limit_share : float
        Segments without highs, as from a telephone or an old recording.
    quiet_share : float
        Segments of noise, drums and what is ``beside`` alone.
    beside : mapping
        Names of further stems without notes (speech, …), each with the share of segments that one is added to; in
        quiet segments it is added four times as often.
    """

    frames: int = 112
    names: Mapping[str, float] | None = None
    parts: tuple[float, ...] = (0.55, 0.25, 0.14, 0.06)
    drums_share: float = 0.15
    part_gain_db: tuple[float, float] = (-10.0, 3.0)
    level_db: tuple[float, float] = (-48.0, -8.0)
    transpose: int = 5
    detune_share: float = 0.2
    equaliser_db: float = 4.0
    noise_share: float = 0.6
    snr_db: tuple[float, float] = (14.0, 60.0)
    band_limit_share: float = 0.25
    quiet_share: float = 0.03
    beside: Mapping[str, float] | None = None


def read_notes(file: str | Path) -> np.ndarray:
    """A note CSV as rows of onset and offset in seconds, MIDI pitch and velocity, float64 (n, 4), by onset."""
    with open(file, newline="", encoding="utf-8") as opened:
        rows = [
            [float(row[column]) for column in ("onset", "offset", "pitch", "velocity")]
            for row in csv.DictReader(opened)
        ]
    return np.array(sorted(rows), dtype=np.float64).reshape(-1, 4)


def targets(
    notes: np.ndarray, n_frames: int, *, hop_samples: int, sample_rate: int, first: int = 0
) -> np.ndarray:
    """What the frames ``first``, ``first + 1``, … of a recording hold, (3, n_frames, 88) float32.

    Parameters
    ----------
    notes : np.ndarray, shape (n, 4)
        As :func:`read_notes` gives them; pitches outside the 88 keys are left out.
    n_frames, hop_samples, sample_rate : int

    Returns
    -------
    np.ndarray
        Onset, sustain and velocity (0 where there is no onset).
    """
    found = np.zeros((3, n_frames, KEYS), dtype=np.float32)
    frame_s = hop_samples / sample_rate
    events = [Event(on, off, "note", 1.0, pitch=pitch) for on, off, pitch, _ in notes.tolist()]
    found[1] = windowing.frame_labels(
        events, n_frames, hop_samples=hop_samples, window_samples=hop_samples, sample_rate=sample_rate,
        pitches=KEYS, rule="centre", start_s=first * frame_s,
    ).T  # fmt: skip
    for onset_s, _, pitch, velocity in notes.tolist():
        key, position = round(pitch) - LOWEST, onset_s / frame_s - first
        if not 0 <= key < KEYS:
            continue
        low = max(int(np.floor(position - ONSET_REACH)) + 1, 0)
        for frame in range(low, min(int(np.ceil(position + ONSET_REACH)), n_frames)):
            height = 1.0 - abs(frame - position) / ONSET_REACH
            found[0, frame, key] = max(found[0, frame, key], height)
            found[2, frame, key] = max(found[2, frame, key], velocity / 127.0)
    return found


class NoteMix:
    """Draws segments from banks of stems that have notes.

    Parameters
    ----------
    banks : sequence of Bank
        Of ``notefreq`` rows; all with the same feature.
    notes : mapping of key to np.ndarray
        The notes of each of the banks' stems, as :func:`read_notes` gives them; stems without are drums.
    field, look_ahead : int
        The network's: rows a judged frame depends on, and how many of them come after it.
    spec : NoteMixSpec

    Raises
    ------
    UsageError
        If the banks differ in feature or none of them holds a stem with notes.
    """

    def __init__(
        self,
        banks: Sequence[Bank],
        notes: Mapping[str, np.ndarray],
        *,
        field: int,
        look_ahead: int,
        spec: NoteMixSpec | None = None,
    ) -> None:
        if not banks or any(bank.feature != banks[0].feature for bank in banks):
            raise UsageError("banks must be one or more of the same feature: build them with one recipe")
        self.feature, self.spec = banks[0].feature, spec or NoteMixSpec()
        self.rows = self.spec.frames + field - 1
        self.judged_from = field - 1 - look_ahead
        self._beside = dict(self.spec.beside or {})
        self._stems: dict[str, list[tuple[Bank, int, np.ndarray]]] = {}
        for bank in banks:
            for index, row in enumerate(bank.rows):
                held = notes.get(row["key"], np.zeros((0, 4)))
                name = row["name"] if len(held) or row["name"] in self._beside else "drums"
                self._stems.setdefault(name, []).append((bank, index, held))
        self._names = [name for name in self._stems if name != "drums" and name not in self._beside]
        if not self._names:
            raise UsageError("no stem of the banks has notes: give the notes by the stems' keys")
        weights = self.spec.names or {}
        weight = np.array([weights.get(name, weights.get("default", 1.0)) for name in self._names])
        self._weight = weight / weight.sum()
        self._pitches = self.feature.n_bins // 2
        self._floor = np.float32(self.feature.floor)
        knots = np.random.default_rng(1).standard_normal((1024, 9))
        axis = np.linspace(0, 8, self._pitches)
        self._curves = np.stack([np.interp(axis, np.arange(9), k) for k in knots]).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One segment: rows (frames + field - 1, n_bins) in dB and targets (3, frames, 88), float32."""
        spec = self.spec
        power = np.zeros((self.rows, 2, self._pitches), dtype=np.float32)
        found = np.zeros((3, spec.frames, KEYS), dtype=np.float32)
        quiet = rng.random() < spec.quiet_share
        count = 0 if quiet else 1 + int(rng.choice(len(spec.parts), p=spec.parts))
        for part in range(count):
            name = self._names[rng.choice(len(self._names), p=self._weight)]
            gain_db = rng.uniform(*spec.part_gain_db) if part else 0.0
            self._add(rng, power, found, name, gain_db)
        if "drums" in self._stems and rng.random() < (0.3 if quiet else spec.drums_share):
            self._add(rng, power, found, "drums", rng.uniform(*spec.part_gain_db))
        for name, share in self._beside.items():
            if name in self._stems and rng.random() < (min(4 * share, 1.0) if quiet else share):
                self._add(rng, power, found, name, rng.uniform(*spec.part_gain_db))
        if quiet or rng.random() < spec.noise_share:
            power += self._noise(rng) * np.float32(10.0 ** (-rng.uniform(*spec.snr_db) / 10.0))
        power *= np.float32(10.0 ** (rng.uniform(*spec.level_db) / 10.0))
        if rng.random() < spec.band_limit_share:
            cut = int(rng.integers(self._pitches * 5 // 8, self._pitches))
            steep = np.float32(10.0 ** -rng.uniform(0.1, 1.0))
            power[:, :, cut:] *= np.maximum(
                steep ** np.arange(1, self._pitches - cut + 1, dtype=np.float32), np.float32(1e-9)
            )
        np.maximum(power, self._floor, out=power)
        return (_TO_DB * np.log(power)).reshape(self.rows, -1), found

    def batches(self, seed: int, size: int, *, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Endless batches of ``size`` segments from number ``first`` on; each depends on seed and number only."""
        for number in itertools.count(first):
            rng = np.random.default_rng([seed, number])
            drawn = [self.draw(rng) for _ in range(size)]
            yield np.stack([rows for rows, _ in drawn]), np.stack([found for _, found in drawn])

    def _add(
        self,
        rng: np.random.Generator,
        power: np.ndarray,
        found: np.ndarray,
        name: str,
        gain_db: float,
    ) -> None:
        """Add a stretch of a stem of this instrument, shifted, to the powers, and its notes to the targets."""
        spec, stems = self.spec, self._stems[name]
        bank, index, notes = stems[int(rng.integers(len(stems)))]
        length = int(bank.count[index])
        # Half a second into or out of silence is as common as the middle.
        first = int(rng.integers(-25, max(length - self.rows + 25, -24)))
        low, high = max(first, 0), min(first + self.rows, length)
        rows = bank.item(index)[low:high].astype(np.float32).reshape(high - low, 2, self._pitches)
        semitones = self._semitones(rng, notes)
        bins = 3 * semitones + (int(rng.choice([-1, 1])) if rng.random() < spec.detune_share else 0)
        curve = self._curves[int(rng.integers(len(self._curves)))] * np.float32(spec.equaliser_db)
        linear = np.exp((rows + (curve + np.float32(gain_db) - bank.level_db[index])) * _TO_NATURAL)
        source, target = _shifted(bins, self._pitches)
        power[low - first : high - first, :, target] += linear[:, :, source]
        if len(notes):
            moved = notes + np.array([0.0, 0.0, semitones, 0.0])
            begin = first + self.judged_from
            part = targets(
                _near(moved, begin, spec.frames, self._frame_s),
                spec.frames,
                hop_samples=self.feature.hop_samples,
                sample_rate=self.feature.sample_rate,
                first=begin,
            )
            np.maximum(found, part, out=found)

    def _semitones(self, rng: np.random.Generator, notes: np.ndarray) -> int:
        """A transposition that leaves every note on a key."""
        limit = self.spec.transpose
        if not len(notes) or not limit:
            return 0
        down = min(limit, int(notes[:, 2].min()) - LOWEST)
        up = min(limit, LOWEST + KEYS - 1 - int(notes[:, 2].max()))
        return int(rng.integers(-max(down, 0), max(up, 0) + 1))

    @property
    def _frame_s(self) -> float:
        return self.feature.hop_samples / self.feature.sample_rate

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """Coloured noise whose power fluctuates as that of noise does, about as loud as a stem."""
        curve = self._curves[int(rng.integers(len(self._curves)))] * np.float32(8.0)
        tilt = np.linspace(0.0, rng.uniform(-10.0, 30.0), self._pitches, dtype=np.float32)
        colour = np.exp((curve + tilt) * _TO_NATURAL)
        speckle = rng.standard_exponential((self.rows, 2, self._pitches), dtype=np.float32)
        return speckle * (colour / colour.sum())


def _shifted(bins: int, n: int) -> tuple[slice, slice]:
    """Where bins are taken from and where they go when everything moves up by ``bins``."""
    return slice(max(0, -bins), n - max(0, bins)), slice(max(0, bins), n - max(0, -bins))


def _near(notes: np.ndarray, first: int, n_frames: int, frame_s: float) -> np.ndarray:
    """The notes that have a part in the frames ``first`` to ``first + n_frames``."""
    begin_s, end_s = (first - 2) * frame_s, (first + n_frames + 2) * frame_s
    return notes[(notes[:, 0] < end_s) & (notes[:, 1] > begin_s)]
