"""The page and an hour of sound: when is there a picture, how soon after a zoom, and what does the browser's tab weigh?

A real ``sonoscope serve`` and a real Chromium (Playwright; ``$SONOSCOPE_CHROMIUM`` or on the path). The hour is given
as a FLAC file, as somebody would choose it; the models do not listen meanwhile: what they take is measured elsewhere.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from listeners import served
from live import RATE, plucked
from measure import Figure, Settings

#: Everything that the picture needs has come and is drawn.
DRAWN = "(() => { const s = desk.stage?.spectrogram; return s?.tiles.size && !s.waiting.size && !s.wanted.length; })()"
#: Where it is looked, and how close: shares of the hour.
LOOKS = [(0.1, 0.001), (0.5, 0.01), (0.9, 0.0003), (0.3, 0.1), (0.7, 0.001)]


def run(settings: Settings) -> list[Figure]:
    """Seconds to the first picture and after each zoom; MiB of the tab."""
    from playwright.sync_api import sync_playwright

    chromium = (
        os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if not chromium:
        raise RuntimeError("no Chromium: install it, or name it in $SONOSCOPE_CHROMIUM")
    file = hour(settings.folder, 2 if settings.quick else 60)
    with served(settings.folder / "state") as address, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--mute-audio"])
        tab = browser.new_page(viewport={"width": 1300, "height": 1000})
        tab.goto(address.replace("ws", "http", 1).removesuffix("live"))
        tab.wait_for_selector("html[data-ready]")
        asked(tab, "desk.wanted = () => []")
        before = tab_mib(browser)
        began = time.perf_counter()
        tab.set_input_files("#files", str(file))
        tab.wait_for_selector("#hertz-ticks span", timeout=300_000)
        ready_s = time.perf_counter() - began
        until(tab, DRAWN)
        seen_s = time.perf_counter() - began
        zooms = []
        for place, share in LOOKS:
            began = time.perf_counter()
            asked(tab, f"desk.stage.setView(desk.stage.view.zoom(Infinity).zoom({share}, {place}))")
            tab.wait_for_timeout(20)
            until(tab, DRAWN)
            zooms.append(time.perf_counter() - began - 0.02)
        after = tab_mib(browser)
        browser.close()
    details = {
        "minutes": 2 if settings.quick else 60,
        "bytes": file.stat().st_size,
        "decoded_s": round(ready_s, 2),
    }
    return [
        Figure("an hour given to the page, to its first whole picture", seen_s, "s", "", details),
        Figure("a zoom into the hour, to the whole picture", statistics.median(zooms), "s", "",
               {"all_s": [round(one, 3) for one in zooms]}),
        Figure("memory of the tab, with the hour open", after, "MiB", "", {"before_mib": round(before)}),
    ]  # fmt: skip


def hour(folder: Path, minutes: int) -> Path:
    """Plucked notes, 48 kHz, 16 bit, as FLAC."""
    file = folder / f"page-{minutes}.flac"
    if not file.exists():
        sound, _ = plucked(60.0)
        rng = np.random.default_rng(3)
        with soundfile.SoundFile(file, "w", RATE, 1, subtype="PCM_16") as out:
            for _ in range(minutes):
                out.write(sound * rng.uniform(0.3, 1.0) + 1e-3 * rng.standard_normal(len(sound)))
    return file


def asked(tab: Any, expression: str) -> Any:
    """Something that the page knows."""
    return tab.evaluate(
        f"async () => {{ const {{ app }} = await import('./js/app.js'), {{ desk }} = app; return {expression}; }}"
    )


def until(tab: Any, expression: str, seconds: float = 300) -> None:
    """Wait until the page says so."""
    ends = time.perf_counter() + seconds
    while not asked(tab, f"Boolean({expression})"):
        if time.perf_counter() > ends:
            raise RuntimeError(f"it never became true that {expression}")
        tab.wait_for_timeout(20)


def tab_mib(browser: Any) -> float:
    """Proportional memory of the browser's rendering processes (Linux; else nothing is known)."""
    client = browser.new_browser_cdp_session()
    found = client.send("SystemInfo.getProcessInfo")["processInfo"]
    total = 0
    for process in found:
        if process["type"] == "renderer":
            text = Path(f"/proc/{process['id']}/smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0])
    return total / 1024
