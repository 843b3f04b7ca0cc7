"""Runs that end early, by force or for want of space: what is there is whole, and the next run goes on."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonoscope import runs
from sonoscope.errors import Stopped

KILLS = 18


def outside(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those files that a user sees."""
    return {name: content for name, content in files.items() if not name.startswith(".sonoscope")}


def lines_of(out: Path) -> int:
    journal = out / ".sonoscope/journal-all.jsonl"
    return journal.read_bytes().count(b'{"name"') if journal.exists() else 0


def wait_for_progress(process: subprocess.Popen[str], out: Path) -> None:
    """Until another line is in the journal, or the run is over."""
    before = lines_of(out)
    while process.poll() is None and lines_of(out) == before:
        time.sleep(0.002)


@pytest.fixture
def forked():
    """Run a function in a copy of this process; killing it costs no new interpreter."""
    started: list[int] = []

    def start(work: Callable[[], object]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(0)
        started.append(pid)
        return pid

    yield start
    for pid in started:
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_killed_again_and_again_the_result_is_that_of_one_run(
    make, run, forked, tmp_path, contents, leftovers
):
    folder = make(*(f"s{i % 3}/{i}.wav" for i in range(60)), seconds=1)
    (folder / "z.wav").write_text("no sound")
    out = tmp_path / "killed"
    run(folder, out="whole", scores="csv")
    whole = contents(tmp_path / "whole")
    rng = np.random.default_rng(8)
    kills = 0
    while kills < KILLS:
        pid = forked(lambda: run(folder, out="killed", scores="csv"))
        before, began = lines_of(out), time.monotonic()
        # Anywhere from the first moments of a run to the middle of one of its files.
        patience_s = rng.choice([rng.uniform(0, 0.05), 10])
        while lines_of(out) == before and time.monotonic() < began + patience_s:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "the run was over before it was killed: give it more to do"
        kills += 1
        for name, content in outside(contents(out)).items():
            assert content == whole[name], name
    summary = run(folder, out="killed", scores="csv")
    assert summary.done == 60 and summary.skipped > 5
    assert contents(out) == whole
    assert leftovers(out) == []


def test_killed_with_workers_the_result_is_that_of_one_run(make, run, child, tmp_path, contents, leftovers):
    folder = make(*(f"{i}.wav" for i in range(24)), seconds=4)
    out = tmp_path / "killed"
    rng = np.random.default_rng(3)
    for _ in range(2):
        process = child(inputs=[str(folder)], out=str(out), workers=2)
        wait_for_progress(process, out)
        time.sleep(rng.uniform(0, 0.1))
        assert process.poll() is None, "the run was over before it was killed: give it more to do"
        process.kill()
        process.wait()
    summary = run(folder, out="killed", workers=2)
    assert summary.done == 24 and summary.skipped >= 2
    run(folder, out="whole")
    assert contents(out) == contents(tmp_path / "whole")
    assert leftovers(out) == []


def test_a_kill_between_moving_and_recording_does_not_pass_off_one_decision_as_another(
    make, run, tmp_path, contents, monkeypatch
):
    folder = make("a.wav", "b.wav")
    run(folder)
    whole = contents(tmp_path / "out")

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("sonoscope.runs.journal.Journal.add", die)
        with pytest.raises(Killed):
            run(folder, threshold="0.3")
    assert contents(tmp_path / "out") != whole
    assert run(folder).skipped == 0
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2)])
def test_interrupted_it_says_how_to_go_on(make, run, child, tmp_path, contents, leftovers, number, workers):
    folder = make(*(f"{i}.wav" for i in range(24)), seconds=3)
    out = tmp_path / "out"
    process = child(inputs=[str(folder)], out=str(out), workers=workers)
    wait_for_progress(process, out)
    time.sleep(0.05)
    # As a terminal and a batch system do: to the run and all its workers.
    os.killpg(process.pid, number)
    said, errors = process.communicate(timeout=20)
    assert process.returncode == 3, errors
    assert said.startswith("interrupted. ") and said.count("\n") == 1 and "goes on" in said
    assert errors == ""
    assert leftovers(out) == []
    assert json.loads((out / "run.json").read_text())["status"] == "stopped"
    summary = run(folder)
    assert summary.done == 24 and summary.skipped >= 1
    run(folder, out="whole")
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_limit_on_file_size_stops_it_and_nothing_is_half_written(
    make, run, child, tmp_path, contents, leftovers, workers
):
    folder = make("a.wav", "b.wav", seconds=1)
    make("long.wav", seconds=200, rate=8000)
    out = tmp_path / "out"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))"
    process = child(limit, inputs=[str(folder)], out=str(out), scores="csv", workers=workers)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 3, errors
    assert f"no space is left for {out}" in said and os.strerror(errno.EFBIG) in said and "goes on" in said
    assert "Traceback" not in errors
    assert leftovers(out) == [] and not (out / "long.wav.scores.csv").exists()
    run(folder, scores="csv")
    run(folder, out="whole", scores="csv")
    assert contents(out) == contents(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 300 kB; growing it is making room."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(place)], capture_output=True
    )
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_stops_it_and_with_more_room_it_goes_on(
    make, run, tmp_path, small_disk, contents, leftovers
):
    folder = make(*(f"{i:02}.wav" for i in range(20)), seconds=2)
    options = {"formats": ("csv", "jams"), "scores": "csv"}
    with pytest.raises(
        Stopped, match=f"no space is left for {small_disk}/out.*same command again"
    ) as stopped:
        run(folder, out="disk/out", **options)
    assert stopped.value.exit_code == 3
    run(folder, out="whole", **options)
    whole = contents(tmp_path / "whole")
    partial = outside(contents(small_disk / "out"))
    assert 0 < len(partial) < len(outside(whole))
    assert all(content == whole[name] for name, content in partial.items())
    assert leftovers(small_disk / "out") == []
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert run(folder, out="disk/out", **options).skipped > 0
    assert contents(small_disk / "out") == whole


