"""Rooms for waveforms: early reflections by the image method, then a tail that dies away.

The response begins with the direct sound at its first sample, so that what is heard in the room begins when it
began: labels stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.fft

_SOUND_M_S = 343.0
#: Images up to this order are placed one by one; the tail stands for the others.
_ORDER = 3


@dataclass(frozen=True)
class Room:
    """A shoebox.

    Attributes
    ----------
    size_m : (float, float, float)
    source_m, microphone_m : (float, float, float)
        Where they are, inside.
    decay_s : float
        Time in which the sound dies away by 60 dB.
    damping : float, 0..1
        How much faster highs die away.
    """

    size_m: tuple[float, float, float]
    source_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    decay_s: float
    damping: float


def draw_room(rng: np.random.Generator) -> Room:
    """Draw a room, from a cabin to a church, a source and a microphone half a metre to several metres away."""
    length = float(np.exp(rng.uniform(np.log(2.5), np.log(30.0))))
    size = (length, length * float(rng.uniform(0.5, 1.0)), float(np.clip(length * 0.4, 2.2, 14.0)))
    source = tuple(float(rng.uniform(0.2, 0.8)) * side for side in size)
    away = float(np.exp(rng.uniform(np.log(0.4), np.log(max(length / 2, 0.8)))))
    direction = rng.standard_normal(3) * (1.0, 1.0, 0.4)
    direction /= np.linalg.norm(direction)
    microphone = tuple(
        float(np.clip(s + away * d, 0.05 * side, 0.95 * side))
        for s, d, side in zip(source, direction, size, strict=True)
    )
    decay = float(np.clip(rng.uniform(0.08, 0.16) * length**0.9 * rng.uniform(0.6, 1.6), 0.12, 3.5))
    return Room(size, source, microphone, decay, float(rng.uniform(0.2, 0.9)))  # type: ignore[arg-type]


def response(room: Room, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The impulse response, float32; its first sample is the direct sound, of amplitude 1.

    Walls reflect so much that the reverberation time is ``decay_s`` by Sabine's formula; the tail begins where images
    of the third order end and joins them in level.
    """
    size, source, microphone = (np.array(p) for p in (room.size_m, room.source_m, room.microphone_m))
    direct = float(np.linalg.norm(source - microphone))
    surface = 2.0 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    absorbed = float(np.clip(0.161 * size.prod() / (surface * room.decay_s), 0.02, 0.95))
    reflected = np.sqrt(1.0 - absorbed)
    n = max(int(room.decay_s * sample_rate), 64)
    found = np.zeros(n, dtype=np.float64)
    found[0] = 1.0
    for order in product(range(-_ORDER, _ORDER + 1), repeat=3):
        bounces = sum(abs(o) for o in order)
        if not 0 < bounces <= _ORDER:
            continue
        image = np.array([o * side + (s if o % 2 == 0 else side - s)
                          for o, side, s in zip(order, size, source, strict=True)])  # fmt: skip
        distance = float(np.linalg.norm(image - microphone))
        delay = round((distance - direct) / _SOUND_M_S * sample_rate)
        if 0 < delay < n:
            found[delay] += reflected**bounces * direct / distance
    return (found + _tail(room, direct, sample_rate, n, rng)).astype(np.float32)


def _tail(room: Room, direct: float, sample_rate: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that dies away, its highs faster, as loud against the direct sound as a diffuse field is."""
    volume = float(np.prod(room.size_m))
    # The distance at which the direct and the diffuse sound are equally loud.
    critical = 0.057 * np.sqrt(volume / room.decay_s)
    time_s = np.arange(n) / sample_rate
    noise = rng.standard_normal(n) * 10.0 ** (-3.0 * time_s / room.decay_s)
    smooth = np.concatenate([[0.0], np.cumsum(noise)])
    dull = (smooth[4:] - smooth[:-4]) / 4.0
    share = np.exp(-4.0 * room.damping * time_s / room.decay_s)
    tail = noise * share
    tail[: dull.size] += dull[:n] * 1.5 * (1.0 - share[: dull.size])
    begins = min(int(0.7 * min(room.size_m) / _SOUND_M_S * sample_rate), n // 2)
    tail[:begins] *= np.linspace(0.0, 1.0, begins)
    return tail * (min(direct / critical, 3.0) / np.sqrt(np.sum(tail**2) + 1e-12))


def reverberated(samples: np.ndarray, impulse: np.ndarray) -> np.ndarray:
    """Samples, shape (n,), as heard in the room, same length, float32; what rings on after the end is cut."""
    size = scipy.fft.next_fast_len(samples.size + impulse.size - 1, real=True)
    wet = scipy.fft.irfft(scipy.fft.rfft(samples, size) * scipy.fft.rfft(impulse, size), size)
    return wet[: samples.size].astype(np.float32)
