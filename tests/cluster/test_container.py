"""The definition for Apptainer without Apptainer: its form, and its steps in a fresh environment without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
#: https://apptainer.org/docs/user/main/definition_files.html
SECTIONS = {
    "setup",
    "files",
    "post",
    "environment",
    "runscript",
    "startscript",
    "test",
    "labels",
    "help",
    "arguments",
}


def parsed() -> tuple[dict[str, str], dict[str, list[str]]]:
    header: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in (ROOT / "sonoscope.def").read_text().splitlines():
        if found := re.match(r"%(\w+)\s*$", line):
            lines = sections.setdefault(found[1], [])
        elif lines is not None:
            lines.append(line)
        elif line and not line.startswith("#"):
            key, _, value = line.partition(":")
            header[key] = value.strip()
    return header, sections


def test_its_form_is_that_of_a_definition() -> None:
    header, sections = parsed()
    base = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    assert header == {"Bootstrap": "docker", "From": base.split()[1]}
    assert sections.keys() <= SECTIONS and {"files", "post", "runscript"} <= sections.keys()
    for name in ("post", "environment", "runscript", "test"):
        script = "\n".join(sections[name])
        assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0, name


def test_what_it_copies_and_installs_is_there() -> None:
    _, sections = parsed()
    for line in filter(None, map(str.strip, sections["files"])):
        source, target = line.split()
        assert (ROOT / source).exists() and target == f"/opt/sonoscope/{source}"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.search(r'"\.\[(.*)\]"', "\n".join(sections["post"]))
    assert wanted is not None and set(wanted[1].split(",")) <= extras.keys()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_steps_install_and_it_analyses_without_network() -> None:
    """``%files`` and ``%post`` in a fresh environment; ``%test`` and ``%runscript`` as a user who may write nowhere but
    into the folder of the results, with no network where the system can take it away."""
    _, sections = parsed()
    # A folder that every user may enter, which those of pytest are not.
    with tempfile.TemporaryDirectory(prefix="sonoscope-image-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        image, bin = root / "image", root / "venv/bin"
        for line in filter(None, map(str.strip, sections["files"])):
            source, target = line.split()
            place = image / Path(target).relative_to("/opt/sonoscope")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, place)
        python, alone = without_network()
        subprocess.run([python, "-m", "venv", str(root / "venv")], check=True)
        environment = {**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}
        post = "\n".join(sections["post"]).replace("/opt/sonoscope", str(image))
        subprocess.run(["sh", "-e"], input=post, text=True, check=True, env=environment)
        # What the image leaves is what was installed, not what it was installed from.
        shutil.rmtree(image)
        (root / "recordings").mkdir()
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(22_050 * 3) / 22_050)
        soundfile.write(root / "recordings/a.wav", tone, 22_050)
        out = root / "scratch"
        out.mkdir()
        out.chmod(0o777)
        kept = {"PATH": environment["PATH"], "HOME": "/nonexistent"}
        exports = "\n".join(sections["environment"])
        for script, words in (
            (sections["test"], []),
            (sections["runscript"], ["analyze", str(root / "recordings"), "-o", str(out / "results")]),
        ):
            text = exports + "\n" + "\n".join(script)
            subprocess.run([*alone, "sh", "-ec", text, "sh", *words], check=True, cwd="/", env=kept)
        assert (out / "results/events.csv").is_file()


def without_network() -> tuple[str, list[str]]:
    """A Python, and what runs a command of it without a network and as nobody, as far as the system lets us."""
    net = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--net"]
    nobody = [*net, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    here = str(Path(sys.executable).resolve())
    ways = [(python, nobody) for python in (here, "/usr/bin/python3", "/usr/local/bin/python3")]
    program = "import sys, venv, ensurepip; assert sys.version_info >= (3, 11)"
    for python, words in [*ways, (here, net)]:
        try:
            # By way of a shell: setpriv itself may start what nobody else may.
            asked = ["sh", "-c", 'exec "$0" -c "$1"', python, program]
            subprocess.run([*words, *asked], check=True, capture_output=True, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, words
    return here, []
