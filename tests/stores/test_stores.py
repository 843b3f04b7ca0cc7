"""Recordings by URL give what local ones give, and results go where a URL says; nothing repeats a credential."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import runs
from sonoscope.audio import decode, find, secrets, stores
from sonoscope.audio.ranges import RangeFile
from sonoscope.cli import main
from sonoscope.errors import Stopped, UsageError
from sonoscope.runs.afar import Mirror
from sonoscope.runs.collect import collect

pytest.importorskip("fsspec")

THRESHOLD = "0.05"
NAMES = ["a b.wav", "s1/b.flac", "s1/c.wav", "s1/d.ogg", "s2/deep/e#1.flac", "z.wav"]


def run(inputs: str | Path, out: str | Path, **options: object) -> runs.RunSummary:
    spec = runs.RunSpec((str(inputs),), str(out), **({"threshold": THRESHOLD, "workers": 1} | options))
    return runs.run(spec)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stores"


@pytest.mark.parametrize("kind", ["web", "file"])
def test_listed_by_url_as_on_a_disk(kind: str, recordings: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("web").url if kind == "web" else recordings.as_uri()
    found = list(find.find([url]))
    assert [entry.name for entry in found] == NAMES
    for entry in found:
        status = (recordings / entry.name).stat()
        assert entry.size_bytes == status.st_size
        assert abs(entry.modified_ns - status.st_mtime_ns) < 1e9
    if kind == "web":
        both = [entry.name for entry in find.find([url + "/s1/", url + "/s2/deep/e%231.flac"])]
        assert both == ["b.flac", "c.wav", "d.ogg", "e#1.flac"]


def test_patterns_and_what_is_not_there(recordings: Path) -> None:
    url = recordings.as_uri()
    assert [entry.name for entry in find.find([url + "/s1/*.wav"])] == ["c.wav"]
    assert [entry.name for entry in find.find([url + "/s*/b.flac"])] == ["s1/b.flac"]
    for text in ("/nothing.wav", "/s9/*.wav"):
        with pytest.raises(UsageError, match=r"no such|nothing matches"):
            list(find.find([url + text]))
    with pytest.raises(UsageError, match="no place that is known"):
        list(find.find(["nowhere://x/y.wav"]))


@pytest.mark.parametrize("ranges", [True, False])
def test_the_same_samples_over_the_web(ranges: bool, web, recordings: Path) -> None:
    """By ranges, and from a server that knows none; every seventh request is refused for a moment."""
    web.ranges, web.fails = ranges, 7
    for entry in find.find([web.url]):
        if entry.name != "z.wav":
            heard, rate = decode.read(entry)
            expected, rate_here = decode.read(str(recordings / entry.name))
            assert rate == rate_here and np.array_equal(heard, expected), entry.name


def test_archives_are_read_in_place(web, recordings: Path) -> None:
    import tarfile
    import zipfile

    with zipfile.ZipFile(recordings / "all.zip", "w") as archive:
        for name in NAMES[:3]:
            archive.write(recordings / name, name)
    with tarfile.open(recordings / "all.tar.gz", "w:gz") as archive:
        archive.add(recordings / NAMES[1], NAMES[1])
    for kind, names in (("all.zip", NAMES[:3]), ("all.tar.gz", NAMES[1:2])):
        found = list(find.find([f"{web.url}/{kind}"]))
        assert [entry.name for entry in found] == [f"{kind}/{name}" for name in names]
        for entry, name in zip(found, names, strict=True):
            assert np.array_equal(decode.read(entry)[0], decode.read(str(recordings / name))[0])


def test_memory_and_requests_of_a_file_are_bounded() -> None:
    """Read in order, no block is asked for twice, and few wait; a piece that came short is asked for again."""
    data = np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8).tobytes()
    asked: list[int] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append(start)
        return data[start : end - (asked.count(start) == 1 and start == 3000)]

    with RangeFile(fetch, len(data), block=1000) as file:
        found, most = b"", 0
        while piece := file.read(700):
            found += piece
            most = max(most, len(file._blocks))
    assert found == data and most <= 9
    assert sorted(asked) == sorted([*range(0, 50_000, 1000), 3000])


def test_a_run_from_the_web_is_the_run_of_the_folder(web, recordings: Path, tmp_path: Path, contents) -> None:
    run(recordings, tmp_path / "here")
    summary = run(web.url, tmp_path / "there")
    assert (summary.done, summary.failed) == (5, 1)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    web.log.clear()
    assert run(web.url, tmp_path / "there").skipped == 5
    assert not [path for method, path, _ in web.log if method == "GET" and path.endswith("flac")]
    (tmp_path / "disk").mkdir()
    run(web.url, tmp_path / "staged", stage=str(tmp_path / "disk"), stage_limit=1 << 20)
    assert contents(tmp_path / "staged") == contents(tmp_path / "here")
    assert not list((tmp_path / "disk").iterdir())


@pytest.mark.parametrize("dated", [True, False])
def test_what_was_changed_in_the_store_is_done_again(
    dated: bool, web, recordings: Path, tmp_path: Path, contents
) -> None:
    """A file as long as before is told by its time, or by its ETag where there is none."""
    web.dated = dated
    run(web.url, tmp_path / "there")
    samples, rate = soundfile.read(recordings / "s1/c.wav")
    status = (recordings / "s1/c.wav").stat()
    soundfile.write(recordings / "s1/c.wav", 0.5 * samples, rate)
    assert (recordings / "s1/c.wav").stat().st_size == status.st_size
    os.utime(recordings / "s1/c.wav", (status.st_atime, status.st_mtime + 5 * dated))
    summary = run(web.url, tmp_path / "there")
    assert (summary.done, summary.skipped) == (5, 4)
    run(recordings, tmp_path / "here")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_what_is_replaced_while_it_is_read_has_failed_until_it_is_read_again(
    web, tmp_path: Path, monkeypatch, contents
) -> None:
    long = web.folder / "s1/c.wav"
    noise = np.random.default_rng(0).standard_normal(22_050 * 40)
    soundfile.write(long, 0.1 * noise, 22_050)
    fetch = stores.fetch

    def replaced(fs: object, path: str, start: int, end: int) -> bytes:
        if path.endswith("c.wav") and start:
            soundfile.write(long, 0.05 * noise, 22_050)
            os.utime(long, (2e9, 2e9))
        return fetch(fs, path, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(stores, "fetch", replaced)
        assert run(web.url, tmp_path / "there").failed == 2
    assert "it was changed while it was read" in (tmp_path / "there/errors.csv").read_text()
    assert run(web.url, tmp_path / "there").failed == 1
    run(web.folder, tmp_path / "here")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_work_begins_while_the_store_is_listed(recordings: Path, tmp_path: Path, monkeypatch) -> None:
    """The last folder is listed only after the first recording is done."""
    listed, out = stores.entries, tmp_path / "out"

    def slowly(url: str) -> list[stores.Entry]:
        if url.endswith("s2"):
            until = time.monotonic() + 150
            while not (out / "a b.wav.events.csv").exists() and time.monotonic() < until:
                time.sleep(0.05)
            assert (out / "a b.wav.events.csv").exists()
        return listed(url)

    monkeypatch.setattr(stores, "entries", slowly)
    assert run(recordings.as_uri(), out).done == 5


def test_a_folder_that_is_not_on_the_web_is_said(web, tmp_path: Path, capsys) -> None:
    assert main(["analyze", f"{web.url}/none/", "-o", str(tmp_path / "out")]) == 1
    assert "/none/: is not there. Check the address." in capsys.readouterr().err


def test_a_place_that_goes_away_fails_what_lies_there(web, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sonoscope.audio.away.AWAY_S", 0.0)
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    found = next(iter(find.find([web.url])))
    web.fails = 1
    with pytest.raises(Exception, match="the place does not answer"):
        decode.read(found)


# ---- results -----------------------------------------------------------------------------------------------


def test_results_in_a_store_are_those_of_a_folder(
    recordings: Path, tmp_path: Path, contents, cache: Path
) -> None:
    run(recordings, tmp_path / "here")
    url = (tmp_path / "there").as_uri()
    summary = run(recordings, url)
    assert (
        summary.out == url
        and summary.message.startswith("5 inputs done, 1 failed")
        and url in summary.message
    )
    assert str(cache) not in summary.message
    there = contents(tmp_path / "there")
    assert there == contents(tmp_path / "here")
    report = json.loads((tmp_path / "there/run.json").read_text())
    assert report["settings"]["out"] == url and report["status"] == "done"
    assert not list(cache.iterdir()), "the folder on this machine goes away"
    # Another machine goes on, and decides again.
    assert run(recordings, url).skipped == 5
    runs.decide(url, {"threshold": "0.9"})
    assert contents(tmp_path / "there") != there
    runs.decide(url, {"threshold": THRESHOLD})
    assert contents(tmp_path / "there") == there


def _left_behind(recordings: Path, url: str, cache: Path, monkeypatch, aside: Path) -> None:
    """Machine 1 hears two recordings, and goes before it has sent anything; then they are taken away (to ``aside``)."""
    monkeypatch.setenv("SONOSCOPE_CACHE", str(cache / "1"))
    aside.mkdir()
    others = [recordings / "s1", recordings / "s2", recordings / "z.wav"]
    for path in others:
        path.rename(aside / path.name)
    shutil.copy(recordings / "a b.wav", recordings / "a.wav")
    with monkeypatch.context() as away:
        away.setattr(stores, "upload", lambda *_: (_ for _ in ()).throw(OSError("the place is away")))
        with pytest.raises(Stopped):
            run(recordings, url)
    for path in others:
        (aside / path.name).rename(path)
    (recordings / "a.wav").rename(aside / "a.wav")
    monkeypatch.setenv("SONOSCOPE_CACHE", str(cache / "2"))


def _files(there: Path) -> list[str]:
    with open(there / "files.csv", newline="", encoding="utf-8") as file:
        return sorted(row["file"] for row in csv.DictReader(file))


def test_a_machine_that_comes_back_takes_nothing_from_what_others_did_since(
    recordings: Path, tmp_path: Path, monkeypatch, contents
) -> None:
    url, there = (tmp_path / "there").as_uri(), tmp_path / "there"
    _left_behind(recordings, url, tmp_path / "caches", monkeypatch, tmp_path / "aside")
    run(recordings, url)
    runs.decide(url, {"threshold": "0.5"})
    (recordings / "s1/d.ogg").unlink()  # the card is full, and makes room
    done = contents(there)
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "caches/1"))
    again = run(recordings, url, threshold="0.5")
    # a.wav was heard by the first machine alone, and is not heard again; nothing is there twice.
    assert again.done == again.skipped == 4
    assert _files(there) == [
        "a b.wav",
        "a.wav",
        "s1/b.flac",
        "s1/c.wav",
        "s1/d.ogg",
        "s2/deep/e#1.flac",
        "z.wav",
    ]
    now, of_all = contents(there), ("events.csv", "files.csv", "errors.csv")
    assert all(now[name] == done[name] for name in done if name not in of_all)


def test_while_a_machine_that_comes_back_is_at_work_the_store_says_all_that_is_done(
    recordings: Path, tmp_path: Path, monkeypatch
) -> None:
    url, journal = (tmp_path / "there").as_uri(), tmp_path / "there/.sonoscope/journal-all.jsonl"
    _left_behind(recordings, url, tmp_path / "caches", monkeypatch, tmp_path / "aside")
    run(recordings, url)
    before = set(journal.read_bytes().splitlines())
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "caches/1"))
    mirror = Mirror(url)
    mirror.fetch()
    mirror.send()
    lines = journal.read_bytes().splitlines()
    assert before < set(lines) and len(lines) == len(set(lines))
    assert sorted(lines, key=lambda line: json.loads(line)["at"]) == lines


def test_parts_meet_in_a_store(recordings: Path, tmp_path: Path, contents) -> None:
    run(recordings, tmp_path / "here")
    url = (tmp_path / "there").as_uri()
    for part in (1, 2):
        run(recordings, url, shard=(part, 2))
    assert collect(url).message.startswith("5 inputs done, 1 failed")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_what_the_journal_tells_of_is_there(
    recordings: Path, tmp_path: Path, monkeypatch, cache: Path
) -> None:
    """While a run goes on, the store holds every result that its journal names."""
    url, seen = (tmp_path / "there").as_uri(), []
    monkeypatch.setattr("sonoscope.runs.afar.LOOK_S", 0.02)
    stop = threading.Event()

    def look() -> None:
        journal = tmp_path / "there/.sonoscope/journal-all.jsonl"
        while not stop.wait(0.01):
            with contextlib.suppress(FileNotFoundError):
                for line in journal.read_text().splitlines():
                    for name in json.loads(line).get("outputs", {}):
                        seen.append((tmp_path / "there" / name).is_file())

    looker = threading.Thread(target=look)
    looker.start()
    try:
        run(recordings, url)
    finally:
        stop.set()
        looker.join()
    assert all(seen)


def test_a_web_server_takes_no_results(recordings: Path, web) -> None:
    with pytest.raises(UsageError, match="takes no results"):
        run(recordings, web.url + "/results")


# ---- credentials -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "sftp://anna:hunter22@host/x",
        "https://host/a.wav?sig=hunter22",
        "https://b.s3.amazonaws.com/a.wav?X-Amz-Signature=hunter22&X-Amz-Expires=3",
    ],
)
def test_an_address_with_a_credential_is_refused(url: str, tmp_path: Path, recordings: Path, capsys) -> None:
    for words in (["analyze", url, "-o", str(tmp_path / "out")], ["analyze", str(recordings), "-o", url]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "from the environment only" in said and "hunter22" not in said
    assert not (tmp_path / "out").exists()


def test_credentials_of_the_environment_are_used_and_never_written(
    web, recordings: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    fsspec = pytest.importorskip("fsspec")
    web.needs = "Bearer hunter22-is-secret"
    options = {"client_kwargs": {"headers": {"Authorization": web.needs}}}
    monkeypatch.setenv("FSSPEC_HTTP", json.dumps(options))
    fsspec.config.set_conf_env(
        fsspec.config.conf_dict if hasattr(fsspec.config, "conf_dict") else fsspec.config.conf
    )
    stores._connected.cache_clear()
    log = tmp_path / "log.txt"
    try:
        words = ["analyze", web.url, "-o", str(tmp_path / "out"), "--workers", "1", "-v", "--log", str(log)]
        assert main(words) == 1
        # Refused in the middle: what is said of it has no secret either.
        web.needs = "Bearer another"
        assert main([*words, "--overwrite"]) in (1, 2)
    finally:
        fsspec.config.conf.pop("http", None)
        stores._connected.cache_clear()
    said = capsys.readouterr()
    written = [file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()] + [
        log.read_bytes()
    ]
    assert len(written) > 10
    for text in (*written, said.out.encode(), said.err.encode()):
        assert b"hunter22" not in text


def test_secrets_are_told_from_other_words() -> None:
    environ = {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountKey=Eby8vdM02x;",
        "FSSPEC_SFTP_PASSWORD": "swordfish",
        "FSSPEC_SFTP_USERNAME": "harbour",
        "HOME": "/home/anna",
    }
    text = (
        "wJalrXUtnFEMI swordfish harbour /home/anna https://h/x?a=1&sig=abc%2Fdef&b=2 sftp://anna:pw@h/x "
        "AccountKey=Eby8vdM02x;rest"
    )
    assert secrets.redacted(text, environ) == (
        "*** *** harbour /home/anna https://h/x?a=1&sig=***&b=2 sftp://anna:***@h/x AccountKey=***;rest"
    )


def test_without_the_extra_it_says_what_to_install(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec", None)
    stores._connected.cache_clear()
    with pytest.raises(UsageError, match=r"pip install \"sonoscope\[storage\]\""):
        stores.filesystem("s3://bucket/x")


def test_a_file_on_its_way_is_not_taken(tmp_path: Path) -> None:
    """--watch by URL: half a WAV is not whole, where files can grow."""
    from sonoscope.audio.whole import is_whole

    soundfile.write(tmp_path / "a.wav", np.zeros(22_050), 22_050)
    url = (tmp_path / "a.wav").as_uri()
    assert is_whole(url)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[:10_000])
    assert not is_whole(url)
