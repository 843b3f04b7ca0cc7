"""What tests of the page share: its modules run by node, or by Chromium where there is no node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sonoscope

PAGE = Path(sonoscope.__file__).parent / "service" / "page"
CHROMIUM = os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
NODE = shutil.which("node")

#: ``run("return (await load('axes.js')).AXES", data)``: the body of an async function that knows ``load`` and ``data``.
Run = Callable[..., Any]

_PROGRAM = """
import { readFileSync, writeFileSync } from "node:fs";
const data = JSON.parse(readFileSync("data.json", "utf-8"));
const load = (name) => import(`${process.cwd()}/js/${name}`);
const result = await (async () => { %s })();
writeFileSync("result.json", JSON.stringify(result ?? null));
"""


def by_node(folder: Path, body: str, data: Any) -> Any:
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "program.mjs").write_text(_PROGRAM % body)
    done = subprocess.run([str(NODE), "program.mjs"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def by_chromium(body: str, data: Any) -> Any:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("neither node nor Chromium")

    def answer(route: Any) -> None:
        name = route.request.url.partition("/js/")[2]
        if name:
            route.fulfill(path=PAGE / "js" / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.route("**/*", answer)
        tab.goto("http://page.test/")
        found = tab.evaluate(
            f"async (data) => {{ const load = (name) => import(`/js/${{name}}`); {body} }}", data
        )
        browser.close()
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a few lines of JavaScript over the page's modules; what they return comes back through JSON."""
    if NODE is None:
        yield lambda body, data=None: by_chromium(body, data)
        return
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(PAGE / "js", folder / "js")
    # The page's files say by where they are loaded that they are modules; node wants to be told.
    (folder / "package.json").write_text('{"type": "module"}')
    yield lambda body, data=None: by_node(folder, body, data)
