"""Jobs when things go wrong: a full queue, a worker that dies, falls silent or has no memory, restarts, and time."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from sonoscope.service import house as houses
from sonoscope.service.app import create_app
from sonoscope.service.faults import fault_of
from sonoscope.service.office import ENDED
from sonoscope.service.settings import Settings

LATER = {"Prefer": "respond-async"}


@contextmanager
def service(state: Path, **settings: Any) -> Iterator[TestClient]:
    """A service in this process, with workers of its own."""
    made = Settings(state=state, **{"workers": 1, **settings})
    with TestClient(create_app(made), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One with a short queue."""
    with service(tmp_path_factory.mktemp("service"), queue=2) as made:
        yield made


def worker(client: TestClient) -> int:
    """Its only worker's process, once it runs."""
    (crewman,) = client.app.state.house.office._crew  # type: ignore[attr-defined]
    return wait(lambda: crewman.is_running and crewman._process.pid)


def state_of(client: TestClient) -> Path:
    return client.app.state.house.settings.state  # type: ignore[attr-defined,no-any-return]


def wait(what: Any) -> Any:
    """What ``what()`` is as soon as it is true."""
    for _ in range(600):
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came true")


def later(client: TestClient, song: Path) -> str:
    """A job that is asked for later."""
    answer = client.post("/analyze?format=csv", files={"file": ("a.wav", song.read_bytes())}, headers=LATER)
    assert answer.status_code == 202, answer.text
    return answer.json()["job"]["id"]


def job(client: TestClient, name: str) -> dict[str, Any]:
    return client.get(f"/jobs/{name}").json()["job"]


def over(client: TestClient, name: str) -> dict[str, Any]:
    return wait(lambda: (found := job(client, name))["ended"] and found)


@contextmanager
def held(client: TestClient, song: Path, silence_s: float = 120.0) -> Iterator[str]:
    """A job that is under way for as long as this lasts, or as its silence is borne: its worker is stopped."""
    ready = later(client, song)  # whoever has done a job can be stopped in the midst of the next one
    over(client, ready)
    client.delete(f"/jobs/{ready}")
    wait(lambda: client.get("/health").json()["running"] == 0)
    pid = worker(client)
    os.kill(pid, signal.SIGSTOP)
    (crewman,) = client.app.state.house.office._crew  # type: ignore[attr-defined]
    patient = crewman._settings
    crewman._settings = replace(patient, silence_s=silence_s)
    try:
        name = later(client, song)
        wait(lambda: job(client, name)["state"] == "running")
        yield name
    finally:
        crewman._settings = patient
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_a_full_queue_says_when_to_come_back_and_loses_nothing(client: TestClient, song: Path) -> None:
    with held(client, song) as first:
        waiting = [later(client, song) for _ in range(2)]
        assert [job(client, name)["position"] for name in waiting] == [0, 1]
        for route in ("/analyze", "/recordings", "/embed", "/evaluate"):
            refused = client.post(route, files={"file": ("a.wav", song.read_bytes())})
            assert refused.status_code == 503 and refused.json()["error"]["code"] == "busy"
            assert int(refused.headers["retry-after"]) >= 1
        assert len(list((state_of(client) / "jobs").iterdir())) == 3
        assert client.delete(f"/jobs/{waiting[0]}").status_code == 204  # makes room
        waiting[0] = later(client, song)
    assert {over(client, name)["state"] for name in (first, *waiting)} == {"done"}


def test_a_job_under_way_is_cancelled_and_the_next_one_is_done(client: TestClient, song: Path) -> None:
    with held(client, song) as name:
        assert client.get(f"/jobs/{name}/result").status_code == 409
        assert client.delete(f"/jobs/{name}").status_code == 204
        assert client.get(f"/jobs/{name}").status_code == 404
    assert over(client, later(client, song))["state"] == "done"


def test_a_worker_that_dies_costs_its_own_job_only(client: TestClient, song: Path) -> None:
    with held(client, song) as name:
        next_one = later(client, song)
        os.kill(worker(client), signal.SIGKILL)
        assert over(client, name)["error"]["code"] == "crashed"
    assert over(client, next_one)["state"] == "done"
    told = client.get(f"/jobs/{name}/result")
    assert told.status_code == 422 and set(told.json()) == {"error"}


def test_a_worker_that_falls_silent_is_stopped(client: TestClient, song: Path) -> None:
    with held(client, song, silence_s=1.0) as name:
        assert over(client, name)["error"]["code"] == "too_slow"
    assert over(client, later(client, song))["state"] == "done"


