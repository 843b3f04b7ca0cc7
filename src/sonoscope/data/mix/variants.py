"""Variants of a recording that only the waveform can give: speed, rooms, overdrive, band limits, codecs.

Choosing the parameters and applying them are two functions. What can be done on mel powers (gain, equaliser,
noise, masks, mixtures) is done there, ten times cheaper: see ``powermix``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.signal
import soxr

from sonoscope.data import damage


@dataclass(frozen=True)
class Variant:
    """Parameters of one variant; the defaults change nothing.

    Attributes
    ----------
    speed : float
        Tape speed: pitch and tempo together; 1.06 is a semitone up.
    room_s : float
        Reverberation time (60 dB decay) of a synthetic room, 0 for none.
    wet_db : float
        Level of the room against the direct sound.
    drive_db : float
        Gain into a soft clipper, 0 for none.
    low_cut_hz, high_cut_hz : float
        Band limits of a microphone, a loudspeaker or a telephone; 0 for none.
    codec : str
        A key of ``damage.CODECS``, or empty.
    coded_rate, bit_rate : int
        The codec's, in Hz and bit/s.
    seed : int
        Of the room's noise.
    """

    speed: float = 1.0
    room_s: float = 0.0
    wet_db: float = -12.0
    drive_db: float = 0.0
    low_cut_hz: float = 0.0
    high_cut_hz: float = 0.0
    codec: str = ""
    coded_rate: int = 0
    bit_rate: int = 0
    seed: int = 0


def choose(rng: np.random.Generator, *, overdrive: float = 0.15, coded: float = 0.0) -> Variant:
    """Draw a variant; ``overdrive`` is the share that is driven into the clipper, ``coded`` that of the encoded."""
    drawn = Variant(
        speed=float(2.0 ** (rng.uniform(-1.5, 1.5) / 12.0)),
        room_s=float(rng.uniform(0.15, 1.4)) if rng.random() < 0.6 else 0.0,
        wet_db=float(rng.uniform(-20.0, 0.0)),
        drive_db=float(rng.uniform(3.0, 24.0)) if rng.random() < overdrive else 0.0,
        low_cut_hz=float(np.exp(rng.uniform(np.log(40.0), np.log(350.0)))) if rng.random() < 0.3 else 0.0,
        high_cut_hz=float(np.exp(rng.uniform(np.log(3_000.0), np.log(10_000.0))))
        if rng.random() < 0.35
        else 0.0,
        seed=int(rng.integers(2**31)),
    )
    if coded and rng.random() < coded:
        codec, coded_rate, bit_rate = damage.draw_codec(rng)
        drawn = replace(drawn, codec=codec, coded_rate=coded_rate, bit_rate=bit_rate)
    return drawn


def apply(samples: np.ndarray, sample_rate: int, variant: Variant) -> np.ndarray:
    """The variant of a mono signal of shape (n,), float32; its length changes with the speed and the room's
    tail."""
    out = np.asarray(samples, dtype=np.float32)
    if variant.speed != 1.0:
        out = soxr.resample(out, sample_rate * variant.speed, sample_rate, quality="HQ")
    if variant.drive_db:
        peak = max(float(np.max(np.abs(out), initial=0.0)), 1e-6)
        drive = 10.0 ** (variant.drive_db / 20.0)
        out = np.tanh(out / peak * drive) * (peak / np.tanh(drive))
    if variant.room_s:
        out = _reverberate(out, sample_rate, variant)
    for cut_hz, kind in ((variant.low_cut_hz, "highpass"), (variant.high_cut_hz, "lowpass")):
        if 0 < cut_hz < 0.48 * sample_rate:
            out = scipy.signal.sosfilt(
                scipy.signal.butter(4, cut_hz, kind, fs=sample_rate, output="sos"), out
            )
    out = out.astype(np.float32)
    if variant.codec:
        out = damage.coded(out, sample_rate, variant.codec, variant.coded_rate, variant.bit_rate)
    return out


def _reverberate(samples: np.ndarray, sample_rate: int, variant: Variant) -> np.ndarray:
    """Add exponentially decaying noise, darker as it decays, after a short gap; at most 0.5 s of tail is
    kept."""
    rng = np.random.default_rng(variant.seed)
    n = int(variant.room_s * sample_rate)
    time_s = np.arange(n) / sample_rate
    tail = rng.standard_normal(n) * 10.0 ** (-3.0 * time_s / variant.room_s)
    damped = scipy.signal.lfilter([0.35], [1.0, -0.65], tail)
    tail = tail * np.exp(-3.0 * time_s / variant.room_s) + damped * (
        1.0 - np.exp(-3.0 * time_s / variant.room_s)
    )
    gap = int(rng.uniform(0.003, 0.02) * sample_rate)
    tail *= 10.0 ** (variant.wet_db / 20.0) / np.sqrt(np.sum(tail**2) + 1e-12)
    length = samples.size + min(n, sample_rate // 2)
    size = scipy.fft.next_fast_len(samples.size + n, real=True)
    wet = scipy.fft.irfft(scipy.fft.rfft(samples, size) * scipy.fft.rfft(tail.astype(np.float32), size), size)
    out = np.zeros(length, dtype=np.float32)
    out[: samples.size] = samples
    out[gap:] += wet[: length - gap]
    return out
