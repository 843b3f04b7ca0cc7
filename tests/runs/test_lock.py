"""Locks: one writer for each part, taken over from the dead, never from another host."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sonoscope.errors import Locked
from sonoscope.runs import lock
from sonoscope.runs.lock import Lock, Owner


@pytest.fixture
def dead() -> Owner:
    """A process of this host that has ended."""
    code = (
        "import json; from dataclasses import asdict; from sonoscope.runs.lock import Owner; "
        "print(json.dumps(asdict(Owner.me())))"
    )
    return Owner(
        **json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    )


def leave(folder: Path, owner: Owner, part: str = "all") -> Path:
    file = folder / f"run.lock-{part}"
    file.write_text(json.dumps(asdict(owner)))
    return file


def test_a_lock_is_there_while_it_is_held(tmp_path):
    with Lock(tmp_path, "all"):
        assert lock.read(tmp_path / "run.lock-all") == Owner.me()
        assert list(lock.live(tmp_path)) == ["all"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["guard"]


def test_a_living_process_is_not_disturbed(tmp_path):
    with Lock(tmp_path, "all"):
        with pytest.raises(
            Locked, match=f"being written by process {os.getpid()} on {socket.gethostname()}"
        ) as e:
            Lock(tmp_path, "all")
        assert e.value.exit_code == 3
    Lock(tmp_path, "all").release()


def test_a_dead_process_is_succeeded(tmp_path, dead):
    leave(tmp_path, dead)
    with Lock(tmp_path, "all"):
        assert lock.read(tmp_path / "run.lock-all") == Owner.me()


def test_a_process_id_used_again_is_not_taken_for_the_owner(tmp_path):
    leave(tmp_path, replace(Owner.me(), started="1"))
    with Lock(tmp_path, "all"):
        assert lock.read(tmp_path / "run.lock-all") == Owner.me()


def test_a_host_that_was_restarted_has_no_living_owner(tmp_path):
    leave(tmp_path, replace(Owner.me(), boot="another boot"))
    with Lock(tmp_path, "all"):
        assert lock.read(tmp_path / "run.lock-all") == Owner.me()


def test_a_slurm_job_started_again_succeeds_itself_on_whatever_host(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    leave(tmp_path, replace(Owner.me(), host="node17", restarts="0"))
    Lock(tmp_path, "all").release()
    for change in ({"restarts": "1"}, {"job": "4712"}):
        leave(tmp_path, replace(Owner.me(), host="node17", **change))
        with pytest.raises(Locked, match="node17"):
            Lock(tmp_path, "all")


def test_a_lock_of_a_later_version_is_understood(tmp_path):
    (tmp_path / "run.lock-all").write_text(json.dumps(asdict(Owner.me()) | {"colour": "green"}))
    with pytest.raises(Locked, match="being written"):
        Lock(tmp_path, "all")


@pytest.mark.parametrize("change", [{"host": "node17"}, {"namespace": "pid:[1]"}])
def test_what_cannot_be_seen_from_here_is_refused_with_a_remedy(tmp_path, change):
    file = leave(tmp_path, replace(Owner.me(), **change))
    host = change.get("host", socket.gethostname())
    with pytest.raises(Locked, match=rf"process \d+ on {host}, .*delete {file}"):
        Lock(tmp_path, "all")
    assert file.exists()


def test_a_lock_without_content_is_waited_for_and_then_void(tmp_path):
    file = tmp_path / "run.lock-all"
    file.touch()
    with pytest.raises(Locked, match=r"just being locked, .* try again in 10 s"):
        Lock(tmp_path, "all")
    os.utime(file, (0, 0))
    Lock(tmp_path, "all").release()


def test_the_whole_and_its_parts_exclude_each_other(tmp_path, dead):
    with Lock(tmp_path, "1of4"), Lock(tmp_path, "2of4"):
        for part in ("all", "1of4", "1of2"):
            with pytest.raises(Locked):
                Lock(tmp_path, part)
    leave(tmp_path, dead, "3of8")
    Lock(tmp_path, "all").release()
    assert not (tmp_path / "run.lock-3of8").exists()


def test_what_a_kill_left_of_a_lock_is_cleared_away(tmp_path):
    (tmp_path / f"new-run.lock-all.{socket.gethostname()}.1").write_text("{")
    Lock(tmp_path, "all").release()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["guard"]


def test_of_many_that_try_at_once_one_gets_it(tmp_path, dead):
    for _ in range(20):
        leave(tmp_path, dead)
        got, refused = [], []
        barrier = threading.Barrier(8)

        def attempt(barrier=barrier, got=got, refused=refused) -> None:
            barrier.wait()
            try:
                got.append(Lock(tmp_path, "all"))
            except Locked:
                refused.append(1)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(got), len(refused)) == (1, 7)
        got[0].release()


def test_a_lock_taken_away_is_not_given_back(tmp_path):
    mine = Lock(tmp_path, "all")
    file = leave(tmp_path, replace(Owner.me(), host="node17"))
    mine.release()
    assert file.exists()
