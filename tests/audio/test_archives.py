"""Members of archives are heard where they lie."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sonoscope.audio import archives, decode
from sonoscope.audio.find import Unlisted, find
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, music, write_sound, encode):
    """A folder with a recording for each reader."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "site").mkdir()
    sound = music(seconds=1.0)
    write_sound(folder / "a.wav", sound)
    write_sound(folder / "site" / "b.flac", sound)
    write_sound(folder / "site" / "c.ogg", sound)
    write_sound(folder / "d.mp3", sound)
    encode(folder / "e.m4a", sound, 44100, "aac")
    return folder


def pack(archive: Path, folder: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    """The folder's files in reverse order of name, so that an archive's own order shows."""
    files = sorted((file for file in folder.rglob("*") if file.is_file()), reverse=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", compression) as packed:
            for file in files:
                packed.write(file, file.relative_to(folder))
    else:
        kind = {".tar": "", ".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}[archive.suffix]
        with tarfile.open(archive, f"w:{kind}") as packed:
            for file in files:
                packed.add(file, file.relative_to(folder))
    return archive


def wav(n: int = 10) -> bytes:
    """A recording of ``n`` samples."""
    data = (np.arange(n) % 100).astype("<i2").tobytes()
    head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data"
    return head + len(data).to_bytes(4, "little") + data


def write_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


KINDS = ["x.zip", "deflated.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "X.TAR.XZ"]


@pytest.mark.parametrize("name", KINDS)
def test_members_are_those_of_the_folder(tmp_path, sounds, name):
    compression = zipfile.ZIP_DEFLATED if name.startswith("deflated") else zipfile.ZIP_STORED
    made = pack(tmp_path / name.lower(), sounds, compression)
    archive = made.rename(tmp_path / name)
    found = list(find([archive]))
    assert [recording.name for recording in found] == [
        f"{name}/{inner}" for inner in ("site/c.ogg", "site/b.flac", "e.m4a", "d.mp3", "a.wav")
    ]
    # In order, and backwards: an archive that can only be read forward starts again.
    for recording in [*found, *reversed(found)]:
        original = sounds / recording.member
        assert recording.size_bytes == original.stat().st_size
        assert recording.modified_ns == archive.stat().st_mtime_ns
        np.testing.assert_array_equal(decode.read(recording)[0], decode.read(original)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [name], "nothing was unpacked beside it"


def test_only_recordings_of_an_archive_count(tmp_path):
    names = [
        "notes.txt", "a.WAV", ".hidden.wav", "__MACOSX/._a.wav", "x/.DS_Store", ".git/b.wav", "x/b.wav", "inner.zip",
    ]  # fmt: skip
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.mkdir("folder.wav")
        for name in names:
            packed.writestr(name, wav())
    assert [found.name for found in find([tmp_path / "x.zip"])] == ["x.zip/a.WAV", "x.zip/x/b.wav"]
    # Not a folder of its own inside a folder, though.
    assert list(find([tmp_path])) == []


@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_member_paths_lead_nowhere_else(tmp_path, kind):
    names = ["../../up.wav", "/etc/root.wav", "C:\\music\\c.wav", "a/./b.wav", "up.wav", "a/../up.wav"]
    if kind == "x.zip":
        with zipfile.ZipFile(tmp_path / kind, "w") as packed:
            for name in names:
                packed.writestr(zipfile.ZipInfo(name), wav())
    else:
        write_tar(tmp_path / kind, [(name, wav()) for name in names])
    found = list(find([tmp_path / kind]))
    expected = ["up.wav", "etc/root.wav", "music/c.wav", "a/b.wav", "up-2.wav", "a/up.wav"]
    assert [recording.name for recording in found] == [f"{kind}/{name}" for name in expected]
    assert all(decode.read(recording)[0].size == 10 for recording in found)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_and_repeats_in_a_tar(tmp_path, mode):
    path = tmp_path / ("x.tar" if mode == "w" else "x.tar.gz")
    with tarfile.open(path, mode) as packed:
        link = tarfile.TarInfo("link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
        for n in (10, 20):
            info = tarfile.TarInfo("a.wav")
            info.size = len(wav(n))
            packed.addfile(info, io.BytesIO(wav(n)))
    (only,) = find([path])
    assert only.member == "a.wav"
    assert decode.read(only)[0].size == 10


def test_a_large_compressed_member_is_unpacked_outside_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("long.wav", wav(24_000_000))
    (found,) = find([tmp_path / "x.zip"])
    tracemalloc.start()
    try:
        n = sum(map(len, decode.blocks(found)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 24_000_000
    assert peak < 45 << 20


def test_damaged_archives(tmp_path, sounds):
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "text.tar.gz").write_text("not a tar")
    cut = pack(tmp_path / "cut.tar.gz", sounds)
    data = cut.read_bytes()
    cut.write_bytes(data[: 2 * len(data) // 3])
    good = write_tar(tmp_path / "good.tar", [("a.wav", wav())])
    found = list(find([tmp_path / "text.zip", tmp_path / "text.tar.gz", cut, good]))
    bad = {entry.name: entry.reason for entry in found if isinstance(entry, Unlisted)}
    assert set(bad) == {"text.zip", "text.tar.gz", "cut.tar.gz"}
    assert all("damaged or of an unknown kind" in reason for reason in bad.values())
    assert found[-1].name == "good.tar/a.wav"
    listed = [entry for entry in found if isinstance(entry, Recording)]
    assert len(listed) > 2, "members before the damage are listed"
    sizes = []
    for recording in listed:
        try:
            sizes.append(decode.read(recording)[0].size)
        except UnreadableAudio as error:
            assert "the archive is damaged" in str(error)
    assert len(sizes) >= 2


def test_a_damaged_member_spares_the_others(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a.wav", "b.wav", "c.wav"):
            packed.writestr(name, wav(5000))
    data = bytearray(path.read_bytes())
    middle = data.index(b"b.wav") + 5
    data[middle + 10 : middle + 60] = bytes(50)
    path.write_bytes(data)
    outcomes = []
    for recording in find([path]):
        try:
            outcomes.append(decode.read(recording)[0].size)
        except UnreadableAudio as error:
            outcomes.append(error.file)
    assert outcomes == [5000, "x.zip/b.wav", 5000]


def test_an_encrypted_member(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.wav", wav())
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    (found,) = find([path])
    with pytest.raises(UnreadableAudio, match=r"x\.zip/a\.wav: is encrypted in the archive"):
        decode.read(found)


def test_an_archive_that_changes_or_vanishes(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.wav", wav()), ("b.wav", wav())])
    first, second = find([path])
    assert decode.read(first)[0].size == 10
    write_tar(path, [("a.wav", wav(3))])
    os.utime(path, ns=(1, 1))
    assert decode.read(first)[0].size == 3
    with pytest.raises(UnreadableAudio, match=r"x\.tar/b\.wav: is no longer in the archive"):
        decode.read(second)
    path.unlink()
    with pytest.raises(UnreadableAudio, match="is not there any more"):
        decode.read(first)


def test_a_compressed_tar_is_read_once_for_all_its_members(tmp_path, monkeypatch):
    """Members in order: the archive is opened once, however many there are."""
    path = write_tar(tmp_path / "x.tar.gz", [(f"{i:03}.wav", wav(i + 1)) for i in range(50)], "w:gz")
    found = list(find([path]))
    opened = []
    real = tarfile.open
    monkeypatch.setattr(archives.tarfile, "open", lambda *given: opened.append(given) or real(*given))
    assert [decode.read(recording)[0].size for recording in found] == list(range(1, 51))
    assert len(opened) == 1


def test_a_slice_is_a_file(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with archives.Slice(str(tmp_path / "x"), 10, 20) as part:
        assert part.read() == bytes(range(10, 30))
        assert part.read(5) == b""
        assert part.seek(-3, os.SEEK_END) == 17
        assert part.read(10) == bytes([27, 28, 29])
        part.seek(2)
        assert part.seek(3, os.SEEK_CUR) == part.tell() == 5
        assert part.read(2) == bytes([15, 16])
        assert part.seek(50) == 50
        assert part.read(2) == b""
