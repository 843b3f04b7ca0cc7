"""The Dockerfile without Docker: what it copies and installs, in a fresh environment, as a user without rights."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
STEPS = re.findall(r"^([A-Z]+) (.+)$", (PROJECT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_it_is_slim_not_root_and_looked_after() -> None:
    said = dict(STEPS)
    assert said["FROM"].endswith("-slim")
    assert said["USER"] not in ("root", "0")
    assert "/health" in said["HEALTHCHECK"]
    order = [step for step, _ in STEPS]
    assert order.index("USER") < order.index("ENTRYPOINT")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_steps_install_and_serve() -> None:
    # A folder that every user may enter, which those of pytest are not.
    with tempfile.TemporaryDirectory(prefix="sonoscope-image-") as folder:
        Path(folder).chmod(0o755)
        install_and_serve(Path(folder))


def runnable() -> tuple[str, dict[str, Any]]:
    """A Python that a user without rights may run, and the options that make a process his (none if we have none)."""
    if os.getuid() != 0:
        return sys.executable, {}
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
    program = "import sys, venv, ensurepip; assert sys.version_info >= (3, 11)"
    for python in (str(Path(sys.executable).resolve()), "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([python, "-c", program], check=True, cwd="/", stderr=subprocess.DEVNULL, **nobody)
            return python, nobody
    pytest.skip("every Python here is for root only")


def install_and_serve(tmp_path: Path) -> None:
    """Do the steps, and ask what serves then."""
    python, rights = runnable()
    image = tmp_path / "image"
    image.mkdir()
    for step, words in STEPS:
        if step == "COPY":
            *files, target = words.split()
            for file in files:
                place = image / target if target != "./" else image / file
                if (PROJECT / file).is_dir():
                    shutil.copytree(PROJECT / file, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(PROJECT / file, place)
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    bin = tmp_path / "venv" / "bin"
    (install,) = [words for step, words in STEPS if step == "RUN" and words.startswith("pip ")]
    subprocess.run([bin / "python", "-m", *shlex.split(install)], cwd=image, check=True)
    (entry,) = [json.loads(words) for step, words in STEPS if step == "ENTRYPOINT"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state = tmp_path / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    words = [
        {"8000": str(port), "/state": str(state), "sonoscope": str(bin / "sonoscope")}.get(w, w)
        for w in entry
    ]
    process = subprocess.Popen(
        words, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, **rights
    )  # type: ignore[call-overload]
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=4) as answer:
                    assert json.load(answer)["status"] == "ok"
                    break
            except OSError:
                assert process.poll() is None, "it ended"
                time.sleep(0.5)
        else:
            pytest.fail("it does not answer")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/models", timeout=30) as answer:
            assert {one["name"] for one in json.load(answer)["models"]} >= {"instruments", "notes", "field"}
    finally:
        process.kill()
        process.wait()
