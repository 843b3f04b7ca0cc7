"""Preparing a recording to be looked at and played: every sample in a WAV file, and the extremes of each stretch."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.pipeline import sound_remarks
from sonoscope.service.faults import Fault
from sonoscope.service.tasks.inputs import only
from sonoscope.service.tiles import HEADER, STRETCH
from sonoscope.service.worker import Tools

#: Bytes that the 32 bits of a WAV file's sizes can state.
LONGEST_BYTES = 2**32 - 4096
#: What browsers play as it is, sample by sample where it says so: (container, codec) begins with.
PLAYED = {
    ("wav", "pcm_16"): "audio/wav", ("wav", "pcm_24"): "audio/wav", ("wav", "pcm_u8"): "audio/wav",
    ("flac", "flac"): "audio/flac", ("mp3", "mp3"): "audio/mpeg", ("ogg", "vorbis"): "audio/ogg",
    ("ogg", "opus"): "audio/ogg",
}  # fmt: skip


def prepare(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``prepare``. ``request``: ``uploads`` (one), and the ``folder`` for ``sound.wav`` and ``peaks.i16``."""
    recording = only(request)
    folder = Path(request["folder"])
    with (
        Decoder(recording) as decoder,
        open(folder / "sound.part", "wb") as sound,
        open(folder / "peaks.part", "wb") as peaks,
    ):
        info = decoder.info
        if info.duration_hint_s is not None:
            tools.check_length(recording.name, info.duration_hint_s * 0.9)
        sound.write(bytes(HEADER))
        stretches = _Stretches(peaks)
        for block in decoder.blocks():
            samples = np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2")
            sound.write(samples.tobytes())
            stretches.push(samples)
            tools.progress(recording.name, decoder.duration_s, info.duration_hint_s)
            if sound.tell() > LONGEST_BYTES:
                raise Fault("too_long", f"{recording.name} is too long to be shown", "Send it in parts.")
        stretches.close()
        sound.seek(0)
        sound.write(header(decoder.n_decoded, info.sample_rate))
        remarks = "; ".join(sound_remarks(decoder))
    (folder / "sound.part").replace(folder / "sound.wav")
    (folder / "peaks.part").replace(folder / "peaks.i16")
    facts = {
        "duration": round(decoder.duration_s, 6), "sample_rate": info.sample_rate, "channels": info.channels,
        "peak": round(decoder.peak, 4), "note": remarks, "bytes": max(recording.size_bytes, 0),
        "samples": decoder.n_decoded, "codec": info.codec, "container": info.container,
        "plays": PLAYED.get((info.container, info.codec)),
    }  # fmt: skip
    return {"media_type": "application/json", "name": "facts.json", "facts": facts}


def header(n_samples: int, rate: int) -> bytes:
    """The 44 bytes of a WAV file, mono, 16 bit."""
    size = 2 * n_samples
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        2 * rate,
        2,
        16,
        b"data",
        size,
    )


class _Stretches:
    """Writes the smallest and largest of every :data:`STRETCH` samples."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._rest = file, np.empty(0, "<i2")

    def push(self, samples: np.ndarray) -> None:
        held = np.concatenate([self._rest, samples])
        whole = len(held) // STRETCH * STRETCH
        self._write(held[:whole].reshape(-1, STRETCH))
        self._rest = held[whole:]

    def close(self) -> None:
        if len(self._rest):
            self._write(self._rest[None])

    def _write(self, rows: np.ndarray) -> None:
        self._file.write(np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1).astype("<i2").tobytes())
