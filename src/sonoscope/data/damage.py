"""What happens to sound between the instrument and the file: a room, a microphone, noise, overload, a codec.

Nothing here moves the sound in time: a room's response begins with the direct sound, filters have zero phase, and what
a codec delays is taken out again (:func:`lag`). So labels of the undamaged sound stay true.

Choosing the damage and applying it are two functions, as in :mod:`sonoscope.data.mix.variants`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
import soxr

from sonoscope.data import rooms
from sonoscope.errors import lookup


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg, the container it goes into, and the rates (Hz, bit/s) it is used with."""

    encoder: str
    container: str
    sample_rates: tuple[int, ...]
    bit_rates: tuple[int, ...]


CODECS: dict[str, Codec] = {
    "mp3": Codec("libmp3lame", "mp3", (24_000, 44_100), (32_000, 48_000, 64_000, 96_000, 128_000)),
    "opus": Codec("libopus", "ogg", (24_000, 48_000), (12_000, 16_000, 24_000, 32_000, 64_000)),
    "aac": Codec("aac", "adts", (24_000, 44_100), (32_000, 48_000, 64_000, 96_000)),
    "telephone": Codec("pcm_mulaw", "wav", (8_000,), (64_000,)),
    "mobile": Codec("libopencore_amrnb", "amr", (8_000,), (7_950, 12_200)),
    "wideband": Codec("g722", "wav", (16_000,), (64_000,)),
}
#: How often each is drawn.
_SHARES = {"mp3": 0.34, "opus": 0.28, "aac": 0.18, "telephone": 0.08, "mobile": 0.04, "wideband": 0.08}
#: Longest delay that is looked for.
_LAG_S = 0.15
#: Seconds of noise by which a codec's delay is measured.
_PROBE_S = 2.0


@dataclass(frozen=True)
class Damage:
    """What is done, in this order; the defaults change nothing.

    Attributes
    ----------
    room : Room or None
    equaliser_db : tuple of float
        Gain of the microphone at frequencies spread evenly (in octaves) from 40 Hz to 12 kHz.
    snr_db : float or None
        Level of the noise: dB below the loud parts of the sound.
    noise_slope : float
        Of the noise, dB an octave; hum of 50 Hz is added where it falls by more than 4.
    drive_db : float
        What exceeds full scale is cut off after so much gain over the peak; 0: nothing is.
    codec : str
        A key of :data:`CODECS`, or empty.
    sample_rate, bit_rate : int
        The codec's.
    seed : int
        Of the room's tail and the noise.
    """

    room: rooms.Room | None = None
    equaliser_db: tuple[float, ...] = ()
    snr_db: float | None = None
    noise_slope: float = 0.0
    drive_db: float = 0.0
    codec: str = ""
    sample_rate: int = 0
    bit_rate: int = 0
    seed: int = 0


def choose(rng: np.random.Generator) -> Damage:
    """Draw what happens: seven of ten in a room, half through a codec, some overloaded."""
    codec, sample_rate, bit_rate = "", 0, 0
    room = rooms.draw_room(rng) if rng.random() < 0.7 else None
    if rng.random() < 0.5:
        codec, sample_rate, bit_rate = draw_codec(rng)
    return Damage(
        room=room,
        equaliser_db=_microphone(rng) if rng.random() < 0.7 else (),
        snr_db=float(rng.uniform(12.0, 55.0)) if rng.random() < 0.7 else None,
        noise_slope=float(rng.uniform(-7.0, 0.0)),
        drive_db=float(rng.uniform(1.0, 14.0)) if rng.random() < 0.15 else 0.0,
        codec=codec,
        sample_rate=sample_rate,
        bit_rate=bit_rate,
        seed=int(rng.integers(2**31)),
    )


def draw_codec(rng: np.random.Generator) -> tuple[str, int, int]:
    """A key of :data:`CODECS` as often as it is met, with a sample rate (Hz) and a bit rate (bit/s) of its own."""
    codec = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    return codec, int(rng.choice(CODECS[codec].sample_rates)), int(rng.choice(CODECS[codec].bit_rates))


def _microphone(rng: np.random.Generator) -> tuple[float, ...]:
    """A curve of nine points, smooth, with the lows or highs rolled off a third of the time each."""
    curve = np.convolve(rng.normal(0.0, 5.0, 11), [0.25, 0.5, 0.25], "valid")
    if rng.random() < 0.33:
        curve -= np.linspace(rng.uniform(5.0, 25.0), 0.0, 9).clip(0) * (np.arange(9) < 4)
    if rng.random() < 0.33:
        curve -= np.linspace(0.0, rng.uniform(5.0, 30.0), 9) * (np.arange(9) > 5)
    return tuple(curve.tolist())


def apply(samples: np.ndarray, sample_rate: int, damage: Damage) -> np.ndarray:
    """Damaged samples, shape (n,) as given, float32; the same arguments give the same result on one machine.

    Raises
    ------
    UnknownName
        If the codec is none of :data:`CODECS`.
    """
    rng = np.random.default_rng(damage.seed)
    out = np.asarray(samples, dtype=np.float32)
    if damage.room is not None:
        out = rooms.reverberated(out, rooms.response(damage.room, sample_rate, rng))
    if damage.equaliser_db:
        out = _equalised(out, sample_rate, damage.equaliser_db)
    if damage.snr_db is not None:
        out = out + _noise(out, sample_rate, damage, rng)
    if damage.drive_db:
        limit = float(np.abs(out).max(initial=0.0)) * 10.0 ** (-damage.drive_db / 20.0)
        out = np.clip(out, -limit, limit)
    if damage.codec:
        out = coded(out, sample_rate, damage.codec, damage.sample_rate, damage.bit_rate)
    return out.astype(np.float32)


