"""axe-core, the usual judge of accessibility, finds nothing to object to in any view of the page.

Slow, and skipped where npm cannot fetch axe-core, or Chromium is missing. What axe cannot judge (names that say what
happens, keys, words for the picture) is tested beside.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.page import test_browser as page
from tests.page.test_browser import address, browser, launch, song

__all__ = ["address", "browser", "launch", "song"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VERSION = "4.14.1"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of axe-core."""
    if shutil.which("npm") is None:
        pytest.skip("no npm")
    folder = tmp_path_factory.mktemp("axe")
    (folder / "package.json").write_text('{"name": "axe", "version": "1.0.0", "private": true}')
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"axe-core@{VERSION}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"axe-core cannot be fetched: {done.stderr.strip()[-200:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("theme", "width"), [("light", 1300), ("dark", 1300), ("dark", 390)], ids=["light", "dark", "phone"]
)
def test_nothing_is_objected_to(
    browser: Any,
    address: str,
    song: Path,
    axe: str,
    theme: str,
    width: int,
) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    with page.opened(browser, address, **look) as tab:
        tab.evaluate(axe)
        assert objections(tab) == [], "nothing open"
        page.give(tab, song)
        assert objections(tab) == [], "a recording"
        page.press(tab, "j", "e")
        page.until(tab, "document.querySelector('#explain').getAttribute('aria-pressed') === 'true'")
        tab.click("summary")
        page.until(tab, "document.querySelectorAll('#events tbody tr').length > 5")
        assert objections(tab) == [], "why, and the table"
        page.press(tab, "?")
        assert objections(tab) == [], "the keys"
        tab.keyboard.press("Escape")
        tab.set_input_files("#files", str(song))
        page.heard(tab, 2)
        tab.click("text=Together")
        assert objections(tab) == [], "several together"
        tab.click("#to-live")
        tab.wait_for_selector("#listen")
        assert objections(tab) == [], "live"


def objections(tab: Any) -> list[Any]:
    """What axe objects to: the rule, and where."""
    found = tab.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
