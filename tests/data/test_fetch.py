"""Fetching from a server of the test's own: resumed, checked, unpacked inside the target, and clear when offline."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from sonoscope.data import fetch, unpacking
from sonoscope.data.datasets import DATASETS, Dataset, Remote
from sonoscope.data.download import Unavailable
from sonoscope.errors import Stopped, UsageError


@dataclass
class Server:
    """Files by path, how to misbehave, and what was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    fail_first: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    etag: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def tag(self, path: str) -> str:
        return f'"{hashlib.sha1(self.files[path]).hexdigest()}"'


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.command, self.path, wanted))
            if body and state.fail_first.get(self.path):
                self.send_error(state.fail_first[self.path].pop(0))
                return
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and state.ranges else 0
            same = self.headers.get("If-Range", state.tag(self.path)) == state.tag(self.path)
            if start and same and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            partial = bool(start) and same
            part = content[start:] if partial else content
            self.send_response(206 if partial else 200)
            if partial:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.etag:
                self.send_header("ETag", state.tag(self.path))
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if body:
                cut = state.cut_after.get(self.path)
                self.wfile.write(part[: cut.pop(0)] if cut else part)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()


def dataset(*files: Remote) -> Dataset:
    return replace(DATASETS["irmas"], name="tiny", files=files, url="https://example.org/tiny")


def get(data: Dataset, root: Path, **options) -> fetch.Fetched:
    parts = options.pop("parts", ())
    again = options.pop("again", False)
    return fetch.fetch(data, root, fetch.plan(data, root, parts, again=again), pause_s=0.01, **options)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


@pytest.fixture
def noise() -> bytes:
    return np.random.default_rng(3).bytes(3_000_000)


# ---- downloads ---------------------------------------------------------------------------------------------


def test_a_table_and_an_archive_are_fetched_checked_unpacked_and_remembered(
    server: Server, tmp_path: Path
) -> None:
    archive, table = zipped(**{"clips/a.wav": b"RIFF1", "clips/b.wav": b"RIFF2"}), b"path,label\n"
    server.files = {"/clips.zip": archive, "/t.csv": table}
    data = dataset(
        Remote(f"{server.url}/t.csv", "meta/t.csv", "labels", checksum=md5(table)),
        Remote(f"{server.url}/clips.zip", "clips.zip", "audio", "", len(archive),
               f"sha256:{hashlib.sha256(archive).hexdigest()}"),
    )  # fmt: skip
    root = tmp_path / "new" / "tiny"
    said: list[str] = []
    seen: list[tuple[str, int, int | None]] = []
    done = get(data, root, say=said.append, progress=lambda *p: seen.append(p))
    assert done.downloaded == ("meta/t.csv", "clips.zip") and done.unpacked == 2
    assert (root / "meta" / "t.csv").read_bytes() == table
    assert (root / "clips" / "b.wav").read_bytes() == b"RIFF2"
    assert not (root / "clips.zip").exists(), "archives are removed once they are unpacked"
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == [
        ".sonoscope-fetch.json",
        "a.wav",
        "b.wav",
        "t.csv",
    ]
    assert any("checking sha256" in line for line in said) and any("unpacking into" in line for line in said)
    assert seen[-1] == ("clips.zip", len(archive), len(archive))
    asked = len(server.asked)
    assert get(data, root) == fetch.Fetched(root, (), 0), "the same call again does nothing"
    assert len(server.asked) == asked
    assert get(data, root, again=True, keep_archives=True).downloaded == ("clips.zip",)
    assert (root / "clips.zip").is_file()


def test_a_part_alone(server: Server, tmp_path: Path) -> None:
    server.files = {"/a.csv": b"a", "/b.csv": b"b"}
    data = dataset(
        Remote(f"{server.url}/a.csv", "a.csv", "train"), Remote(f"{server.url}/b.csv", "b.csv", "test")
    )
    assert get(data, tmp_path, parts=["test"]).downloaded == ("b.csv",)
    with pytest.raises(
        UsageError, match=r"tiny has no part 'tests'\. Did you mean 'test'\? Known: train, test"
    ):
        fetch.plan(data, tmp_path, ["tests"])


def test_a_connection_that_breaks_goes_on_from_where_it_was(
    server: Server, tmp_path: Path, noise: bytes
) -> None:
    server.files = {"/x.bin": noise}
    server.cut_after = {"/x.bin": [1_000_000, 1_500_000]}
    data = dataset(Remote(f"{server.url}/x.bin", "x.bin", "all", checksum=md5(noise)))
    said: list[str] = []
    get(data, tmp_path, say=said.append)
    assert (tmp_path / "x.bin").read_bytes() == noise
    assert [wanted for _, _, wanted in server.asked] == ["", "bytes=1000000-", "bytes=2500000-"]
    assert "going on from 1,000,000 bytes" in said[0]


