"""Judging in a real browser, by keyboard alone: Chromium, driven by Playwright. Skipped where either is missing."""

from __future__ import annotations

import math
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonoscope.field import clipfolder, verdicts
from sonoscope.field.clipfolder import Clip, ClipFolder
from sonoscope.field.frame import Frame
from sonoscope.field.reviewing import page
from sonoscope.field.reviewing.server import Desk

CHROMIUM = os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as running:
        # Sound goes nowhere; a page may play without having been clicked.
        found = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"],
        )
        yield found
        found.close()


def clips_of(folder: Path, count: int) -> ClipFolder:
    """A folder of short clips: those with an even number are a tone, the others noise. Two classes."""
    (folder / "audio").mkdir(parents=True)
    rng, clips = np.random.default_rng(0), []
    time = np.arange(4000) / 8000
    for number in range(count):
        name = f"audio/{number + 1:05d}.wav"
        tone = 0.2 * np.sin(2 * np.pi * 500 * time)
        sound = tone if number % 2 == 0 else 0.05 * rng.standard_normal(len(time))
        soundfile.write(folder / name, sound, 8000)
        clips.append(
            Clip(
                f"{number + 1:05d}", "buzz" if number < 0.7 * count else "bird", 0.5, 0.0, 10.0, 10.25, "north",
                "a.wav", "", True, "00 found", 1.0, 1, number, name, 9.9,
            )
        )  # fmt: skip
    frames = {
        label: Frame(
            label, ("north",), np.array([-32_768]), np.zeros(1), np.zeros(1, dtype=int), 0,
            np.array([[[0, count]]]),
        )
        for label in ("buzz", "bird")
    }  # fmt: skip
    made = ClipFolder(folder, tuple(clips), frames, {"version": 1, "names": {"buzz": "Insect buzz"}})
    clipfolder.save(made)
    return clipfolder.open_folder(folder)


@contextmanager
def served(folder: ClipFolder) -> Iterator[Desk]:
    notes = verdicts.Notebook(
        verdicts.file_of(folder.path, "anna"), "anna", {clip.clip: clip.label for clip in folder.clips}
    )
    with Desk(folder, folder.clips, notes, 0) as desk:
        thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield desk
        finally:
            desk.shutdown()
            thread.join()


def opened(browser: Any, url: str, **options: Any) -> tuple[Any, list[str]]:
    """A page in a context of its own, and what goes wrong in it."""
    wrong: list[str] = []
    tab = browser.new_context(**options).new_page()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.goto(url)
    ready(tab)
    return tab, wrong


def ready(tab: Any) -> None:
    tab.wait_for_function("document.querySelectorAll('#ylabels span').length > 2")


def shown(tab: Any) -> str:
    return tab.inner_text("#caption")


def judge(tab: Any, keys: str, first: int) -> None:
    """Press keys, each when the clip before it is saved; ``first`` is how many are judged already."""
    for number, key in enumerate(keys, start=first + 1):
        tab.keyboard.press(key)
        tab.wait_for_function(f"document.getElementById('count').textContent.startsWith('{number} of')")


def test_clips_are_judged_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    folder = clips_of(tmp_path / "clips", 10)
    with served(folder) as desk:
        tab, wrong = opened(browser, desk.url)
        assert tab.inner_text("#question") == "Is Insect buzz in the marked part?"
        assert "score" not in shown(tab)
        judge(tab, "ynouy", 0)
        assert desk.notebook.current == dict(
            zip(
                ["00001", "00002", "00003", "00004", "00005"],
                ["yes", "no", "other", "unsure", "yes"],
                strict=True,
            )
        )
        # Undo goes back to the clip, and another verdict replaces the first.
        tab.keyboard.press("z")
        tab.wait_for_function("document.getElementById('count').textContent.startsWith('4 of')")
        assert shown(tab).startswith("Clip 5 of 10")
        judge(tab, "n", 4)
        # Looking back judges nothing; a verdict there changes the old one and goes on to what is open.
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("ArrowLeft")
        tab.wait_for_function("document.getElementById('caption').textContent.startsWith('Clip 4 of 10')")
        assert "judged: unsure" in shown(tab)
        tab.keyboard.press("y")
        tab.wait_for_function("document.getElementById('caption').textContent.startsWith('Clip 6 of 10')")
        assert desk.notebook.current["00004"] == "yes" and desk.notebook.current["00005"] == "no"
        tab.keyboard.press("i")
        assert "score 0.50 · a.wav at 10.00 s · north" in shown(tab)
        assert not wrong
        tab.context.close()
        # Another day: it goes on where it was, and says when all is done.
        tab, wrong = opened(browser, desk.url)
        assert shown(tab).startswith("Clip 6 of 10") and tab.inner_text("#count") == "5 of 10 judged"
        judge(tab, "ynyny", 5)
        assert tab.is_visible("#done") and "sonoscope thresholds verdicts clips" in tab.inner_text("#done")
        assert not wrong
        tab.context.close()
    assert len(verdicts.read(desk.notebook.file)) == 10


