"""The Dockerfile without Docker: what it copies and installs, in a fresh environment, as a user without rights."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

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
def test_its_steps_install_and_serve(tmp_path: Path) -> None:
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
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    bin = tmp_path / "venv" / "bin"
    (install,) = [words for step, words in STEPS if step == "RUN" and words.startswith("pip ")]
    subprocess.run([bin / "python", "-m", *shlex.split(install)], cwd=image, check=True)
    (entry,) = [json.loads(words) for step, words in STEPS if step == "ENTRYPOINT"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state = tmp_path / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    for above in [tmp_path, *tmp_path.parents]:
        if os.getuid() == 0 and above != Path("/") and not above.stat().st_mode & 0o005:
            above.chmod(above.stat().st_mode | 0o055)
    words = [
        {"8000": str(port), "/state": str(state), "sonoscope": str(bin / "sonoscope")}.get(w, w)
        for w in entry
    ]
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    process = subprocess.Popen(
        words, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, **nobody
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
