"""The service as a client meets it: the command's bytes, errors of one shape, limits, jobs that survive, live sound."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import json
import re
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from tests.service.conftest import Served, start

import sonoscope
from sonoscope import api
from sonoscope.cli import main
from sonoscope.errors import UsageError
from sonoscope.outputs import WRITERS
from sonoscope.service.places import clean_name, under_root
from sonoscope.service.settings import Settings, parse_size
from sonoscope.service.tasks import heard


def sent(path: Path, name: str | None = None) -> dict[str, Any]:
    return {"file": (name or path.name, path.read_bytes())}


def error_of(response: httpx.Response, status: int) -> dict[str, str]:
    """The one shape."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"} and set(response.json()["error"]) == {
        "code",
        "message",
        "remedy",
    }
    return response.json()["error"]


def ended(http: httpx.Client, job: str) -> dict[str, Any]:
    """The job once it is over."""
    while (found := http.get(f"/jobs/{job}").json()["job"])["state"] in ("queued", "running"):
        time.sleep(0.1)
    return found


# ---- the command's bytes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(melody: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of the melody, in every format: ``instruments/`` and ``notes/``."""
    folder = tmp_path_factory.mktemp("command")
    wishes = {"instruments": ["--threshold", "0.01", "--hop", "0.25"], "notes": []}
    for model, options in wishes.items():
        formats = ",".join(name for name in formats_of(model))
        words = ["analyze", str(melody), "-o", str(folder / model), "-q", "-m", model, "--format", formats]
        assert main(words + options) == 0
    return folder


def formats_of(model: str) -> list[str]:
    """The formats that events of this model can be written in, on this machine."""
    left_out = {"instruments": ("midi", "notes"), "notes": ("buzzdetect", "buzzr")}[model]
    found = [name for name in WRITERS if name not in left_out]
    return [name for name in found if name != "parquet" or importlib.util.find_spec("pyarrow")]


@pytest.mark.parametrize(
    ("model", "format"), [(model, name) for model in ("instruments", "notes") for name in formats_of(model)]
)
def test_bytes_are_those_of_the_command(
    http: httpx.Client, melody: Path, written: Path, model: str, format: str
) -> None:
    options = "&threshold=0.01&hop=0.25" if model == "instruments" else ""
    answer = http.post(f"/analyze?model={model}&format={format}{options}", files=sent(melody))
    assert answer.status_code == 200, answer.text
    (name,) = [part for part in answer.headers["content-disposition"].split('"') if part.startswith("melody")]
    expected = (written / model / name).read_bytes()
    assert len(expected) > 20
    # Where a file lies is told to who runs the command, and to nobody over HTTP.
    if format == "parquet":
        table = importlib.import_module("pyarrow.parquet").read_table
        assert table(io.BytesIO(answer.content)).equals(table(io.BytesIO(expected)))
    else:
        expected = expected.replace(str(melody).encode(), b"melody.wav")
        assert answer.content == expected.replace(str(melody.parent).encode(), b"")


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("text/csv", "csv"),
        ("audio/midi", "midi"),
        ("text/x-raven", "raven"),
        ("text/x-audacity", "audacity"),
        ("application/jsonl", "jsonl"),
        ("application/vnd.jams+json", "jams"),
        ("application/x-nothing;q=0.9, text/csv;q=0.5, audio/midi;q=0.4", "csv"),
    ],
)
def test_accept_chooses_the_format(http: httpx.Client, melody: Path, accept: str, format: str) -> None:
    asked = http.post("/analyze?model=notes", files=sent(melody), headers={"Accept": accept})
    named = http.post(f"/analyze?model=notes&format={format}", files=sent(melody))
    assert asked.content == named.content and asked.headers["content-type"] == named.headers["content-type"]


def test_json_lines_and_csv_say_the_same(http: httpx.Client, song: Path) -> None:
    plain = http.post("/analyze?threshold=0.01&scores=true", files=sent(song)).json()
    lines = http.post(
        "/analyze?threshold=0.01&scores=true", files=sent(song), headers={"Accept": "application/x-ndjson"}
    )
    found = [json.loads(line) for line in lines.text.splitlines()]
    assert found[-1] == {"kind": "end", "files": 1, "failed": 0}
    (file,) = [one for one in found if one["kind"] == "file"]
    assert {key: value for key, value in file.items() if key != "kind"} == plain["files"][0]
    assert plain["files"][0]["duration"] == 4.0
    assert len(plain["files"][0]["scores"]["edges"]) == len(plain["files"][0]["scores"]["start"]) + 1


