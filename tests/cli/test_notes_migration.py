"""What replaces the five actions of the note recogniser: every command of docs/notes.md's table, on a tiny MusicNet."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main

PROJECT = Path(__file__).parents[2]
ACTIONS = ("process-train", "process-test", "train", "train-val", "test")
MELODY = [(0.5, 1.2, 60), (1.2, 1.9, 64), (1.9, 2.6, 67)]


def table() -> dict[str, list[str]]:
    """The commands of each action's row, as they stand in the document."""
    page = (PROJECT / "docs" / "notes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `--action ([a-z-]+)` \|[^|]*\| (.+) \|$", page, re.MULTILINE)
    return {action: re.findall(r"`((?:sonoscope|python) [^`]+)`", commands) for action, commands in rows}


@pytest.fixture(scope="module")
def musicnet(tmp_path_factory: pytest.TempPathFactory, tones: Callable[..., np.ndarray]) -> Path:
    """Two recordings to train on and one to test on, laid out as the original."""
    root = tmp_path_factory.mktemp("musicnet")
    for number, split in ((1788, "train"), (1727, "train"), (2303, "test")):
        sound, labels = root / f"{split}_data" / f"{number}.wav", root / f"{split}_labels" / f"{number}.csv"
        for file in (sound, labels):
            file.parent.mkdir(exist_ok=True)
        soundfile.write(sound, tones(MELODY, 3.2, 44_100), 44_100)
        rows = [f"{round(b * 44_100)},{round(e * 44_100)},1,{p},0,1,Quarter" for b, e, p in MELODY]
        header = "start_time,end_time,instrument,note,start_beat,end_beat,note_value"
        labels.write_text("\n".join([header, *rows, ""]))
    return root


def test_every_action_has_its_commands() -> None:
    assert tuple(table()) == ACTIONS
    assert all(table().values())


# `train` is the first half of `train-val`.
@pytest.mark.parametrize(
    "action", [pytest.param(a, marks=pytest.mark.slow if a == "train" else ()) for a in ACTIONS]
)
def test_the_commands_run(
    action: str, musicnet: Path, notes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONOSCOPE_MODELS", str(notes_folder))
    for command in table()[action]:
        words = [word.replace("ROOT", str(musicnet)).replace("WORK", "work") for word in shlex.split(command)]
        if words[0] == "sonoscope":
            assert main(words[1:]) == 0, command
        else:
            quick = ["--size", "nano", "--steps", "2", "--every", "1"]
            words = [sys.executable, str(PROJECT / words[1]), *words[2:], *quick]
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert ("onset F1" in done.stdout) == (action == "train-val")
            assert (tmp_path / "trained" / "model.onnx").is_file()
