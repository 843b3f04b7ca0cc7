"""The documentation as a site: it builds without a warning, leads everywhere, and its made parts are up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "recipes" / "site"

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_builds_without_a_warning(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    assert (site / "architecture.svg").is_file()


def test_the_reference_is_made_from_the_code(site: Path) -> None:
    text = (site / "reference.html").read_text(encoding="utf-8")
    for name in ("sonoscope.api.Model.analyze", "sonoscope.evaluation.arrays.evaluate"):
        assert f'id="{name}"' in text


def test_who_reads_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in ("index.html", "analyze.html", "reference.html"):
        text = (site / page).read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="https?:', text)
        assert not re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="https?:', text)


def test_the_page_of_commands_has_every_option() -> None:
    spec = importlib.util.spec_from_file_location("site_hooks", SITE / "hooks.py")
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    parts = hooks.commands_page().split("\n## sonoscope ")
    shown = {part.partition("\n")[0]: part for part in parts[1:]}
    found = dict(hooks.commands())
    assert set(shown) == set(found) and len(found) > 30
    for name, command in found.items():
        for param in command.params:
            for option in param.opts:
                assert not option.startswith("--") or option in shown[name], f"{name}: {option}"


def test_the_drawing_is_that_of_the_imports() -> None:
    command = [sys.executable, str(SITE / "drawing.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
