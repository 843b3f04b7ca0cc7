"""Places that go away and return, and files that are still on their way."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.audio import away
from sonoscope.audio.away import Patience, is_away
from sonoscope.audio.whole import is_whole


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"sound")
    return folder


def test_only_a_place_that_has_gone_is_away(share: Path) -> None:
    gone = OSError(errno.ENOENT, "no such file")
    assert not is_away(str(share / "b.wav"), gone), "its folder is there, and holds others"
    (share / "a.wav").unlink()
    assert is_away(str(share / "b.wav"), gone), "an unmounted folder is empty"
    assert is_away(str(share / "site1" / "b.wav"), gone)
    assert is_away("/anywhere", OSError(errno.ESTALE, "stale"))
    assert not is_away("/anywhere", OSError(errno.EACCES, "denied"))


def test_what_returns_is_read(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "FIRST_S", 0.01)
    file, hidden = share / "a.wav", share.with_name("hidden")
    share.rename(hidden)
    back = threading.Timer(0.1, lambda: hidden.rename(share))
    back.start()
    assert Patience().keep(str(file), file.read_bytes) == b"sound"
    back.join()


def test_the_wait_has_an_end_and_is_not_repeated(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "FIRST_S", 0.01)
    monkeypatch.setattr(away, "AWAY_S", 0.05)
    naps: list[float] = []
    monkeypatch.setattr(away.time, "sleep", naps.append)
    patience, gone = Patience(), share / "site1" / "a.wav"
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            patience.keep(str(gone), gone.read_bytes)
    assert 0.05 - 1e-9 <= sum(naps) < 0.08, "one outage is waited for once"
    patience.keep(str(share / "a.wav"), (share / "a.wav").read_bytes)
    with pytest.raises(FileNotFoundError):
        patience.keep(str(gone), gone.read_bytes)
    assert sum(naps) >= 0.1 - 1e-9, "after something was read the next outage is waited for"


def test_errors_of_another_kind_are_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away.time, "sleep", lambda seconds: pytest.fail("waited"))

    def wrong() -> None:
        raise ValueError("no sound")

    with pytest.raises(ValueError, match="no sound"):
        Patience().keep("/a.wav", wrong)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_a_copy_is_whole_when_its_samples_are_there(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    soundfile.write(file, np.zeros(8000), 8000)
    whole = file.read_bytes()
    assert is_whole(file)
    for length in (0, 10, 43, len(whole) // 2, len(whole) - 2):
        file.write_bytes(whole[:length])
        assert not is_whole(file), length
    assert not is_whole(tmp_path / "none.wav")


def test_videos_and_archives(tmp_path: Path) -> None:
    import zipfile

    examples = Path(__file__).parents[2] / "examples"
    whole = (examples / "electric-guitar.mp4").read_bytes()
    file = tmp_path / "a.mp4"
    for length, wanted in ((len(whole), True), (len(whole) - 100, False), (1000, False)):
        file.write_bytes(whole[:length])
        assert is_whole(file) is wanted
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.wav", b"x" * 1000)
    assert is_whole(tmp_path / "a.zip")
    packed = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(packed[:500])
    assert not is_whole(tmp_path / "a.zip")
