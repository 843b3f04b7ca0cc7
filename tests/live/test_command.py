"""The verb ``live`` as it is typed: samples through a pipe, a file as it plays, Ctrl-C, what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main

LIVE = [sys.executable, "-m", "sonoscope", "live"]


@pytest.fixture(autouse=True)
def models(notes_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONOSCOPE_MODELS", str(notes_folder))


@pytest.fixture(scope="module")
def pcm(melody: np.ndarray) -> np.ndarray:
    """The melody in 16 bits."""
    return np.round(melody * 2**15).astype("<i2")


@pytest.fixture
def song(pcm: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, pcm, 48_000)
    return path


def test_a_full_disk_ends_the_recording_and_not_the_listening(song: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    limited = shlex.join([*LIVE, str(song), "--fast", "--format", "jsonl", "--record", str(kept)])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 100; exec {limited}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["heard"] == 2.4
    assert (
        "kept.wav: File too large. The first 0.53 s of what was heard are kept there; listening"
        in done.stderr
    )
    found, _ = soundfile.read(kept, dtype="float32")
    whole, _ = soundfile.read(song, dtype="float32")
    assert [path.name for path in tmp_path.glob("*kept*")] == [kept.name] and len(found) > 25_000
    np.testing.assert_array_equal(found, whole[: len(found)])


def test_a_disk_without_room_for_a_header_is_told_at_once(song: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    limited = shlex.join([*LIVE, str(song), "--fast", "--record", str(kept)])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 0; exec {limited}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--record {kept} cannot be written: File too large. Name another place." in done.stderr
    assert not [*tmp_path.glob("*kept*")]


def test_samples_of_another_format_are_told(pcm: np.ndarray) -> None:
    """Floats whose bytes are the other way round are NaN, or far beyond full scale, and were silence without a word."""
    turned = (0.7 * pcm / 32768.0).astype(">f4").tobytes()
    done = subprocess.run(
        [*LIVE, "-", "--rate", "48000", "--sample-format", "f32le"],
        input=turned,
        capture_output=True,
        check=True,
    )
    first, last = done.stderr.decode().splitlines()
    assert "expected delay" in first
    assert re.search(r"heard: .*; [\d,]+ samples were no sound .* is --sample-format right\?$", last)


def test_samples_on_stdin_end_to_end(pcm: np.ndarray, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    done = subprocess.run(
        [*LIVE, "-", "--rate", "48000", "--format", "jsonl", "--record", str(kept)],
        input=pcm.tobytes(), capture_output=True, check=True,
    )  # fmt: skip
    first, *moments, last = map(json.loads, done.stdout.decode().splitlines())
    assert (first["device"], first["sample_rate"], first["channels"]) == ("stdin", 48_000, 1)
    ons = [(m["pitch"], m["time"]) for m in moments if m["kind"] == "on"]
    assert [pitch for pitch, _ in ons] == [72, 76, 79, 84]
    assert [time_s for _, time_s in ons] == pytest.approx([0.5, 0.9, 1.3, 1.3], abs=0.015)
    delay = first["models"][0]["delay"]
    assert delay <= 0.2
    assert all(m["told"] - m["time"] <= delay + 0.01 for m in moments if m["kind"] == "on")
    assert (last["heard"], last["events"], last["dropouts"]) == (2.4, 4, 0)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("stdin, 48,000 Hz, 1 channel; expected delay: notes ")
    assert lines[1] == f"0:02.40 heard: 4 notes, 0 drop-outs; recorded in {kept}"
    found, rate = soundfile.read(kept, dtype="int16")
    assert rate == 48_000
    np.testing.assert_array_equal(found, pcm)


def test_stereo_in_24_bits_is_the_same_tune(pcm: np.ndarray) -> None:
    wide = np.repeat((pcm.astype(np.int32) << 16)[:, None], 2, axis=1).astype("<i4")
    raw = wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    words = ["-", "--rate", "48000", "--channels", "2", "--sample-format", "s24le", "-q"]
    done = subprocess.run([*LIVE, *words], input=raw, capture_output=True, check=True)
    assert not done.stderr
    lines = done.stdout.decode().splitlines()
    assert [line.split()[2] for line in lines if line.split()[1] == "on"] == ["C5", "E5", "G5", "C6"]
    assert [line.split()[2] for line in lines if line.split()[1] == "off"] == ["C5", "E5", "G5", "C6"]


def test_ctrl_c_ends_what_has_no_end_and_keeps_what_was_heard(pcm: np.ndarray, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    words = [*LIVE, "-", "--rate", "48000", "--record", str(kept)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(pcm[: round(0.88 * 48_000)].tobytes())
        process.stdin.flush()
        # The first note is told while the pipe is still open.
        assert process.stdout.readline().split()[1:3] == [b"on", b"C5"]
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait() == 0
    assert out.split()[1:3] == [b"off", b"C5"]
    assert b"heard: 1 note, 0 drop-outs; recorded in" in err and b"Traceback" not in err
    found, _ = soundfile.read(kept, dtype="int16")
    np.testing.assert_array_equal(found, pcm[: len(found)])
    assert len(found) >= 0.65 * 48_000


def test_a_file_plays_in_real_time_and_is_not_finished_when_interrupted(song: Path) -> None:
    with subprocess.Popen([*LIVE, str(song)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().split()[1:3] == [b"on", b"C5"]
        process.send_signal(signal.SIGTERM)
        err = process.stderr.read()
        assert process.wait() == 3
    assert b"song.wav, 48,000 Hz, 1 channel; expected delay" in err and b"Traceback" not in err


def test_a_reader_that_goes_away_ends_it(song: Path) -> None:
    line = f"{' '.join(LIVE)} {song} --fast -q | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == 3 and done.stdout.split()[1] == b"on" and b"Traceback" not in done.stderr


def told(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict], str]:
    code = main(["live", *words, "--format", "jsonl"])
    out, err = capfd.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def pitches(lines: list[dict]) -> list[int]:
    return [line["pitch"] for line in lines if line["kind"] == "on" and "pitch" in line]


def test_every_option_does_something(song: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fast = [str(song), "--fast"]
    code, plain, err = told(capfd, *fast)
    assert code == 0 and pitches(plain) == [72, 76, 79, 84]
    assert "song.wav as fast as it goes" in err
    assert pitches(told(capfd, *fast, "--low", "E5", "--high", "80")[1]) == [76, 79]
    assert pitches(told(capfd, *fast, "--mono")[1])[:2] == [72, 76]
    assert pitches(told(capfd, *fast, "--onset", "1.0")[1]) == []
    assert told(capfd, *fast, "--sustain", "1.0")[1][-2]["end"] < plain[-2]["end"]
    # A quarter tone lower the tones lie between the keys, half a semitone lower they are others.
    assert pitches(told(capfd, *fast, "--tuning", "-50")[1]) != [72, 76, 79, 84]
    soon = told(capfd, "--device", *fast, "--delay", "0.1")[1]
    assert pitches(soon) == [72, 76, 79, 84]
    assert soon[0]["models"][0]["delay"] <= 0.1 < plain[0]["models"][0]["delay"]


def test_instruments_beside_notes(song: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [str(song), "--fast", "-m", "instruments,notes", "--threshold", "0.01"]
    lines = told(capfd, *words)[1]
    assert [model["model"] for model in lines[0]["models"]] == ["instruments", "notes"]
    labels = [line for line in lines if line.get("model") == "instruments" and line["kind"] == "off"]
    assert labels and pitches(lines) == [72, 76, 79, 84]
    told_s = [line["told"] for line in lines[1:-1]]
    assert len(told_s) > 8
    coarse, fine = (told(capfd, *words, "--min-duration", "0", *hop)[1] for hop in ((), ("--hop", "0.1")))
    assert len({line["time"] for line in fine[1:-1]} - {line["time"] for line in coarse[1:-1]}) > 0
    long = told(capfd, *words, "--min-duration", "2.3")[1]
    assert all(
        e["end"] - e["start"] >= 2.3 for e in long if e["kind"] == "off" and e["model"] == "instruments"
    )
    joined = told(capfd, *words, "--min-duration", "0", "--hop", "0.1", "--max-gap", "5")[1]
    assert len(joined) <= len(fine)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-"], "- needs --rate HZ"),
        (["-", "--rate", "48000", "--fast"], "--fast does not go with -: it is for files"),
        (["{song}", "--rate", "48000"], "a recording states its own"),
        (["{song}", "--sample-format", "u8"], "--sample-format does not go with"),
        (["-", "--rate", "48000", "--sample-format", "s16"], "Did you mean 's16le'?"),
        (["{song}", "--device", "0"], "both say where the sound comes from"),
        (["{song}", "--fast", "--overwrite"], "--overwrite is for --record"),
        (["{song}", "--fast", "--delay", "0.01"], "is less than notes can do"),
        (["{song}", "--fast", "--hop", "0.1"], "--hop is for labels, and notes tells none"),
        (
            ["{song}", "--fast", "-m", "instruments", "--low", "E2"],
            "--low is for notes, and instruments tells none",
        ),
        (["{song}", "--fast", "-m", "notes,notes"], "name each model once"),
        (["{song}", "--fast", "-m", "notas"], "Did you mean 'notes'?"),
        (["{song}", "--format", "json"], "unknown format 'json'. Did you mean 'jsonl'?"),
        (["{song}", "--fast", "--record", "{song}"], "exists: --overwrite replaces it"),
        (["{song}", "--fast", "--low", "H2"], "'H2' is no pitch"),
        (["-", "--rate", "16000", "--channels", "0"], "rate=16000 Hz and channels=0 must both be at least 1"),
        (["--channels", "0"], "channels=0 must be at least 1"),
        (["nothing.wav"], "nothing.wav"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_a_line(
    words: list[str], message: str, song: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", *(word.format(song=song) for word in words)]) == 2
    out, err = capfd.readouterr()
    assert message in err and len(err.splitlines()) == 1 and not out


def test_a_recording_that_is_none_is_a_failed_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    assert main(["live", str(tmp_path / "a.wav"), "--fast"]) == 1
    assert "a.wav" in capfd.readouterr().err


def test_devices_are_listed_or_what_is_missing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["live", "--list-devices"])
    out, err = capfd.readouterr()
    assert code == 0 or "needs" in err  # a machine without MIDI is no failure
    assert "microphone" in out + err and "MIDI ports: " in out
