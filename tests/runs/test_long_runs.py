"""Runs that last: a folder is watched, memory has a limit, a command follows, a share goes away and returns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sonoscope import runs
from sonoscope.audio import away
from sonoscope.errors import Stopped, UsageError
from sonoscope.runs import watching, workers
from sonoscope.runs.memory import Budget, family, held_bytes, parse_size

PATIENCE_S = 60.0


def until(what, seconds: float = PATIENCE_S) -> None:
    """Wait for something to be so; however busy the machine is, it comes."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


# ---- watching ----------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that looks often."""
    monkeypatch.setattr(watching, "SETTLED_S", 0.05)
    monkeypatch.setattr(watching, "LIST_S", 0.02)
    monkeypatch.setattr(watching, "NAP_S", 0.01)
    monkeypatch.setattr("sonoscope.runs.underway.PAUSE_S", 0.05)
    monkeypatch.setattr("sonoscope.runs.underway.TABLES_SHARE", 0.0)


def test_a_watch_takes_what_is_complete_and_ends_in_order(make, run, tmp_path: Path, hasty: None) -> None:
    cards, out = make("a.wav", seconds=1.0), tmp_path / "out"
    whole = (cards / "a.wav").read_bytes()
    stages: list[str] = []

    def owner() -> None:
        try:
            until(lambda: (out / "events.csv").exists())
            stages.append((out / "files.csv").read_text())
            (cards / "b.wav").write_bytes(whole[:4000])
            (cards / "c.wav").write_bytes(whole)
            until(lambda: (out / "c.wav.events.csv").exists() and (out / "files.csv").exists())
            stages.append((out / "files.csv").read_text())
            (cards / "b.wav").write_bytes(whole)
            until(lambda: (out / "b.wav.events.csv").exists())
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=owner)
    thread.start()
    before = signal.getsignal(signal.SIGINT)
    summary = run(cards, watch=True, then="sh -c 'echo x >> \"$SONOSCOPE_OUT/../then.txt\"'")
    thread.join()
    assert (summary.exit_code, summary.done) == (0, 3)
    assert signal.getsignal(signal.SIGINT) is before
    assert stages[0].count("\n") == 2, "tables are there while the watch goes on"
    assert "b.wav" not in stages[1], "half a copy is left alone"
    assert (out / "files.csv").read_text().count(",ok,") == 3
    assert (tmp_path / "then.txt").read_text().count("x") >= 2, "what follows, each time"
    assert json.loads((out / "run.json").read_text())["status"] == "done"
    again = run(cards)
    assert again.skipped == 3, "the same command goes on"


