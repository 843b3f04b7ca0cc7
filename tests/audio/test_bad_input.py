"""What cannot be heard is refused in words; what is cut or damaged gives what it holds, and says so."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from sonoscope.audio import decode
from sonoscope.audio.decode import Decoder
from sonoscope.audio.ffmpeg import FfmpegReader
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"these are notes, not sound\n", "plain text"),
        ("Grüße".encode(), "plain text"),
        ("ü".encode() * 4000, "plain text"),
        (b"a" + "ü".encode() * 4000, "plain text"),
        ("Wort\n".encode("utf-16"), "plain text"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\n <HTML><body>login", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "a Git LFS pointer"),
        (b"#EXTM3U\nhttp://example.org/a.mp3\n", "a playlist"),
        (b'{"error": "not found"}', "text (JSON)"),
        (bytes(8000), "is no recording but a row of zeros (its first 4096 bytes)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60", "a MIDI file: it holds notes, not sound"),
        (b"PK\x03\x04" + bytes(50), "a zip archive"),
        (b"RIFF\x24\0\0\0WAVE", "header is damaged or cut off"),
        (b"fLaC\0\0\0\x22", "header is damaged or cut off"),
        (b"OggS\0\2" + bytes(22), "header is damaged or cut off"),
        (b"\0\0\0\x20ftypisom" + bytes(100), "the moov atom"),
        (np.random.default_rng(1).bytes(300), "is in no format of sound that FFmpeg knows"),
        (np.random.default_rng(2).bytes(300_000), "is in no format of sound that FFmpeg knows"),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "mp3", "aac"])
def test_what_is_no_recording(tmp_path, content, reason, suffix):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio, match=re.escape(reason)) as caught:
        decode.read(path)
    assert caught.value.file == f"bad.{suffix}"
    assert caught.value.remedy
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_wav_without_samples(tmp_path, write_sound):
    for suffix in ("wav", "au", "aiff"):
        with pytest.raises(UnreadableAudio, match=r"holds no sound|none of its|header is damaged"):
            decode.read(write_sound(tmp_path / f"a.{suffix}", np.zeros(0)))


def test_an_unknown_codec_in_a_wav(tmp_path):
    form = struct.pack("<HHIIHH", 0x4242, 1, 44100, 88200, 2, 16)
    path = tmp_path / "a.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 5036) + b"WAVEfmt \x10\0\0\0" + form + b"data\x88\x13\0\0" + bytes(5000)
    )
    with pytest.raises(UnreadableAudio, match=r"no decoder|can be decoded"):
        decode.read(path)


def test_a_video_without_sound(tmp_path, silent_film):
    for suffix in ("mp4", "mkv", "avi"):
        with pytest.raises(UnreadableAudio, match="is a video without sound"):
            decode.read(silent_film(tmp_path / f"film.{suffix}"))


def test_what_is_no_file(tmp_path):
    with pytest.raises(UnreadableAudio, match="is a folder, not a file"):
        decode.read(tmp_path)
    with pytest.raises(UnreadableAudio, match=r"gone\.wav: is not there any more"):
        decode.read(tmp_path / "gone.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.raises(
        UnreadableAudio, match=r"link\.wav: is a link to .*nowhere\.wav, which is not there.*Mend"
    ):
        decode.read(tmp_path / "link.wav")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    with pytest.raises(
        UnreadableAudio, match=r"self\.wav: is a link that leads back to itself\. Mend the link"
    ):
        decode.read(tmp_path / "self.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(UnreadableAudio, match="is a device or a pipe"):
            decode.read(tmp_path / "pipe.wav")


def test_a_file_that_vanishes_after_it_was_listed(tmp_path, write_sound):
    path = write_sound(tmp_path / "a.wav", np.ones(100))
    recording = Recording(str(path), "site/a.wav")
    path.unlink()
    with pytest.raises(UnreadableAudio, match=r"site/a\.wav: is not there any more"), Decoder(recording):
        pass


def test_a_file_that_shrinks_while_it_is_read(tmp_path, write_sound):
    path = write_sound(tmp_path / "a.wav", np.full(100_000, 0.5), subtype="PCM_16")
    with Decoder(Recording(str(path), "a.wav"), block_samples=10_000) as decoder:
        blocks = decoder.blocks()
        next(blocks)
        os.truncate(path, 44 + 2 * 15_000)
        rest = list(map(len, blocks))
    assert sum(rest) == 5_000
    assert "cut short" in decoder.problem


PERMISSION = """
import os, sys
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
from sonoscope.audio import decode, find
from sonoscope.errors import UnreadableAudio
for found in find.find(sys.argv[1:]):
    try:
        print("heard", decode.read(found)[0].size) if isinstance(found, find.Recording) else print(found)
    except UnreadableAudio as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_no_permission(tmp_path, write_sound):
    """As ``nobody``: a file, a folder and an archive that must not be read stop none of the others."""
    for above in tmp_path.parents:
        if above.owner() == Path.home().owner() and str(above).startswith("/tmp/"):
            above.chmod(0o755)
    tmp_path.chmod(0o755)
    good = write_sound(tmp_path / "good.wav", np.full(100, 0.5))
    write_sound(tmp_path / "locked.wav", np.full(100, 0.5)).chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "closed.zip").write_bytes(b"PK")
    (tmp_path / "closed.zip").chmod(0)
    # The code may itself lie where nobody else may read: it is loaded before permissions are given up.
    child = (
        "import sonoscope.audio.decode, sonoscope.audio.find, sonoscope.audio.ffmpeg, encodings.idna\n"
        + PERMISSION
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path), str(tmp_path / "closed.zip")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "Unlisted(name='closed', reason='no permission to list what it holds', "
        "remedy='Ask its owner, or change its permissions.')",
        "heard 100",
        "locked.wav: no permission to read it. Ask its owner, or change its permissions.",
        "Unlisted(name='closed.zip', reason='no permission to list what it holds', "
        "remedy='Ask its owner, or change its permissions.')",
    ]
    assert good.exists()


