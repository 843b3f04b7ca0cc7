"""Recordings made by the tests: a piece of sound, and writers for every container that the tests read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from sonoscope.audio.decode import Decoder
from sonoscope.values import Recording


@dataclass
class Heard:
    """What a decoder gave and said."""

    samples: np.ndarray
    decoder: Decoder

    @property
    def problem(self) -> str:
        return self.decoder.problem


@pytest.fixture
def hear() -> Callable[..., Heard]:
    """Decode a path or recording to its end."""

    def decode(source: Path | Recording, **options) -> Heard:
        recording = source if isinstance(source, Recording) else Recording(str(source), Path(source).name)
        with Decoder(recording, **options) as decoder:
            parts = [block.copy() for block in decoder.blocks()]
        return Heard(np.concatenate(parts), decoder)

    return decode


@pytest.fixture(scope="session")
def music() -> Callable[..., np.ndarray]:
    """Two channels of notes that start at odd moments over some noise: float32, (2, n), peak about 0.6."""

    def make(rate: int = 44100, seconds: float = 3.0) -> np.ndarray:
        rng = np.random.default_rng(7)
        n = int(rate * seconds)
        channels = 0.003 * rng.standard_normal((2, n))
        for start_s in np.arange(0.05, seconds, 0.17):
            start = int(start_s * rate)
            t = np.arange(n - start) / rate
            for channel in channels:
                pitch_hz = rng.uniform(150, 1500)
                note = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in (1, 2, 3))
                channel[start:] += 0.08 * note * np.exp(-8 * t)
        return channels.astype(np.float32)

    return make


@pytest.fixture(scope="session")
def write_sound() -> Callable[..., Path]:
    """Write (channels, n) or (n,) through soundfile, in blocks: a long Vorbis in one call crashes libsndfile."""

    def write(path: Path, samples: np.ndarray, rate: int = 44100, **options) -> Path:
        frames = np.atleast_2d(samples).T
        with soundfile.SoundFile(path, "w", rate, frames.shape[1], **options) as file:
            for start in range(0, len(frames), 16384):
                file.write(frames[start : start + 16384])
        return path

    return write


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    """Write (channels, n) through PyAV, on request beside a picture that moves."""

    def write(
        path: Path,
        samples: np.ndarray,
        rate: int,
        codec: str,
        *,
        container: str | None = None,
        picture: str | None = None,
        **options: str,
    ) -> Path:
        layout = "mono" if len(samples) == 1 else "stereo"
        with av.open(str(path), "w", format=container, options=options) as file:
            film = file.add_stream(picture, rate=10) if picture else None
            if film:
                film.width = film.height = 64
                film.pix_fmt = "yuv420p"
            stream = file.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 128_000
            resampler = av.AudioResampler(stream.format, layout, rate)
            for start in range(0, samples.shape[1], 8192):
                part = np.ascontiguousarray(samples[:, start : start + 8192])
                frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
                frame.sample_rate = rate
                frame.pts = start
                for converted in resampler.resample(frame):
                    file.mux(stream.encode(converted))
            file.mux(stream.encode(None))
            if film:
                _draw(file, film, samples.shape[1] / rate)
        return path

    def _draw(file, film, seconds: float) -> None:
        for number in range(int(10 * seconds)):
            image = np.full((64, 64, 3), number % 256, np.uint8)
            file.mux(film.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(film.encode(None))

    return write


@pytest.fixture(scope="session")
def silent_film() -> Callable[[Path], Path]:
    """A video without sound."""

    def write(path: Path) -> Path:
        with av.open(str(path), "w") as file:
            film = file.add_stream("mpeg4", rate=10)
            film.width = film.height = 64
            film.pix_fmt = "yuv420p"
            for _ in range(5):
                image = np.zeros((64, 64, 3), np.uint8)
                file.mux(film.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            file.mux(film.encode(None))
        return path

    return write
