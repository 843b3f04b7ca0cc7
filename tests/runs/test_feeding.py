"""A process for each GPU, fed by workers: the bytes of one process, and GPUs that fail or are lost are named.

The processor stands for the GPUs: the real ONNX Runtime, in processes that each see one of them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from sonoscope import models, runs
from sonoscope.errors import SonoscopeError, Stopped, UsageError
from sonoscope.models import devices
from sonoscope.models.runtime import Runtime
from sonoscope.runs import feeding
from sonoscope.runs.memory import family

#: What stands for a GPU, in a module that fresh processes can import.
ENGINE = '''
import os

from sonoscope.models import devices


def engine(graph):
    """The processor, as the GPU that this process sees."""
    gpu = os.environ["CUDA_VISIBLE_DEVICES"]
    if gpu == os.environ.get("BROKEN_GPU"):
        raise devices.Absent("it is broken: mend it")
    return devices.cpu_session(graph), f"processor as GPU {gpu}"
'''
LOST = r"the process of GPU 3 has ended \(.*\).* The same command again goes on from here"
NAMES = [f"s{i % 2}/{i}.wav" for i in range(6)]


@pytest.fixture(autouse=True)
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, the second called 3."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/standing_for_a_gpu.py").write_text(ENGINE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "standing_for_a_gpu", raising=False)
    from standing_for_a_gpu import engine

    monkeypatch.setattr(devices, "ENGINES", {"processor": engine})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "cache"))


def test_two_gpus_and_three_workers_write_what_one_process_writes(make, run, tmp_path, contents) -> None:
    folder = make(*NAMES, seconds=1.5)
    (folder / "bad.wav").write_text("no sound")
    run(folder, out="whole")
    before = family(os.getpid())
    summary = run(folder, on="cuda", workers=3)
    assert (summary.done, summary.failed) == (len(NAMES), 1)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    told = json.loads((tmp_path / "out/run.json").read_text())["gpus"]
    assert [(gpu["gpu"], gpu["engine"]) for gpu in told] == [(n, f"processor as GPU {n}") for n in "03"]
    assert all(gpu["calls"] > 0 and 0 < gpu["busy"] <= 1 for gpu in told)
    # No process stays that was not there; the server that forks workers may be new.
    assert len(set(family(os.getpid())) - set(before)) <= 2
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,3"


def test_a_gpu_that_cannot_be_used_is_named_and_nothing_is_done(make, run, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BROKEN_GPU", "3")
    with pytest.raises(
        UsageError, match=r"GPU 3 cannot be used\. processor: it is broken: mend it\. .*CUDA_VISIBLE_DEVICES"
    ):
        run(make(*NAMES[:2]), on="cuda", workers=2)
    assert not list((tmp_path / "out").rglob("*.events.csv"))
    # It is not used where there is one worker for the first.
    with feeding.Gpus(task_of(tmp_path), 1) as found:
        assert [gpu.name for gpu in found.places] == ["0"]


def task_of(tmp_path: Path):
    from sonoscope.runs.job import Task

    spec = runs.RunSpec(("a",), str(tmp_path), on="cuda")
    bundles = (models.load("instruments"), models.load("notes"))
    return Task(spec, bundles, (), "", tmp_path, tmp_path, tmp_path / "log")


def test_graphs_elsewhere_answer_as_here(tmp_path) -> None:
    """Of several shapes; what goes wrong there is told here, and the next call is answered, until nobody is there."""
    task = task_of(tmp_path)
    with feeding.Gpus(task, 2) as found:
        for bundle, gpu in zip(task.bundles, found.places, strict=True):
            here = Runtime(bundle)
            there = Runtime(bundle, on="cuda", opener=feeding.Door(gpu, bundle))
            names = [entry["name"] for entry in bundle.spec["outputs"].values()]
            for rows in devices.example(bundle):
                feeds = {bundle.spec["input"]["name"]: rows}
                ours, theirs = there.session.run(names, feeds), here.session.run(names, feeds)
                assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
            with pytest.raises(RuntimeError, match="nobody"):
                there.session.run(names, {"nobody": np.zeros((1, 0), np.float32)})
            assert there.session.run(None, feeds)[0].shape == theirs[0].shape
        with pytest.raises(SonoscopeError, match="cannot be loaded"):
            feeding.Door(gpu, bundle).open(tmp_path / "gone.onnx")
        found._feeders[1]._process.kill()
        with pytest.raises(Stopped, match=LOST):
            there.session.run(None, feeds)
    assert [gpu.get("calls") for gpu in found.told] == [3, None]


def test_a_gpu_that_is_lost_ends_the_run_which_goes_on_later(
    make, run, tmp_path, contents, monkeypatch
) -> None:
    folder = make(*NAMES, seconds=1.5)
    run(folder, out="whole")
    enter = feeding.Gpus.__enter__

    def lost(self: feeding.Gpus) -> feeding.Gpus:
        found = enter(self)
        self._feeders[1]._process.kill()
        self._feeders[1]._process.join()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(feeding.Gpus, "__enter__", lost)
        with pytest.raises(Stopped, match=LOST):
            run(folder, on="cuda", workers=2)
    assert json.loads((tmp_path / "out/run.json").read_text())["status"] == "stopped"
    run(folder, on="cuda", workers=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_gpus_are_those_that_the_process_may_use(monkeypatch) -> None:
    assert devices.visible() == ("0", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.visible() == ()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert all(name.isdigit() for name in devices.visible())
