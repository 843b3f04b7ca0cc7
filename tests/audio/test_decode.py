"""Decoding block by block: the same samples whatever the blocks, a true mean, a clean change of rate."""

from __future__ import annotations

import gc
import tracemalloc
import warnings

import numpy as np
import pytest
import soundfile
import soxr

from sonoscope.audio import decode, rates
from sonoscope.audio.decode import Decoder
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording


@pytest.fixture(scope="module")
def files(tmp_path_factory, music, write_sound, encode):
    """One stereo recording for each of the three readers, an MP3, and one of six channels."""
    tmp_path = tmp_path_factory.mktemp("files")
    original = music()
    six = np.concatenate([music(seconds=1.5)] * 3) * np.arange(1, 7)[:, None].astype(np.float32) / 10
    return {
        "pcm": write_sound(tmp_path / "a.wav", original, subtype="PCM_24"),
        "sndfile": write_sound(tmp_path / "a.flac", original),
        "mp3": write_sound(tmp_path / "a.mp3", original),
        "ffmpeg": encode(tmp_path / "a.m4a", original, 44100, "aac"),
        "six": write_sound(tmp_path / "six.flac", six),
    }


@pytest.mark.parametrize("kind", ["pcm", "sndfile", "mp3", "ffmpeg", "six"])
@pytest.mark.parametrize("sample_rate", [None, 16000])
def test_the_size_of_blocks_changes_no_bit(files, hear, kind, sample_rate):
    whole = hear(files[kind], sample_rate=sample_rate, block_samples=1 << 20)
    for block_samples in (577, 65536):
        other = hear(files[kind], sample_rate=sample_rate, block_samples=block_samples)
        np.testing.assert_array_equal(other.samples, whole.samples)
        assert other.decoder.n_decoded == whole.decoder.n_decoded
        assert (other.decoder.peak, other.decoder.clipped_share) == (
            whole.decoder.peak,
            whole.decoder.clipped_share,
        )


@pytest.mark.parametrize(("rate", "target"), [(44100, 22050), (44100, 16000), (48000, 22050), (8000, 22050)])
def test_streamed_change_of_rate_is_that_of_the_whole_signal(tmp_path, music, write_sound, rate, target):
    path = write_sound(tmp_path / "a.wav", music(rate), rate, subtype="FLOAT")
    native, native_rate = decode.read(path)
    streamed, streamed_rate = decode.read(path, target)
    assert (native_rate, streamed_rate) == (rate, target)
    np.testing.assert_array_equal(streamed, soxr.resample(native, rate, target, quality="HQ"))
    np.testing.assert_array_equal(np.concatenate([b.copy() for b in decode.blocks(path, target)]), streamed)


def test_a_tone_keeps_its_frequency_and_what_is_too_high_is_gone(tmp_path, write_sound):
    rate, target = 48000, 16000
    t = np.arange(4 * rate) / rate
    low, high = 0.4 * np.sin(2 * np.pi * 1000 * t), 0.4 * np.sin(2 * np.pi * 9500 * t)
    path = write_sound(tmp_path / "tones.wav", (low + high).astype(np.float32), rate, subtype="FLOAT")
    samples, _ = decode.read(path, target)
    middle = samples[target : 3 * target] * np.hanning(2 * target)
    spectrum = np.abs(np.fft.rfft(middle))
    hz = np.fft.rfftfreq(middle.size, 1 / target)
    assert hz[spectrum.argmax()] == 1000
    # 9.5 kHz would fold to 6.5 kHz; soxr HQ promises 20 bits: 120 dB.
    assert spectrum[np.abs(hz - 6500) < 100].max() < spectrum.max() * 1e-5
    assert np.sqrt(np.mean(samples[target : 3 * target] ** 2)) == pytest.approx(0.4 / np.sqrt(2), rel=1e-3)


def test_without_a_change_of_rate_samples_are_untouched(files):
    samples, rate = decode.read(files["sndfile"], 44100)
    expected, _ = soundfile.read(files["sndfile"], dtype="float32")
    np.testing.assert_array_equal(samples, (expected[:, 0] + expected[:, 1]) / 2)
    assert rate == 44100


def test_the_mean_of_channels_is_exact(files):
    expected, _ = soundfile.read(files["six"], dtype="float64")
    samples, _ = decode.read(files["six"])
    np.testing.assert_allclose(samples, expected.mean(axis=1), atol=1e-7, rtol=0)


