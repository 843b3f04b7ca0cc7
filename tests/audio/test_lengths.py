"""Every second that a file holds is heard, whatever its header says."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.audio import tails

RATE = 44100


@pytest.fixture(scope="module")
def halves(music):
    """The two halves of a mono piece, as 16-bit samples hold them."""
    whole = np.round(music(RATE, 4.0).mean(axis=0) * 32768) / 32768
    return whole[: RATE * 3 // 2].astype(np.float32), whole[RATE * 3 // 2 :].astype(np.float32)


def audio_bytes(path: Path) -> tuple[bytes, bytes]:
    """Header and samples of a WAV file that has no other chunk after the samples."""
    data = path.read_bytes()
    start = data.index(b"data") + 8
    return data[:start], data[start:]


# ---- WAV and AIFF ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form_bytes", "data_bytes"),
    [(0, 0), (8, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFDB), (36, 30000), (100, None)],
)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_recorder_that_died_leaves_a_header_that_lies(
    tmp_path, halves, write_sound, hear, form_bytes, data_bytes, subtype
):
    samples = halves[0]
    path = write_sound(tmp_path / "a.wav", samples, subtype=subtype)
    header, body = audio_bytes(path)
    stated = len(body) if data_bytes is None else data_bytes
    head = header[:4] + struct.pack("<I", form_bytes) + header[8:-4] + struct.pack("<I", stated)
    path.write_bytes(head + body)
    heard = hear(path)
    np.testing.assert_array_equal(heard.samples, samples)
    assert heard.problem == ""


def test_a_wav_that_states_more_than_there_is(tmp_path, halves, write_sound, hear):
    path = write_sound(tmp_path / "a.wav", halves[0], subtype="PCM_16")
    header, body = audio_bytes(path)
    path.write_bytes(header + body[: len(body) // 2 + 1])
    heard = hear(path)
    np.testing.assert_array_equal(heard.samples, halves[0][: heard.samples.size])
    assert heard.samples.size == halves[0].size // 2
    assert "cut short" in heard.problem
    assert "the header states 1.500 s, 0.750 s could be decoded" in heard.problem


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "ULAW"])
def test_a_compressed_wav_whose_header_was_never_finished(tmp_path, halves, write_sound, hear, subtype):
    path = write_sound(tmp_path / "a.wav", halves[0], subtype=subtype)
    expected = hear(path).samples
    header, body = audio_bytes(path)
    path.write_bytes(header[:4] + bytes(4) + header[8:-4] + bytes(4) + body)
    assert np.abs(hear(path).samples.size - expected.size) <= 2048


def test_rf64_whose_sizes_were_never_filled_in(tmp_path, halves, write_sound, hear):
    path = write_sound(tmp_path / "a.rf64", halves[0], format="RF64", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    long_sizes = data.index(b"ds64") + 8
    data[long_sizes : long_sizes + 24] = bytes(24)
    path.write_bytes(data)
    np.testing.assert_array_equal(hear(path).samples, halves[0])


@pytest.mark.parametrize(
    "rest",
    [
        b"LIST" + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf59.27.100\0",
        b"LIST" + struct.pack("<I", 4000) + b"cut off",
        b"guan" + struct.pack("<I", 8001) + bytes(8002),
        b"made" + struct.pack("<I", 6000) + bytes(6000) + b"upby" + struct.pack("<I", 2) + b"xx",
        bytes(4000),
    ],
    ids=["tags", "cut tags", "odd length", "unknown chunks", "padding"],
)
def test_chunks_after_the_samples_are_not_heard(tmp_path, halves, write_sound, hear, rest):
    path = write_sound(tmp_path / "a.wav", halves[0], subtype="PCM_16")
    path.write_bytes(path.read_bytes() + rest)
    np.testing.assert_array_equal(hear(path).samples, halves[0])


@pytest.mark.parametrize("stated", [0, 8, 20000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_aiff_that_lies(tmp_path, halves, write_sound, hear, stated):
    path = write_sound(tmp_path / "a.aiff", halves[0], subtype="PCM_16")
    data = path.read_bytes()
    place = data.index(b"SSND") + 4
    path.write_bytes(data[:place] + struct.pack(">I", stated) + data[place + 4 :])
    np.testing.assert_array_equal(hear(path).samples, halves[0])


# ---- FLAC ------------------------------------------------------------------------------------------------------


def frames_of_flac(path: Path) -> tuple[bytes, bytes]:
    """Metadata and frames."""
    data = path.read_bytes()
    place, last = 4, False
    while not last:
        last = bool(data[place] & 0x80)
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "big")
    return data[:place], data[place:]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("joined", ["files", "frames"])
def test_joined_flac(tmp_path, halves, write_sound, hear, joined, subtype):
    """``cat a.flac b.flac``, and what ``ffmpeg -f concat -c copy`` makes: frames under the first one's header."""
    first, second = (
        write_sound(tmp_path / f"{i}.flac", half, subtype=subtype) for i, half in enumerate(halves)
    )
    rest = second.read_bytes() if joined == "files" else frames_of_flac(second)[1]
    path = tmp_path / "both.flac"
    path.write_bytes(first.read_bytes() + rest)
    assert soundfile.info(path).frames == halves[0].size
    heard = hear(path)
    np.testing.assert_array_equal(heard.samples, np.concatenate(halves))
    assert heard.problem == ""


@pytest.mark.parametrize("n", [4096, 44100, 20 * 44100])
def test_joined_flac_of_equal_parts_of_silence(tmp_path, write_sound, hear, n):
    """The hardest case: all of it lies in what libFLAC has read ahead, and the last frame has the right number."""
    part = write_sound(tmp_path / "part.flac", np.zeros(n))
    path = tmp_path / "three.flac"
    path.write_bytes(part.read_bytes() + 2 * frames_of_flac(part)[1])
    assert hear(path).samples.size == 3 * n


