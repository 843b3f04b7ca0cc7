"""The page in a real Chromium, served by ``sonoscope serve``: what a person does with it, and that it is right.

Slow, and skipped where Playwright, Chromium or the ``serve`` extra is missing.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.notes.sonify import sonify
from sonoscope.values import Event

pytestmark = pytest.mark.slow

CHROMIUM = os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
RATE = 44_100
#: A melody over held basses.
SONG = [(0.2 + 0.5 * k, 0.6 + 0.5 * k, pitch) for k, pitch in enumerate((72, 74, 76, 79, 77, 76, 74, 72))]
SONG += [(0.2, 2.1, 48), (2.2, 4.1, 43)]
SECONDS = 5.0


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    notes = [Event(start, end, "note", 1.0, pitch=pitch, velocity=90) for start, end, pitch in SONG]
    path = tmp_path_factory.mktemp("sound") / "song.wav"
    soundfile.write(path, sonify(notes, RATE, SECONDS), RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("fastapi")
    folder = tmp_path_factory.mktemp("state")
    command = [
        sys.executable,
        "-m",
        "sonoscope",
        "serve",
        "--port",
        "0",
        "--workers",
        "1",
        "--state",
        str(folder),
    ]
    with open(folder.parent / "serve.log", "w") as log:
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert service.stdout is not None
        try:
            yield service.stdout.readline().strip()
        finally:
            service.terminate()
            service.wait(30)


@pytest.fixture(scope="module")
def launch() -> Iterator[Any]:
    """``launch(*arguments)``: a browser of its own."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as running:
        usual = ["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]
        yield lambda *more: running.chromium.launch(executable_path=CHROMIUM, args=[*usual, *more])


@pytest.fixture(scope="module")
def browser(launch: Any) -> Iterator[Any]:
    found = launch()
    yield found
    found.close()


@contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A page in a context of its own; whatever goes wrong in it fails the test."""
    wrong: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1300, "height": 1000}, **options})
    tab = context.new_page()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.goto(url)
    tab.wait_for_selector("html[data-ready]")
    yield tab
    assert not wrong
    context.close()


def give(tab: Any, *files: Path) -> None:
    """Files are chosen, and all that was to be heard in them has been heard."""
    tab.set_input_files("#files", [str(file) for file in files])
    heard(tab, len(files))


def heard(tab: Any, count: int) -> None:
    every = "(take) => take.error || (take.notes && take.tags.size && !take.progress)"
    until(tab, f"app.takes.length === {count} && app.takes.every({every})", 120)
    until(tab, "document.querySelector('#downloads button') && document.querySelector('#progress').hidden")


def until(tab: Any, expression: str, seconds: float = 60) -> None:
    """Wait until the page says so. Playwright's own waiting evaluates strings in the page, which the page forbids."""
    for _ in range(round(seconds / 0.05)):
        if asked(tab, expression):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"in {seconds} s it never became true that {expression}")


def asked(tab: Any, expression: str) -> Any:
    """Something that the page knows: ``desk`` is what lies open."""
    return tab.evaluate(
        f"async () => {{ const {{ app }} = await import('./js/app.js'), {{ desk }} = app; return {expression}; }}"
    )


def saved(tab: Any, click: Any) -> tuple[str, bytes]:
    with tab.expect_download() as download:
        click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def press(tab: Any, *keys: str) -> None:
    tab.evaluate("document.activeElement.blur()")
    for key in keys:
        tab.keyboard.press(key)


def slide(tab: Any, place: str, value: float) -> None:
    tab.locator(place).first.fill(str(value))