def test_files_under_the_data_root(http: httpx.Client, served: Served, song: Path) -> None:
    folder = served.root / "night"
    folder.mkdir(exist_ok=True)
    (folder / "a.wav").write_bytes(song.read_bytes())
    (folder / "b.wav").write_text("no sound")
    answer = http.post("/analyze?path=night").json()
    assert [one["file"] for one in answer["files"]] == ["a.wav"]
    assert answer["errors"][0]["file"] == "b.wav" and answer["errors"][0]["remedy"]


# ---- errors and limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../x.wav", "/etc/passwd", "night/../../x", "out/secret.wav", "a\0b", "~root"]
)
def test_paths_cannot_leave_the_data_root(
    http: httpx.Client, served: Served, tmp_path: Path, song: Path, path: str
) -> None:
    (tmp_path / "secret.wav").write_bytes(song.read_bytes())
    link = served.root / "out"
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path)
    assert error_of(http.post("/analyze", params={"path": path}), 404)["code"] == "not_found"
    # A folder that holds the link names what leads out, and does not read it.
    listed = http.post("/analyze?path=.").json()
    assert "secret.wav" not in json.dumps(listed.get("files", []))


def test_what_is_wrong_is_said_in_one_shape(http: httpx.Client, song: Path, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("text")
    assert error_of(http.get("/nothing"), 404)["code"] == "not_found"
    assert error_of(http.put("/analyze"), 405)["code"] == "method"
    assert error_of(http.post("/analyze?hop=many", files=sent(song)), 422)["code"] == "invalid"
    assert "Did you mean 'instruments'" in error_of(http.post("/analyze?model=instrument"), 400)["message"]
    assert error_of(http.post("/analyze?threshold=../x.json"), 400)["code"] == "usage"
    assert error_of(http.post("/analyze", files=sent(tmp_path / "x.wav")), 422)["code"] == "unreadable"
    assert error_of(http.post("/analyze", content=b"x"), 400)["code"] == "usage"
    option = error_of(http.post("/analyze", files=sent(song), data={"model": "notes"}), 400)
    assert option["code"] == "usage" and "'model'" in option["message"] and "?model=" in option["remedy"]
    refused = http.post("/analyze", files=sent(song), headers={"Accept": "image/png"})
    assert error_of(refused, 406)["code"] == "not_acceptable"


def test_what_a_path_takes_is_told_to_who_asks_otherwise(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/analyze", "/jobs/{job}", "/recordings/{recording}/audio"} <= set(paths)
    for template, operations in paths.items():
        path = re.sub("{[a-z]+}", "x", template)
        known = {name.upper() for name in operations}
        known |= {"HEAD"} if "GET" in known else set()
        for method in sorted({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - known):
            refused = http.request(method, path)
            assert refused.status_code == 405, (method, path)
            assert set(refused.headers["allow"].split(", ")) == known, (method, path)
    for path in ("/", "/page.css", "/openapi.json"):
        assert http.post(path).headers["allow"] == "GET, HEAD"
    for method in ("GET", "POST", "HEAD"):
        assert http.request(method, "/nowhere").status_code == 404
    # What watches over services asks by HEAD.
    asked = http.head("/health")
    assert asked.status_code == 200 and not asked.content and int(asked.headers["content-length"]) > 0


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ("/analyze?hopp=0.5", "unknown_name", "unknown option 'hopp'. Did you mean 'hop'?"),
        ("/analyze?min_duration=3", "unknown_name", "Did you mean 'min-duration'?"),
        ("/analyze?model=notes&model=instruments", "usage", "model is given 2 times"),
        ("/evaluate?pth=labelled", "unknown_name", "Did you mean 'path'?"),
    ],
)
def test_an_option_that_nobody_reads_is_refused(
    http: httpx.Client, song: Path, asked: str, code: str, told: str
) -> None:
    error = error_of(http.post(asked, files=sent(song)), 400)
    assert error["code"] == code and told in error["message"]


def test_facts_take_no_options_but_those_that_they_have(http: httpx.Client) -> None:
    assert "takes no options" in error_of(http.get("/formats?page=2"), 400)["message"]
    assert http.get("/labels?model=field").status_code == 200


def test_answers_are_the_objects_that_are_described(http: httpx.Client, song: Path) -> None:
    """By ``/openapi.json`` alone, as a program that somebody generates from it reads them."""
    jsonschema = pytest.importorskip("jsonschema")
    described = http.get("/openapi.json").json()

    def check(values: Any, name: str) -> None:
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **described}).validate(
            values
        )

    both = [*sent(song).items(), ("file", ("x.wav", b"text"))]
    answer = http.post("/analyze?model=instruments,notes&scores=1&raw=1", files=both)
    check(answer.json(), "answer")
    assert len(answer.json()["files"]) == 2 and len(answer.json()["errors"]) == 1
    lines = http.post("/analyze?format=ndjson", files=both).text.splitlines()
    names = {
        "queued": "queued",
        "progress": "progress",
        "file": "heard",
        "error": "failed",
        "end": "lines_end",
    }
    kinds = {(values := json.loads(line))["kind"]: check(values, names[values["kind"]]) for line in lines}
    assert {"file", "error", "end"} <= set(kinds)
    job = http.post("/analyze", files=sent(song), headers={"Prefer": "respond-async"})
    check(job.json(), "job")
    where = job.url.join(job.headers["location"])
    while (now := http.get(where).json())["job"]["ended"] is None:
        time.sleep(0.05)
    check(now, "job")
    assert where.join(now["job"]["result"]["href"]) == f"{where}/result"
    assert http.delete(where).status_code == 204
    for wrong in (http.post("/analyze?hop=many", files=sent(song)), http.get(f"{where}0"), http.get("/no")):
        check(wrong.json(), "error")
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"], path
            told = operation["responses"]["4XX"]["content"]["application/json"]["schema"]
            assert told == {"$ref": "#/components/schemas/error"}