def test_an_interrupted_call_goes_on_in_the_next_one(server: Server, tmp_path: Path, noise: bytes) -> None:
    server.files = {"/x.bin": noise}
    data = dataset(Remote(f"{server.url}/x.bin", "x.bin", "all", checksum=md5(noise)))

    def stop(name: str, done: int, total: int | None) -> None:
        if done > 1_500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(data, tmp_path, progress=stop)
    (item,) = fetch.plan(data, tmp_path)
    assert item.state == "partial" and item.have_bytes == (tmp_path / "x.bin.part").stat().st_size > 1_000_000
    get(data, tmp_path)
    assert server.asked[-1][2] == f"bytes={item.have_bytes}-"
    assert (tmp_path / "x.bin").read_bytes() == noise
    assert not list(tmp_path.glob("*.part*"))


def test_a_file_that_changed_on_the_server_is_fetched_anew(
    server: Server, tmp_path: Path, noise: bytes
) -> None:
    server.files = {"/x.bin": noise}
    data = dataset(Remote(f"{server.url}/x.bin", "x.bin", "all"))
    (tmp_path / "x.bin.part").write_bytes(noise[:1000])
    (tmp_path / "x.bin.part.etag").write_text('"another version"')
    get(data, tmp_path)
    assert (tmp_path / "x.bin").read_bytes() == noise


def test_a_server_without_ranges_sends_all_of_it_again(server: Server, tmp_path: Path, noise: bytes) -> None:
    server.files, server.ranges = {"/x.bin": noise}, False
    server.cut_after = {"/x.bin": [2_000_000]}
    get(dataset(Remote(f"{server.url}/x.bin", "x.bin", "all")), tmp_path)
    assert (tmp_path / "x.bin").read_bytes() == noise


def test_a_complete_part_is_not_fetched_again(server: Server, tmp_path: Path, noise: bytes) -> None:
    server.files = {"/x.bin": noise}
    (tmp_path / "x.bin.part").write_bytes(noise)
    get(dataset(Remote(f"{server.url}/x.bin", "x.bin", "all", checksum=md5(noise))), tmp_path)
    assert (tmp_path / "x.bin").read_bytes() == noise and len(server.asked) == 1


def test_a_busy_server_is_asked_again_and_at_last_given_up(server: Server, tmp_path: Path) -> None:
    server.files, server.fail_first = {"/x.csv": b"x"}, {"/x.csv": [503, 429]}
    data = dataset(Remote(f"{server.url}/x.csv", "x.csv", "all"))
    assert get(data, tmp_path).downloaded == ("x.csv",)
    (tmp_path / "x.csv").unlink()
    server.fail_first = {"/x.csv": [503] * 9}
    with pytest.raises(
        Stopped, match=r"x\.csv: 503 Service Unavailable, 3 times\. 0 bytes are kept; the same call"
    ):
        get(data, tmp_path, again=True, attempts=3)


def test_a_file_that_is_gone_is_named_with_what_to_do(server: Server, tmp_path: Path) -> None:
    data = dataset(Remote(f"{server.url}/gone.zip", "gone.zip", "all", ""))
    with pytest.raises(
        Unavailable, match=r"gone\.zip: 404 Not Found\. It may have moved: put it into .* as gone\.zip"
    ):
        get(data, tmp_path)


def test_a_wrong_checksum_leaves_nothing_that_looks_finished(server: Server, tmp_path: Path) -> None:
    server.files = {"/x.csv": b"not what was published"}
    data = dataset(Remote(f"{server.url}/x.csv", "x.csv", "all", checksum=md5(b"published")))
    with pytest.raises(
        Unavailable, match=r"has the md5 [0-9a-f]{32} and not [0-9a-f]{32} as published.*was removed"
    ):
        get(data, tmp_path)
    assert not list(tmp_path.glob("x.csv*"))
    data = dataset(Remote(f"{server.url}/x.csv", "x.csv", "all", bytes=9))
    with pytest.raises(Unavailable, match=r"has 22 bytes and not 9 as published"):
        get(data, tmp_path)