def test_a_song_is_seen_heard_and_taken_home(browser: Any, address: str, song: Path, tmp_path: Path) -> None:
    with opened(browser, address) as tab:
        give(tab, song)
        assert tab.inner_text("#take-name") == "song.wav" and "0:05.0 · 44.1 kHz" in tab.inner_text(
            "#take-facts"
        )

        instruments, notes = sonoscope.load("instruments"), sonoscope.load("notes")
        whole = instruments.analyze(str(song))
        found = asked(tab, "desk.lanes.events.map((e) => [e.start, e.end, e.label, e.score])")
        assert found == [[e.start_s, e.end_s, e.label, e.score] for e in whole.events]

        peaks = dict(zip(whole.scores.labels, whole.scores.probabilities.max(axis=0).tolist(), strict=True))
        label = max((name for name in peaks if name != "other"), key=peaks.__getitem__)
        least = max(round(0.5 * peaks[label], 2), 0.01)
        slide(tab, f"input[data-label={label}]", least)
        slide(tab, "#min-duration", 0.6)
        other = instruments.analyze(str(song), threshold={label: least}, min_duration=0.6)
        assert other.events, "half of its highest score is an event"
        found = asked(tab, "desk.lanes.events.map((e) => [e.start, e.end, e.label, e.score])")
        assert found == [[e.start_s, e.end_s, e.label, e.score] for e in other.events]
        name, table = saved(tab, lambda: tab.locator("#downloads [data-format=csv]").first.click())
        other.to_csv(tmp_path / "expected.csv")
        assert name == "song.wav.events.csv" and table == (tmp_path / "expected.csv").read_bytes()
        tab.click("#reset")
        assert asked(tab, "desk.lanes.events.length") == len(whole.events)

        heard_notes = notes.analyze(str(song))
        roll = asked(tab, "desk.take.notes.list.map((n) => [n.start, n.end, n.pitch, n.velocity])")
        assert roll == [[n.start_s, n.end_s, n.pitch, n.velocity] for n in heard_notes.notes]
        assert {pitch for _, _, pitch in SONG} <= {round(note[2]) for note in roll}
        name, midi = saved(tab, lambda: tab.locator("#downloads [data-format=midi]").click())
        heard_notes.to_midi(tmp_path / "expected.mid")
        assert name == "song.wav.mid" and midi == (tmp_path / "expected.mid").read_bytes()
        name, sound = saved(tab, lambda: tab.locator("#downloads [data-format=wav]").click())
        assert np.abs(soundfile.read(io.BytesIO(sound))[0]).max() > 0.1

        slide(tab, "#onset", 0.9)
        fewer = notes.analyze(str(song), onset=0.9)
        until(tab, f"desk.take.notes.list.length === {len(fewer.notes)}")


def test_what_is_drawn_lies_where_the_axes_say(browser: Any, address: str, song: Path) -> None:
    """The brightest row of the picture is the tone's; the roll lies over it; every axis agrees."""
    with opened(browser, address, color_scheme="dark") as tab:
        give(tab, song)
        for kind in ("log", "mel", "linear"):
            tab.select_option("#axis", kind)
            until(tab, TILES)
            tab.wait_for_timeout(300)
            hz = asked(
                tab,
                """(() => { const canvas = document.querySelector('#tiles'), stage = desk.stage;
                  const x = Math.round(stage.view.at(4.0) * canvas.width);
                  const column = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height).data;
                  let best = 0, most = -1;
                  for (let y = 0; y < canvas.height; y++) { if (stage.axis.hz(y / canvas.height) < 300) break;
                    const light = column[4 * y] + column[4 * y + 1]; if (light > most) [best, most] = [y, light]; }
                  return stage.axis.hz((best + 0.5) / canvas.height); })()""",
            )
            assert hz == pytest.approx(523.25, rel=0.06), kind  # C5, the last note
            if kind == "log":
                with_notes = asked(tab, INK_OF_ROLL)
                tab.uncheck("#show-notes")
                tab.wait_for_timeout(100)
                assert with_notes > 500 and asked(tab, INK_OF_ROLL) == 0
                tab.check("#show-notes")


