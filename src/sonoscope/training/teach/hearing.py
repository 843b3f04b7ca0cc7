"""From sound to vectors: what the base's embedding makes of windows of a sound, and of altered copies of it.

Windows start every half window. Three rules make a stretch of sound fit them:

- shorter than a window: it is laid into a window of background as loud as its own quietest tenth, for each copy at
  another place;
- longer than a window, and said to hold a class: windows that are more than :data:`QUIETER_DB` quieter than the loudest
  are left out, since the sound may not be in them; of the others at most :data:`MOST_WINDOWS` are taken;
- both ends are mirrored for half a window, so that no window begins with the click of a beginning.

Copies are shifted, made louder or softer, and laid over background (:class:`Bed`) at 0 to 20 dB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope import pipeline
from sonoscope.audio.decode import Decoder
from sonoscope.data.mix.levels import block_powers, loudness_db
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording

#: Windows this much quieter than the loudest of a taught sound are not taught.
QUIETER_DB = 12.0
#: Of one taught sound.
MOST_WINDOWS = 12
#: Of a copy against the background that it is laid over, and of its change of level.
SNR_DB, GAIN_DB = (0.0, 20.0), (-6.0, 6.0)
#: Less sound than this is nothing that could be learned from.
LEAST_S = 0.02
#: Background under a sound that is silent between its parts: this far below the sound.
SOFTEST_DB = -50.0
#: A share of blocks that are taken for what is under a sound.
QUIET_SHARE = 0.1


class Bed:
    """Background to lay sounds over: stretches of sound at one rate, drawn at random."""

    def __init__(self, sounds: Sequence[np.ndarray]) -> None:
        self._sounds = [sound for sound in sounds if sound.size and loudness_db(sound, 24_000) > -100]

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """``count`` samples of one of them, repeated where it is too short; noise if there are none."""
        if not self._sounds:
            return rng.standard_normal(count).astype(np.float32) * 0.01
        sound = self._sounds[int(rng.integers(len(self._sounds)))]
        first = int(rng.integers(0, max(sound.size - count, 0) + 1))
        part = sound[first : first + count]
        return np.resize(part, count).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Heard:
    """Vectors of a sound, (n, d), and of its altered copies, (m, d), float32."""

    vectors: np.ndarray
    copies: np.ndarray


class Listener:
    """A base, ready to give vectors.

    Parameters
    ----------
    base : Bundle

    Attributes
    ----------
    window, step : int
        Samples of a window, and from one to the next.

    Raises
    ------
    UsageError
        If the model gives no embedding.
    """

    def __init__(self, base: Bundle) -> None:
        if base.task == NOTES or not base.embedding_size:
            raise UsageError(
                f"--base {base.name}: gives no embedding of windows. Take field or instruments, or import a graph "
                "with models import --embedding NAME"
            )
        self.base, self._runtime = base, Runtime(base)
        self.sample_rate, self.window = base.sample_rate, base.window_samples
        feature = base.feature
        unit = 1 if feature is None else feature.hop_samples * max(base.trunk_stride, 1)
        self.step = max(self.window // 2 // unit, 1) * unit if self.window > unit else self.window

    def vectors(self, samples: np.ndarray, step: int | None = None) -> np.ndarray:
        """Of all whole windows that start every ``step`` samples, (n, d); at least a window of samples is needed."""
        step = step or self.step
        count = 1 + (samples.size - self.window) // step
        padded = np.pad(samples[: (count - 1) * step + self.window], step, mode="reflect")
        found = pipeline.score_samples(
            padded, self.sample_rate, self.base, self._runtime, hop_s=step / self.sample_rate, embeddings=True
        )
        assert found.scores.embeddings is not None
        return np.array(found.scores.embeddings[1 : 1 + count], dtype=np.float32)

    def taught(self, samples: np.ndarray, bed: Bed, rng: np.random.Generator, copies: int) -> Heard:
        """Vectors of the windows in which a taught sound is, and of its copies."""
        own = self._loud_windows(self._filled(samples, bed, rng))
        made = [self._loud_windows(*self._altered(samples, bed, rng)) for _ in range(copies)]
        size = self.base.embedding_size
        return Heard(own, np.concatenate([np.zeros((0, size), np.float32), *made]))

    def everywhere(self, samples: np.ndarray, bed: Bed, rng: np.random.Generator) -> np.ndarray:
        """Vectors of windows side by side of sound that holds nothing of what is taught."""
        return self.vectors(self._filled(samples, bed, rng), step=self.window)

    def _filled(self, samples: np.ndarray, bed: Bed, rng: np.random.Generator) -> np.ndarray:
        """The sound, laid into a window of background if it is shorter."""
        lacking = self.window - samples.size
        if lacking <= 0:
            return samples
        under_db = max(
            quiet_db(samples, self.sample_rate), loudness_db(samples, self.sample_rate) + SOFTEST_DB
        )
        ground = at_level(bed.draw(self.window, rng), under_db, self.sample_rate)
        first = int(rng.integers(0, lacking + 1))
        ramp = min(samples.size // 8, self.sample_rate // 200)
        fade = np.ones(samples.size, dtype=np.float32)
        if ramp:
            fade[:ramp] = np.linspace(0.0, 1.0, ramp)
            fade[-ramp:] = fade[:ramp][::-1]
        ground[first : first + samples.size] *= 1.0 - fade
        ground[first : first + samples.size] += samples * fade
        return ground

    def _altered(
        self, samples: np.ndarray, bed: Bed, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A copy over background, and the sound without it, by which loud windows are told."""
        sound = self._filled(samples, bed, rng)
        shift = int(rng.integers(0, min(self.step, sound.size - self.window) + 1))
        sound = sound[shift:] * np.float32(10.0 ** (rng.uniform(*GAIN_DB) / 20.0))
        level = loudness_db(sound, self.sample_rate) - rng.uniform(*SNR_DB)
        return sound + at_level(bed.draw(sound.size, rng), level, self.sample_rate), sound

    def _loud_windows(self, samples: np.ndarray, told_by: np.ndarray | None = None) -> np.ndarray:
        """Vectors of the windows that are not much quieter than the loudest, spread over the sound."""
        told_by = samples if told_by is None else told_by
        starts = range(0, samples.size - self.window + 1, self.step)
        power = np.array([float(np.mean(np.square(told_by[s : s + self.window]))) for s in starts])
        loud = np.flatnonzero(power >= power.max() * 10.0 ** (-QUIETER_DB / 10.0))
        if len(loud) > MOST_WINDOWS:
            loud = loud[np.linspace(0, len(loud) - 1, MOST_WINDOWS).round().astype(int)]
        return self.vectors(samples)[loud]


