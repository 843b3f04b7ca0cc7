"""Data sets of mirdata and soundata: what is said without the libraries, and what is read with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sonoscope.data.datasets import find, read
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UnknownName, UsageError

Make = Callable[[str], Path]


@pytest.mark.parametrize("name", ["mirdata:guitarset", "soundata:esc50"])
def test_without_the_library_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, library, None)  # What the import system takes for "not installed".
    with pytest.raises(
        UsageError, match=rf"data set {name} needs the package {library}.*pip install {library}"
    ):
        find(name)


def test_another_prefix_is_an_unknown_data_set() -> None:
    with pytest.raises(UnknownName, match="unknown data set 'librosa:esc50'"):
        find("librosa:esc50")


def test_soundata_reads_its_clips(miniature: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    soundata = pytest.importorskip("soundata")
    root = miniature("esc50") / "ESC-50-master"
    index = Path(soundata.initialize("esc50", data_home=str(root)).index_path)
    if index.exists():
        pytest.skip("the library has its own index here")
    clips = {path.stem: {"audio": [f"audio/{path.name}", "0" * 32]} for path in (root / "audio").iterdir()}
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(json.dumps({"version": "2.0", "clips": clips}), encoding="utf-8")
    try:
        rows = read("soundata:esc50", root).rows
        assert [row.labels for row in rows] == [("dog",), ("dog",), ("church_bells",), ("dog",)]
        assert all((root / row.path).is_file() for row in rows)
        (root / "audio" / "5-9032-A-0.wav").unlink()
        with pytest.raises(
            BadManifest, match=r"track 5-9032-A-0: .* does not exist\. Download the data set first"
        ):
            read("soundata:esc50", root)
    finally:
        index.unlink()
    with pytest.raises(BadManifest, match=r"soundata:esc50 cannot be read: .*soundata fetches it: python -c"):
        read("soundata:esc50", root)


def test_mirdata_names_the_nearest_data_set() -> None:
    pytest.importorskip("mirdata")
    with pytest.raises(
        UsageError, match=r"mirdata has no data set 'guitarsett'\. Did you mean 'guitarset'\?"
    ):
        find("mirdata:guitarsett")
