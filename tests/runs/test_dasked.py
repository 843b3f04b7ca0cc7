"""Workers of a dask cluster do the same work, also when one of them is lost; recordings may be staged."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time

import pytest

from sonoscope.errors import UsageError
from sonoscope.runs.dasked import _Hands, queue_settings
from sonoscope.runs.written import Written

NAMES = [f"s{i % 2}/{i}.wav" for i in range(8)]


@pytest.mark.slow
def test_a_worker_that_is_lost_changes_nothing(make, run, tmp_path, contents) -> None:
    distributed = pytest.importorskip("distributed")
    folder = make(*NAMES, seconds=1.5)
    (folder / "bad.wav").write_text("no sound")
    run(folder, out="whole")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:

        def kill() -> None:
            until = time.monotonic() + 60
            while not list((tmp_path / "out").rglob("*.events.csv")) and time.monotonic() < until:
                time.sleep(0.05)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        summary = run(folder, dask=cluster.scheduler_address)
        killer.join()
    assert (summary.done, summary.failed) == (len(NAMES), 1)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_result_that_is_lost_before_it_is_fetched_is_made_again(
    make, run, tmp_path, contents, monkeypatch
) -> None:
    distributed = pytest.importorskip("distributed")
    folder = make(*NAMES, seconds=1.5)
    run(folder, out="whole")
    arrived, lost = _Hands._arrived, []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:

        def late(hands: _Hands) -> list:
            while not lost:
                told = [future for future in hands._under_way if future.status == "finished"]
                if told and hands._ready.has_ready():
                    lost.append(told[0])
                    (holder,) = hands._client.who_has(told)[told[0].key]
                    (nanny,) = (each for each in cluster.workers.values() if each.worker_address == holder)
                    os.kill(nanny.pid, signal.SIGKILL)
                    until = time.monotonic() + 60
                    while told[0].status == "finished" and time.monotonic() < until:
                        time.sleep(0.001)
                    assert told[0].status != "finished"
                time.sleep(0.05)
            return arrived(hands)

        monkeypatch.setattr(_Hands, "_arrived", late)
        summary = run(folder, dask=cluster.scheduler_address)
    assert (summary.done, summary.failed) == (len(NAMES), 0)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_cluster_of_this_machine(make, run, tmp_path, contents) -> None:
    pytest.importorskip("distributed")
    folder = make(*NAMES[:4], seconds=1.5)
    run(folder, out="whole")
    run(folder, dask="local", workers=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_staged_recordings_give_the_same_and_leave_nothing(make, run, tmp_path, contents) -> None:
    folder = make(*NAMES[:3], seconds=1.5)
    (tmp_path / "disk").mkdir()
    run(folder, out="whole")
    run(folder, stage=str(tmp_path / "disk"), stage_limit=1 << 20)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert list((tmp_path / "disk").iterdir()) == []
    # What is larger than the share is read where it is.
    run(folder, out="little", stage=str(tmp_path / "disk"), stage_limit=10)
    assert contents(tmp_path / "little") == contents(tmp_path / "whole")


def test_results_are_made_on_the_disk_unless_it_is_full(make, run, tmp_path, contents, monkeypatch) -> None:
    folder, disk = make(*NAMES[:3], seconds=1.5), tmp_path / "disk"
    disk.mkdir()
    run(folder, out="whole", scores="csv")
    made: list[bool] = []
    write = Written.open

    def full(self: Written, place: str, *, binary: bool):
        made.append(disk in self.tmp.parents)
        if made[-1] and len(made) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, place, binary=binary)

    monkeypatch.setattr(Written, "open", full)
    summary = run(folder, stage=str(disk), scores="csv")
    assert made[:3] == [True] * 3 and not made[-1] and summary.done == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": "nowhere"}, "--stage .*nowhere cannot be written"),
        ({"stage_limit": 10}, "give --stage FOLDER too"),
        ({"dask": "cluster"}, "must be the address of a scheduler"),
        ({"dask": "tcp://127.0.0.1:9"}, "no scheduler answers there"),
    ],
)
def test_what_cannot_be_is_refused(make, run, options, message, monkeypatch) -> None:
    if "dask" in options:
        pytest.importorskip("distributed")
        monkeypatch.setattr("sonoscope.runs.dasked.ANSWER_S", 1)
    with pytest.raises(UsageError, match=message):
        run(make("a.wav", seconds=1), **options)


def test_settings_of_a_queue_are_read(tmp_path) -> None:
    file = tmp_path / "queue.yaml"
    file.write_text("slurm: {queue: long, cores: 2, memory: 4GiB}\n")
    assert queue_settings(file) == ("slurm", {"queue": "long", "cores": 2, "memory": "4GiB"})
    file.write_text("slurn: {}\n")
    with pytest.raises(UsageError, match="one of slurm, pbs, sge, lsf"):
        queue_settings(file)
