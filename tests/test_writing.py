"""What is there is whole; what a disk refuses is told by the name that was asked for, and nothing of it is left."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import writing
from sonoscope.cli import main


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with writing.beside(path, binary=False) as file:
        file.write("ä\n")
        assert not path.exists()
    assert path.read_bytes() == "ä\n".encode()
    writing.put(path, b"\0\r\n")
    assert path.read_bytes() == b"\0\r\n" and names(path.parent) == ["a.txt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=["full", "interrupted"]
)
def test_nothing_is_left_of_what_was_not_completed(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(type(error)), writing.beside(path, binary=True) as file:
        file.write(b"half")
        raise error
    assert path.read_text() == "before" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_told_of_the_file_that_was_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(OSError) as told, writing.beside(path, binary=True):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_numpy_says_how_much_was_written_and_not_why(tmp_path: Path) -> None:
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError) as plain:
        np.zeros(1000).tofile(file)
    assert plain.value.errno is None
    with pytest.raises(OSError) as told, writing.told_of(tmp_path / "a.npy"):
        raise plain.value
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "a.npy"))


def test_an_error_of_something_else_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError) as told, writing.beside(tmp_path / "a.csv", binary=False):
        raise OSError(errno.EIO, "Input/output error", "recording.wav")
    assert told.value.filename == "recording.wav"
    with pytest.raises(OSError) as told, writing.beside(tmp_path / "a.csv", binary=False):
        raise OSError(errno.EIO, "Input/output error")
    assert told.value.filename is None


def test_a_folder_takes_the_place_of_one_that_is_there(tmp_path: Path) -> None:
    target, source = tmp_path / "bundle", tmp_path / "source"
    (source / "in").mkdir(parents=True)
    (source / "in" / "a").write_text("new")
    target.mkdir()
    (target / "old").touch()
    with writing.place_beside(target) as made:
        writing.copy_folder(source, made)
        (made.parent / "scratch").touch()
    assert [path.relative_to(target).as_posix() for path in target.rglob("*")] == ["in", "in/a"]
    assert names(tmp_path) == ["bundle", "source"]


@pytest.mark.parametrize(
    "words",
    [
        ("analyze", "INPUT", "-o", "a.txt/b.csv"),
        ("notes", "INPUT", "-o", "a.txt/b.mid"),
        ("evaluate", "instruments", "INPUT", "-o", "a.txt/b.html"),
        ("evaluate", "instruments", "INPUT", "--paper", "a.txt/b"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_written_is_told_before_the_work(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros(24_000), 24_000)
    (tmp_path / "a.txt").touch()
    monkeypatch.chdir(tmp_path)
    for work in ("sonoscope.audio.decode.Decoder.__init__", "sonoscope.evaluation.judging.clips"):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("it began to work"))
    assert main([word.replace("INPUT", "song.wav") for word in words]) == 3
    assert f"Not a directory: {words[-1]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("data", "manifest", "INPUT", "-o", "m.csv"),
        ("data", "summary", "INPUT", "-o", "m.html"),
        ("data", "summary", "INPUT", "--features", "m.csv"),
        ("data", "split", "INPUT", "-o", "m.csv"),
        ("explain", "INPUT/bird/a.wav", "-o", "maps"),
        ("explain", "INPUT/bird/a.wav", "-o", "map.npz"),
    ],
    ids=" ".join,
)
def test_a_folder_of_others_is_told_before_the_work(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "scratch")

    (tmp_path / "input" / "bird").mkdir(parents=True)
    soundfile.write(tmp_path / "input" / "bird" / "a.wav", np.zeros(24_000), 24_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sonoscope.writing.tempfile.TemporaryFile", refused)
    work = "sonoscope.audio.decode.Decoder.__init__"
    monkeypatch.setattr(work, lambda *_, **__: pytest.fail("it began to work"))
    assert main([word.replace("INPUT", "input") for word in words]) == 3
    assert f"Permission denied: {words[-1]}" in capsys.readouterr().err


def test_a_place_that_can_be_written_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("kept")
    for name in ("there.csv", "new.csv", "new/folder", "."):
        writing.check_place(tmp_path / name)
    assert names(tmp_path) == ["there.csv"] and (tmp_path / "there.csv").read_text() == "kept"


def test_a_copy_that_the_disk_refuses_is_told_of_where_it_goes(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with pytest.raises(OSError) as told, writing.place_beside(target) as made:
        error = OSError(errno.ENOSPC, "No space left on device", "/elsewhere/model.onnx")
        error.filename2 = str(made / "model.onnx")
        raise error
    assert (told.value.filename, told.value.filename2) == (str(target), None)
    assert names(tmp_path) == []