def test_a_file_put_there_by_hand_is_checked_and_unpacked(server: Server, tmp_path: Path) -> None:
    archive = zipped(**{"a.wav": b"RIFF"})
    (tmp_path / "clips.zip").write_bytes(archive)
    data = dataset(Remote(f"{server.url}/clips.zip", "clips.zip", "all", "audio", checksum=md5(archive)))
    assert get(data, tmp_path) == fetch.Fetched(tmp_path, (), 1)
    assert (tmp_path / "audio" / "a.wav").read_bytes() == b"RIFF" and not server.asked
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "clips.zip").write_bytes(b"PK another one")
    with pytest.raises(
        Unavailable, match=r"clips\.zip has the md5 .* as published\. Remove it, or replace it by http"
    ):
        get(data, tmp_path / "other")
    assert (tmp_path / "other" / "clips.zip").is_file(), "what a user put there is never removed"


def test_offline_it_says_how_to_go_on_without_a_network(tmp_path: Path) -> None:
    with socket.socket() as free:  # A port on which nobody listens.
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = dataset(Remote(f"http://127.0.0.1:{port}/x.zip", "x.zip", "all", ""))
    items = fetch.measured(fetch.plan(data, tmp_path))
    assert items[0].size is None
    with pytest.raises(
        Stopped,
        match=rf"127\.0\.0\.1:{port} cannot be reached .*offline\?.*get http://.*/x\.zip; put it into .* as x\.zip",
    ):
        fetch.fetch(data, tmp_path, items, pause_s=0.01)


def test_sizes_come_from_the_server_where_none_is_published(server: Server, tmp_path: Path) -> None:
    server.files = {"/x.csv": b"12345"}
    data = dataset(
        Remote(f"{server.url}/x.csv", "x.csv", "all"),
        Remote(f"{server.url}/gone.csv", "gone.csv", "all"),
        Remote(f"{server.url}/y.csv", "y.csv", "all", bytes=7),
    )
    assert [item.size for item in fetch.plan(data, tmp_path)] == [None, None, 7]
    assert [item.size for item in fetch.measured(fetch.plan(data, tmp_path))] == [5, None, 7]
    assert {command for command, _, _ in server.asked} == {"HEAD"}


def test_what_does_not_fit_is_refused_before_anything_is_fetched(server: Server, tmp_path: Path) -> None:
    data = dataset(Remote(f"{server.url}/x.zip", "x.zip", "all", "", bytes=10**18))
    with pytest.raises(
        UsageError, match=r"1,000,000,000\.00 GB remain to be fetched and .* are free.*--part all"
    ):
        get(data, tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists() and not server.asked


def test_a_data_set_that_cannot_be_fetched_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"medleydb cannot be fetched\. MedleyDB is given on request: .*zenodo"
    ):
        fetch.plan(DATASETS["medleydb"], tmp_path)