def test_a_clip_is_heard_and_seen(browser: Any, tmp_path: Path) -> None:
    with served(clips_of(tmp_path / "clips", 2)) as desk:
        tab, wrong = opened(browser, desk.url)
        tab.wait_for_function("!document.querySelector('.playing')")
        tab.evaluate(
            """() => {
              window.heard = [];
              new MutationObserver(() => {
                if (document.querySelector('.playing')) heard.push([offset, until, $('play').innerText]);
              }).observe($('stage'), {attributes: true});
            }"""
        )
        for key, span in (("m", (0.1, 0.35)), (" ", (0.0, 0.5))):
            tab.keyboard.press(key)
            tab.wait_for_function("heard.length && !document.querySelector('.playing')")
            first, last, name = tab.evaluate("heard.pop()")
            assert (first, last) == pytest.approx(span, abs=1e-3) and "Space" in name
        tab.keyboard.press(" ")
        tab.keyboard.press(" ")
        tab.wait_for_function("!document.querySelector('.playing')")
        # The tone of 500 Hz is a line where the axis says 500 Hz, on either axis.
        for _ in range(2):
            found = tab.evaluate(
                """() => {
                  const canvas = document.getElementById('spectrogram'), pen = canvas.getContext('2d');
                  const column = pen.getImageData(canvas.width >> 1, 0, 1, canvas.height).data;
                  let darkest = 0;
                  for (let row = 0; row < canvas.height; row++)
                    if (column[4 * row] < column[4 * darkest]) darkest = row;
                  return [100 * (darkest + .5) / canvas.height, 100 * (1 - height(500))];
                }"""
            )
            assert found[0] == pytest.approx(found[1], abs=2.5)
            tab.keyboard.press("f")
        marked = tab.evaluate("document.getElementById('marked').style.left")
        assert float(marked.rstrip("%")) == pytest.approx(20, abs=0.1)
        assert not wrong
        tab.context.close()


def test_a_verdict_that_is_not_saved_is_not_passed_over(browser: Any, tmp_path: Path) -> None:
    with served(clips_of(tmp_path / "clips", 3)) as desk:
        tab, _ = opened(browser, desk.url)
        judge(tab, "y", 0)
        desk.notebook.file.unlink()
        desk.notebook.file.mkdir()
        tab.keyboard.press("n")
        tab.wait_for_selector(".told.wrong")
        assert "Not saved" in tab.inner_text("#told") and shown(tab).startswith("Clip 2 of 3")
        desk.notebook.file.rmdir()
        judge(tab, "n", 1)
        assert "wrong" not in (tab.get_attribute("#told", "class") or "")
        tab.context.close()


def test_one_class_at_a_time_and_what_is_left_of_each(browser: Any, tmp_path: Path) -> None:
    with served(clips_of(tmp_path / "clips", 10)) as desk:
        tab, wrong = opened(browser, desk.url)
        assert tab.locator("#class option").all_inner_texts() == [
            "all – 10 left", "Insect buzz – 7 left", "bird – 3 left",
        ]  # fmt: skip
        tab.select_option("#class", "bird")
        tab.wait_for_function("document.getElementById('question').textContent.includes('bird')")
        judge(tab, "yn", 0)
        assert set(desk.notebook.current) == {"00008", "00009"}
        assert "bird – 1 left" in tab.locator("#class option").all_inner_texts()
        assert not wrong
        tab.context.close()


