"""Recordings and videos made here, of which every sample is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from sonoscope.data.rows import Row

RATE = 16_000


def integers(seed: int, n: int, channels: int = 1) -> np.ndarray:
    """Noise of 16 bit, shape (n, channels), that uses the whole range."""
    return np.random.default_rng(seed).integers(-32768, 32768, (n, channels)).astype(np.int16)


def write_video(path: Path, samples: np.ndarray, rate: int, codec: str = "pcm_s16le") -> Path:
    """A video of 10 pictures a second whose sound is ``samples``, int16 of shape (n, channels)."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout = layout
        for number in range(len(samples) * 10 // rate):
            frame = av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), number * 9 % 256, np.uint8), format="rgb24"
            )
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[start : start + 1024]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def wav(path: Path, seed: int, seconds: float, rate: int = RATE) -> np.ndarray:
    """Write noise as a mono WAV; its samples, int16 of shape (n,)."""
    samples = integers(seed, round(seconds * rate))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return samples[:, 0]


def entry(file: str, labels: list[str], *ranges: Any, **others: Any) -> dict[str, Any]:
    """An entry of a specification."""
    return {"file": file, "labels": labels, "ranges": list(ranges), **others}


Specify = Callable[..., Path]


@pytest.fixture
def specify(tmp_path: Path) -> Specify:
    """Write entries as ``spec.json``, one a line, and return its path."""

    def write(*entries: dict[str, Any], name: str = "spec.json") -> Path:
        path = tmp_path / name
        path.write_text("[\n" + ",\n".join(json.dumps(each) for each in entries) + "\n]", encoding="utf-8")
        return path

    return write


def heard(folder: Path, row: Row) -> np.ndarray:
    """The samples of a clip, int16 of shape (n,)."""
    samples, _ = soundfile.read(folder / row.path, dtype="int16")
    return samples


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but for the state, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".sonoscope" not in path.parts
    }