def test_too_large_and_too_long_are_refused_and_leave_nothing(
    http: httpx.Client, served: Served, tmp_path: Path
) -> None:
    def endless() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(80):
            yield bytes(64 << 10)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert error_of(http.post("/analyze", content=endless(), headers=kind), 413)["code"] == "too_large"
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 70), 8000, subtype="PCM_16")
    assert error_of(http.post("/analyze", files=sent(tmp_path / "long.wav")), 413)["code"] == "too_long"
    assert not list((served.state / "jobs").iterdir())


def test_other_pages_and_other_hosts_are_refused(http: httpx.Client, song: Path) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    assert error_of(http.post("/analyze", files=sent(song), headers=foreign), 403)["code"] == "forbidden"
    assert error_of(http.get("/models", headers={"Host": "elsewhere.example"}), 403)["code"] == "forbidden"
    answer = http.get("/models", headers=foreign)
    assert "access-control-allow-origin" not in answer.headers
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../x.wav", "x.wav"),
        ("a\r\nb.wav", "ab.wav"),
        ("..", "upload"),
        ("<img>.wav", "<img>.wav"),
        ("C:\\x.wav", "x.wav"),
    ],
)
def test_names_of_uploads_are_text_only(given: str, name: str) -> None:
    assert clean_name(given) == name


def test_sizes_in_words() -> None:
    assert [parse_size(text) for text in ("500M", "2GiB", "10")] == [500 << 20, 2 << 30, 10]


def test_no_root_no_files(song: Path) -> None:
    with pytest.raises(Exception, match="reads no files"):
        under_root(None, str(song))


# ---- recordings --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(http: httpx.Client, song: Path) -> str:
    return http.post("/recordings", files=sent(song)).json()["recording"]["id"]


def test_peaks_and_sound_are_those_of_the_recording(http: httpx.Client, recording: str, song: Path) -> None:
    facts = http.get(f"/recordings/{recording}").json()["recording"]
    assert (facts["state"], facts["duration"], facts["sample_rate"]) == ("ready", 4.0, 16_000)
    peaks = http.get(f"/recordings/{recording}/peaks?points=4").json()
    assert peaks["max"] == pytest.approx([0.999, 0.999, 0, 0], abs=0.01)
    assert error_of(http.get(f"/recordings/{recording}/peaks?end=6.3e16"), 422)["code"] == "invalid"
    whole = http.get(f"/recordings/{recording}/audio")
    assert np.array_equal(soundfile.read(io.BytesIO(whole.content), dtype="int16")[0][:100],
                          soundfile.read(song, dtype="int16")[0][:100])  # fmt: skip
    part = http.get(f"/recordings/{recording}/audio", headers={"Range": "bytes=44-143"})
    assert part.status_code == 206 and part.content == whole.content[44:144]


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_a_full_scale_sine_is_at_zero_decibels_and_in_its_row(
    http: httpx.Client, recording: str, scale: str
) -> None:
    image = pytest.importorskip("PIL.Image")
    answer = http.get(
        f"/recordings/{recording}/spectrogram",
        params={"width": 80, "height": 100, "low": 500, "high": 1500, "scale": scale, "floor_db": -100},
    )
    grey = np.asarray(image.open(io.BytesIO(answer.content)))
    assert grey.shape == (100, 80)
    assert grey[:, 20].max() >= 255 - 4  # within 1.5 dB
    assert grey[:, 60].max() <= 1
    edges = {"linear": np.linspace(500, 1500, 101), "log": np.geomspace(500, 1500, 101)}.get(scale)
    if edges is not None:
        row = 99 - int(grey[:, 20].astype(int).argmax())
        assert edges[max(row - 3, 0)] <= 1000 <= edges[min(row + 4, 100)]