# ---- cut and damaged -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory, music, write_sound, encode):
    """Four seconds in several containers."""
    folder = tmp_path_factory.mktemp("whole")
    sound, opus_sound = music(44100, 4.0), music(48000, 4.0)
    return {
        "flac": write_sound(folder / "a.flac", sound),
        "mp3": write_sound(folder / "a.mp3", sound),
        "ogg": write_sound(folder / "a.ogg", sound),
        "wav": write_sound(folder / "a.wav", sound),
        "aiff": write_sound(folder / "a.aiff", sound),
        "mp4": encode(folder / "a.mp4", sound, 44100, "aac", picture="mpeg4", movflags="faststart"),
        "wma": encode(folder / "a.wma", sound, 44100, "wmav2", container="asf"),
        "mka": encode(folder / "a.mka", sound, 44100, "aac"),
        "opus": encode(folder / "a.opus", opus_sound, 48000, "libopus", container="ogg"),
        "avi": encode(folder / "a.avi", sound, 44100, "libmp3lame", picture="mpeg4"),
    }


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "wav", "aiff", "mp4", "wma", "mka", "opus", "avi"])
@pytest.mark.parametrize("share", [0.3, 0.75])
def test_a_file_cut_short_gives_what_it_holds(tmp_path, whole, hear, kind, share):
    data = whole[kind].read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(share * len(data))])
    heard, complete = hear(path), hear(whole[kind])
    n = heard.samples.size
    assert 0.5 * share * 4 < heard.decoder.duration_s < 4
    # Up to the last frame, which may be damaged, it is the beginning of the whole.
    kept = max(n - 4096, 0)
    np.testing.assert_allclose(heard.samples[:kept], complete.samples[:kept], atol=1e-4)
    # The others state no length, or FFmpeg takes it from what there is.
    if kind in ("flac", "mp3", "wav", "aiff", "mp4", "mka"):
        assert "the header states 4.0" in heard.problem


@pytest.mark.skipif(
    int(av.__version__.partition(".")[0]) < 18, reason="PyAV 17 crashes when asked for no pixels"
)
def test_pictures_are_not_decoded_not_even_to_tell_what_they_are(tmp_path, encode, music):
    """Holes in decoders of video are many; which pixels MPEG-4 has, only its pictures say."""
    path = encode(tmp_path / "a.avi", music(), 44100, "pcm_s16le", picture="mpeg4")
    with av.open(str(path)) as plain:
        assert plain.streams.video[0].codec_context.pix_fmt == "yuv420p"
    with path.open("rb") as file:
        reader = FfmpegReader(file)
        assert reader._container.streams.video[0].codec_context.pix_fmt is None
        assert sum(len(block) for block in reader.frames(4096)) == 3 * 44100
        reader.close()


def test_no_file_leads_to_another(tmp_path, whole, monkeypatch):
    """A list that is no text, by one byte; FFmpeg reads what it names, from where the program runs."""
    monkeypatch.chdir(whole["wav"].parent)
    path = tmp_path / "list.wav"
    path.write_bytes(b"ffconcat version 1.0\n#\x01\nfile a.wav\n")
    with av.open(io.BytesIO(path.read_bytes())) as plain:
        assert plain.streams.audio[0].rate == 44100
    with (
        pytest.raises(UnreadableAudio, match="no format of sound"),
        Decoder(Recording(str(path), "list.wav")),
    ):
        pass


def test_a_video_cut_before_its_index(tmp_path, whole, encode, music):
    path = encode(tmp_path / "a.mp4", music(), 44100, "aac", picture="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableAudio, match=r"the moov atom\) is missing"):
        decode.read(path)


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "mp4"])
def test_a_hole_in_the_middle(tmp_path, whole, hear, kind):
    """What is after the hole is heard too; noise for the hole is not made up."""
    data = bytearray(whole[kind].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(5).bytes(4000)
    path = tmp_path / f"hole.{kind}"
    path.write_bytes(data)
    heard, complete = hear(path), hear(whole[kind])
    assert 3.0 < heard.decoder.duration_s <= 4.03
    assert heard.problem
    end = complete.samples[-8000:-4000]
    places = np.lib.stride_tricks.sliding_window_view(heard.samples[-14000:], end.size)
    distances = np.linalg.norm(places - end, axis=1) / np.linalg.norm(end)
    assert distances.min() < 0.1
    if kind == "flac":
        assert heard.decoder.peak <= complete.decoder.peak


def test_zeros_in_the_middle_of_an_mp3(tmp_path, whole, hear):
    data = whole["mp3"].read_bytes()
    path = tmp_path / "zeros.mp3"
    path.write_bytes(data[: len(data) // 2] + bytes(200_000) + data[len(data) // 2 :])
    heard = hear(path)
    assert heard.decoder.duration_s == pytest.approx(4, abs=0.2)
    assert "damaged from" in heard.problem