#: The spectrogram is complete.
TILES = "(() => { const s = desk.stage.spectrogram; return s.tiles.size && !s.waiting.size && !s.wanted.length; })()"
INK_OF_ROLL = """(() => { const c = document.querySelector('#roll');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let ink = 0; for (let n = 3; n < d.length; n += 4) ink += d[n] > 60; return ink; })()"""


def test_it_plays_repeats_and_zooms(browser: Any, address: str, song: Path) -> None:
    with opened(browser, address) as tab:
        give(tab, song)
        slide(tab, "#level-notes", 1)
        press(tab, "Space")
        until(tab, "desk.stage.time > 0.4")
        assert asked(tab, "desk.player.playing && desk.player.synth.next > 0")
        assert tab.inner_text("#now b") != "0:00.000"
        press(tab, "Space")
        assert not asked(tab, "desk.player.playing")

        # A selection by its numbers, by keys, by the mouse; playing stops where it ends.
        tab.fill("#part-start", "1")
        tab.fill("#part-end", "1.4")
        tab.press("#part-end", "Enter")
        assert asked(tab, "desk.stage.selection") == {"start": 1, "end": 1.4}
        press(tab, "Space")
        until(tab, "!desk.player.playing")
        assert asked(tab, "desk.stage.time") == pytest.approx(1.4, abs=0.01)
        press(tab, "Home", "[", "End", "]")
        assert asked(tab, "desk.stage.selection") == {"start": 0, "end": SECONDS}
        press(tab, "Escape")
        box = tab.locator("#spectrogram").bounding_box()
        middle = box["y"] + box["height"] / 2
        tab.mouse.move(box["x"] + box["width"] * 0.2, middle)
        tab.mouse.down()
        tab.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
        tab.mouse.up()
        chosen = asked(tab, "desk.stage.selection")
        assert chosen["start"] == pytest.approx(1, abs=0.02) and chosen["end"] == pytest.approx(3, abs=0.02)

        # The wheel zooms about where it is turned; keys about the cursor; the overview moves.
        before = asked(tab, "desk.stage.view.time(0.6)")
        tab.mouse.wheel(0, -400)
        until(tab, f"desk.stage.view.span < {0.8 * SECONDS}")
        view = asked(tab, "[desk.stage.view.start, desk.stage.view.end, desk.stage.view.time(0.6)]")
        assert view[1] - view[0] < 0.8 * SECONDS and view[2] == pytest.approx(before, abs=0.02)
        press(tab, "z")
        assert asked(tab, "desk.stage.view.span") == pytest.approx(2 * 1.16, abs=0.05)
        press(tab, "0")
        assert asked(tab, "desk.stage.view.span") == SECONDS
        press(tab, "+", "+")
        overview = tab.locator("#overview").bounding_box()
        tab.mouse.click(overview["x"] + overview["width"] - 5, overview["y"] + 5)
        assert asked(tab, "desk.stage.view.end") == SECONDS


def test_a_note_is_tapped_and_says_why(browser: Any, address: str, song: Path) -> None:
    with opened(browser, address) as tab:
        give(tab, song)
        note = asked(
            tab,
            """(() => { const stage = desk.stage, box = document.querySelector('#spectrogram').getBoundingClientRect();
              const note = stage.notes.find((one) => one.start > 2 && one.pitch > 70), { start, end, pitch } = note;
              return { start, end, pitch, x: box.left + stage.view.at((start + end) / 2) * box.width,
                y: box.top + stage.axis.at(440 * 2 ** ((pitch - 69) / 12)) * box.height }; })()""",
        )
        tab.mouse.click(note["x"], note["y"])
        assert asked(tab, "desk.stage.selection") == {"start": note["start"], "end": note["end"]}
        press(tab, "e")
        until(tab, "desk.stage.showsWhy", 120)
        why = asked(tab, "[desk.stage.overlayImage.start, desk.stage.overlayImage.end, desk.stage.view.span]")
        assert why[0] < note["start"] < why[1] and why[2] <= 8 * (why[1] - why[0]) + 1e-6
        press(tab, "e")
        assert not asked(tab, "desk.stage.showsWhy")


