"""Several processes: the same bytes, and a death among them costs one input at most."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from sonoscope import models, runs
from sonoscope.errors import BadBundle, SonoscopeError


def test_one_process_and_three_write_the_same(make, run, tmp_path, contents, leftovers):
    folder = make(*(f"s{i % 2}/{i}.wav" for i in range(12)), seconds=1.5)
    (folder / "bad.wav").write_text("no sound")
    for workers in (1, 3):
        summary = run(folder, out=f"with-{workers}", workers=workers, scores="csv")
        assert (summary.done, summary.failed) == (12, 1)
    assert contents(tmp_path / "with-1") == contents(tmp_path / "with-3")
    assert leftovers(tmp_path / "with-3") == []
    assert multiprocessing.active_children() == []


def test_fewer_inputs_than_workers_decode_in_a_second_thread_to_the_same_bytes(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav", seconds=20)
    for workers in (1, 4):
        run(folder, out=f"with-{workers}", workers=workers)
    run(folder / "a.wav", out="alone", workers=4)
    assert contents(tmp_path / "with-1") == contents(tmp_path / "with-4")
    alone = contents(tmp_path / "alone")
    assert alone["a.wav.events.csv"] == contents(tmp_path / "with-1")["a.wav.events.csv"]


class Killer(runs.Silent):
    """Kills every worker when one tells about an input that takes long."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.failed: list[runs.FileDone] = []

    def working(self, name: str, audio_s: float) -> None:
        if self.left:
            self.left -= 1
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
                process.join()

    def file_done(self, file: runs.FileDone) -> None:
        if file.status == "failed":
            self.failed.append(file)


@pytest.fixture
def long_ones(make) -> Path:
    make("a.wav", seconds=1)
    return make("long.wav", seconds=900, rate=8000)


def test_a_worker_that_dies_costs_nothing(run, long_ones, tmp_path):
    killer = Killer(1)
    summary = run(long_ones, workers=2, report=killer)
    assert killer.left == 0, "the long input was over too soon for this test"
    assert (summary.done, summary.failed) == (2, 0)
    assert summary.audio_s == pytest.approx(901)
    assert (tmp_path / "out/long.wav.events.csv").exists()


def test_an_input_that_kills_its_worker_twice_is_given_up(run, long_ones, tmp_path, leftovers):
    killer = Killer(2)
    summary = run(long_ones, workers=2, report=killer)
    assert killer.left == 0, "the long input was over too soon for this test"
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    (failed,) = killer.failed
    assert failed.name == "long.wav"
    assert failed.reason == "the process that analysed it died twice (signal 9, SIGKILL)"
    assert "fewer --workers" in failed.remedy
    assert leftovers(tmp_path / "out") == []


def test_workers_end_with_their_run(child, long_ones, tmp_path):
    process = child(inputs=[str(long_ones)], out=str(tmp_path / "out"), workers=2)
    tmp = tmp_path / "out/.sonoscope/tmp-all"
    while not multiprocessing_children(process.pid):
        time.sleep(0.01)
    time.sleep(0.5)
    mine = multiprocessing_children(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 60
    while any(Path("/proc", pid).exists() for pid in mine) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [pid for pid in mine if Path("/proc", pid).exists()]
    assert tmp.exists()


def multiprocessing_children(pid: int) -> list[str]:
    """Every living process below ``pid``."""
    parents: dict[str, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents.setdefault(fields[1], []).append(entry.name)
    found, todo = [], [str(pid)]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def test_workers_that_cannot_start_end_the_run(make, run, monkeypatch):
    monkeypatch.setattr("sonoscope.runs.workers._serve", os._exit)
    with pytest.raises(SonoscopeError, match="worker processes cannot start"):
        run(make("a.wav", "b.wav", "c.wav"), workers=2)


def test_a_bundle_that_cannot_be_loaded_ends_the_run(make, run, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(models.load("instruments").path, broken)
    (broken / "model.onnx").write_bytes(b"not a graph")
    description = json.loads((broken / "bundle.json").read_text())
    description["checksums"]["model.onnx"] = hashlib.sha256(b"not a graph").hexdigest()
    (broken / "bundle.json").write_text(json.dumps(description))
    for workers in (1, 2):
        with pytest.raises(BadBundle, match="cannot be loaded"):
            run(make("a.wav", "b.wav"), models=(str(broken),), workers=workers, out=f"out{workers}")
