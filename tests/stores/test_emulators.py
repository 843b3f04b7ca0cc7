"""Object stores as programs that speak as they do: S3 (moto's server), Azure Blob (Azurite), SFTP (asyncssh).

Slow: started by the tests, with errors and a limit of requests put in between. What is not installed is skipped:
``pip install "sonoscope[storage]" "moto[server]" asyncssh`` and ``npm install azurite`` (``$AZURITE``: its command).
"""

from __future__ import annotations

import http.client
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sonoscope import runs
from sonoscope.audio import stores

pytestmark = pytest.mark.slow

THRESHOLD = "0.05"
SECRET = "hunter22isasecretkey"
#: Azurite's account, known to everybody.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "expect")


class Between:
    """Passes requests on to a server, refuses some for a moment (503, or too many at once), and takes its time."""

    def __init__(self, port: int, *, every: int = 0, latency_s: float = 0.0, a_second: int = 0) -> None:
        self.every, self.latency_s, self.a_second, self.refused = every, latency_s, a_second, 0
        count, recent, guard, between = itertools.count(1), [], threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.body()
                time.sleep(between.latency_s)
                with guard:
                    now = time.monotonic()
                    recent[:] = [moment for moment in recent if moment > now - 1]
                    too_many = bool(between.a_second) and len(recent) >= between.a_second
                    broken = bool(between.every) and next(count) % between.every == 0
                    if not (too_many or broken):
                        recent.append(now)
                    between.refused += too_many or broken
                if too_many or broken:
                    self.reply(503, [("Content-Length", "0")], b"")
                    return
                # http.client adds no header of its own that a signature, or a reader of forms, would stumble over.
                behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in OWN_HEADERS}
                behind.request(self.command, self.path, body or None, headers)
                answer = behind.getresponse()
                self.reply(answer.status, answer.getheaders(), answer.read())
                behind.close()

            def body(self) -> bytes:
                """Of a request, also one that comes in chunks."""
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                found = b""
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

            def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                lengths = [value for name, value in headers if name.lower() == "content-length"]
                self.send_header(
                    "Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(body))
                )
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server did not start"
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections and a cache of this test's own."""
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "cache"))
    stores._connected.cache_clear()
    yield
    stores._connected.cache_clear()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Between]]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    between = Between(port)
    try:
        answers(port, server)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{between.port}",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        stores.filesystem("s3://season/x")[0].mkdir("season")
        yield "s3://season", between
    finally:
        between.close()
        server.terminate()
        server.wait()


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Between]]:
    pytest.importorskip("adlfs")
    command = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not command:
        pytest.skip("no Azurite: npm install azurite, and AZURITE=.../node_modules/.bin/azurite-blob")
    port = free_port()
    words = [command, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    between = Between(port)
    try:
        answers(port, server)
        place = f"http://127.0.0.1:{between.port}/{ACCOUNT}"
        said = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={place};"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
        import adlfs

        adlfs.AzureBlobFileSystem.clear_instance_cache()
        stores.filesystem("abfs://season/x")[0].mkdir("season")
        yield "abfs://season", between
    finally:
        between.close()
        server.terminate()
        server.wait()


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, None]]:
    pytest.importorskip("paramiko")
    pytest.importorskip("asyncssh")
    port, home = free_port(), tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    script = (
        "import asyncio, asyncssh, sys\n"
        "class Server(asyncssh.SSHServer):\n"
        "    def password_auth_supported(self): return True\n"
        f"    def validate_password(self, user, word): return word == {SECRET!r}\n"
        "async def main():\n"
        "    key = asyncssh.generate_private_key('ssh-ed25519')\n"
        "    open(sys.argv[2], 'w').write(f'[127.0.0.1]:{sys.argv[1]} ' + key.export_public_key().decode())\n"
        "    await asyncssh.listen('127.0.0.1', int(sys.argv[1]), server_factory=Server, server_host_keys=[key],\n"
        "                          sftp_factory=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    known = home / ".ssh/known_hosts"
    server = subprocess.Popen([sys.executable, "-c", script, str(port), str(tmp_path / "key")])
    try:
        answers(port, server)
        known.write_text((tmp_path / "key").read_text())
        monkeypatch.setenv("HOME", str(home))
        import fsspec

        monkeypatch.setitem(
            fsspec.config.conf, "sftp", {"username": "anna", "password": SECRET, "look_for_keys": False}
        )
        for name, value in {"username": "anna", "password": SECRET, "look_for_keys": "false"}.items():
            monkeypatch.setenv(f"FSSPEC_SFTP_{name.upper()}", value)
        from fsspec.implementations.sftp import SFTPFileSystem

        SFTPFileSystem.clear_instance_cache()
        yield f"sftp://127.0.0.1:{port}{tmp_path}/far", None
    finally:
        server.terminate()
        server.wait()


def run(inputs: str | Path, out: str | Path, **options: object) -> runs.RunSummary:
    spec = runs.RunSpec((str(inputs),), str(out), **({"threshold": THRESHOLD, "workers": 1} | options))
    return runs.run(spec)


@pytest.mark.parametrize("kind", ["s3", "azure", "sftp"])
def test_from_a_store_and_back_into_it(
    kind: str, recordings: Path, tmp_path: Path, contents, request: pytest.FixtureRequest
) -> None:
    """Recordings are read from the store by two workers and results written into it; errors and a limit of requests
    change nothing; no file that was written holds a credential."""
    url, between = request.getfixturevalue(kind)
    run(recordings, tmp_path / "here")
    for name, _ in [
        (file.relative_to(recordings).as_posix(), file) for file in recordings.rglob("*") if file.is_file()
    ]:
        stores.upload(recordings / name, f"{url}/cards/{name}")
    if between is not None:
        between.every, between.a_second = 9, 60
    words = ["analyze", f"{url}/cards", "-o", f"{url}/results", "--threshold", THRESHOLD, "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "sonoscope", *words], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 1 and "5 inputs done, 1 failed" in done.stderr, done.stderr
    assert SECRET not in done.stderr + done.stdout and KEY not in done.stderr + done.stdout
    if between is not None:
        assert between.refused > 0
        between.every = between.a_second = 0
    back = tmp_path / "back"
    for name, _ in stores.files(f"{url}/results"):
        (back / name).parent.mkdir(parents=True, exist_ok=True)
        stores.download(f"{url}/results/{name}", back / name)
    assert contents(back) == contents(tmp_path / "here")
    for file in back.rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            assert SECRET.encode() not in text and KEY.encode() not in text, file
    assert run(f"{url}/cards", f"{url}/results", workers=1).skipped == 5
    # Other bytes, as many: told by the time, and where that is the same second by the ETag.
    changed = bytearray((recordings / "s1/c.wav").read_bytes())
    changed[-1000:] = bytes(1000)
    (recordings / "s1/c.wav").write_bytes(changed)
    stores.upload(recordings / "s1/c.wav", f"{url}/cards/s1/c.wav")
    assert run(f"{url}/cards", f"{url}/results", workers=1).skipped == 4


def test_a_killed_machine_that_comes_back_goes_on_where_another_has_come_to(
    s3: tuple[str, Between], recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the store is slow, so that what it had finished is known to it alone or not at all."""
    url, between = s3
    for file in (file for file in recordings.rglob("*") if file.is_file()):
        stores.upload(file, f"{url}/cards/{file.relative_to(recordings).as_posix()}")
    words = ["analyze", f"{url}/cards", "-o", f"{url}/results", "--threshold", THRESHOLD, "--workers", "1"]
    between.latency_s = 0.3
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "first"))
    first = subprocess.Popen(
        [sys.executable, "-m", "sonoscope", *words], stderr=subprocess.DEVNULL, start_new_session=True
    )

    def begun() -> list[bytes]:
        found = (tmp_path / "first").glob("stores/*/.sonoscope/journal-all.jsonl")
        return [line for file in found for line in file.read_bytes().splitlines() if b'"name"' in line]

    while not begun():
        assert first.poll() is None, "it was over before it could be killed"
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    finished = len(begun())
    between.latency_s = 0.0
    assert 0 < finished < 5
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "second"))
    assert run(f"{url}/cards", f"{url}/results").message.startswith("5 inputs done, 1 failed")
    stores.remove(f"{url}/cards/s1/d.ogg")
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "first"))
    again = run(f"{url}/cards", f"{url}/results")
    assert again.done == again.skipped == 4 and again.remarks[0].startswith("1 earlier recording")
    stores.download(f"{url}/results/files.csv", tmp_path / "files.csv")
    rows = (tmp_path / "files.csv").read_text().splitlines()[1:]
    assert [row.partition(",")[0] for row in rows] == sorted(
        file.relative_to(recordings).as_posix() for file in recordings.rglob("*.*") if file.suffix != ".txt"
    )


def test_a_server_with_another_key_is_not_trusted(sftp: tuple[str, None], tmp_path: Path) -> None:
    (tmp_path / "home/.ssh/known_hosts").write_text("")
    with pytest.raises(PermissionError, match="known_hosts"):
        stores.details(sftp[0])