def test_parts_become_clips(browser: Any, address: str, song: Path) -> None:
    with opened(browser, address) as tab:
        give(tab, song)
        for start, end, label in ((0.5, 1.0, "high"), (2.2, 2.9, "low <b>")):
            tab.fill("#part-start", str(start))
            tab.press("#part-start", "Tab")  # as a person leaves it; the end moves along
            tab.fill("#part-end", str(end))
            tab.press("#part-end", "Enter")
            tab.fill("#part-label", label)
            tab.click("#keep")
        assert tab.locator("#parts li").count() == 2 and "low <b>" in tab.inner_text("#parts")
        name, data = saved(tab, lambda: tab.click("#save-parts"))
        archive = zipfile.ZipFile(io.BytesIO(data))
        clips = [entry for entry in archive.namelist() if entry.endswith(".wav")]
        assert name.endswith(".zip") and len(clips) == 2
        lengths = sorted(soundfile.info(io.BytesIO(archive.read(clip))).duration for clip in clips)
        assert lengths == pytest.approx([0.5, 0.7], abs=1e-3)


def test_several_files_have_a_summary_and_names_are_only_names(
    browser: Any, address: str, song: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "<img src=x onerror=alert(1)>.wav"
    odd.write_bytes(song.read_bytes())
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound at all")
    wrong: list[str] = []
    with opened(browser, address) as tab:
        # The service says 422 of what is no sound; the browser's console repeats that, and nothing else.
        tab.on("dialog", lambda dialog: wrong.append(dialog.message))
        give(tab, song, odd)
        tab.click("text=Together")
        rows = tab.locator("#summary-table tbody tr")
        assert rows.count() == 2 and odd.name in rows.nth(1).inner_text()
        name, table = saved(tab, lambda: tab.click("#summary-save"))
        assert (
            name == "summary.csv"
            and table.decode().startswith("file,duration,notes")
            and table.count(b"\n") == 3
        )
        tab.locator("#takes .close").first.click()
        assert tab.locator("#takes .tab").count() == 1
    assert not wrong
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("html[data-ready]")
    tab.set_input_files("#files", str(broken))
    tab.wait_for_selector("#remark:not([hidden])")
    assert len(tab.inner_text("#remark")) > 20
    context.close()


def test_what_is_given_early_waits_for_the_service(browser: Any, address: str, song: Path) -> None:
    context = browser.new_context()
    tab = context.new_page()
    held: list[Any] = []
    tab.route("**/models", lambda route: held.append(route))
    tab.goto(address)
    until(tab, "Boolean(app)")
    tab.set_input_files("#files", str(song))
    tab.wait_for_timeout(200)
    assert len(held) == 1 and asked(tab, "app.takes.length") == 0
    held.pop().continue_()
    heard(tab, 1)
    assert asked(tab, "app.current.name") == song.name
    context.close()


def test_by_keyboard_and_by_ear(browser: Any, address: str, song: Path) -> None:
    """Everything has a name, what happens is said, words stand out from their ground in both themes."""
    for theme in ("light", "dark"):
        with opened(browser, address, color_scheme=theme) as tab:
            give(tab, song)
            nameless = tab.evaluate(
                """() => [...document.querySelectorAll('button, input, select, a')].filter((e) =>
                  e.checkVisibility() && !(e.innerText?.trim() || e.getAttribute('aria-label') || e.labels?.length
                  || e.title)).map((e) => e.outerHTML)"""
            )
            assert nameless == []
            for place in (
                "#take-facts",
                ".panel label",
                ".chip",
                "#readout",
                ".lane-name b",
                "summary",
                "h1",
            ):
                assert contrast(tab, place) >= 4.5, (theme, place)
            slide(tab, "input[data-label]", 0.99)
            until(tab, "/event/.test(document.querySelector('#told').textContent)")
            press(tab, "?")
            assert tab.is_visible("#keys-dialog") and "Zoom in" in tab.inner_text("#keys-dialog")
            tab.keyboard.press("Escape")
            tab.click("summary")
            until(tab, "document.querySelectorAll('#events tbody tr').length > 5")
            tab.locator("#events tbody tr button").nth(3).click()
            assert asked(tab, "Boolean(desk.stage.selection)")
            press(tab, "t")
            tab.reload()
            tab.wait_for_selector("html[data-ready]")
            assert (
                tab.evaluate("document.documentElement.dataset.theme")
                == {"light": "dark", "dark": "light"}[theme]
            )


def test_on_a_phone_nothing_sticks_out(browser: Any, address: str, song: Path) -> None:
    with opened(
        browser, address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    ) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        give(tab, song)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert asked(tab, "desk.stage.pans")
        # Two fingers, apart.
        box = tab.locator("#spectrogram").bounding_box()
        client = tab.context.new_cdp_session(tab)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, apart in (("touchStart", 20), ("touchMove", 50), ("touchMove", 80)):
            points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert asked(tab, "desk.stage.view.span") < 0.5 * SECONDS


def test_an_hour_stays_usable(browser: Any, address: str, tmp_path: Path) -> None:
    """Ever the same few tiles, wherever one looks and however close."""
    rng = np.random.default_rng(1)
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 8000, 1, subtype="PCM_16") as file:
        for minute in range(60):
            tone = 0.3 * np.sin(2 * np.pi * (400 + 20 * minute) * np.arange(480_000) / 8000)
            file.write(tone + 0.01 * rng.standard_normal(480_000))
    with opened(browser, address) as tab:
        asked(tab, "desk.wanted = () => []")
        requests: list[str] = []
        tab.on(
            "request", lambda request: requests.append(request.url) if "/spectrogram" in request.url else None
        )
        tab.set_input_files("#files", str(tmp_path / "hour.flac"))
        tab.wait_for_selector("#hertz-ticks span", timeout=120_000)
        until(tab, TILES)
        assert tab.inner_text("#take-facts").startswith("1:00:00")
        assert len(requests) <= 8
        for place in (0.1, 0.5, 0.9):
            asked(tab, f"desk.stage.setView(desk.stage.view.zoom(Infinity).zoom(0.001, {place}))")
            tab.wait_for_timeout(100)
            until(tab, TILES)
        assert len(requests) <= 30
        assert asked(tab, "desk.stage.view.span") == pytest.approx(3.6)
        assert tab.evaluate("document.querySelector('#times').textContent").count(":") >= 4