def test_asking_again_with_another_threshold_is_what_asking_first_gives(
    http: httpx.Client, recording: str, song: Path
) -> None:
    wait = {"Prefer": "wait"}
    http.post(f"/recordings/{recording}/analyze", headers=wait)
    again = http.post(f"/recordings/{recording}/analyze?threshold=0.01&format=csv", headers=wait)
    assert again.content == http.post("/analyze?threshold=0.01&format=csv", files=sent(song)).content


def test_what_was_heard_is_kept_as_numbers_and_text_alone(melody: Path, tmp_path: Path) -> None:
    """Decided again, it is what the recording gives; what is damaged is heard again; nothing is pickled."""
    options = {"instruments": {"threshold": 0.02, "max_gap": 0.5}, "notes": {"onset": 0.7, "mono": True}}
    for name, wishes in options.items():
        model: Any = sonoscope.load(name)
        recording = api.one_recording(str(melody))
        heard.keep(model.analyze(melody), tmp_path, name)
        recalled = heard.recall(model, recording, tmp_path, name)
        assert recalled is not None
        assert recalled.decide(**wishes).as_written().events == model.analyze(melody, **wishes).events != ()
        for kept in (tmp_path / f"{name}.scores", tmp_path / f"{name}.notes"):
            if kept.exists():
                kept.write_bytes(kept.read_bytes()[:-9])
        assert heard.recall(model, recording, tmp_path, name) is None
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".frames", ".notes", ".scores"]


def test_what_spoke_is_a_picture_of_the_moment_in_question(http: httpx.Client, tmp_path: Path) -> None:
    """Of a long recording only what is around the moment is heard: an hour of it takes no longer."""
    image = pytest.importorskip("PIL.Image")
    rate = 16_000
    t = np.arange(50 * rate) / rate
    soundfile.write(tmp_path / "late.wav", np.where(t > 45, 0.5 * np.sin(2 * np.pi * 1000 * t), 0.0), rate)
    recording = http.post("/recordings", files=sent(tmp_path / "late.wav")).json()["recording"]["id"]
    wish = {"label": "flute", "start": 47, "width": 40, "height": 30, "high": 8000}
    answer = http.get(f"/recordings/{recording}/explain", params=wish)
    assert answer.status_code == 200, answer.text
    assert float(answer.headers["x-start"]) <= 47 <= float(answer.headers["x-end"]) <= 50
    assert answer.headers["x-label"] == "flute"
    assert image.open(io.BytesIO(answer.content)).size == (40, 30)
    late = http.get(f"/recordings/{recording}/explain", params={**wish, "start": 51})
    assert "must lie in the recording" in error_of(late, 400)["message"]
    http.delete(f"/recordings/{recording}")


def test_clips_are_labelled_folders(http: httpx.Client, recording: str) -> None:
    answer = http.post(
        f"/recordings/{recording}/clips", json={"clips": [{"start": 0.5, "end": 1.5, "label": "../a"}]}
    )
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    names = archive.namelist()
    assert names[1] == "manifest.csv" and ".." not in names[0].split("/")[0]
    assert soundfile.info(io.BytesIO(archive.read(names[0]))).frames == 16_000
    wrong = http.post(
        f"/recordings/{recording}/clips", json={"clips": [{"start": 3, "end": 9, "label": "a"}]}
    )
    assert error_of(wrong, 400)["code"] == "usage"


# ---- jobs --------------------------------------------------------------------------------------------------