def test_a_worker_gets_the_memory_it_is_told_and_no_more(song: Path, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    program = (
        "from sonoscope.service.worker import begun\n"
        "begun({'memory_bytes': 1 << 30})\n"
        "bytearray(100 << 20)\n"
        "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    raise SystemExit(7)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7
    # Where there is too little even to begin, each request is told so, and none hangs.
    with service(tmp_path, memory_bytes=40 << 20) as client:
        answer = client.post("/analyze", files={"file": ("a.wav", song.read_bytes())})
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "crashed"
        assert not list((tmp_path / "jobs").iterdir())


def test_what_was_under_way_goes_on_after_a_restart(song: Path, tmp_path: Path) -> None:
    with service(tmp_path, short_s=1.0) as client, held(client, song) as first:
        names = [first, later(client, song)]
        done_before = client.post("/recordings?path=x").status_code  # nothing of it stays
        assert done_before == 403
        (tmp_path / "jobs" / "stray").mkdir()
    with service(tmp_path, short_s=1.0) as client:
        assert [over(client, name)["state"] for name in names] == ["done", "done"]
        results = {client.get(f"/jobs/{name}/result").content for name in names}
        assert len(results) == 1 and results.pop().startswith(b"file,start,end")
        assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == sorted(names)


def test_what_is_old_is_removed_and_a_full_disk_is_told(song: Path, tmp_path: Path) -> None:
    with service(tmp_path, store_age_s=1.0, short_s=1.0) as client:
        answer = client.post("/analyze?format=csv", files={"file": ("a.wav", song.read_bytes())})
        name = answer.json()["job"]["id"]
        assert answer.status_code == 202 and answer.headers["location"] == f"jobs/{name}"  # it was long
        assert over(client, name)["state"] == "done"
        sent = {"file": ("a.wav", song.read_bytes())}
        recording = client.post("/recordings", files=sent).json()["recording"]["id"]
        time.sleep(1.1)
        client.portal.call(client.app.state.house.sweep)  # type: ignore[union-attr,attr-defined]
        assert client.get(f"/jobs/{name}").status_code == 404
        assert client.get(f"/recordings/{recording}").status_code == 404
        assert not list((tmp_path / "jobs").iterdir()) and not list((tmp_path / "recordings").iterdir())
    with service(tmp_path / "small", store_bytes=1000) as client:
        refused = client.post("/analyze", files=sent)
        assert refused.status_code == 503 and "retry-after" in refused.headers


def test_a_disk_that_takes_no_more_is_told_as_that(
    client: TestClient, song: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resource = pytest.importorskip("resource")
    limits, jobs = resource.getrlimit(resource.RLIMIT_FSIZE), state_of(client) / "jobs"
    before = set(jobs.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        for route in ("/analyze", "/recordings"):
            answer = client.post(route, files={"file": ("a.wav", song.read_bytes())})
            assert answer.status_code == 507 and answer.json()["error"]["code"] == "full", answer.text
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert set(jobs.iterdir()) == before and not list((state_of(client) / "recordings").iterdir())
    assert [record.exc_info for record in caplog.records if "no room" in record.message] == [None, None]
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert fault_of(full).code == "full"


def test_who_breaks_an_upload_off_leaves_nothing_and_no_line_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["serve", "--port", "0", "--workers", "1", "--state", str(tmp_path / "state")]
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "sonoscope", *words], stdout=subprocess.PIPE, stderr=file, text=True
        )
    try:
        assert process.stdout is not None
        place = httpx.URL(process.stdout.readline().strip())
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(
            100_000
        )
        head = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n"
        jobs = tmp_path / "state" / "jobs"
        with socket.create_connection((place.host, place.port)) as connection:
            connection.sendall(b"POST /analyze HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head + part)
            wait(lambda: list(jobs.glob("*/upload-0")))
        wait(lambda: not list(jobs.iterdir()))
        process.terminate()
        process.wait(30)
        assert "Traceback" not in log.read_text() and "gone" not in log.read_text()
    finally:
        process.kill()


def test_who_goes_away_is_not_worked_for(song: Path, served: Any) -> None:
    status = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    if not status.exists():
        pytest.skip("needs /proc")

    def workers() -> list[int]:
        found = map(int, status.read_text().split())
        return [pid for pid in found if b"service.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    assert httpx.post(f"{served.url}/analyze", files={"file": ("a.wav", song.read_bytes())}, timeout=60)
    (pid,) = wait(workers)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{served.url}/analyze", files={"file": ("a.wav", song.read_bytes())}, timeout=1.0)
    wait(lambda: not list((served.state / "jobs").iterdir()))
    answer = httpx.post(f"{served.url}/analyze", files={"file": ("a.wav", song.read_bytes())}, timeout=60)
    assert answer.status_code == 200


def test_a_ledger_that_takes_no_more_ends_neither_jobs_nor_sweeps(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(houses, "SWEEP_S", 0.05)
    with service(tmp_path) as client:
        house = client.app.state.house  # type: ignore[attr-defined]
        put, swept = house.office._ledger.put, []

        def full(entry: Any) -> None:
            if entry.state in ENDED:
                raise sqlite3.OperationalError("database or disk is full")
            put(entry)

        def forget(moment: float) -> None:
            swept.append(moment)
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(house.office._ledger, "put", full)
        monkeypatch.setattr(house.office, "forget_before", forget)
        for _ in range(2):  # the worker goes on to the second
            assert over(client, later(client, song))["state"] == "done"
        wait(lambda: len(swept) > 1)
