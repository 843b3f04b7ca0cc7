"""Where recordings are: paths of other systems, folders, and addresses whose files lie here or can be fetched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sonoscope.data import manifest, paths
from sonoscope.data.extract import BadSpec, Extracted, Settings, extract, media
from sonoscope.errors import UsageError

from .conftest import Specify, entry, wav

SETTINGS = Settings(length_s=1.0, sample_rate=None)


def originals(done: Extracted) -> list[str]:
    return sorted({row.extra["original"] for row in manifest.read(done.manifest).rows})


def test_paths_of_windows_work_everywhere(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "videos" / "suona" / "take 1.wav", 1, 2)
    wav(tmp_path / "videos" / "dizi.wav", 2, 2)
    spec_ = specify(
        entry(r"C:\Users\me\Videos\suona\take 1.wav", ["suona"]),
        entry(r".\videos\dizi.wav", ["dizi"]),
        entry(r"c:\users\ME\videos\suona\..\none.wav", ["dizi"]),
    )
    done = extract(spec_, tmp_path / "out", SETTINGS)
    assert done.clips == 2 and done.problems[0].reason == "is a path of another computer"
    assert done.problems[0].remedy == "Say where it is here: --remap C:/Users/me/Videos/suona=FOLDER."
    remap = paths.parse_remaps([rf"C:\Users\me\Videos={tmp_path / 'videos'}"])
    done = extract(spec_, tmp_path / "out", SETTINGS, remap=remap)
    assert done.clips == 4 and originals(done) == ["C:/Users/me/Videos/suona/take 1.wav", "videos/dizi.wav"]
    (problem,) = done.problems
    assert problem.path == "c:/users/ME/videos/none.wav" and problem.reason == "there is no such file"
    relative = paths.parse_remaps(["C:/Users/me/Videos=videos"])
    assert extract(spec_, tmp_path / "two", SETTINGS, remap=relative).clips == 4


def test_relative_paths_are_below_the_specification_or_the_media_folder(
    tmp_path: Path, specify: Specify
) -> None:
    wav(tmp_path / "a.wav", 1, 2)
    wav(tmp_path / "there" / "b.wav", 2, 2)
    spec_ = specify(entry("a.wav", ["x"]), entry("b.wav", ["x"]))
    assert originals(extract(spec_, tmp_path / "one", SETTINGS)) == ["a.wav"]
    assert originals(extract(spec_, tmp_path / "two", SETTINGS, media=tmp_path / "there")) == ["b.wav"]
    with pytest.raises(UsageError, match=r"--media .* is no folder"):
        extract(spec_, tmp_path / "three", SETTINGS, media=tmp_path / "their")
    assert originals(extract(spec_, tmp_path / "one", SETTINGS)) == ["a.wav"], "the same again"


def test_a_folder_is_all_its_recordings(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "suona" / "a.wav", 1, 2)
    wav(tmp_path / "suona" / "deep" / "b.WAV", 2, 2)
    (tmp_path / "suona" / "notes.txt").write_text("nothing to hear")
    (tmp_path / "empty").mkdir()
    done = extract(specify(entry("suona", ["suona"]), entry("empty", ["suona"])), tmp_path / "out", SETTINGS)
    assert originals(done) == ["suona/a.wav", "suona/deep/b.WAV"]
    assert [row.group for row in manifest.read(done.manifest).rows][::2] == [
        "suona/a.wav",
        "suona/deep/b.WAV",
    ]
    assert [problem.path for problem in done.problems] == ["empty"]
    with pytest.raises(BadSpec, match="line 2: 'suona' is a folder: ranges are for one recording"):
        extract(specify(entry("suona", ["suona"], [0, 1])), tmp_path / "two", SETTINGS)


def test_clips_are_no_recordings_of_a_folder_that_holds_them(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "rec" / "a.wav", 1, 2)
    spec_ = specify(entry("rec", ["x"]))
    out = tmp_path / "rec" / "clips"
    assert [extract(spec_, out, SETTINGS).clips for _ in range(2)] == [2, 2]
    done = extract(specify(entry("rec", ["x"]), entry("rec/clips/x/[x]a__1.wav", ["x"])), out, SETTINGS)
    assert done.clips == 2 and done.problems[0].reason == "lies among the clips"


def test_long_names_in_any_script_fit_on_every_disk(tmp_path: Path, specify: Specify) -> None:
    name = "古琴" * 40  # 240 bytes
    wav(tmp_path / f"{name}.wav", 1, 2)
    labels = [f"{number}: {'琵琶' * 20}" for number in range(6)]
    done = extract(specify(entry(f"{name}.wav", labels)), tmp_path / "out", SETTINGS)
    rows = manifest.read(done.manifest).rows
    assert [row.labels for row in rows] == [tuple(labels)] * 2
    for row in rows:
        assert all(len(part.encode()) < 250 and not paths.unportable(part) for part in row.path.split("/"))
        assert (tmp_path / "out" / row.path).is_file()


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3s", "dQw4w9WgXcQ.wav"),
        ("https://youtu.be/dQw4w9WgXcQ", "A title [live] [dQw4w9WgXcQ].wav"),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "deep/A title-dQw4w9WgXcQ.wav"),
        ("https://www.bilibili.com/video/BV1xx/?p=1", "BV1xx.wav"),
        ("https://vimeo.com/1234567", "title [1234567].wav"),
        ("https://example.org/a/erhu%201.wav", "erhu 1.wav"),
        ("https://example.org/a/erhu%201.wav", "example.org/a/erhu 1.wav"),
    ],
)
def test_the_file_of_an_address_is_found_by_its_id(
    tmp_path: Path, specify: Specify, url: str, file: str
) -> None:
    wav(tmp_path / "media" / file, 1, 2)
    wav(tmp_path / "media" / "other.wav", 2, 2)
    done = extract(
        specify({"video": url, "labels": ["x"]}), tmp_path / "out", SETTINGS, media=tmp_path / "media"
    )
    assert done.clips == 2 and originals(done) == [url]
    (row, _) = manifest.read(done.manifest).rows
    assert row.group == url and row.extra["url"] == url
    assert media.identity(url) in ("erhu 1.wav", row.path.partition("]")[2].removesuffix("__1.wav"))


def test_what_no_file_is_there_for_is_said_plainly(tmp_path: Path, specify: Specify) -> None:
    url = "https://youtu.be/dQw4w9WgXcQ"
    spec_ = specify({"video": url, "labels": ["x"]}, {"url": "https://example.org/a.mp3", "labels": ["x"]})
    (tmp_path / "media").mkdir()
    done = extract(spec_, tmp_path / "out", SETTINGS, media=tmp_path / "media")
    site, direct = done.problems
    assert "sonoscope does not download from video sites" in site.reason
    assert "put it there as dQw4w9WgXcQ.m4a" in site.remedy
    assert "video" not in direct.reason and "--fetch" in direct.remedy
    for suffix in ("m4a", "webm"):
        wav(tmp_path / "media" / f"dQw4w9WgXcQ.{suffix}.wav", 1, 1)
        (tmp_path / "media" / f"dQw4w9WgXcQ.{suffix}.wav").rename(
            tmp_path / "media" / f"dQw4w9WgXcQ.{suffix}"
        )
    done = extract(spec_, tmp_path / "out", SETTINGS, media=tmp_path / "media")
    assert done.problems[0].reason == "several files fit: dQw4w9WgXcQ.m4a, dQw4w9WgXcQ.webm"


def test_two_addresses_do_not_share_a_file_by_chance(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "audio.wav", 1, 4)
    with pytest.raises(
        BadSpec, match=r"line 3: https://two.org/audio.wav and https://one.org/audio.wav fit the same"
    ):
        extract(
            specify(
                {"url": "https://one.org/audio.wav", "labels": ["x"], "ranges": [[0, 1]]},
                {"url": "https://two.org/audio.wav", "labels": ["y"], "ranges": [[2, 3]]},
            ),
            tmp_path / "out",
        )
    wav(tmp_path / "abc.wav", 1, 4)
    done = extract(
        specify(
            {"url": "https://youtu.be/abc", "labels": ["x"], "ranges": [[0, 1]]},
            {"url": "https://www.youtube.com/watch?v=abc", "labels": ["y"], "ranges": [[2, 3]]},
            {"file": "abc.wav", "labels": ["z"], "ranges": [[3, 4]]},
        ),
        tmp_path / "out",
        SETTINGS,
    )
    assert done.clips == 3 and originals(done) == ["https://youtu.be/abc"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The folder ``site`` over HTTP."""
    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_an_address_leads_to_directly_is_fetched(tmp_path: Path, specify: Specify, site: str) -> None:
    wav(tmp_path / "site" / "one" / "a.wav", 1, 2)
    wav(tmp_path / "site" / "two" / "a.wav", 2, 2)
    spec_ = specify(
        {"url": f"{site}/one/a.wav", "labels": ["x"]},
        {"url": f"{site}/two/a.wav", "labels": ["x"]},
        {"url": f"{site}/three/a.wav", "labels": ["x"]},
        {"url": f"{site}/page", "labels": ["x"]},
    )
    folder = tmp_path / "media"
    folder.mkdir()
    said: list[str] = []
    done = extract(spec_, tmp_path / "out", SETTINGS, media=folder, fetch=True, say=said.append)
    assert done.clips == 4 and originals(done) == [f"{site}/one/a.wav", f"{site}/two/a.wav"]
    host = site.removeprefix("http://").replace(":", "_")
    assert (folder / host / "one" / "a.wav").read_bytes() == (
        tmp_path / "site" / "one" / "a.wav"
    ).read_bytes()
    gone, page = done.problems
    assert "404" in gone.reason and "video sites" in page.reason
    assert extract(spec_, tmp_path / "out", SETTINGS, media=folder).clips == 4
