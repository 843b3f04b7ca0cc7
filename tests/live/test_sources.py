"""Sound as it comes: samples of every format, files in real time, drop-outs counted, recordings kept without loss."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.audio.writing import Disk
from sonoscope.errors import UnknownName, UnreadableAudio, UsageError
from sonoscope.live.record import Recorder
from sonoscope.live.sources import SAMPLE_FORMATS, Block, Microphone, Pcm, Played, Source, Waiting, devices
from sonoscope.values import Recording


def endian(sample_format: str) -> str:
    return {"be": "BIG", "le": "LITTLE"}.get(sample_format[-2:], "FILE")


def written(samples: np.ndarray, sample_format: str) -> bytes:
    """Samples in -1..1 as bytes, by a way of its own: through libsndfile's raw files."""
    subtype = {"f32le": "FLOAT"}.get(sample_format, f"PCM_{sample_format[1:3].upper()}").replace(
        "PCM_8", "PCM_U8"
    )
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="RAW", subtype=subtype, endian=endian(sample_format))
    return file.getvalue()


def heard(source: Source) -> np.ndarray:
    return np.concatenate([block.samples for block in source.blocks()])


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_of_every_format_are_what_libsndfile_says(
    sample_format: str, channels: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    samples = rng.uniform(-1, 1, (500, channels))
    samples[0] = -1.0
    raw = written(samples, sample_format)
    source = Pcm(io.BytesIO(raw), sample_rate=8000, channels=channels, sample_format=sample_format)
    recorder = Recorder(tmp_path / "kept.wav", source)
    blocks = list(source.blocks())
    for block in blocks:
        recorder.write(block)
    recorder.close()
    found = np.concatenate([block.samples for block in blocks])
    assert found.dtype == np.float32 and max(len(block.samples) for block in blocks) == 80
    subtype = {"s32le": "PCM_32"}.get(sample_format, source.subtype)
    wanted, _ = soundfile.read(
        io.BytesIO(raw), dtype="float32", always_2d=True, format="RAW", samplerate=8000, channels=channels,
        subtype=subtype, endian=endian(sample_format),
    )  # fmt: skip
    np.testing.assert_array_equal(found, wanted)
    kept, rate = soundfile.read(tmp_path / "kept.wav", dtype="float32", always_2d=True)
    assert rate == 8000
    np.testing.assert_array_equal(kept, found)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.wav"]


def test_samples_come_as_they_are_written_also_in_odd_pieces() -> None:
    read, write = os.pipe()
    raw = np.arange(-300, 300, dtype="<i2").tobytes()
    with os.fdopen(read, "rb") as file, os.fdopen(write, "wb", buffering=0) as into:
        source = Pcm(file, sample_rate=48_000, channels=2)
        blocks = source.blocks()
        into.write(raw[:7])  # one frame of four bytes, and a part of the next
        first = next(blocks)
        assert first.samples.shape == (1, 2)
        into.write(raw[7:])
        into.close()
        rest = np.concatenate([first.samples, *(block.samples for block in blocks)])
    np.testing.assert_array_equal(rest.ravel() * 2**15, np.arange(-300, 300))


def test_a_file_with_a_header_and_unknown_formats_are_refused() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(100), 8000, format="WAV")
    file.seek(0)
    with pytest.raises(UsageError, match="a file with a header, not plain samples"):
        list(Pcm(file, sample_rate=8000).blocks())
    with pytest.raises(UnknownName, match=r"unknown sample format 's16'\. Did you mean 's16le'\?"):
        Pcm(io.BytesIO(), sample_rate=8000, sample_format="s16")
    with pytest.raises(UsageError, match="rate=0 Hz and channels=1 must both be at least 1"):
        Pcm(io.BytesIO(), sample_rate=0)


@pytest.fixture
def file(tmp_path: Path, rng: np.random.Generator) -> Recording:
    samples = (rng.uniform(-0.5, 0.5, (4_410, 2)) * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 22_050)
    return Recording(str(tmp_path / "a.wav"), "a.wav")