def test_the_file_to_mail_asks_for_a_name_keeps_verdicts_and_gives_them_back(
    browser: Any, tmp_path: Path
) -> None:
    folder = clips_of(tmp_path / "clips", 4)
    file = tmp_path / "page.html"
    file.write_text(page.standalone(folder, folder.clips), encoding="utf-8")
    context = browser.new_context(accept_downloads=True)
    tab = context.new_page()
    tab.goto(file.as_uri())
    tab.keyboard.type("ben")
    tab.keyboard.press("Enter")
    ready(tab)
    judge(tab, "yno", 0)
    tab.close()
    tab = context.new_page()
    tab.goto(file.as_uri())
    ready(tab)
    assert tab.inner_text("#count") == "3 of 4 judged" and shown(tab).startswith("Clip 4 of 4")
    judge(tab, "u", 3)
    with tab.expect_download() as coming:
        tab.keyboard.press("d")
    assert coming.value.suggested_filename == "verdicts-ben.csv"
    coming.value.save_as(folder.path / "verdicts-ben.csv")
    context.close()
    assert verdicts.read_all(folder.path) == {
        "ben": {"00001": "yes", "00002": "no", "00003": "other", "00004": "unsure"}
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("wide", "tall"), [(1280, 900), (390, 844)])
def test_it_can_be_read_on_any_screen(
    browser: Any, tmp_path: Path, scheme: str, wide: int, tall: int
) -> None:
    """Nothing sticks out, everything has a name, text stands out from its ground (WCAG: 4.5 to 1)."""
    with served(clips_of(tmp_path / "clips", 3)) as desk:
        tab, wrong = opened(browser, desk.url, color_scheme=scheme, viewport={"width": wide, "height": tall})
        assert tab.evaluate("document.documentElement.scrollWidth") <= wide
        for button in tab.locator("button:visible").all():
            assert button.inner_text().strip() and button.get_attribute("aria-keyshortcuts")
        assert "Spectrogram of 0.5 seconds up to 4 kilohertz" in tab.get_attribute(
            "#spectrogram", "aria-label"
        )
        for place in ("#question", "#question em", "#count", "#caption", "[data-verdict=yes]", "[data-verdict=no]",
                      "[data-verdict=other]", "[data-verdict=unsure]", "#play kbd", "#ylabels span"):  # fmt: skip
            assert contrast(tab, place) >= 4.5, (place, contrast(tab, place))
        judge(tab, "y", 0)
        tab.keyboard.press("ArrowLeft")
        tab.wait_for_selector("button.given")
        assert contrast(tab, "button.given") >= 4.5
        assert not wrong
        tab.context.close()


def contrast(tab: Any, place: str) -> float:
    """How much a text stands out from what is behind it, as WCAG counts."""
    pair = tab.evaluate(
        """(place) => {
          const one = document.querySelector(place), ink = getComputedStyle(one).color;
          for (let at = one; at; at = at.parentElement) {
            const ground = getComputedStyle(at).backgroundColor;
            if (!ground.endsWith(', 0)')) return [ink, ground];
          }
          return [ink, getComputedStyle(document.documentElement).backgroundColor];
        }""",
        place,
    )
    first, second = sorted((luminance(text) for text in pair), reverse=True)
    return (first + 0.05) / (second + 0.05)


def luminance(text: str) -> float:
    parts = [float(part) / 255 for part in text.removeprefix("rgb(").rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4) for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow
def test_five_hundred_clips_in_one_sitting(browser: Any, tmp_path: Path) -> None:
    with served(clips_of(tmp_path / "clips", 500)) as desk:
        tab, wrong = opened(browser, desk.url)
        judge(tab, "yn" * 250, 0)
        assert tab.is_visible("#done") and not wrong
        tab.context.close()
        assert verdicts.together([desk.notebook.current]) == {
            clip.clip: place % 2 == 0 for place, clip in enumerate(desk.clips)
        }
