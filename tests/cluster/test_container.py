"""The definition for Apptainer, as far as it can be told without it: its form, and that what it names is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

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