def test_a_file_is_played_in_real_time_or_as_fast_as_it_goes(
    file: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = soundfile.read(file.path, dtype="float32")[0]
    for paced in (True, False):
        source = Played(file, paced=paced)
        waited: list[float] = []
        wait = source._stop.wait
        monkeypatch.setattr(
            source._stop, "wait", lambda s, wait=wait, waited=waited: waited.append(s) or wait(s)
        )
        began = time.monotonic()
        found = heard(source)
        took = time.monotonic() - began
        np.testing.assert_allclose(found[:, 0], wanted.mean(axis=1), atol=1e-7)
        assert (source.sample_rate, source.channels, source.dropouts, source.endless) == (22_050, 1, 0, False)
        assert took >= 0.19 and len(waited) > 1 if paced else not waited
    right = heard(Played(file, paced=False, channel=2))
    np.testing.assert_array_equal(right[:, 0], wanted[:, 1])


def test_a_file_that_is_none_is_said_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("no sound")
    with pytest.raises(UnreadableAudio, match=r"b\.wav"):
        Played(Recording(str(tmp_path / "b.wav"), "b.wav"))


def test_a_slow_consumer_of_a_paced_file_loses_sound_which_is_counted(file: Recording) -> None:
    source = Played(file, queued_s=0.03)
    blocks = source.blocks()
    taken = [next(blocks)]
    while not source.dropouts:
        time.sleep(0.001)
    taken += list(blocks)
    # What was left out at the very end comes with no block.
    assert source.lost >= sum(block.lost for block in taken)
    assert sum(len(block.samples) for block in taken) + source.lost == 4_410


def test_what_waits_is_bounded_and_a_gap_is_one_and_told_with_the_next_block() -> None:
    waiting = Waiting(40)
    for _ in range(6):
        waiting.put(np.zeros((10, 1), np.float32))
    taken = waiting.blocks()
    for _ in range(3):
        next(taken)
    waiting.put(np.zeros((10, 1), np.float32))  # there is room, but not yet enough of it
    next(taken)
    waiting.put(np.ones((10, 1), np.float32))
    waiting.end()
    assert [(len(block.samples), block.lost) for block in taken] == [(10, 30)]
    assert (waiting.dropouts, waiting.lost) == (1, 30)


def test_an_error_of_the_thread_is_raised_where_blocks_are_taken() -> None:
    waiting = Waiting(100)
    threading.Thread(target=waiting.end, args=(OSError("gone"),)).start()
    with pytest.raises(OSError, match="gone"):
        list(waiting.blocks())


def test_what_was_lost_is_silence_in_the_recording(file: Recording, tmp_path: Path) -> None:
    source = Played(file, paced=False)
    recorder = Recorder(tmp_path / "kept.wav", source)
    recorder.write(Block(np.full((10, 1), 0.5, np.float32)))
    recorder.write(Block(np.full((5, 1), 0.25, np.float32), lost=7))
    recorder.close()
    kept = soundfile.read(tmp_path / "kept.wav")[0]
    np.testing.assert_array_equal(kept, [0.5] * 10 + [0.0] * 7 + [0.25] * 5)
    with pytest.raises(UsageError, match=r"kept.wav exists: --overwrite replaces it"):
        Recorder(tmp_path / "kept.wav", source)
    Recorder(tmp_path / "kept.wav", source, overwrite=True).close()
    assert soundfile.info(tmp_path / "kept.wav").frames == 0
    with pytest.raises(UsageError, match="cannot be written"):
        Recorder(tmp_path / "no" / "kept.wav", source)
    source.subtype = "no such"
    with pytest.raises(UsageError, match="cannot be written"):
        Recorder(tmp_path / "other.wav", source)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_disk_is_asked_a_few_times_a_second_and_not_for_every_block(
    file: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds at 22,050 Hz in blocks of 10 ms: libsndfile hands over 8 KiB at a time."""
    asked, write = list[int](), Disk.write
    monkeypatch.setattr(Disk, "write", lambda disk, data: asked.append(len(data)) or write(disk, data))
    source = Played(file, paced=False)
    recorder = Recorder(tmp_path / "kept.wav", source)
    for _ in range(1000):
        recorder.write(Block(np.full((220, 1), 0.5, np.float32)))
    recorder.close()
    assert sum(asked) > 440_000 and len(asked) < 100
    assert soundfile.info(tmp_path / "kept.wav").frames == 220_000


def has_portaudio() -> bool:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


@pytest.mark.skipif(has_portaudio(), reason="PortAudio is installed here")
def test_without_portaudio_one_line_says_what_to_install() -> None:
    for ask in (Microphone, devices):
        with pytest.raises(
            UsageError, match=r"a microphone needs .*(libportaudio2|sonoscope\[live\])"
        ) as told:
            ask()
        assert "\n" not in str(told.value)