def test_equal_channels_keep_their_level_and_opposite_ones_cancel(tmp_path, music, write_sound, encode):
    mono = music().mean(axis=0)
    for path in (
        write_sound(tmp_path / "same.wav", np.stack([mono, mono]), subtype="FLOAT"),
        encode(tmp_path / "same.mov", np.stack([mono, mono]), 44100, "pcm_f32le"),
    ):
        np.testing.assert_array_equal(decode.read(path)[0], mono)
    opposite = write_sound(tmp_path / "opposite.wav", np.stack([mono, -mono]), subtype="FLOAT")
    assert not decode.read(opposite)[0].any()


@pytest.mark.parametrize("kind", ["pcm", "sndfile"])
def test_one_channel(files, kind):
    expected, _ = soundfile.read(files[kind], dtype="float32")
    for channel in (1, 2):
        np.testing.assert_array_equal(decode.read(files[kind], channel=channel)[0], expected[:, channel - 1])


@pytest.mark.parametrize("kind", ["pcm", "sndfile", "ffmpeg"])
@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(files, kind, channel):
    with pytest.raises(
        UnreadableAudio, match=f"has 2 channels: there is no channel {channel}. Choose from 1 to 2"
    ):
        decode.read(files[kind], channel=channel)


@pytest.mark.parametrize("width", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "PCM_U8"])
@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_plain_samples_are_those_of_libsndfile(tmp_path, rng, write_sound, hear, width, endian, channels):
    """Full range, both ends included, bit by bit."""
    samples = rng.uniform(-1, 1, (channels, 5000))
    samples[:, 0], samples[:, 1] = -1, 1
    path = write_sound(tmp_path / "a.wav", samples, subtype=width, endian=endian)
    heard = hear(path, channel=channels, block_samples=333)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(heard.samples, expected[:, channels - 1])
    assert heard.decoder.info.container == "wav"


def test_peak_and_clipping_are_those_of_the_channel_that_is_heard(tmp_path, write_sound, hear):
    loud = np.full(44_100, 0.9999, np.float32)
    loud[5] = np.nan
    file = write_sound(tmp_path / "a.wav", np.stack([loud, 0.25 * loud, 0 * loud]), 44_100, subtype="FLOAT")
    first, second, third = (hear(file, channel=channel).decoder for channel in (1, 2, 3))
    assert (first.peak, first.clipped_share) == (pytest.approx(0.9999), pytest.approx(1, abs=1e-4))
    assert (second.peak, second.clipped_share) == (pytest.approx(0.25, abs=1e-4), 0.0)
    assert (third.peak, third.problem) == (0.0, "1 sample was not finite and taken as 0")


def test_channels_that_cancel_each_other_are_told(tmp_path, music, write_sound, hear):
    sound = music(seconds=2.0)[0]
    noise = np.random.default_rng(0).normal(0, 0.1, (3, sound.size)).astype(np.float32)
    dither = np.float32(1e-4) * noise[0]
    for number, (channels, cancels) in enumerate((
        ((sound, -sound), True),
        ((sound, dither - sound), True),
        ((sound, -sound, sound, -sound), True),
        ((sound, sound), False),
        ((sound, -0.7 * sound), False),
        (tuple(noise), False),
        ((sound, *[0 * sound] * 7), False),
        ((0 * sound, 0 * sound), False),
        ((sound,), False),
    )):  # fmt: skip
        path = write_sound(tmp_path / f"{number}.wav", np.stack(channels), subtype="FLOAT")
        assert hear(path).decoder.cancels is cancels, number
        assert not hear(path, channel=1).decoder.cancels


