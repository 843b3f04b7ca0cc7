"""The shell commands of docs/live.md run as they stand there; what plays or sends sound here is a short tune."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PAGE = Path(__file__).parents[2] / "docs" / "live.md"
#: What says why there is no microphone: the library, the device, or the right to use it.
NO_MICROPHONE = re.compile(r"PortAudio|microphone|device|sounddevice")


def commands() -> list[str]:
    """The lines of the page's `sh` blocks."""
    text = PAGE.read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def hears_a_microphone(command: str) -> bool:
    """Whether it listens until somebody ends it."""
    return command.split("#")[0].split()[2:3] in ([], ["--device"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, melody: np.ndarray) -> Path:
    """`song.mp3`, and in `bin` the commands: ours, and `arecord` and `ffmpeg`, which give the tune's samples."""
    folder = tmp_path_factory.mktemp("documented")
    soundfile.write(folder / "song.mp3", melody, 48_000)
    (folder / "tune.raw").write_bytes(np.round(melody * 2**15).astype("<i2").tobytes())
    (folder / "bin").mkdir()
    pours = f'exec cat "{folder / "tune.raw"}"'
    ours = f'exec "{sys.executable}" -m sonoscope "$@"'
    for name, line in (("arecord", pours), ("ffmpeg", pours), ("sonoscope", ours)):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.fixture
def environment(folder: Path, notes_folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SONOSCOPE_MODELS": str(notes_folder)}


def test_the_page_has_commands_of_every_kind() -> None:
    assert any(map(hears_a_microphone, commands()))
    for words in ("--list-devices", "arecord ", "ffmpeg ", "song.mp3"):
        assert any(words in command for command in commands()), words


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in commands() if not hears_a_microphone(c)])
def test_a_command_runs(command: str, folder: Path, environment: dict[str, str]) -> None:
    words = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if "--list-devices" in command:
        assert done.returncode == 0 or NO_MICROPHONE.search(done.stderr), done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert "0 drop-outs" in done.stderr
    if "instruments" not in command:
        told = [line.split()[2] for line in done.stdout.splitlines() if line.split()[1] == "on"]
        assert told == ["C5", "E5", "G5", "C6"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in commands() if hears_a_microphone(c)])
def test_a_microphone_is_heard_or_what_is_missing_is_said(
    command: str, folder: Path, environment: dict[str, str]
) -> None:
    words = ["timeout", "-s", "INT", "5", "bash", "-c", f"exec {command}"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert "Traceback" not in done.stderr
    if done.returncode in (0, 124):  # it listened, until Ctrl-C
        assert "expected delay" in done.stderr
        return
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and NO_MICROPHONE.search(done.stderr)
