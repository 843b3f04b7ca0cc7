"""Folders of generated sound, runs of them, and looking at what runs leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonoscope import runs

#: Low enough that generated sounds give events whatever the model has learnt.
THRESHOLD = "0.05"

#: What differs between two runs with the same results.
_OWN = ("run.json", "settings.json", "guard")
_OWN_BEGINNINGS = ("journal-", "log-", "part-", "run.lock-")

Make = Callable[..., Path]
Run = Callable[..., runs.RunSummary]
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make("a.wav", "sub/b.wav", seconds=2)`` writes a tone in noise under each name; gives the folder."""

    def write(*names: str, seconds: float = 2.0, rate: int = 22_050, folder: str = "recordings") -> Path:
        root = tmp_path / folder
        for name in names:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(list(name.encode()))
            time = np.arange(round(seconds * rate)) / rate
            tone = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * time)
            kind = {"flac": "FLAC", "mp3": "MP3"}.get(file.suffix[1:].lower(), "WAV")
            soundfile.write(file, tone + 0.02 * rng.standard_normal(time.size), rate, format=kind)
        return root

    return write


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run(folder, "out", workers=2)`` runs in this process, in one process unless told otherwise."""

    def start(*inputs: Path, out: str | Path = "out", report: Any = None, **options: Any) -> runs.RunSummary:
        options = {"threshold": THRESHOLD, "workers": 1} | options
        spec = runs.RunSpec(tuple(map(str, inputs)), str(tmp_path / out), **options)
        return runs.run(spec, report=report)

    return start


@pytest.fixture
def contents() -> Contents:
    """Every file of results and kept scores below a folder, by its path, without what says when and where."""

    def read(out: Path) -> dict[str, bytes]:
        files = (f for f in sorted(out.rglob("*")) if f.is_file())
        return {
            f.relative_to(out).as_posix(): f.read_bytes()
            for f in files
            if f.name not in _OWN and not f.name.startswith(_OWN_BEGINNINGS)
        }

    return read


@pytest.fixture
def leftovers() -> Callable[[Path], list[str]]:
    """What should not be there when a run has ended: temporary files and locks."""

    def look(out: Path) -> list[str]:
        names = [f.relative_to(out).as_posix() for f in out.rglob("*")]
        return [n for n in names if "tmp" in n or "new" in n or "lock" in n or n.endswith("~")]

    return look


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run in a process of its own: ``child(spec fields)``; whatever is left of it is killed at the
    end.
    """
    started: list[subprocess.Popen[str]] = []

    def start(limit: str = "", **fields: Any) -> subprocess.Popen[str]:
        code = (
            "import json, sys\n"
            "from sonoscope import runs\n"
            "from sonoscope.errors import SonoscopeError\n"
            "if __name__ == '__main__':\n"
            f"    {limit or 'pass'}\n"
            "    spec = runs.RunSpec.from_json(json.loads(sys.argv[1]))\n"
            "    try:\n"
            "        code = runs.run(spec).exit_code\n"
            "    except SonoscopeError as error:\n"
            "        print(error)\n"
            "        code = error.exit_code\n"
            "    sys.exit(code)\n"
        )
        words = [sys.executable, "-c", code, json.dumps({"threshold": THRESHOLD} | fields)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(words, text=True, start_new_session=True, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