def test_peak_and_clipping_are_those_of_all_channels(tmp_path, write_sound, hear):
    samples = np.zeros((2, 1000))
    samples[0, 10], samples[1, 10], samples[1, 20:30] = -0.9995, 0.5, 0.9999
    heard = hear(write_sound(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert heard.decoder.peak == pytest.approx(0.9999)
    assert heard.decoder.clipped_share == pytest.approx(11 / 2000)
    quiet = hear(write_sound(tmp_path / "b.wav", 0.5 * samples, subtype="FLOAT"))
    assert (quiet.decoder.peak, quiet.decoder.clipped_share) == (pytest.approx(0.49995), 0.0)
    silent = hear(write_sound(tmp_path / "c.flac", np.zeros(44100)))
    assert (silent.decoder.peak, silent.problem, silent.samples.size) == (0.0, "", 44100)


@pytest.mark.parametrize("container", ["wav", "mov", "au"])
def test_samples_that_are_no_numbers_become_zero_and_are_reported(
    tmp_path, write_sound, encode, hear, container
):
    samples = np.full((2, 3000), 0.25, np.float32)
    samples[0, 100], samples[1, 200], samples[1, 201] = np.nan, np.inf, -np.inf
    if container == "mov":
        path = encode(tmp_path / "a.mov", samples, 44100, "pcm_f32le")
    else:
        path = write_sound(tmp_path / f"a.{container}", samples, subtype="FLOAT")
    heard = hear(path)
    assert heard.problem == "3 samples were not finite and taken as 0"
    assert heard.samples[[100, 200, 201]].tolist() == [0.125] * 3
    assert heard.decoder.peak == 0.25
    assert (heard.samples[202:] == 0.25).all()


def test_a_header_that_states_next_to_no_rate_costs_no_memory(tmp_path, write_sound):
    samples = np.random.default_rng(0).standard_normal(65_536).astype(np.float32) / 8
    file = write_sound(tmp_path / "a.wav", samples, 80, subtype="FLOAT")
    stream = soxr.ResampleStream(80, 22_050, 1, dtype="float32", quality="HQ")
    whole = stream.resample_chunk(samples, last=True)
    with Decoder(Recording(str(file), "a.wav"), sample_rate=22_050) as decoder:
        blocks = [block.copy() for block in decoder.blocks()]
    assert max(map(len, blocks)) < 1.5 * rates.LARGEST < len(whole) / 2
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    held = list(rates.at_rate([samples], 80, 22_050))
    assert max(map(len, held)) < 1.5 * rates.LARGEST
    np.testing.assert_array_equal(np.concatenate(held), whole)


def test_a_recording_without_any_number_is_none(tmp_path, write_sound, hear):
    nothing = np.array([np.nan, np.inf, 1e30, -np.inf])
    file = write_sound(tmp_path / "a.wav", nothing, subtype="FLOAT")
    with pytest.raises(UnreadableAudio, match=r"none of its samples is one\. They are no numbers \(NaN"):
        hear(file)
    file = write_sound(tmp_path / "b.wav", np.stack([nothing, 0 * np.ones(4)]), subtype="FLOAT")
    assert hear(file).samples.tolist() == [0.0] * 4


def test_doubles_too_large_for_single_precision(tmp_path, write_sound, hear):
    heard = hear(write_sound(tmp_path / "a.wav", np.array([0.5, 1e300, -0.5]), subtype="DOUBLE"))
    assert heard.samples.tolist() == [0.5, 0.0, -0.5]
    assert heard.problem == "1 sample was not finite and taken as 0"


def test_samples_beyond_any_scale_become_zero_and_are_reported(tmp_path, write_sound, hear):
    """Their powers would overflow; 32-bit whole numbers that nobody divided are still heard."""
    samples = np.array([0.5, 1e30, -1e30, np.nan, -(2.0**31)])
    heard = hear(write_sound(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert heard.samples.tolist() == [0.5, 0.0, 0.0, 0.0, -(2.0**31)]
    assert heard.problem == (
        "1 sample was not finite and taken as 0; 2 samples were far beyond full scale and taken as 0"
    )
    second = hear(write_sound(tmp_path / "b.wav", np.stack([samples, samples]), subtype="FLOAT"), channel=2)
    assert second.samples.tolist() == heard.samples.tolist()


def test_hours_take_no_more_memory_than_seconds(tmp_path, write_sound):
    """A sparse file: the header says ten seconds, three hours of zeros follow."""
    path = write_sound(tmp_path / "long.wav", np.zeros(80000), 8000, subtype="PCM_16")
    with open(path, "r+b") as file:
        file.truncate(44 + 2 * 8000 * 10800)
    tracemalloc.start()
    try:
        n = sum(block.size for block in decode.blocks(path, 4000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 4000 * 10800
    assert peak < 2 << 20


def test_a_yielded_block_is_valid_until_the_next(files):
    with Decoder(Recording(str(files["pcm"]), "a.wav"), block_samples=1000) as decoder:
        blocks = decoder.blocks()
        first = next(blocks)
        kept = first.copy()
        np.testing.assert_array_equal(first, kept)
        assert first.dtype == np.float32
        assert decoder.n_decoded == 1000
        assert decoder.duration_s == 1000 / 44100


def test_misuse(files):
    recording = Recording(str(files["pcm"]), "a.wav")
    with pytest.raises(ValueError, match="sample_rate=0 must be at least 1 Hz"):
        Decoder(recording, sample_rate=0)
    with pytest.raises(ValueError, match="block_samples=0"):
        Decoder(recording, block_samples=0)
    with Decoder(recording) as decoder:
        list(decoder.blocks())
        with pytest.raises(RuntimeError, match="read once"):
            next(decoder.blocks())


def test_files_are_closed(files, tmp_path):
    """Also after errors."""
    (tmp_path / "bad.wav").write_bytes(b"RIFF1234WAVE")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for path in [*files.values(), tmp_path / "bad.wav"]:
            try:
                decode.read(path)
            except UnreadableAudio:
                continue
        gc.collect()
    assert not [warning for warning in caught if str(tmp_path) in str(warning.message)]