def quiet_db(samples: np.ndarray, sample_rate: int) -> float:
    """Level of the quietest tenth of a sound's blocks, dB re full scale."""
    powers = np.sort(block_powers(samples, sample_rate))
    if not powers.size:
        return -200.0
    return float(10.0 * np.log10(max(powers[: max(int(QUIET_SHARE * powers.size), 1)].mean(), 1e-20)))


def at_level(samples: np.ndarray, level_db: float, sample_rate: int) -> np.ndarray:
    """The sound at a loudness, float32."""
    gain = 10.0 ** ((level_db - max(loudness_db(samples, sample_rate), -100.0)) / 20.0)
    return (samples * gain).astype(np.float32)


def cuts(
    recording: Recording, sample_rate: int, spans: Sequence[tuple[float, float | None]]
) -> Iterator[np.ndarray]:
    """Stretches of a recording, mono float32, decoded once; what lies beyond its end is not there.

    Raises
    ------
    UnreadableAudio
        If it cannot be decoded as far as is needed, or is damaged.
    """
    ranges = [
        (round(start * sample_rate), None if end is None else round(end * sample_rate))
        for start, end in spans
    ]
    parts: list[list[np.ndarray]] = [[np.zeros(0, dtype=np.float32)] for _ in ranges]
    place = 0
    with Decoder(recording, sample_rate=sample_rate) as decoder:
        for block in decoder.blocks():
            for part, (first, last) in zip(parts, ranges, strict=True):
                low, high = (
                    max(first - place, 0),
                    block.size if last is None else min(last - place, block.size),
                )
                if low < high:
                    part.append(block[low:high].copy())
            place += block.size
            if all(last is not None and last <= place for _, last in ranges):
                break
        else:
            if decoder.problem:
                raise UnreadableAudio(recording.name, decoder.problem, "Copy it again, or leave it out.")
    yield from (np.concatenate(part) for part in parts)


def length_s(recording: Recording) -> float:
    """What a header says of a recording's length; decoded where it says nothing. Raises ``UnreadableAudio``."""
    with Decoder(recording) as decoder:
        if decoder.info.duration_hint_s is None:
            for _ in decoder.blocks():
                pass
            return decoder.duration_s
        return decoder.info.duration_hint_s
