"""``sonoscope data fetch`` and ``data formats``: what they print where, and how they end."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sonoscope.cli import main
from sonoscope.data.datasets import DATASETS, Remote
from sonoscope.data.forms import FORMS
from sonoscope.outputs import READERS


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data set ``esc50``, with its files on a server of the test's own; the server's folder."""
    place = tmp_path / "server"
    place.mkdir()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take\n")
    (place / "ESC-50-master.zip").write_bytes(out.getvalue())
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    url = f"http://127.0.0.1:{httpd.server_address[1]}/ESC-50-master.zip"
    files = (Remote(url, "ESC-50-master.zip", "all", ""),)
    monkeypatch.setitem(DATASETS, "esc50", replace(DATASETS["esc50"], files=files))
    yield place
    httpd.shutdown()
    httpd.server_close()


def test_fetching_shows_first_what_and_where(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "esc"
    assert main(["data", "fetch", "esc50", "-o", str(root)]) == 0
    shown, said = capsys.readouterr()
    for part in (
        "licence: CC BY-NC",
        "cite: Piczak",
        "none published",
        "missing",
        f"target: {root}",
        "free there: ",
    ):
        assert part in shown
    size = (tiny / "ESC-50-master.zip").stat().st_size
    assert f"to fetch: {size / 1e6:.2f} MB" in shown, "the size is the server's"
    assert "1 downloaded, 1 files unpacked" in said and f"data manifest esc50:{root}" in said
    assert (root / "meta" / "esc50.csv").is_file()
    assert main(["data", "fetch", "esc50", "-o", str(root)]) == 0
    shown, said = capsys.readouterr()
    assert "  done  " in shown and "all of it is there already" in said


def test_list_asks_nobody_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "musicnet"
    assert main(["data", "fetch", "musicnet", "--list", "-o", str(root)]) == 0
    shown = capsys.readouterr().out
    assert (
        "11.10 GB" in shown
        and "md5:844764911fa0d5b97c97da944a057590" in shown
        and "https://zenodo.org" in shown
    )
    assert f"target: {root}" in shown and "to fetch: at least 11.10 GB" in shown
    assert not root.exists()
    assert main(["data", "fetch", "musicnet", "--list", "--part", "metadata"]) == 0
    shown = capsys.readouterr().out
    assert (
        "musicnet.tar.gz" not in shown
        and "target" not in shown
        and "unknown until the servers are asked" in shown
    )


def test_list_alone_names_every_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(DATASETS)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["irmas"], 2, "where to? Name a folder: sonoscope data fetch irmas -o FOLDER"),
        ([], 2, "which data set? `sonoscope data fetch --list` shows them"),
        (["irmaz", "--list"], 2, "Did you mean 'irmas'?"),
        (["irmas", "--list", "--part", "tset"], 2, "irmas has no part 'tset'. Did you mean 'test'?"),
        (["irmas", "--list", "--part", ","], 2, "--part ',' names nothing"),
        (["maps", "-o", "x"], 2, "maps cannot be fetched. MAPS is given on request"),
    ],
)
def test_wrong_usage_says_what_is_right(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "fetch", *words]) == code
    assert message in capsys.readouterr().err


def test_offline_ends_with_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    files = (Remote("http://127.0.0.1:1/x.zip", "x.zip", "all", ""),)
    monkeypatch.setitem(DATASETS, "esc50", replace(DATASETS["esc50"], files=files))
    assert main(["data", "fetch", "esc50", "-o", str(tmp_path / "x")]) == 3
    said = capsys.readouterr().err
    assert "127.0.0.1:1 cannot be reached" in said and "offline?" in said and "Traceback" not in said


def test_formats_names_everything_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "formats"]) == 0
    shown = capsys.readouterr().out
    for name in (*DATASETS, *FORMS, *READERS, "midi", "maps"):
        assert f"  {name} " in shown
    assert max(map(len, shown.splitlines())) <= 120
    assert main(["data", "formats", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["datasets"]) == set(DATASETS) and set(found["manifests"]) == set(FORMS)
    assert found["datasets"]["irmas"]["splits"] == ["train", "test"]
