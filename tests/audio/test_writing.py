"""Sound that a full disk does not take is an error of the disk, and of nobody else."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.audio.writing import guarded
from sonoscope.cli import main
from sonoscope.notes import sonify
from sonoscope.values import Event

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_a_full_disk_is_told(form: str) -> None:
    with open(FULL, "r+b", buffering=0) as file, pytest.raises(OSError) as told, guarded(file) as out:
        soundfile.write(out, np.zeros(100_000), 8000, format=form, subtype="PCM_16")
    assert told.value.errno == errno.ENOSPC
    with open(FULL, "r+b", buffering=0) as file, pytest.raises(OSError) as told, guarded(file) as out:
        sonify.write_played(out, [Event(0.0, 1.0, "note", 0.5, pitch=60.0)], 8000, 2.0)
    assert told.value.errno == errno.ENOSPC


def test_other_mistakes_are_what_they_are(tmp_path: Path) -> None:
    with (
        open(tmp_path / "a.wav", "w+b") as file,
        pytest.raises(soundfile.LibsndfileError),
        guarded(file) as out,
    ):
        soundfile.write(out, np.zeros((10, 2000)), 8000, format="WAV", subtype="PCM_16")
    with open(tmp_path / "b.wav", "w+b") as file, guarded(file) as out:
        soundfile.write(out, np.full(10, 0.5), 8000, format="WAV", subtype="PCM_16")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "b.wav")[0], np.full(10, 0.5))


def test_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    soundfile.write(tmp_path / "a.wav", np.zeros(24_000), 24_000)
    monkeypatch.setattr("sonoscope.embeddings.rows.Rows.add", full)
    assert main(["embed", str(tmp_path / "a.wav"), "-o", str(tmp_path / "a.npz")]) == 3
    told = capsys.readouterr().err
    assert f"No space left on device: {tmp_path / 'a.npz'}: make room there, then run the same" in told
