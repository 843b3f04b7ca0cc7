"""Checkpoints and bundles from a server of the test's own: resumed, checked, unpacked safely."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sonoscope import models
from sonoscope.cli import main
from sonoscope.data.datasets.description import Remote
from sonoscope.data.download import Unavailable
from sonoscope.data.unpacking import BadArchive
from sonoscope.errors import BadBundle, UsageError
from sonoscope.networks import published
from sonoscope.networks.published import PUBLISHED, Checkpoint, fetch_bundle, fetch_checkpoint


@dataclass
class Server:
    """Files by path; ``cut`` says after how many bytes a connection breaks, once each."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "cache"))
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path.partition("?")[0], self.headers.get("Range", "")
            state.asked.append((path, wanted))
            if path not in state.files:
                self.send_error(404)
                return
            content = state.files[path]
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            part = content[start:]
            self.wfile.write(part[: state.cut.pop(0)] if state.cut else part)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield state
    httpd.shutdown()
    httpd.server_close()


WEIGHTS = bytes(range(256)) * 400


class Told:
    """What was said, and no progress."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def arguments(self) -> dict:
        return {"say": self.lines.append, "progress": lambda *_: None, "pause_s": 0.01}


def one(url: str, **known) -> Checkpoint:
    return Checkpoint(
        "A net", "{{name: cnn14, weights: {}}}", "MIT", "us", (Remote(url, "net.pth", "weights", **known),)
    )


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file sizes here")
def test_a_full_cache_is_named_and_the_next_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.files["/buzz.zip"] = WEIGHTS
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))"
    code = f"{limit}; from sonoscope.cli import main; sys.exit(main(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, "models", "fetch", f"{server.url}/buzz.zip"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 3, ran.stderr
    assert "buzz.zip: make room there, then run the same command again" in ran.stderr
    assert str(tmp_path / "cache") in ran.stderr
    assert main(["models", "fetch", f"{server.url}/buzz.zip"]) == 3, "no archive, but all of it came"
    assert server.asked[-1][1].startswith("bytes="), "from where the disk was full"


def test_what_is_published_is_described() -> None:
    for name, checkpoint in PUBLISHED.items():
        assert checkpoint.licence and checkpoint.source and "weights" in checkpoint.backbone.format("x"), name
        for file in checkpoint.files:
            kind, _, digest = file.checksum.partition(":")
            assert file.url.startswith("https://")
            assert not file.checksum or len(digest) == {"md5": 32, "sha256": 64}[kind]


def test_a_broken_download_goes_on_and_is_compared(server: Server, tmp_path: Path) -> None:
    server.files["/net.pth"], server.cut = WEIGHTS, [1000, 5000]
    checksum = f"md5:{hashlib.md5(WEIGHTS).hexdigest()}"
    told = Told()
    path = fetch_checkpoint(
        one(f"{server.url}/net.pth", bytes=len(WEIGHTS), checksum=checksum), **told.arguments()
    )
    assert path == tmp_path / "cache" / "checkpoints" / "net.pth" and path.read_bytes() == WEIGHTS
    assert [wanted for _, wanted in server.asked] == ["", "bytes=1000-", "bytes=6000-"]
    asked = len(server.asked)
    assert fetch_checkpoint(one(f"{server.url}/net.pth", checksum=checksum), **told.arguments()) == path
    assert len(server.asked) == asked
    path.write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(Unavailable, match=r"has the md5 .* remove it, and call this again"):
        fetch_checkpoint(one(f"{server.url}/net.pth", checksum=checksum), **told.arguments())


def test_another_file_than_the_published_one_is_removed(server: Server, tmp_path: Path) -> None:
    server.files["/net.pth"] = WEIGHTS
    with pytest.raises(Unavailable, match=r"has the sha256 .* and not 00"):
        fetch_checkpoint(one(f"{server.url}/net.pth", checksum="sha256:00"), tmp_path, **Told().arguments())
    assert not (tmp_path / "net.pth").exists()


def test_without_a_checksum_the_first_digest_counts(server: Server, tmp_path: Path) -> None:
    server.files["/net.pth"] = WEIGHTS
    checkpoint, told = one(f"{server.url}/net.pth"), Told()
    path = fetch_checkpoint(checkpoint, tmp_path, **told.arguments())
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert told.lines == [f"net.pth: its publisher states no checksum; noted its sha256, {digest}"]
    assert json.loads((tmp_path / published.RECORD).read_text())["net.pth"]["sha256"] == digest
    path.unlink()
    server.files["/net.pth"] = WEIGHTS[::-1]
    with pytest.raises(Unavailable, match=f"had {digest} when it was fetched first"):
        fetch_checkpoint(checkpoint, tmp_path, **told.arguments())


def test_several_files_are_a_folder(server: Server, tmp_path: Path) -> None:
    server.files |= {"/a": b"weights", "/b": b"{}"}
    files = (
        Remote(f"{server.url}/a", "ast/model.safetensors", "w"),
        Remote(f"{server.url}/b", "ast/config.json", "w"),
    )
    path = fetch_checkpoint(Checkpoint("A", "{}", "MIT", "us", files), tmp_path, **Told().arguments())
    assert path == tmp_path / "ast" and (path / "config.json").read_bytes() == b"{}"


# ---- bundles -----------------------------------------------------------------------------------------------


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as held:
        for name, content in files.items():
            held.writestr(name, content)
    return out.getvalue()


def shipped(**changes: object) -> dict[str, bytes]:
    """The files of the shipped model under another name."""
    folder = models.load("instruments").path
    described = json.loads((folder / "bundle.json").read_text()) | {"name": "fetched-one"} | changes
    files = {f"some/where/{file.name}": file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return files | {"some/where/bundle.json": json.dumps(described).encode()}


def test_a_bundle_can_be_named_once_it_is_fetched(server: Server, tmp_path: Path) -> None:
    server.files["/b.zip"], server.cut = archive(shipped()), [100_000]
    bundle = fetch_bundle(f"{server.url}/b.zip?version=2", **Told().arguments())
    assert bundle.path == tmp_path / "cache" / "models" / "fetched-one"
    assert "fetched-one" in models.names() and models.load("fetched-one").version == bundle.version
    assert [entry.name for entry in (tmp_path / "cache" / "models").iterdir()] == ["fetched-one"]
    assert not list((tmp_path / "cache" / "downloads").iterdir())
    with pytest.raises(UsageError, match="is there already"):
        fetch_bundle(f"{server.url}/b.zip", **Told().arguments())
    elsewhere = fetch_bundle(f"{server.url}/b.zip", tmp_path / "mine", **Told().arguments())
    assert elsewhere.path == tmp_path / "mine"


def test_bundles_that_are_none_or_unsafe_are_refused_and_leave_nothing(
    server: Server, tmp_path: Path
) -> None:
    cases = {
        "/up.zip": ({"../bundle.json": b"{}"}, BadArchive, "would land outside the target"),
        "/no.zip": ({"readme.txt": b""}, BadBundle, "holds no bundle"),
        "/two.zip": ({"a/bundle.json": b"{}", "b/bundle.json": b"{}"}, BadBundle, "holds 2 bundles"),
        "/hurt.zip": (
            shipped() | {"some/where/model.onnx": b"x"},
            BadBundle,
            "model.onnx is missing, or not the file",
        ),
        "/taken.zip": (
            shipped(name="instruments"),
            UsageError,
            "a model that comes with the package does too",
        ),
        "/odd.zip": (shipped(name="../up"), UsageError, "it is no name for a folder"),
    }
    for path, (files, kind, message) in cases.items():
        server.files[path] = archive(files)
        with pytest.raises(kind, match=message):
            fetch_bundle(server.url + path, **Told().arguments())
    assert not list((tmp_path / "cache" / "models").iterdir())
    for url in ("ftp://host/b.zip", "http://host/b.onnx", "file:///etc/b.zip"):
        with pytest.raises(UsageError, match="an http or https address of a bundle in an archive is needed"):
            fetch_bundle(url, **Told().arguments())


# ---- the command -------------------------------------------------------------------------------------------


def test_the_command_says_where_it_is(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files |= {"/net.pth": WEIGHTS, "/b.zip": archive(shipped())}
    monkeypatch.setitem(PUBLISHED, "cnn14", one(f"{server.url}/net.pth"))
    assert main(["models", "fetch", "cnn14", "-o", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert (
        out == f"{tmp_path / 'net.pth'}\n"
        and f"weights: {tmp_path / 'net.pth'}}}" in err
        and "Licence: MIT" in err
    )
    digest = hashlib.sha256(server.files["/b.zip"]).hexdigest()
    assert main(["models", "fetch", f"{server.url}/b.zip", "--checksum", f"sha256:{'0' * 64}"]) == 3
    assert "and not 0000" in capfd.readouterr().err
    assert main(["models", "fetch", f"{server.url}/b.zip", "--checksum", f"sha256:{digest}"]) == 0
    assert capfd.readouterr().out.endswith("fetched-one\n")
    assert main(["models", "fetch", "--list", "-o", str(tmp_path)]) == 0
    rows = {line.split()[0]: line.split()[-1] for line in capfd.readouterr().out.splitlines()[1:]}
    assert rows["cnn14"] == "yes" and rows["beats"] == "no"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cnn"], "unknown checkpoint 'cnn'. Did you mean 'cnn14'?"),
        ([], "`sonoscope models fetch --list` shows the names"),
        (["cnn14", "--checksum", "md5:1"], "--checksum is about an address"),
        (["http://h/b.zip", "--checksum", "crc:1"], "must be sha256:DIGEST"),
    ],
)
def test_wrong_use(words: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", *words]) == 2
    assert message in capfd.readouterr().err