def test_results_emptied_by_a_power_failure_are_made_again(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    whole = contents(tmp_path / "out")
    (tmp_path / "out/a.wav.events.csv").write_bytes(b"")
    (tmp_path / "out/.sonoscope/scores/b.wav.npz").write_bytes(b"")
    with open(tmp_path / "out/.sonoscope/journal-all.jsonl", "ab") as journal:
        journal.write(b'{"name": "b.wav", "stat\0\0\0')
    assert run(folder).skipped == 0
    assert contents(tmp_path / "out") == whole


def test_damaged_kept_scores_are_no_obstacle(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    (tmp_path / "out/.sonoscope/scores/a.wav.npz").write_bytes(b"not an archive")
    summary = run(folder, threshold="0.2")
    assert (summary.done, summary.decided) == (2, 1)
    run(folder, out="fresh", threshold="0.2")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_an_interruption_in_this_process_is_told_and_leaves_no_lock(make, run, tmp_path, leftovers):
    class Interrupting(runs.Silent):
        def file_done(self, file: runs.FileDone) -> None:
            raise KeyboardInterrupt

    with pytest.raises(Stopped, match=r"interrupted\. 1 inputs? .*complete"):
        run(make("a.wav", "b.wav"), report=Interrupting())
    assert leftovers(tmp_path / "out") == []


def test_recordings_that_are_no_longer_there_are_counted(make, run, tmp_path):
    folder = make("a.wav", "b.wav", "c.wav")
    (folder / "bad.wav").write_text("no sound")
    assert run(folder).remarks == ()
    (folder / "a.wav").unlink()
    (folder / "bad.wav").unlink()
    (said,) = run(folder).remarks
    assert said == "1 earlier recording is no longer among the inputs; its results stay"
    assert "a.wav" in (tmp_path / "out/files.csv").read_text()
    (folder / "b.wav").unlink()
    (said,) = run(folder).remarks
    assert said == "2 earlier recordings are no longer among the inputs; their results stay"


def test_a_part_counts_only_what_was_its_own(make, run):
    folder = make(*(f"{letter}.wav" for letter in "abcdef"), seconds=1)
    for part in ((1, 2), (2, 2)):
        assert run(folder, shard=part).remarks == ()
    (folder / "a.wav").unlink()
    said = [run(folder, shard=part).remarks for part in ((1, 2), (2, 2))]
    assert sorted(map(len, said)) == [0, 1]
