"""A night of sound through each of the long-lived processes; their memory must not grow from its middle to its end.

Usage: ``python recipes/robustness/soak.py [folder|live|serve …] [--hours 10] [--work FOLDER]``.

``folder``: one-minute recordings (hard links of twenty, made from a seed), analysed into a folder by two workers.
``live``: the same sound on the stdin of ``live``, with events and a recording of it, as fast as it is taken.
``serve``: the same recordings as uploads to ``/analyze``, four at a time and in three formats of answers, each tenth
damaged. The memory of all processes together is read as the work goes on; what is compared is the median of the last
quarter with that of the second (the first fills caches). Exit code 1 if one grew by more than 5 % and 4 MiB.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.runs.memory import family, held_bytes

RATE = 22_050
#: Different recordings of a minute.
DISTINCT = 20
#: Kinds of answers that are asked for, in turn.
ANSWERS = ("application/json", "text/csv", "application/x-ndjson")
#: Growth that counts: a share, and MiB.
SHARE, LEAST_MIB = 0.05, 4.0


def minutes() -> Iterator[np.ndarray]:
    """Notes that come and go in noise, int16, a minute each; the same at each call."""
    time_s = np.arange(60 * RATE) / RATE
    for number in range(DISTINCT):
        rng = np.random.default_rng(number)
        sound = 0.01 * rng.standard_normal(time_s.size)
        for begin in range(0, 60, 3):
            part = slice(begin * RATE, (begin + 2) * RATE)
            hertz = rng.uniform(110, 1760)
            sound[part] += sum(0.2 / h * np.sin(2 * np.pi * hertz * h * time_s[part]) for h in range(1, 6))
        yield np.round(sound / np.abs(sound).max() * 20_000).astype("<i2")


def recordings(folder: Path, count: int) -> list[Path]:
    """So many recordings of a minute, twenty of them different."""
    folder.mkdir(parents=True)
    files = []
    for number, samples in enumerate(minutes()):
        files.append(folder / f"minute-{number:04}.flac")
        soundfile.write(files[-1], samples, RATE)
    for number in range(DISTINCT, count):
        files.append(folder / f"minute-{number:04}.flac")
        os.link(files[number % DISTINCT], files[-1])
    return files[:count]


def memory_mib(process: subprocess.Popen) -> float:
    """What a process and its children hold, pages that they share once; 0 when it has ended."""
    return sum(held_bytes(family(process.pid)).values()) / 2**20


def watched(process: subprocess.Popen, until: Callable[[], bool]) -> list[float]:
    """Memory once a second until something is over."""
    seen = []
    while not until():
        seen.append(memory_mib(process))
        time.sleep(1.0)
    return [each for each in seen if each]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "sonoscope", *map(str, words)]


def soak_folder(work: Path, hours: float) -> list[float]:
    """``analyze`` of a folder."""
    inputs = work / "minutes"
    recordings(inputs, round(60 * hours))
    words = command("analyze", inputs, "-o", work / "out", "--workers", 2, "--scores", "-q")
    with subprocess.Popen(words) as process:
        seen = watched(process, lambda: process.poll() is not None)
    told(process.returncode == 0, f"analyze ended with {process.returncode}")
    return seen


def soak_live(work: Path, hours: float) -> list[float]:
    """``live`` on samples from stdin."""
    recorded = work / "recorded.flac"
    words = command(
        "live", "-", "-m", "instruments", "--rate", RATE, "--format", "jsonl", "--record", recorded
    )
    sound = list(minutes())
    with open(work / "live.jsonl", "wb") as out, subprocess.Popen(words, stdin=-1, stdout=out) as process:
        assert process.stdin is not None
        stdin = process.stdin

        def play() -> None:
            for number in range(round(60 * hours)):
                stdin.write(sound[number % DISTINCT].tobytes())
            stdin.close()

        with ThreadPoolExecutor(1) as pool:
            played = pool.submit(play)
            seen = watched(process, lambda: process.poll() is not None)
            played.result()
    told(process.returncode == 0, f"live ended with {process.returncode}")
    heard_s = soundfile.info(recorded).duration
    told(abs(heard_s - 60 * round(60 * hours)) < 1, f"live recorded {heard_s:.0f} s")
    return seen


def soak_serve(work: Path, hours: float) -> list[float]:
    """``serve``, asked four times at once."""
    files = recordings(work / "uploads", DISTINCT)
    damaged = files[0].read_bytes()[:2000]
    log = work / "serve.log"
    words = command("serve", "--port", 0, "--state", work / "state", "--workers", 2)
    with open(log, "wb") as out, subprocess.Popen(words, stdout=out, stderr=out) as process:
        address = None
        while address is None:
            time.sleep(0.2)
            address = re.search(r"http://[\d.]+:\d+", log.read_text())
            told(process.poll() is None, log.read_text())

        def ask(number: int) -> None:
            bad = number % 10 == 9
            body = damaged if bad else files[number % DISTINCT].read_bytes()
            status = post(address[0], body, ANSWERS[number % len(ANSWERS)])
            told(status in ((200, 422, 400, 415) if bad else (200,)), f"request {number}: {status}")

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, number) for number in range(round(60 * hours))]
            seen = watched(process, lambda: all(each.done() for each in asked))
            for each in asked:
                each.result()
        process.terminate()
    told(not list((work / "state").rglob("*.part")), "uploads were left behind")
    return seen


def post(address: str, body: bytes, accept: str) -> int:
    """The status of an upload to ``/analyze``."""
    border = b"sonoscope-soak"
    head = b'Content-Disposition: form-data; name="file"; filename="minute.flac"\r\n\r\n'
    data = b"--" + border + b"\r\n" + head + body + b"\r\n--" + border + b"--\r\n"
    kind = f"multipart/form-data; boundary={border.decode()}"
    request = urllib.request.Request(
        f"{address}/analyze?model=instruments", data, {"Content-Type": kind, "Accept": accept}
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def told(fine: bool, what: str) -> None:
    if not fine:
        raise SystemExit(what)


SOAKS = {"folder": soak_folder, "live": soak_live, "serve": soak_serve}


def main(words: list[str]) -> int:
    """Each soak, and a line about it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", nargs="*", choices=(*SOAKS, []), help=f"default: {', '.join(SOAKS)}")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args(words)
    grown = False
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        for name in given.which or SOAKS:
            work = Path(folder) / name
            work.mkdir()
            began = time.monotonic()
            seen = SOAKS[name](work, given.hours)
            told(len(seen) >= 8, f"{name}: over too soon to be looked at; more --hours")
            quarter = len(seen) // 4
            early, late = (statistics.median(p) for p in (seen[quarter : 2 * quarter], seen[-quarter:]))
            worse = late - early > max(SHARE * early, LEAST_MIB)
            grown |= worse
            print(
                f"{name}: {given.hours:g} hours of sound in {time.monotonic() - began:.0f} s; memory {early:.1f} MiB "
                f"in the second quarter, {late:.1f} in the last, {max(seen):.1f} at most"
                f"{': grows' if worse else ''}",
                flush=True,
            )
    return int(grown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
