"""What recorders write into files, in chunks built here byte by byte, and where it is found again."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.audio.decode import Decoder
from sonoscope.audio.recorders import offset_of, told
from sonoscope.values import Recording

COMMENT = "Recorded at {} {} ({}) by AudioMoth 24F3190361CBDE2A at medium gain while battery was 4.2V."
NEWEST = (
    "Recorded at 06:00:00 01/06/2025 (UTC-3:30) during deployment 0123456789ABCDEF using external microphone by "
    "AudioMoth 24F3190361CBDE2A at gain setting 2."
)


def chunk(ident: bytes, body: bytes) -> bytes:
    return ident + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wav(before: bytes = b"", after: bytes = b"", samples: int = 800) -> bytes:
    """A whole WAV, 8 kHz, with chunks before and after its samples."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16)
    sound = (1000 * np.sin(np.arange(samples) / 5)).astype("<i2").tobytes()
    body = b"WAVE" + chunk(b"fmt ", form) + before + chunk(b"data", sound) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def info(text: str) -> bytes:
    return chunk(b"LIST", b"INFO" + chunk(b"ICMT", text.encode() + b"\0"))


def guano(*lines: str) -> bytes:
    return chunk(b"guan", "\n".join(("GUANO|Version: 1.0", *lines)).encode())


def wamd(**fields: str) -> bytes:
    kinds = {"model": 1, "serial": 2, "time": 5}
    return chunk(
        b"wamd", b"".join(struct.pack("<HI", kinds[k], len(v)) + v.encode() for k, v in fields.items())
    )


def read(data: bytes) -> dict[str, str]:
    return told(io.BytesIO(data))


def test_nothing_is_said_by_a_plain_file() -> None:
    for data in (wav(), b"", b"RIFF", b"ID3" + bytes(50), b"RIFF\0\0\0\0WAVE"):
        assert read(data) == {}


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC", "+00:00"),
        ("UTC+2", "+02:00"),
        ("UTC-5", "-05:00"),
        ("UTC+5:45", "+05:45"),
        ("UTC+10", "+10:00"),
    ],
)
def test_audiomoths_comment_has_its_offset(zone: str, offset: str) -> None:
    found = read(wav(info(COMMENT.format("06:00:00", "01/06/2025", zone))))
    assert found == {
        "start": f"2025-06-01T06:00:00{offset}",
        "start_in": "AudioMoth's comment",
        "recorder": "24F3190361CBDE2A",
    }


def test_audiomoths_first_and_newest_sentences() -> None:
    first = "Recorded at 19:17:30 24/06/2019 by AudioMoth 24F3190361CBDE2A at gain setting 2 while battery"
    assert read(wav(info(first)))["start"] == "2019-06-24T19:17:30"
    assert read(wav(info(NEWEST)))["start"] == "2025-06-01T06:00:00-03:30"
    assert read(wav(info(NEWEST)))["recorder"] == "24F3190361CBDE2A"


@pytest.mark.parametrize("stamp", ["2025-06-01T06:00:00+02:00", "2025-06-01 06:00:00.250+0200"])
def test_guano_before_and_after_the_samples(stamp: str) -> None:
    chunk_ = guano(f"Timestamp: {stamp}", "Make: X", "Serial: S123", "Note: Timestamp: none")
    wanted = {"start": "2025-06-01T06:00:00+02:00", "start_in": "GUANO", "recorder": "S123"}
    assert read(wav(chunk_)) == read(wav(after=chunk_)) == wanted


def test_wildlife_acoustics_chunk() -> None:
    found = read(wav(wamd(model="SM4", serial="S4A01234", time="2025-06-01 06:00:00-04:00")))
    assert found == {"start": "2025-06-01T06:00:00-04:00", "start_in": "wamd", "recorder": "S4A01234"}


def test_a_time_with_offset_goes_before_one_without() -> None:
    both = guano("Timestamp: 2025-06-01T06:00:00", "Serial: S1") + info(
        COMMENT.format("06:00:00", "01/06/2025", "UTC+2")
    )
    found = read(wav(both))
    assert (found["start"], found["start_in"]) == ("2025-06-01T06:00:00+02:00", "AudioMoth's comment")
    assert found["recorder"] == "S1"


def test_what_is_malformed_is_passed_over() -> None:
    assert read(wav(guano("Timestamp: 2025-13-45T06:00:00", "Serial:"))) == {}
    assert read(wav(guano("Timestamp: yesterday"))) == {}
    assert read(wav(wamd(time="2025-06-01 06:00:00")[:-5])) == {}
    assert read(wav(guano("Timestamp: 2025-06-01T06:00:00Z"))[:60]) == {}, "cut off inside the chunk's head"
    assert read(wav(chunk(b"guan", b"\xff\xfe" * 20))) == {}


def test_64_bit_headers_are_gone_through() -> None:
    sound = np.zeros(100, "<i2").tobytes()
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16))
    sizes = chunk(b"ds64", struct.pack("<QQQI", 0, len(sound), 100, 0))
    data = b"RF64\xff\xff\xff\xffWAVE" + sizes + form + b"data\xff\xff\xff\xff" + sound
    assert read(data + guano("Timestamp: 2025-06-01T06:00:00Z"))["start"] == "2025-06-01T06:00:00+00:00"


def test_flac_that_kept_its_wavs_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(800), 8000)
    data = path.read_bytes()
    body = b"riff" + guano("Timestamp: 2025-06-01T06:00:00Z")
    block = bytes([2]) + len(body).to_bytes(3, "big") + body
    assert read(data[:42] + block + data[42:])["start"] == "2025-06-01T06:00:00+00:00"
    sentence = b"COMMENT=" + NEWEST.encode()
    block = bytes([4]) + len(sentence).to_bytes(3, "big") + sentence
    assert read(data[:42] + block + data[42:])["start"] == "2025-06-01T06:00:00-03:30"


def test_the_decoder_tells_also_from_archives(tmp_path: Path) -> None:
    data = wav(after=guano("Timestamp: 2025-06-01T06:00:00Z"))
    with zipfile.ZipFile(tmp_path / "card.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", data)
    (tmp_path / "a.wav").write_bytes(data)
    for recording in (
        Recording(str(tmp_path / "a.wav"), "a.wav"),
        Recording(str(tmp_path / "card.zip"), "card.zip/a.wav", "a.wav"),
    ):
        with Decoder(recording) as decoder:
            assert decoder.info.told["start"] == "2025-06-01T06:00:00+00:00"
            assert sum(map(len, decoder.blocks())) == 800, "the samples are those of before"


def test_offsets() -> None:
    assert str(offset_of("+0530")) == "UTC+05:30"
    assert [offset_of(text) for text in ("", "noon", "+25", "+02:75", "Europe/Berlin")] == [None] * 5