def test_a_recorder_without_power_is_waited_for_and_taken(
    make, run, tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENT_S", 0.3)
    cards = make("a.wav", seconds=1.0)
    whole = (cards / "a.wav").read_bytes()
    (cards / "a.wav").write_bytes(whole[: len(whole) // 2])
    stop = threading.Event()
    watch = watching.Watch([str(cards)], stop)
    began = time.monotonic()
    first = next(entry for entry in watch.entries() if entry is not None)
    assert first.name == "a.wav"
    assert time.monotonic() - began >= 0.3
    stop.set()
    assert list(watch.entries()) == []


def test_what_failed_is_not_tried_again_until_it_changes(make, tmp_path: Path, hasty: None) -> None:
    cards = make("a.wav", seconds=0.5)
    stop = threading.Event()
    entries = watching.Watch([str(cards)], stop).entries()
    found = [entry for _, entry in zip(range(30), entries, strict=False) if entry is not None]
    assert len(found) == 1
    os.utime(cards / "a.wav", (1_000_000, 1_000_000))
    assert next(entry for entry in entries if entry is not None).modified_ns == 10**15
    shutil.rmtree(cards)
    assert [next(entries) for _ in range(20)] == [None] * 20, "a share that is away is waited for"


def test_a_watch_is_of_the_whole(make, run) -> None:
    with pytest.raises(UsageError, match="--watch goes on until it is interrupted"):
        run(make("a.wav"), watch=True, shard=(1, 2))


def test_the_command_is_watched_in_processes_of_its_own(make, tmp_path: Path) -> None:
    cards, out = make("a.wav", "b.wav", seconds=1.0), tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        os.utime(cards / name, (1_700_000_000, 1_700_000_000))
    words = [
        sys.executable,
        "-m",
        "sonoscope",
        "analyze",
        str(cards),
        "-o",
        str(out),
        "--watch",
        "--workers",
        "2",
    ]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        until(lambda: (out / "a.wav.events.csv").exists() and (out / "b.wav.events.csv").exists())
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert "the watch ends; what is under way is finished first" in said
    assert (out / "events.csv").exists()


# ---- memory ------------------------------------------------------------------------------------------------


def test_sizes_have_units() -> None:
    assert [parse_size(text) for text in ("2G", "1.5GiB", "800M", "1 GB")] == [
        2 << 30,
        3 << 29,
        800 << 20,
        10**9,
    ]
    for text in ("2", "G", "two G", "2X", "-1G"):
        with pytest.raises(UsageError, match="must be a size with its unit"):
            parse_size(text)
    with pytest.raises(UsageError, match="--max-memory 100M must be 300M or more"):
        parse_size("100M")


def test_what_is_held_is_measured() -> None:
    code = "import time; x = b'x' * (200 << 20); print(len(x), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pids = family(os.getpid())
        held = held_bytes(pids)
        process.kill()
    assert {os.getpid(), process.pid} <= set(pids)
    assert 200 << 20 < held[process.pid] < 260 << 20


def test_workers_are_as_many_as_fit() -> None:
    own, one = held_bytes([os.getpid()])[os.getpid()], 300 << 20
    budget = Budget(own + 7 * one // 2)
    assert budget.room_for(0)
    assert not budget.room_for(1), "nobody knows yet what one needs"
    budget.learn(one)
    assert [budget.room_for(workers) for workers in (1, 2, 3, 4)] == [True, True, False, False]
    assert Budget(None).room_for(1000)


def test_the_limit_is_kept_and_reported(make, run, tmp_path: Path) -> None:
    cards = make(*(f"{number}.wav" for number in range(4)), seconds=1.0)
    limit_mib = 16_384  # this process counts, whatever other tests have left in it
    assert run(cards, workers=3, max_memory=limit_mib << 20).exit_code == 0
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["max_memory_mib"] == limit_mib
    assert 0 < told["peak_rss_mib"]["together"] <= limit_mib
    assert told["peak_rss_mib"]["worker"] > 0


def test_what_needs_more_than_the_limit_has_failed(
    make, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "exceeded", lambda self: True)
    monkeypatch.setattr(workers, "PATIENCE_S", 0.01)
    cards = make("a.wav", "b.wav", seconds=60.0)
    assert run(cards, workers=2, max_memory=400 << 20).failed == 2
    errors = (tmp_path / "out" / "errors.csv").read_text()
    assert "needs more memory than --max-memory allows (400 MiB for all processes)" in errors
    assert "Allow more with --max-memory" in errors


# ---- what follows ------------------------------------------------------------------------------------------


def test_what_follows_gets_the_folder_and_no_shell(make, run, tmp_path: Path) -> None:
    out = "out; touch broken $(touch broken) 'x"
    cards = make("a.wav", seconds=0.5)
    run(cards, out=out, then="cp '{out}/events.csv' sent.csv".replace("sent.csv", str(tmp_path / "sent.csv")))
    assert (tmp_path / "sent.csv").read_bytes() == (tmp_path / out / "events.csv").read_bytes()
    assert not list(tmp_path.rglob("broken"))


def test_what_follows_is_told_what_came_of_it(make, run, tmp_path: Path) -> None:
    cards = make("a.wav", seconds=0.5)
    (cards / "empty.wav").write_bytes(b"")
    told = str(tmp_path / "told")
    script = (
        f"import os; e = os.environ; open({told!r}, 'w').write(e['SONOSCOPE_DONE'] + e['SONOSCOPE_FAILED'])"
    )
    assert run(cards, then=f'{sys.executable} -c "{script}"').exit_code == 1
    assert (tmp_path / "told").read_text() == "11"


def test_a_command_that_fails_is_said_and_one_that_is_none_refused(make, run) -> None:
    cards = make("a.wav", seconds=0.5)
    with pytest.raises(Stopped, match="is complete, but --then 'sh -c \"exit 7\"' ended with 7"):
        run(cards, then='sh -c "exit 7"')
    assert run(cards).skipped == 1
    for command, said in (
        ("", "is empty"),
        ("nosuchprogram {out}", "no program 'nosuchprogram'"),
        ("sh 'x", "quot"),
    ):
        with pytest.raises(UsageError, match=said):
            run(cards, then=command)


# ---- shares ------------------------------------------------------------------------------------------------


def test_a_share_that_returns_is_read_and_one_that_does_not_is_listed(
    make, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(away, "FIRST_S", 0.01)
    cards = make("s/a.wav", "s/b.wav", seconds=1.0)
    hidden = tmp_path / "hidden"
    gone, back = threading.Event(), threading.Event()

    class Owner(runs.Silent):
        """Takes the card out after the first recording."""

        def file_done(self, file: runs.FileDone) -> None:
            if not gone.is_set():
                gone.set()
                (cards / "s").rename(hidden)
                threading.Timer(0.3, lambda: (hidden.rename(cards / "s"), back.set())).start()

    assert run(cards, report=Owner()).done == 2
    assert back.wait(PATIENCE_S)
    monkeypatch.setattr(away, "AWAY_S", 0.05)
    monkeypatch.setattr(threading, "Timer", lambda *_: threading.Thread(target=lambda: None))
    gone.clear()
    summary = run(cards, out="other", report=Owner())
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    assert away.REMEDY in (tmp_path / "other" / "errors.csv").read_text()
