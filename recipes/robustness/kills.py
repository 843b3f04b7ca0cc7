"""Kill runs at random moments until so many were killed; each must go on to the bytes of one that nobody killed.

Usage: ``python recipes/robustness/kills.py --kills 200 [--seed 0] [--work FOLDER]``. Two workers analyse a folder of
recordings of several kinds, damaged ones among them. The whole group of processes is killed (SIGKILL) at a moment drawn
from the length of an undisturbed run, up to eight times, then left alone; then every table, every file of events and
all kept scores are compared. Some of the killed runs decide otherwise, so that rewriting is hit too.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

#: Kills of one folder before it is left alone.
MOST = 8


def recordings(folder: Path) -> Path:
    """Eighteen recordings of a few seconds, and two that are none."""
    rng = np.random.default_rng(0)
    for number in range(18):
        suffix = ("wav", "flac", "mp3")[number % 3]
        file = folder / f"site-{number % 2}" / f"{number:02}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(22_050 * (2 + number % 4)) / 22_050
        tone = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * time_s)
        soundfile.write(file, tone + 0.02 * rng.standard_normal(time_s.size), 22_050)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no recording\n")
    return folder


def start(inputs: Path, out: Path, threshold: str) -> subprocess.Popen[bytes]:
    """The command, in a group of its own."""
    words = ["analyze", inputs, "-o", out, "--threshold", threshold, "--workers", "2", "--scores", "-q"]
    command = [sys.executable, "-m", "sonoscope", *map(str, words)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


def results(out: Path) -> dict[str, bytes]:
    """Everything that does not say when, where and how often it was run."""
    kept = {}
    for file in sorted(out.rglob("*")):
        name = file.relative_to(out)
        inside = name.parts[0] == ".sonoscope"
        if file.is_file() and name.name != "run.json" and (not inside or name.parts[1] == "scores"):
            kept[name.as_posix()] = file.read_bytes()
    return kept


def whole(inputs: Path, out: Path, threshold: str) -> float:
    """Run to the end; seconds that it took."""
    began = time.monotonic()
    code = start(inputs, out, threshold).wait()
    if code != 1:  # two inputs are no recordings
        raise SystemExit(f"{out}: ended with {code}")
    return time.monotonic() - began


def kill(process: subprocess.Popen[bytes], after_s: float) -> bool:
    """Wait so long, then kill the whole group; whether it was still running."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def main(words: list[str]) -> int:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args(words)
    place = Path(tempfile.mkdtemp(dir=given.work))
    draw, thresholds = random.Random(given.seed), ("0.05", "0.2")
    inputs = recordings(place / "recordings")
    expected, length_s = {}, 0.0
    for threshold in thresholds:
        length_s = whole(inputs, place / threshold, threshold)  # the first starts cold and is longer
        expected[threshold] = results(place / threshold)
    killed = folders = 0
    while killed < given.kills:
        out = place / f"out-{folders}"
        for _ in range(min(MOST, given.kills - killed)):
            process = start(inputs, out, draw.choice(thresholds))
            killed += kill(process, draw.uniform(0.0, 1.1 * length_s))
        threshold = draw.choice(thresholds)
        whole(inputs, out, threshold)
        found = results(out)
        wrong = sorted(
            name
            for name in found.keys() | expected[threshold].keys()
            if found.get(name) != expected[threshold].get(name)
        )
        if wrong:
            print(
                f"{out}: after {killed} kills (seed {given.seed}) these differ: {', '.join(wrong)}",
                file=sys.stderr,
            )
            return 1
        shutil.rmtree(out)
        folders += 1
    shutil.rmtree(place)
    print(f"{killed} runs killed in {folders} folders; all went on to the bytes of an undisturbed run")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
