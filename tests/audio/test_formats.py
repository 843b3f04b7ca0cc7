"""Every container and codec gives the sound that was put in: its length, its place in time, its level.

The differences in length and lag that are allowed are those of the codecs: some pad to whole frames, and AVI, MP2, AC-3
and WMA do not say by how much their encoder delays.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from sonoscope.audio.decode import Decoder
from sonoscope.values import Recording

#: soundfile: suffix, options, smallest correlation with the original.
PLAIN = [
    ("wav", {"subtype": "PCM_U8"}, 0.99),
    ("wav", {"subtype": "PCM_16"}, 0.99999),
    ("wav", {"subtype": "PCM_24"}, 0.999999),
    ("wav", {"subtype": "PCM_32"}, 0.999999),
    ("wav", {"subtype": "FLOAT"}, 0.999999),
    ("wav", {"subtype": "DOUBLE"}, 0.999999),
    ("wav", {"subtype": "PCM_24", "format": "WAVEX"}, 0.999999),
    ("wav", {"subtype": "PCM_16", "endian": "BIG"}, 0.99999),
    ("wav", {"subtype": "FLOAT", "endian": "BIG"}, 0.999999),
    ("wav", {"subtype": "ULAW"}, 0.99),
    ("wav", {"subtype": "ALAW"}, 0.99),
    ("wav", {"subtype": "IMA_ADPCM"}, 0.98),
    ("wav", {"subtype": "MS_ADPCM"}, 0.98),
    ("rf64", {"subtype": "PCM_16", "format": "RF64"}, 0.99999),
    ("w64", {"subtype": "PCM_24"}, 0.999999),
    ("aiff", {"subtype": "PCM_S8"}, 0.99),
    ("aiff", {"subtype": "PCM_16"}, 0.99999),
    ("aiff", {"subtype": "PCM_24"}, 0.999999),
    ("aiff", {"subtype": "PCM_32"}, 0.999999),
    ("aiff", {"subtype": "PCM_16", "endian": "LITTLE"}, 0.99999),
    ("aiff", {"subtype": "FLOAT"}, 0.999999),
    ("aiff", {"subtype": "DOUBLE"}, 0.999999),
    ("aiff", {"subtype": "ALAW"}, 0.99),
    ("au", {"subtype": "PCM_16"}, 0.99999),
    ("caf", {"subtype": "PCM_16"}, 0.99999),
    ("flac", {"subtype": "PCM_16"}, 0.99999),
    ("flac", {"subtype": "PCM_24"}, 0.999999),
    ("ogg", {"subtype": "VORBIS"}, 0.98),
    ("mp3", {}, 0.98),
]

#: PyAV: suffix, container, codec, picture, rate, most samples longer, least, lag.
ENCODED = [
    ("mp3", None, "libmp3lame", None, 44100, 0, 0, 0),
    ("m4a", None, "aac", None, 44100, 1024, 0, 0),
    ("mp4", None, "aac", "mpeg4", 44100, 1024, 0, 0),
    ("mkv", None, "libopus", "mpeg4", 48000, 0, 0, 0),
    ("webm", None, "libopus", None, 48000, 0, 0, 0),
    ("opus", "ogg", "libopus", None, 48000, 0, 0, 0),
    ("mov", None, "pcm_s24le", "mpeg4", 44100, 0, 0, 0),
    ("avi", None, "libmp3lame", "mpeg4", 44100, 1500, 1000, 1105),
    ("wma", "asf", "wmav2", None, 44100, -1000, -2100, -2048),
    ("mp2", None, "mp2", None, 44100, 1152, 0, 481),
    ("ac3", None, "ac3", None, 44100, 1536, 0, 256),
    ("caf", None, "alac", None, 44100, 0, -16, 0),
    ("m4a", None, "alac", None, 44100, 0, 0, 0),
    ("ogg", None, "flac", None, 44100, 0, 0, 0),
    ("mka", None, "flac", None, 44100, 0, 0, 0),
    ("aac", "adts", "aac", None, 44100, 2048, 1000, 1024),
]


def lag_and_likeness(original: np.ndarray, heard: np.ndarray) -> tuple[int, float]:
    """By how many samples ``heard`` is late, and its correlation with the original there."""
    n = min(original.size, heard.size)
    size = 2 ** int(np.ceil(np.log2(2 * n)))
    spectra = np.fft.rfft(heard[:n], size) * np.conj(np.fft.rfft(original[:n], size))
    lag = int(np.argmax(np.fft.irfft(spectra, size)))
    lag = lag - size if lag > size // 2 else lag
    a = original[max(-lag, 0) : n - max(lag, 0)]
    b = heard[max(lag, 0) : n - max(-lag, 0)]
    return lag, float(np.corrcoef(a, b)[0, 1])


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64)))))


@pytest.mark.parametrize(("suffix", "options", "likeness"), PLAIN, ids=lambda value: str(value))
def test_soundfile_formats(tmp_path, music, write_sound, hear, suffix, options, likeness):
    original = music()
    heard = hear(write_sound(tmp_path / f"a.{suffix}", original, **options))
    mono = original.mean(axis=0)
    block = 4096 if "ADPCM" in options.get("subtype", "") else 0
    assert 0 <= heard.samples.size - mono.size <= block
    lag, found = lag_and_likeness(mono, heard.samples)
    assert lag == 0
    assert found >= likeness
    assert level_db(heard.samples) == pytest.approx(level_db(mono), abs=0.3 if likeness < 0.999 else 0.01)
    assert (heard.decoder.info.sample_rate, heard.decoder.info.channels) == (44100, 2)
    assert heard.decoder.n_decoded == heard.samples.size
    assert heard.problem == ""


@pytest.mark.parametrize("form", [{"format": "WAV"}, {"format": "W64"}, {"format": "AIFF"}], ids=str)
def test_libsndfile_is_not_asked_for_ima_adpcm(tmp_path, music, write_sound, hear, form):
    """Its lengths overflow there (CVE-2026-37555). FFmpeg's names for it begin so, libsndfile's is ``ima_adpcm``."""
    heard = hear(write_sound(tmp_path / "a", music(), subtype="IMA_ADPCM", **form))
    assert heard.decoder.info.codec.startswith("adpcm_ima_")
    assert 0 <= heard.samples.size - 3 * 44100 <= 4096


@pytest.mark.parametrize(
    ("suffix", "container", "codec", "picture", "rate", "longest", "shortest", "late"), ENCODED
)
def test_pyav_formats(
    tmp_path, music, encode, hear, suffix, container, codec, picture, rate, longest, shortest, late
):
    original = music(rate)
    path = encode(tmp_path / f"a.{suffix}", original, rate, codec, container=container, picture=picture)
    heard = hear(path)
    mono = original.mean(axis=0)
    assert shortest <= heard.samples.size - mono.size <= longest
    lag, likeness = lag_and_likeness(mono, heard.samples)
    assert lag == late
    assert likeness > 0.97
    # A mean of the channels, not the +3 dB of a power-preserving mix. LAME itself takes half a decibel away.
    assert level_db(heard.samples) == pytest.approx(level_db(mono), abs=0.6)
    assert (heard.decoder.info.sample_rate, heard.decoder.info.channels) == (rate, 2)
    assert heard.problem == ""


def test_a_name_tells_nothing(tmp_path, music, write_sound, encode, hear):
    """What a file is follows from its bytes."""
    mono = music().mean(axis=0)
    mp3 = write_sound(tmp_path / "a.mp3", mono)
    heard = hear(mp3.rename(tmp_path / "an mp3.wav"))
    assert heard.decoder.info.codec == "mp3"
    assert heard.samples.size == mono.size
    m4a = encode(tmp_path / "b.m4a", mono[None], 44100, "aac")
    assert hear(m4a.rename(tmp_path / "b.flac")).decoder.info.codec == "aac"
    wav = write_sound(tmp_path / "c.wav", mono, subtype="PCM_16")
    assert hear(wav.rename(tmp_path / "no suffix")).decoder.info.container == "wav"


@pytest.mark.parametrize("name", ["a b.wav", 'it\'s "q".wav', "ünï.wav", "ne\nw.wav", "http:x.wav", "-.wav"])
@pytest.mark.parametrize("codec", ["wav", "flac", "opus"])
def test_any_name_can_be_read(tmp_path, music, write_sound, hear, name, codec):
    kinds = {
        "wav": {"format": "WAV"},
        "flac": {"format": "FLAC"},
        "opus": {"format": "OGG", "subtype": "OPUS"},
    }
    mono = music(48000, 0.5).mean(axis=0)
    path = write_sound(tmp_path / "plain", mono, 48000, **kinds[codec]).rename(tmp_path / name)
    assert hear(path).samples.size == mono.size


def test_a_name_that_is_no_text_can_be_read(tmp_path, music, write_sound, hear):
    mono = music(seconds=0.5).mean(axis=0)
    for number, suffix in enumerate(("flac", "wav")):
        made = write_sound(tmp_path / f"plain.{suffix}", mono)
        path = tmp_path / f"{number}\udcff.{suffix}"
        try:
            made.rename(path)
        except OSError:
            pytest.skip("this file system takes only names in Unicode")
        assert hear(path).samples.size == mono.size


@pytest.mark.parametrize("seconds", [0.05, 1 / 44100])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
def test_very_short(tmp_path, music, write_sound, hear, suffix, seconds):
    mono = music().mean(axis=0)[2000 : 2000 + round(seconds * 44100)]
    heard = hear(write_sound(tmp_path / f"short.{suffix}", mono))
    assert heard.samples.size == mono.size
    assert heard.decoder.duration_s == pytest.approx(seconds)


def test_high_rates_and_many_channels(tmp_path, rng, write_sound, hear):
    six = 0.1 * rng.standard_normal((6, 19200)).astype(np.float32)
    for suffix, options in (
        ("wav", {"subtype": "PCM_24"}),
        ("flac", {"subtype": "PCM_24"}),
        ("wav", {"subtype": "DOUBLE"}),
    ):
        heard = hear(write_sound(tmp_path / f"six.{suffix}", six, 192_000, **options))
        assert (heard.decoder.info.sample_rate, heard.decoder.info.channels) == (192_000, 6)
        np.testing.assert_allclose(heard.samples, six.mean(axis=0), atol=2e-7)


@pytest.mark.data
def test_labelled_recordings_have_the_length_of_their_manifest(data_dir, hear):
    import csv

    with open(data_dir / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))[::97]
    for row in rows:
        heard = hear(data_dir / row["path"])
        # The manifest gives milliseconds; one clip in 5,307 is 5 ms shorter than it says.
        assert heard.decoder.duration_s == pytest.approx(float(row["duration_s"]), abs=0.006), row["path"]
        assert heard.problem == ""


def test_tags_that_are_no_utf_8_are_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "Stueck"
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 800), 8192, np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"Stueck" in content
    path.write_bytes(content.replace(b"Stueck", b"St\xfcck\xff"))
    with Decoder(Recording(str(path), "a.mkv")) as decoder:
        np.testing.assert_allclose(np.concatenate(list(decoder.blocks())).ravel(), 0.25)
