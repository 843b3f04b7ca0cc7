"""The page as served and as one file: pictures of what sounds, verdicts that are saved, strangers kept out."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonoscope.data import spectrogram
from sonoscope.errors import UsageError
from sonoscope.features.logmel import hz_to_mel
from sonoscope.field import clipfolder, making, verdicts
from sonoscope.field.reviewing import page
from sonoscope.field.reviewing.server import Desk
from sonoscope.field.season import Season


@pytest.fixture(scope="module")
def drawn(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "clips"
    making.make(Season(results), out, count=8, labels=["piano", "drums"])
    return out


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> clipfolder.ClipFolder:
    shutil.copytree(drawn, tmp_path / "clips")
    return clipfolder.open_folder(tmp_path / "clips")


@pytest.fixture
def desk(folder: clipfolder.ClipFolder) -> Iterator[Desk]:
    notes = verdicts.Notebook(
        verdicts.file_of(folder.path, "anna"), "anna", {clip.clip: clip.label for clip in folder.clips}
    )
    with Desk(folder, folder.clips, notes, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(desk: Desk, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(desk.url + path, data, kind | headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# ---- pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "pitch"), [(8000, 440), (22_050, 3000), (48_000, 250), (192_000, 40_000)])
def test_a_tone_is_a_line_at_its_height(rate: int, pitch: float) -> None:
    time = np.arange(3 * rate) / rate
    grey = spectrogram.picture(0.1 * np.sin(2 * np.pi * pitch * time).astype(np.float32), rate)
    assert grey.shape[0] == spectrogram.ROWS and 300 < grey.shape[1] <= spectrogram.COLUMNS + 2
    row = int(np.bincount(grey[:, 20:-20].argmax(axis=0)).argmax())
    height = 1 - (row + 0.5) / spectrogram.ROWS
    assert height == pytest.approx(float(hz_to_mel(pitch) / hz_to_mel(rate / 2)), abs=0.02)


def test_a_click_is_a_line_at_its_time_and_noise_is_grey(rng: np.random.Generator) -> None:
    samples = 0.001 * rng.standard_normal(44_100).astype(np.float32)
    samples[11_025] = 1.0
    grey = spectrogram.picture(samples, 22_050)
    bright = grey.mean(axis=0).argmax()
    assert bright / grey.shape[1] == pytest.approx(0.25, abs=0.02)
    assert 0 < grey[:, : grey.shape[1] // 8].mean() < 60


@pytest.mark.parametrize("samples", [np.zeros(4000, np.float32), np.ones(1, np.float32)])
def test_silence_and_a_single_sample_have_a_picture(samples: np.ndarray) -> None:
    assert spectrogram.picture(samples, 8000).shape[0] == spectrogram.ROWS


def test_the_png_is_what_was_drawn(rng: np.random.Generator) -> None:
    from matplotlib.image import imread

    grey = rng.integers(0, 256, (37, 53)).astype(np.uint8)
    np.testing.assert_array_equal(np.rint(imread(io.BytesIO(spectrogram.png(grey))) * 255), grey)


# ---- served ------------------------------------------------------------------------------------------------


def test_the_page_has_everything_and_gives_no_score_away(desk: Desk) -> None:
    status, body = fetch(desk, "")
    html = body.decode()
    assert status == 200 and "src=" not in html.replace(".src =", "") and "http://" not in html
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    assert len(data["clips"]) == 8 and data["verdicts"] == {}
    assert {clip["label"] for clip in data["clips"]} == {"piano", "drums"}
    for clip in data["clips"]:
        assert clip["to"] - clip["from"] == pytest.approx(0.5, abs=0.8)


def test_sounds_and_pictures_are_served(desk: Desk) -> None:
    clip = desk.clips[0]
    status, body = fetch(desk, f"audio/{clip.clip}")
    assert status == 200 and body == (desk.folder.path / clip.audio).read_bytes()
    assert fetch(desk, f"image/{clip.clip}")[1].startswith(b"\x89PNG")
    facts = json.loads(fetch(desk, f"facts/{clip.clip}")[1])
    samples, rate = soundfile.read(desk.folder.path / clip.audio)
    assert facts == {
        "seconds": pytest.approx(len(samples) / rate), "top_hz": rate / 2,
        "peak": pytest.approx(np.abs(samples).max()),
    }  # fmt: skip


def test_verdicts_are_saved_and_the_page_goes_on_from_them(desk: Desk) -> None:
    assert fetch(desk, "verdict", {"clip": "00001", "verdict": "yes"}) == (200, b'{"saved":true}')
    fetch(desk, "verdict", {"clip": "00002", "verdict": "other"})
    fetch(desk, "verdict", {"clip": "00001", "verdict": ""})
    assert verdicts.read(desk.notebook.file) == {"00002": "other"}
    assert '"verdicts":{"00002":"other"}' in fetch(desk, "")[1].decode()


def test_wrong_requests_say_why(desk: Desk) -> None:
    assert fetch(desk, "audio/99999")[0] == 404
    assert fetch(desk, "audio/../clips.csv")[0] == 404
    assert fetch(desk, "verdict", {"clip": "x", "verdict": "yes"}) == (
        400,
        b'{"error": "there is no clip \'x\'"}',
    )
    assert fetch(desk, "verdict", {"clip": "00001", "verdict": "perhaps"})[0] == 400
    assert fetch(desk, "verdict", ["no"])[0] == 400
    assert fetch(desk, "elsewhere", {})[0] == 404
    (desk.folder.path / desk.clips[0].audio).unlink()
    status, body = fetch(desk, "image/00001")
    assert status == 404 and b"cannot be read" in body
    assert not verdicts.read(desk.notebook.file)


def test_a_page_that_is_left_while_it_loads_is_no_error(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (BrokenPipeError(), ConnectionResetError()):
        try:
            raise error
        except OSError:
            desk.handle_error(None, ("127.0.0.1", 1))
    assert capsys.readouterr().err == ""
    try:
        raise ValueError("what is one")
    except ValueError:
        desk.handle_error(None, ("127.0.0.1", 1))
    assert "what is one" in capsys.readouterr().err


def test_other_pages_and_other_names_are_kept_out(desk: Desk) -> None:
    verdict = {"clip": "00001", "verdict": "yes"}
    assert fetch(desk, "verdict", verdict, Origin="https://example.org")[0] == 403
    assert fetch(desk, "", Host="rebound.example.org")[0] == 403
    assert fetch(desk, "verdict", verdict, **{"Content-Type": "text/plain"})[0] == 415
    assert desk.server_address[0] == "127.0.0.1"
    assert not verdicts.read(desk.notebook.file)


def test_a_port_that_is_taken_is_refused_and_without_a_wish_the_next_is_taken(desk: Desk) -> None:
    with pytest.raises(UsageError, match=f"port {desk.server_port} is in use"):
        Desk(desk.folder, desk.clips, desk.notebook, desk.server_port)


# ---- one file ----------------------------------------------------------------------------------------------


def test_the_file_to_mail_holds_every_sound(folder: clipfolder.ClipFolder) -> None:
    html = page.standalone(folder, folder.clips)
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    assert data["mode"] == "file" and len(data["clips"]) == 8
    for entry, clip in zip(data["clips"], folder.clips, strict=True):
        kind, _, content = entry["audio"].partition(";base64,")
        assert kind == "data:audio/flac"
        assert base64.b64decode(content) == (folder.path / clip.audio).read_bytes()


def test_names_cannot_break_out_of_the_page(folder: clipfolder.ClipFolder) -> None:
    settings = dict(folder.settings) | {"names": {"piano": "</script><script>alert(1)</script>"}}
    html = page.standalone(clipfolder.ClipFolder(folder.path, folder.clips, folder.frames, settings), [])
    assert "<script>alert" not in html and html.count("</script>") == 2


def test_only_clips_of_some_classes(folder: clipfolder.ClipFolder) -> None:
    assert {clip.label for clip in page.chosen(folder, ["drums"])} == {"drums"}
    with pytest.raises(UsageError, match="has no clips of 'organ'"):
        page.chosen(folder, ["organ"])
