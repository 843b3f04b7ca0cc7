"""Paths that mean the same file on every system, against Python's own reading of them, and names on a disk."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoscope.data import paths
from sonoscope.data.paths import Tree
from sonoscope.errors import UnreadableAudio, UsageError

#: Parts of names: anything but separators, what ends a line for some program included.
PART = st.text(
    st.characters(exclude_characters="/\\\0:", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda part: part not in (".", ".."))
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)


@given(NAME)
def test_a_relative_name_is_the_same_with_either_separator_and_with_detours(name: str) -> None:
    assert paths.portable(name) == name
    assert paths.portable(name.replace("/", "\\")) == name
    assert paths.portable(f".//{name}".replace("/", "/./")) == name
    assert paths.portable(f"{name}/../{name.rpartition('/')[2]}") == name


@given(NAME, st.sampled_from(["C:\\", "d:/", "\\\\server\\share\\", "//server/share/"]))
def test_what_windows_calls_absolute_keeps_its_anchor(name: str, anchor: str) -> None:
    text = paths.portable(anchor + name.replace("/", "\\"))
    assert paths.is_absolute(text) and paths.is_windows(text)
    assert PureWindowsPath(text) == PureWindowsPath(anchor + name)
    assert paths.portable("\\\\?\\C:\\a\\b") == "C:/a/b"
    assert paths.portable("\\\\?\\UNC\\server\\share\\b") == "//server/share/b"


@given(NAME, NAME)
def test_below_undoes_joining_and_case_counts_only_off_windows(folder: str, name: str) -> None:
    for anchor in ("", "/", "C:/"):
        assert paths.below(f"{anchor}{folder}/{name}", anchor + folder) == name
        assert paths.below(f"{anchor}{folder}x/{name}", anchor + folder) is None
        assert paths.below(anchor + folder, anchor + folder) is None
    assert paths.below(f"c:/SOUNDS/{name}", "C:/sounds") == name
    assert paths.below(f"/SOUNDS/{name}", "/sounds") is None


def test_a_colon_in_a_name_is_no_drive() -> None:
    assert not paths.is_absolute(paths.portable("a:b.wav"))
    assert paths.portable("12:30.wav") == "12:30.wav"


@given(NAME)
def test_remap_replaces_whole_parts_once(name: str) -> None:
    pairs = paths.parse_remaps(["D:\\Sounds=clips/new", "old="])
    assert paths.remap(f"d:/sounds/{name}", pairs) == f"clips/new/{name}"
    assert paths.remap(f"old/{name}", pairs) == name
    assert paths.remap(f"older/{name}", pairs) == f"older/{name}"


@pytest.mark.parametrize("text", ["D:/sounds", "=new", " =new"])
def test_a_remap_without_two_sides_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be OLD=NEW"):
        paths.parse_remaps([text])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("what?.wav", "'?'"),
        ("a/nul.wav", "device"),
        ("a /b.wav", "space"),
        ("a./b.wav", "dot"),
        ("a\tb", "not allowed"),
    ],
)
def test_names_that_windows_refuses_are_told(name: str, why: str) -> None:
    assert why in paths.unportable(name)


def test_a_name_is_found_whatever_its_normalisation(tmp_path: Path) -> None:
    composed, decomposed = (normalize(form, "Grünfink/été.wav") for form in ("NFC", "NFD"))
    assert composed != decomposed
    file = tmp_path / decomposed
    file.parent.mkdir()
    file.touch()
    assert Tree(tmp_path).locate(composed).samefile(file)
    assert Tree(tmp_path).locate(decomposed) == file


def test_a_name_in_other_case_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "Site A").mkdir()
    (tmp_path / "Site A" / "Bee.WAV").touch()
    if (tmp_path / "site a").exists():
        pytest.skip("case does not count on this disk")
    with pytest.raises(UnreadableAudio, match=r"site a/bee\.wav: is 'Site A/Bee\.WAV' on this disk"):
        Tree(tmp_path).locate("site a/bee.wav")


def test_a_name_that_is_not_there_is_where_it_would_be(tmp_path: Path) -> None:
    (tmp_path / "violin.wav").touch()
    tree = Tree(tmp_path)
    assert tree.locate("a/b.wav") == tmp_path / "a" / "b.wav"
    assert tree.suggestion("violn.wav") == " Did you mean 'violin.wav'?"
    assert tree.suggestion("a/b.wav") == ""
