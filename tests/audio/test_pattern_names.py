"""What matches a pattern keeps its name when more matches it: results are filed under names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonoscope.audio.find import find


def names(*inputs: object) -> list[str]:
    return [entry.name for entry in find([str(text) for text in inputs])]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("s1/a.wav", "s2/b.flac"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_bytes(b"RIFF")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("pattern", "first", "then"),
    [
        ("*/*.wav", ["s1/a.wav"], ["s1/a.wav", "s2/a.wav"]),
        ("**/*.wav", ["s1/a.wav"], ["s1/a.wav", "s2/a.wav"]),
        ("s1/*.wav", ["a.wav"], ["a.wav"]),
        ("s[1]/a.w?v", ["s1/a.wav"], ["s1/a.wav"]),
        ("*1", ["s1/a.wav"], ["s1/a.wav"]),
        ("s*", ["s1/a.wav", "s2/b.flac"], ["s1/a.wav", "s2/a.wav", "s2/b.flac"]),
    ],
)
def test_a_name_is_the_path_below_what_the_pattern_fixes(data, pattern, first, then, monkeypatch):
    assert names(data / pattern) == first
    (data / "s2" / "a.wav").write_bytes(b"RIFF")
    assert names(data / pattern) == then
    monkeypatch.chdir(data)
    assert names(pattern) == then
    assert names(f"./{pattern}") == then


def test_a_folder_that_a_pattern_finds_is_named_alone_or_not(data):
    before = names(data / "s*1")
    (data / "s11").mkdir()
    (data / "s11" / "a.wav").write_bytes(b"RIFF")
    assert before == ["s1/a.wav"]
    assert names(data / "s*1") == ["s1/a.wav", "s11/a.wav"]


def test_files_and_folders_of_patterns_stay_apart(data, tmp_path):
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "a.wav").write_bytes(b"RIFF")
    found = names(data / "s*", tmp_path / "s?/*.wav")
    assert found[:2] == ["s1/a.wav", "s2/b.flac"]
    assert len(set(found)) == 3 and found[2].endswith("/s1/a.wav")