def test_flac_of_unknown_length_and_with_tags(tmp_path, halves, write_sound, hear):
    path = write_sound(tmp_path / "a.flac", halves[0], subtype="PCM_16")
    plain = path.read_bytes()
    streamed = bytearray(plain)
    streamed[21] &= 0xF0
    streamed[22:26] = bytes(4)
    big_tag = b"ID3\x04\0\0" + bytes([0, 5, 0, 0]) + bytes(5 << 14)
    for data in (
        streamed,
        plain + b"TAG" + bytes(125),
        big_tag + plain,
        big_tag + plain + b"TAG" + bytes(125),
    ):
        path.write_bytes(data)
        heard = hear(path)
        np.testing.assert_array_equal(heard.samples, halves[0])
        assert heard.problem == ""


def test_whole_flac_is_read_once(tmp_path, halves, write_sound):
    """No false alarm: frames after the end are told from those before it."""
    for number, half in enumerate(halves):
        path = write_sound(tmp_path / f"{number}.flac", half, subtype="PCM_16")
        size = path.stat().st_size
        with open(path, "rb") as file:
            assert not tails.flac_goes_on(file, 0, size, half.size)
            assert tails.flac_goes_on(file, 0, size, half.size - 4096)


# ---- MP3 -------------------------------------------------------------------------------------------------------


def without_xing(path: Path) -> bytes:
    """An MP3 that soundfile wrote, less its first frame, which holds the Xing header and no sound."""
    data = path.read_bytes()
    assert b"Xing" in data[:200] or b"Info" in data[:200]
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
    return data[144_000 * kbits // RATE + (data[2] >> 1 & 1) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_without_xing_header(tmp_path, halves, write_sound, hear, mode):
    """libsndfile guesses the length from the first frame's bit rate, and stops there."""
    loud_end = np.concatenate([0 * halves[0], *halves])
    path = write_sound(tmp_path / "a.mp3", loud_end, bitrate_mode=mode)
    path.write_bytes(without_xing(path))
    heard = hear(path)
    # The encoder's delay and the filling of the last frame stay.
    assert 0 <= heard.samples.size - loud_end.size <= 3 * 1152
    assert heard.problem == ""


def test_cbr_mp3_written_without_header(tmp_path, halves, encode, hear):
    path = encode(tmp_path / "a.mp3", halves[1][None], RATE, "libmp3lame", write_xing="0", id3v2_version="0")
    assert 0 <= hear(path).samples.size - halves[1].size <= 3 * 1152


@pytest.mark.parametrize(
    "between", [b"", b"TAG" + bytes(125), b"ID3\x04\0\0" + bytes([0, 0, 8, 0]) + bytes(1024)]
)
def test_joined_mp3(tmp_path, halves, write_sound, hear, between):
    parts = [write_sound(tmp_path / f"{i}.mp3", half) for i, half in enumerate(halves)]
    path = tmp_path / "both.mp3"
    path.write_bytes(parts[0].read_bytes() + between + parts[1].read_bytes())
    n = sum(half.size for half in halves)
    assert 0 <= hear(path).samples.size - n <= 4 * 1152


def test_mp3_with_tags_is_exact(tmp_path, halves, write_sound, hear):
    path = write_sound(tmp_path / "a.mp3", halves[0])
    plain = path.read_bytes()
    picture = b"ID3\x04\0\0" + bytes([0, 16, 0, 0]) + bytes(16 << 14)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8) + bytes(32)
    expected = hear(path).samples
    assert expected.size == halves[0].size
    for data in (picture + plain, plain + b"TAG" + bytes(125), plain + ape + b"TAG" + bytes(125)):
        path.write_bytes(data)
        np.testing.assert_array_equal(hear(path).samples, expected)


def test_rate_and_channels_that_change_on_the_way(tmp_path, halves, music, write_sound, hear):
    first = write_sound(tmp_path / "a.mp3", halves[0])
    second = write_sound(tmp_path / "b.mp3", music(48000, 2.0), 48000)
    path = tmp_path / "both.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    heard = hear(path)
    assert heard.decoder.info.sample_rate == RATE
    assert heard.decoder.duration_s == pytest.approx(3.5, abs=0.1)
    assert "the sample rate in Hz changes from 44100 to 48000" in heard.problem
    assert "the number of channels changes from 1 to 2" in heard.problem
    chosen = hear(path, channel=1)
    assert chosen.samples.size == heard.samples.size


# ---- Ogg -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("subtype", "rate"), [("VORBIS", 44100), ("OPUS", 48000)])
@pytest.mark.parametrize("same", [False, True], ids=["another stream", "the same stream again"])
def test_chained_ogg(tmp_path, music, write_sound, hear, subtype, rate, same):
    parts = [
        write_sound(
            tmp_path / f"{i}.ogg", music(rate, 1.0 + i).mean(axis=0), rate, format="OGG", subtype=subtype
        )
        for i in (0, 0 if same else 1)
    ]
    path = tmp_path / "both.ogg"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    seconds = 2.0 if same else 3.0
    assert hear(path).decoder.duration_s == pytest.approx(seconds, abs=0.03)


def test_vorbis_ends_where_it_says(tmp_path, music, write_sound, hear):
    """FFmpeg alone loses or leaves a part of a block at the end of some."""
    for n in (20736, 25344, 44100, 60001):
        samples = music().mean(axis=0)[:n]
        assert hear(write_sound(tmp_path / "a.ogg", samples)).samples.size == n