def test_a_job_is_accepted_done_and_forgotten(http: httpx.Client, song: Path) -> None:
    accepted = http.post("/analyze?format=csv", files=sent(song), headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    job = accepted.json()["job"]["id"]
    assert ended(http, job)["state"] == "done"
    assert (
        http.get(f"/jobs/{job}/result").content == http.post("/analyze?format=csv", files=sent(song)).content
    )
    assert http.delete(f"/jobs/{job}").status_code == 204
    assert error_of(http.get(f"/jobs/{job}"), 404)["code"] == "not_found"


@pytest.mark.slow
def test_a_killed_service_loses_no_accepted_job(song: Path, tmp_path: Path) -> None:
    first = start(tmp_path)
    try:
        jobs = [
            httpx.post(
                f"{first.url}/analyze?format=csv", files=sent(song), headers={"Prefer": "respond-async"}
            )
            for _ in range(5)
        ]
    finally:
        first.kill()
    second = start(tmp_path)
    try:
        with httpx.Client(base_url=second.url) as http:
            names = [job.json()["job"]["id"] for job in jobs]
            assert [ended(http, name)["state"] for name in names] == ["done"] * 5
            assert len({http.get(f"/jobs/{name}/result").content for name in names}) == 1
    finally:
        second.kill()


def test_a_page_that_is_let_in_may_read_what_answers_tell(song: Path, tmp_path: Path) -> None:
    served, page = start(tmp_path, "--allow-origin", "https://page.example"), "https://page.example"
    try:
        with httpx.Client(base_url=served.url, headers={"Origin": page}) as http:
            job = http.post("/analyze", files=sent(song), headers={"Prefer": "respond-async"})
            shown = job.headers["access-control-expose-headers"].lower()
            assert job.headers["access-control-allow-origin"] == page and "location" in job.headers
            assert {"location", "retry-after", "x-sonoscope-failed"} <= set(shown.split(", "))
    finally:
        served.kill()


def test_a_folder_that_cannot_be_written_is_named_with_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for state in (tmp_path / "file", tmp_path / "file" / "state"):
        assert main(["serve", "--port", "0", "--state", str(state)]) == 2
        told = capsys.readouterr().err
        assert f"--state {state} cannot be written" in told and "Name another" in told


def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ASCII"):
        Settings(state=tmp_path, auth_token="geheimes-Öhr").checked()


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    served = start(tmp_path, "--auth-token", "a-long-secret")
    try:
        with httpx.Client(base_url=served.url) as http:
            assert http.get("/health").json()["authorised"] is False
            assert error_of(http.get("/models"), 401)["code"] == "unauthorised"
            bearer = {"Authorization": "Bearer a-long-secret"}
            assert http.get("/models", headers=bearer).status_code == 200
            assert error_of(http.post("/session", json={"token": "another"}), 401)
            assert "HttpOnly" in http.post("/session", json={"token": "a-long-secret"}).headers["set-cookie"]
            assert http.get("/models").status_code == 200
        assert asyncio.run(told_first(served, '{"rate": 8000}'))["error"]["code"] == "unauthorised"
        hello = '{"rate": 8000, "token": "a-long-secret"}'
        assert asyncio.run(told_first(served, hello))["kind"] == "stream"
    finally:
        served.kill()


# ---- live --------------------------------------------------------------------------------------------------


def test_live_sound_gives_the_events_of_the_recording(http: httpx.Client, served: Served, song: Path) -> None:
    websockets = pytest.importorskip("websockets")
    samples, rate = soundfile.read(song, dtype="int16")

    async def heard() -> list[dict[str, Any]]:
        async with websockets.connect(f"ws{served.url[4:]}/live") as socket:
            await socket.send(
                json.dumps({"rate": rate, "model": "instruments", "threshold": 0.01, "scores": True})
            )
            found = [json.loads(await socket.recv())]
            for first in range(0, len(samples), 1600):
                await socket.send(samples[first : first + 1600].tobytes())
            await socket.send('{"kind": "end"}')
            return found + [json.loads(message) async for message in socket]

    messages = asyncio.run(heard())
    assert messages[0]["kind"] == "stream" and messages[-1]["kind"] == "end"
    offline = http.post("/analyze?threshold=0.01&scores=true", files=sent(song)).json()["files"][0]
    if not messages[-1]["lost"]:  # a machine that cannot follow leaves sound out, and says so
        live = sorted(
            (m["start"], m["end"], m["label"]) for m in messages if m["kind"] == "off" and "start" in m
        )
        assert live == sorted((e["start"], e["end"], e["label"]) for e in offline["events"])
        assert sum(m["kind"] == "scores" for m in messages) == len(offline["scores"]["start"])


async def told_first(served: Served, hello: str, query: str = "", **options: Any) -> dict[str, Any]:
    """The first answer to a first message."""
    websockets = pytest.importorskip("websockets")
    async with websockets.connect(f"ws{served.url[4:]}/live{query}", **options) as socket:
        await socket.send(hello)
        return json.loads(await socket.recv())


def test_a_wrong_hello_is_refused(served: Served) -> None:
    websockets = pytest.importorskip("websockets")
    assert asyncio.run(told_first(served, "{}"))["error"]["code"] == "invalid"
    asked = asyncio.run(told_first(served, '{"rate": 8000}', "?model=notes"))
    assert asked["error"]["code"] == "usage" and "address" in asked["error"]["message"]
    unknown = asyncio.run(told_first(served, '{"rate": 48000, "model": "nots"}'))
    assert unknown["error"]["code"] == "unknown_name"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(told_first(served, "{}", origin="https://elsewhere.example"))


def test_any_name_of_an_upload_comes_back(http: httpx.Client, song: Path) -> None:
    answer = http.post("/analyze", files=sent(song, "Дрозд «ночью» 鳥.wav")).json()
    assert answer["files"][0]["file"] == "Дрозд «ночью» 鳥.wav"


def test_a_labelled_folder_is_judged(http: httpx.Client, song: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.write(song, "set/piano/a.wav")
        file.write(song, "set/violin/b.wav")
    answer = http.post("/evaluate?draws=0", files={"file": ("set.zip", archive.getvalue())})
    assert answer.status_code == 200, answer.text
    assert "macro_ap" in answer.json()["figures"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.write(song, "../../a.wav")
    answer = http.post("/evaluate?draws=0", files={"file": ("set.zip", archive.getvalue())})
    assert error_of(answer, 422)["code"] == "unreadable"


# ---- archives ----------------------------------------------------------------------------------------------


def zipped(song: Path, *names: str, packing: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with the sound under these names, and a text beside them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", packing) as file:
        for name in names:
            file.write(song, name)
        file.writestr("read me.txt", "not sound")
    return archive.getvalue()


def test_an_archive_is_heard_as_by_the_command(http: httpx.Client, song: Path, tmp_path: Path) -> None:
    content = zipped(song, "night/a.wav", "b.wav", "../c.wav", packing=zipfile.ZIP_DEFLATED)
    answer = http.post("/analyze?threshold=0.01&format=csv", files={"file": ("take.zip", content)})
    assert answer.status_code == 200, answer.text
    (tmp_path / "take.zip").write_bytes(content)
    assert (
        main(
            ["analyze", str(tmp_path / "take.zip"), "-o", str(tmp_path / "out"), "-q", "--threshold", "0.01"]
        )
        == 0
    )
    assert answer.content == (tmp_path / "out" / "events.csv").read_bytes()
    folder = tmp_path / "packed"
    folder.mkdir()
    (folder / "a.wav").write_bytes(song.read_bytes())
    with tarfile.open(tmp_path / "take.tar.gz", "w:gz") as file:
        file.add(folder / "a.wav", "a.wav")
    found = http.post(
        "/analyze", files={"file": ("take.tar.gz", (tmp_path / "take.tar.gz").read_bytes())}
    ).json()
    assert [one["file"] for one in found["files"]] == ["take.tar.gz/a.wav"]


def test_archives_that_are_empty_damaged_or_too_large_are_refused(http: httpx.Client, song: Path) -> None:
    def asked(content: bytes, route: str = "/analyze") -> httpx.Response:
        return http.post(route, files={"file": ("x.zip", content)})

    assert "no recordings" in error_of(asked(zipped(song)), 400)["message"]
    whole = zipped(song, "a.wav")
    assert error_of(asked(whole[: len(whole) // 2]), 422)["code"] == "unreadable"
    assert "archive" in error_of(asked(whole, "/recordings"), 400)["message"]
    # Silence of 20 MB in 20 kB; this service takes uploads of 3 MiB and archives of four times that.
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(10_000_000, np.int16), 48_000, format="WAV")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("silence.wav", silence.getvalue())
    assert error_of(asked(bomb.getvalue()), 413)["code"] == "too_large"
