"""Sound prepared for trainings that share a folder: waiting for each other, and for the same rows only."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sonoscope.data import shards
from sonoscope.data.shards import folder as files
from sonoscope.errors import UsageError
from sonoscope.training import prepare
from sonoscope.training.config import Data

RATE = 8000


def test_a_training_waits_for_one_that_prepares_the_same_folder(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare, "WAIT_S", 0.05)
    told: list[str] = []
    done = threading.Event()

    def say(line: str) -> None:
        told.append(line)
        done.set()

    def other(folder: Path, began: threading.Event) -> None:
        with files.lock(folder):
            began.set()
            assert done.wait(30), "nobody waits"

    folder, began = tmp_path / "data", threading.Event()
    folder.mkdir()
    thread = threading.Thread(target=other, args=(folder, began))
    thread.start()
    assert began.wait(30)
    found = prepare.prepare(Data(train=(str(sounds),)), folder, RATE, say=say)
    thread.join()
    assert told == [f"{folder} is being prepared by another training: waiting for it"]
    assert {row.split for row in found.shards.rows} == {"train", "val", "test"}


def test_a_folder_prepared_for_other_rows_meanwhile_is_refused(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The split of the other training would be learned from, and nobody would notice."""
    opened = shards.open

    def after_another(folder: Path) -> shards.Shards:
        monkeypatch.setattr(shards, "open", opened)
        prepare.prepare(Data(train=(str(sounds),), folds=3, fold=1), folder, RATE)
        return opened(folder)

    monkeypatch.setattr(shards, "open", after_another)
    with pytest.raises(UsageError, match="was prepared for other rows meanwhile"):
        prepare.prepare(Data(train=(str(sounds),), folds=3, fold=0), tmp_path / "data", RATE)


def test_rows_that_cannot_be_decoded_are_no_other_rows(sounds: Path, tmp_path: Path):
    root = tmp_path / "sounds"
    root.mkdir()
    for path in sorted(sounds.glob("high/*.wav")):
        (root / path.parent.name).mkdir(exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    (root / "high" / "broken.wav").write_bytes(b"RIFF")
    found = prepare.prepare(Data(train=(str(root),), by="path"), tmp_path / "data", RATE)
    assert len(found.problems) == 1 and len(found.shards) == 12