def test_a_damaged_record_and_a_target_that_is_a_file(server: Server, tmp_path: Path) -> None:
    server.files = {"/x.csv": b"x"}
    data = dataset(Remote(f"{server.url}/x.csv", "x.csv", "all"))
    (tmp_path / fetch.RECORD).write_text("{")
    with pytest.raises(UsageError, match=r"\.sonoscope-fetch\.json is damaged\. Remove it"):
        get(data, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(Stopped, match=r"Choose a folder that can be written to"):
        get(data, tmp_path / "file")


# ---- archives ----------------------------------------------------------------------------------------------


def tar(mode: str, *members: tuple[str, bytes | str]) -> bytes:
    """A tar of files (bytes) and symbolic links (text)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.tar.xz", "w:xz")]
)
def test_tars_are_unpacked(name: str, mode: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(tar(mode, ("d/a.wav", b"1"), ("d/e/b.wav", b"22"), ("d/__MACOSX/c", b"x")))
    assert unpacking.unpack(tmp_path / name, tmp_path / "out") == 2
    assert (tmp_path / "out" / "d" / "e" / "b.wav").read_bytes() == b"22"
    assert not list(tmp_path.rglob("__MACOSX")) and not list((tmp_path / "out").glob(".unpacking*"))


EVIL = ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "C:\\evil.txt", "c:/evil.txt", "..\\evil.txt"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nothing_is_written_outside_the_target(kind: str, name: str, tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b" / "target"
    archive = tmp_path / f"x.{kind}"
    members = [("good.txt", b"good"), (name, b"evil")]
    archive.write_bytes(zipped(**dict(members)) if kind == "zip" else tar("w", *members))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(unpacking.BadArchive, match=r"would land outside the target; nothing was unpacked"):
        unpacking.unpack(archive, inside)
    assert [p for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [p for p in before if p.is_file()]
    assert not Path("/tmp/evil.txt").exists()


@pytest.mark.parametrize("link", ["/etc/passwd", "../../outside.txt"])
def test_links_out_of_the_target_are_refused(link: str, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar("w", ("a.txt", b"a"), ("link", link)))
    with pytest.raises(unpacking.BadArchive, match=r"x\.tar: .*nothing was unpacked"):
        unpacking.unpack(tmp_path / "x.tar", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_damaged_archives_are_named_and_leave_nothing(name: str, tmp_path: Path, noise: bytes) -> None:
    whole = zipped(a=noise) if name == "x.zip" else tar("w:gz" if name.endswith("gz") else "w", ("a", noise))
    for content in (whole[: len(whole) // 2], b"<html>Sign in first</html>", b""):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            unpacking.BadArchive, match=rf"{re.escape(name)}: cannot be unpacked .*fetch it again"
        ):
            unpacking.unpack(tmp_path / name, tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []


def test_files_that_are_there_stay_and_another_file_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped(**{"a.wav": b"1234", "b.wav": b"12"}))
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.wav").write_bytes(b"1234")
    before = (out / "a.wav").stat().st_mtime_ns
    assert unpacking.unpack(archive, out) == 2
    assert (out / "a.wav").stat().st_mtime_ns == before and (out / "b.wav").read_bytes() == b"12"
    (out / "b.wav").write_bytes(b"mine")
    with pytest.raises(unpacking.BadArchive, match=r"b\.wav exists and is another file\. Move it away"):
        unpacking.unpack(archive, out)
    assert (out / "b.wav").read_bytes() == b"mine"


def split_zip(folder: Path, files: dict[str, bytes], volume_bytes: int) -> list[str]:
    """A zip in volumes as Info-ZIP makes them; the names in the order z01, z02, …, zip."""
    if shutil.which("zip") is None:
        pytest.skip("Info-ZIP is not installed")
    source = folder / "source"
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    subprocess.run(
        ["zip", "-q", "-r", "-s", f"{volume_bytes // 1024}k", str(folder / "clips.zip"), "."],
        cwd=source,
        check=True,
    )
    shutil.rmtree(source)
    return [*sorted(p.name for p in folder.glob("clips.z*") if p.suffix != ".zip"), "clips.zip"]


@pytest.mark.parametrize("n", [1, 7])
def test_archives_in_volumes_are_unpacked(
    n: int, server: Server, tmp_path: Path, rng: np.random.Generator
) -> None:
    files = {f"FSD.audio/{i}.wav": rng.bytes(int(rng.integers(1, 60_000))) for i in range(n)} | {
        "z.bin": rng.bytes(99_999)
    }
    made = tmp_path / "made"
    made.mkdir()
    names = split_zip(made, files, 65_536)
    assert len(names) > 1
    server.files = {f"/{name}": (made / name).read_bytes() for name in names}
    data = dataset(
        *(Remote(f"{server.url}/{name}", name, "all", "", volume_of="clips.zip") for name in names)
    )
    root = tmp_path / "root"
    assert get(data, root).unpacked == len(files)
    assert {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.[wb]*")} == files
    assert not list(root.glob("clips.z*"))
    assert get(data, root) == fetch.Fetched(root, (), 0)


def test_a_missing_volume_names_how_to_join_them(tmp_path: Path, rng: np.random.Generator) -> None:
    names = split_zip(tmp_path, {f"{i}.wav": rng.bytes(50_000) for i in range(5)}, 65_536)
    with pytest.raises(
        unpacking.BadArchive, match=r"clips\.zip: cannot be unpacked .*zip -s 0 clips\.zip --out whole"
    ):
        unpacking.unpack(tmp_path / names[-1], tmp_path / "out", volumes=[tmp_path / names[1]])


def test_the_published_volumes_are_of_one_part_and_their_last_is_a_zip() -> None:
    for name in ("fsd50k", "fsdkaggle2019"):
        volumes = [file for file in DATASETS[name].files if file.volume_of]
        assert len(volumes) >= 7
        for file in volumes:
            same = [other for other in volumes if other.volume_of == file.volume_of]
            assert {other.part for other in same} == {file.part} and same[-1].name == file.volume_of


def test_the_record_names_what_was_fetched(server: Server, tmp_path: Path) -> None:
    server.files = {"/x.csv": b"x"}
    data = dataset(Remote(f"{server.url}/x.csv", "x.csv", "all", checksum=md5(b"x")))
    get(data, tmp_path)
    assert json.loads((tmp_path / fetch.RECORD).read_text()) == {
        "x.csv": {"url": f"{server.url}/x.csv", "bytes": 1, "checksum": md5(b"x")}
    }
    moved = dataset(Remote(f"{server.url}/v2/x.csv", "x.csv", "all"))
    assert fetch.plan(moved, tmp_path)[0].state == "here", "another address is another file"
