"""Inputs are found lazily, in order, once, and under names that never collide."""

from __future__ import annotations

import os
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.audio import find as finding
from sonoscope.audio.find import SUFFIXES, Unlisted, find
from sonoscope.audio.naming import Input, Unique
from sonoscope.audio.naming import names as naming
from sonoscope.errors import UsageError
from sonoscope.values import Recording


def make(root: Path, *names: str) -> Path:
    """Files of a few bytes: listing never looks inside."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return root


def names(*inputs: Path | str) -> list[str]:
    return [entry.name for entry in find(list(inputs))]


# ---- what counts -----------------------------------------------------------------------------------------------


def test_a_folder_is_listed_in_order_and_to_its_depth(tmp_path):
    make(tmp_path, "b.wav", "a/z.flac", "a/b/c/deep.mp3", "c.OGG", "a.wav", "10.wav", "9.wav")
    assert names(tmp_path) == ["10.wav", "9.wav", "a/b/c/deep.mp3", "a/z.flac", "a.wav", "b.wav", "c.OGG"]


@pytest.mark.parametrize(
    "suffix", ["wav", "WAV", "Wav", "flac", "mp3", "ogg", "opus", "m4a", "wma", "aif", "AIFF"]
)
def test_suffixes_of_sound_in_any_case(tmp_path, suffix):
    assert names(make(tmp_path, f"a.{suffix}")) == [f"a.{suffix}"]


def test_suffixes_of_videos_and_the_contract():
    wanted = (
        "wav wave flac ogg oga opus mp3 m4a m4b aac wma aif aiff aifc caf mp4 m4v mkv webm mov avi mka 3gp mp2 ac3 au "
        "w64 rf64"
    )
    assert {f".{suffix}" for suffix in wanted.split()} <= SUFFIXES
    assert all(suffix == suffix.lower() for suffix in SUFFIXES)


def test_what_is_no_recording_is_passed_over(tmp_path):
    make(
        tmp_path,
        "notes.txt", "wav", "a.wav.bak", "a.csv", "x.zip", ".hidden.wav", "._a.wav", ".DS_Store", ".git/a.wav",
        "__MACOSX/a.wav", "sub/._b.wav", "sub/b.wav", "folder.wav/inner.flac",
    )  # fmt: skip
    (tmp_path / "empty.mp3").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
    assert names(tmp_path) == ["folder.wav/inner.flac", "sub/b.wav"]


def test_what_is_named_counts_whatever_it_is_called(tmp_path):
    make(tmp_path, "notes.dat", ".hidden.wav", "no suffix")
    given = [tmp_path / name for name in ("no suffix", "notes.dat", ".hidden.wav")]
    assert names(*given) == ["no suffix", "notes.dat", ".hidden.wav"]


def test_a_hidden_folder_that_is_named_is_listed(tmp_path):
    assert names(make(tmp_path / ".cache", "a.wav")) == ["a.wav"]


def test_identity_of_a_recording(tmp_path):
    make(tmp_path, "a/b.wav")
    os.utime(tmp_path / "a/b.wav", ns=(5, 123456789))
    (found,) = find([tmp_path])
    assert found == Recording(str(tmp_path / "a" / "b.wav"), "a/b.wav", None, 5, 123456789)
    assert list(find([str(tmp_path)])) == [found]


def test_odd_names(tmp_path):
    odd = ["a b.wav", 'it\'s "q".wav', "ne\nw.wav", "ünï.wav", "-x.wav", "[1].wav", "*.wav"]
    make(tmp_path, *odd)
    assert sorted(names(tmp_path)) == sorted(odd)
    assert names(tmp_path / "[1].wav") == ["[1].wav"]
    assert names(tmp_path / "*.wav") == ["*.wav"]


def test_a_name_that_is_no_text_is_written_as_text(tmp_path):
    try:
        make(tmp_path, "\udcff.wav")
    except OSError:
        pytest.skip("this file system takes only names in Unicode")
    (found,) = find([tmp_path])
    assert found.name == "\\udcff.wav"
    found.name.encode("utf-8")
    assert Path(found.path).read_bytes() == b"sound"


# ---- links -----------------------------------------------------------------------------------------------------


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    make(tmp_path / "elsewhere", "x.wav")
    root = make(tmp_path / "root", "a.wav", "sub/b.wav")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "sub" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (tmp_path / "elsewhere" / "back").symlink_to(root / "sub")
    assert names(root) == ["a.wav", "link/back/b.wav", "link/x.wav", "sub/b.wav"]


def test_a_link_that_leads_nowhere_is_an_input_that_will_fail(tmp_path):
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    (found,) = find([tmp_path])
    assert found == Recording(str(tmp_path / "gone.wav"), "gone.wav")


# ---- patterns --------------------------------------------------------------------------------------------------


def test_patterns(tmp_path, monkeypatch):
    make(tmp_path, "s1/a.wav", "s1/b.txt", "s2/c.flac", "s2/deep/d.wav", "x.wav", "y.dat", ".z.wav")
    monkeypatch.chdir(tmp_path)
    assert names("*.wav") == ["x.wav"]
    assert names("s?/*.wav") == ["s1/a.wav"]
    assert names("s[2]") == ["s2/c.flac", "s2/deep/d.wav"]
    assert names("*.dat") == ["y.dat"]
    assert names("**/*.wav") == ["s1/a.wav", "s2/deep/d.wav", "x.wav"]
    assert names("s1/*") == ["a.wav"]
    assert names("s*") == ["s1/a.wav", "s2/c.flac", "s2/deep/d.wav"]
    # Folders and what is in them: each recording once.
    assert names("**") == ["s1/a.wav", "s2/c.flac", "s2/deep/d.wav", "x.wav"]


def test_a_pattern_that_matches_nothing(tmp_path):
    make(tmp_path, "a.txt")
    for pattern in ("*.wav", "*"):
        with pytest.raises(UsageError, match="no file matches"):
            find([tmp_path / pattern])


# ---- wrong inputs ----------------------------------------------------------------------------------------------


def test_a_folder_that_may_not_be_looked_into_is_not_called_empty(tmp_path, monkeypatch):
    """As the system answers somebody who is not root."""

    def refused(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(finding.os, "scandir", refused)
    monkeypatch.setattr(finding.os, "access", lambda *_: False)
    for name in ("a.wav", "*.wav"):
        with pytest.raises(UsageError, match=r"^no permission to look for '.*wav' in '.*'\. Ask its owner"):
            find([tmp_path / name])


def test_inputs_are_checked_at_once(tmp_path):
    make(tmp_path, "night/song.wav")
    with pytest.raises(
        UsageError, match=r"no such file or folder: '.*sonk\.wav'.* Did you mean 'song\.wav'\?"
    ):
        find([tmp_path, tmp_path / "night" / "sonk.wav"])
    with pytest.raises(UsageError, match=r"has no 'nihgt'\)\. Did you mean 'night'\?"):
        find([tmp_path / "nihgt" / "song.wav"])
    with pytest.raises(UsageError, match="no such file or folder: ''"):
        find([""])
    with pytest.raises(UsageError, match="no input given"):
        find([])
    with pytest.raises(TypeError, match="list of paths"):
        find("a.wav")


def test_a_relative_input_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, "song.wav"))
    with pytest.raises(UsageError, match=r"^no such file or folder: 'sogn.wav'\. Did you mean 'song.wav'\?$"):
        find(["sogn.wav"])


def test_of_names_with_several_endings_the_recording_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(
        make(tmp_path, "song.mid", "song.mp4", "song.txt", "song.wav", "other.csv", "other.flac")
    )
    for typed, meant in (("sogn.mp4", "song.mp4"), ("sogn.wav", "song.wav"), ("sogn.mid", "song.mid")):
        with pytest.raises(UsageError, match=rf"Did you mean '{meant}'\?$"):
            find([typed])
    with pytest.raises(UsageError, match=r"Did you mean 'other\.flac'\?$"):
        find(["other.mp3"])


@pytest.mark.skipif(os.name == "nt", reason="there a backslash is what separates folders")
def test_a_path_as_windows_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, "night/song.wav"))
    with pytest.raises(UsageError, match=r"Did you mean 'night/song.wav'\?$"):
        find(["night\\song.wav"])


def test_an_empty_folder_holds_nothing(tmp_path):
    assert names(tmp_path) == []


def test_a_folder_that_vanishes_while_it_is_listed(tmp_path):
    make(tmp_path, "a/1.wav", "b/2.wav", "c/3.wav")
    listing = find([tmp_path])
    assert next(listing).name == "a/1.wav"
    (tmp_path / "b" / "2.wav").unlink()
    (tmp_path / "b").rmdir()
    gone, last = listing
    assert isinstance(gone, Unlisted)
    assert (gone.name, gone.reason) == ("b", "vanished while the inputs were listed")
    assert last.name == "c/3.wav"


# ---- names -----------------------------------------------------------------------------------------------------


def test_several_folders_are_told_apart_by_name(tmp_path):
    make(tmp_path, "a/x.wav", "b/x.wav", "other/a/x.wav", "v1.0/x.wav", "other/v1.0/x.wav")
    assert names(tmp_path / "a", tmp_path / "b") == ["a/x.wav", "b/x.wav"]
    assert names(tmp_path / "a", tmp_path / "other" / "a") == ["a/x.wav", "a-2/x.wav"]
    assert names(tmp_path / "v1.0", tmp_path / "other/v1.0") == ["v1.0/x.wav", "v1.0-2/x.wav"]


def test_the_current_folder_and_its_parent_have_names(tmp_path, monkeypatch):
    make(tmp_path, "in/x.wav", "out/y.wav")
    monkeypatch.chdir(tmp_path / "in")
    assert names(".") == ["x.wav"]
    assert names("../in", "../out/") == ["in/x.wav", "out/y.wav"]


def test_files_are_named_by_as_much_of_their_path_as_it_takes(tmp_path):
    make(tmp_path, "1/x/a.wav", "2/x/a.wav", "2/y/a.wav", "2/y/b.wav", "2/y/b.mp3")
    files = [tmp_path / name for name in ("1/x/a.wav", "2/x/a.wav", "2/y/a.wav", "2/y/b.wav", "2/y/b.mp3")]
    assert names(*files) == ["1/x/a.wav", "2/x/a.wav", "y/a.wav", "b.wav", "b.mp3"]


def test_files_beside_folders(tmp_path):
    make(tmp_path, "a/x.wav", "a/y.wav", "b/x.wav", "c/z.wav", "a.zip/x.wav")
    assert names(tmp_path / "a", tmp_path / "b/x.wav") == ["x.wav", "y.wav", "b/x.wav"]
    assert names(tmp_path / "c", tmp_path / "b/x.wav") == ["z.wav", "x.wav"]
    assert names(tmp_path / "a", tmp_path / "c", tmp_path / "b/x.wav") == [
        "a/x.wav",
        "a/y.wav",
        "c/z.wav",
        "x.wav",
    ]


def test_what_is_given_twice_is_listed_once(tmp_path, monkeypatch):
    make(tmp_path, "a/x.wav", "a/sub/y.wav", "a/.z.wav", "a/n.dat")
    monkeypatch.chdir(tmp_path)
    assert names("a/x.wav", "a/../a/x.wav", tmp_path / "a/x.wav") == ["x.wav"]
    assert names("a", "a/") == ["sub/y.wav", "x.wav"]
    assert names("a", "a/sub", "a/x.wav") == ["sub/y.wav", "x.wav"]
    # What the folder does not bring is listed beside it.
    assert names("a", "a/.z.wav", "a/n.dat") == ["sub/y.wav", "x.wav", ".z.wav", "n.dat"]
    (tmp_path / "link.wav").symlink_to(tmp_path / "a" / "x.wav")
    assert names("a/x.wav", "link.wav") == ["x.wav"]


def test_an_archive_inside_a_folder_that_is_given(tmp_path):
    import zipfile

    make(tmp_path / "a", "x.wav")
    with zipfile.ZipFile(tmp_path / "a" / "x.zip", "w") as packed:
        packed.writestr("m.wav", b"sound")
    assert names(tmp_path / "a", tmp_path / "a" / "x.zip") == ["x.wav", "x.zip/m.wav"]


paths = st.lists(st.sampled_from(["a", "b", "a-2", "a.wav", "a-2.wav"]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(paths, st.sampled_from(["folder", "file", "archive"])), unique_by=lambda item: item[0])
)
def test_names_are_unique_whatever_is_given(items):
    found = naming([Input(path, kind) for path, kind in items], lambda folder, name: False)
    assert len(set(found)) == len(found)
    assert all(
        name and not name.startswith("/") for name in found if sum(k == "folder" for _, k in items) != 1
    )
    folders = {name for name, (_, kind) in zip(found, items, strict=True) if kind == "folder"}
    others = [name for name, (_, kind) in zip(found, items, strict=True) if kind != "folder"]
    if len(folders) > 1:
        assert not folders & {name.split("/")[0] for name in others}


def test_numbers_skip_names_that_are_there():
    unique = Unique()
    assert [unique(name) for name in ("a.wav", "a-2.wav", "a.wav", "a.wav")] == [
        "a.wav", "a-2.wav", "a-3.wav", "a-4.wav",
    ]  # fmt: skip


# ---- size ------------------------------------------------------------------------------------------------------


def test_the_first_recording_comes_before_the_tree_is_listed(tmp_path, monkeypatch):
    for number in range(20):
        make(tmp_path, f"{number:02}/a.wav")
    listed = []
    real = os.scandir
    monkeypatch.setattr(finding.os, "scandir", lambda path: listed.append(path) or real(path))
    listing = find([tmp_path])
    assert listed == []
    assert next(listing).name == "00/a.wav"
    assert len(listed) == 2
    assert [entry.name for entry in islice(listing, 2)] == ["01/a.wav", "02/a.wav"]
    assert len(listed) == 4


def test_memory_does_not_grow_with_the_tree(tmp_path):
    for number in range(100):
        (tmp_path / str(number)).mkdir()
        for file in range(30):
            (tmp_path / str(number) / f"{file}.wav").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in find([tmp_path])) == 3000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