def _equalised(samples: np.ndarray, sample_rate: int, curve_db: tuple[float, ...]) -> np.ndarray:
    """Filtered with a zero phase: a second of silence around it takes up what rings."""
    size = scipy.fft.next_fast_len(samples.size + sample_rate, real=True)
    hz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    points = np.linspace(np.log2(40.0), np.log2(12_000.0), len(curve_db))
    gain = 10.0 ** (np.interp(np.log2(np.maximum(hz, 1.0)), points, curve_db) / 20.0)
    spectrum = scipy.fft.rfft(samples, size) * gain.astype(np.float32)
    return scipy.fft.irfft(spectrum, size)[: samples.size].astype(np.float32)


def _noise(samples: np.ndarray, sample_rate: int, damage: Damage, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise, ``snr_db`` below the 95th percentile of the sound's power over 50 ms."""
    step = max(sample_rate // 20, 1)
    frames = samples[: samples.size // step * step].astype(np.float64).reshape(-1, step)
    loud = float(np.percentile(np.mean(frames**2, axis=1), 95)) if len(frames) else 0.0
    spectrum = scipy.fft.rfft(rng.standard_normal(samples.size))
    hz = np.maximum(np.fft.rfftfreq(samples.size, 1.0 / sample_rate), 20.0)
    noise = scipy.fft.irfft(spectrum * (hz / 1000.0) ** (damage.noise_slope / 6.02), samples.size)
    noise /= np.sqrt(np.mean(noise**2)) + 1e-12
    if damage.noise_slope < -4.0:
        at = np.arange(samples.size) / sample_rate
        noise += 0.5 * sum(np.sin(2 * np.pi * 50.0 * k * at + k) / k for k in (1, 2, 3))
    return noise * np.sqrt(loud) * 10.0 ** (-(damage.snr_db or 0.0) / 20.0)


def coded(samples: np.ndarray, sample_rate: int, codec: str, coded_rate: int, bit_rate: int) -> np.ndarray:
    """Through an encoder and its decoder and back, where it was in time: shape (n,) as given, float32.

    Raises
    ------
    UnknownName
        If the codec is none of :data:`CODECS`.
    """
    late = lag(codec, coded_rate, bit_rate, sample_rate)
    padded = np.concatenate([samples, np.zeros(round(_LAG_S * sample_rate), dtype=np.float32)])
    back = _round_trip(padded, sample_rate, codec, coded_rate, bit_rate)
    moved = back[late:] if late >= 0 else np.concatenate([np.zeros(-late, dtype=np.float32), back])
    out = np.zeros(samples.size, dtype=np.float32)
    out[: min(moved.size, out.size)] = moved[: out.size]
    return out


@lru_cache(maxsize=256)
def lag(codec: str, coded_rate: int, bit_rate: int, sample_rate: int) -> int:
    """Samples by which a codec delays: where a burst of noise correlates best with what comes back."""
    n = round(_PROBE_S * sample_rate)
    rng = np.random.default_rng(0)
    probe = rng.standard_normal(n) * (np.arange(n) > n // 4) * (np.arange(n) < n // 2) * 0.1
    # Below 3 kHz, where every codec keeps its waveform.
    spectrum = scipy.fft.rfft(probe)
    spectrum[np.fft.rfftfreq(n, 1.0 / sample_rate) > 3_000.0] = 0.0
    probe = scipy.fft.irfft(spectrum, n).astype(np.float32)
    back = _round_trip(probe, sample_rate, codec, coded_rate, bit_rate)
    size = scipy.fft.next_fast_len(2 * max(n, back.size), real=True)
    match = scipy.fft.irfft(scipy.fft.rfft(back, size) * np.conj(scipy.fft.rfft(probe, size)), size)
    most = round(_LAG_S * sample_rate)
    shifts = np.concatenate([np.arange(most + 1), np.arange(-most, 0)])
    return int(shifts[np.argmax(match[shifts])])


def _round_trip(
    samples: np.ndarray, sample_rate: int, codec: str, coded_rate: int, bit_rate: int
) -> np.ndarray:
    """Encoded into a file in memory and decoded again, float32, as late as the codec makes it."""
    import av

    chosen = lookup(CODECS, codec, "codec")
    given = soxr.resample(samples, sample_rate, coded_rate, quality="HQ")
    peak = max(float(np.abs(given).max(initial=0.0)), 1e-9)
    file = io.BytesIO()
    with av.open(file, "w", format=chosen.container) as container:
        # PyAV types a stream by its encoder's name, which is known only here.
        stream: Any = container.add_stream(chosen.encoder, rate=coded_rate)
        stream.layout, stream.bit_rate = "mono", bit_rate
        whole = (given * (0.9 / peak) * 32767.0).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = coded_rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=coded_rate,
                                      frame_size=stream.codec_context.frame_size or 0)  # fmt: skip
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
    file.seek(0)
    with av.open(file, "r") as container:
        rate = container.streams.audio[0].codec_context.sample_rate
        to_float = av.AudioResampler(format="flt", layout="mono", rate=rate)
        frames = [part for frame in container.decode(audio=0) for part in to_float.resample(frame)]
        frames += to_float.resample(None)
        back = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return soxr.resample(back * np.float32(peak / 0.9), rate, sample_rate, quality="HQ").astype(np.float32)