def test_live_with_a_microphone(launch: Any, address: str, song: Path, tmp_path: Path) -> None:
    """What is played into the microphone is seen, told with its delay, and can be taken home."""
    samples, _ = soundfile.read(song)
    soundfile.write(tmp_path / "microphone.wav", samples, RATE, subtype="PCM_16")
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}")  # fmt: skip
    listening = launch(*fake)
    with opened(listening, f"{address}#live", permissions=["microphone"]) as tab:
        tab.click("#listen")
        until(tab, "app.live.notes.length > 6")
        assert "notes" in tab.inner_text("#live-delay") and tab.inner_text("#live-late").endswith("ms")
        tab.click("#listen")
        tab.wait_for_selector("#live-keep:not([hidden])")
        pitches = set(asked(tab, "app.live.notes.map((note) => note.pitch)"))
        assert len(pitches & {pitch for _, _, pitch in SONG}) >= 4
        name, sound = saved(tab, lambda: tab.click("#keep-wav"))
        assert name == "live.wav" and np.abs(soundfile.read(io.BytesIO(sound))[0]).max() > 0.05
        name, midi = saved(tab, lambda: tab.click("#keep-midi"))
        assert midi[:4] == b"MThd"
        tab.click("#keep-open")
        heard(tab, 1)
        assert tab.inner_text("#take-name") == "live.wav"
    listening.close()


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
