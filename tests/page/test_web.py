"""A page without a service: the graphs of the models in the browser hear what the package hears."""

from __future__ import annotations

import functools
import http.server
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope import models, scores
from sonoscope.cli import main
from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.notes.scores import LEAST, NoteScores
from sonoscope.notes.sonify import sonify
from sonoscope.values import Event

CHROMIUM = os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.parametrize(
    ("n", "window", "hop"), [(1, 24_000, 12_000), (700_001, 24_000, 12_000), (90_000, 0, 480)]
)
def test_pieces_answer_for_all_of_it_once(run: Any, n: int, window: int, hop: int) -> None:
    total = 1 + -(-max(n - window, 0) // hop) if window else -(-n // hop)
    given = {"hop": hop, "total": total, "before": 10_001, "after": 13_000, "piece": 48_000}
    found = run("return (await load('network.js')).pieces(data.n, data.given);", {"n": n, "given": given})
    answered = 0
    for piece in found:
        begin = piece["first"] + piece["skip"] * hop
        assert begin == answered * hop
        assert piece["first"] == 0 or begin - piece["first"] >= 10_001
        answered += piece["count"]
        assert piece["last"] == n or piece["last"] >= answered * hop + 13_000
    assert answered == total and found[-1]["last"] == n


def test_scores_are_rounded_and_calibrated_as_in_the_package(run: Any, rng: np.random.Generator) -> None:
    logits = np.concatenate([rng.normal(0, 4, (50, 3)), [[0.0005, -40.0, 40.0]]]).astype(np.float32)
    calibration = np.array([[0.86, -0.22], [1.4, 0.5], [0.47, 0.0]])
    body = """const { calibrated } = await load("network.js");
      return calibrated({ rows: 51, columns: 3, values: Float32Array.from(data.logits) }, data.calibration);"""
    spoken = [{"slope": slope, "offset": offset} for slope, offset in calibration.tolist()]
    found = run(body, {"logits": logits.ravel().tolist(), "calibration": spoken})
    np.testing.assert_array_equal(
        found, np.rint(scores.calibrate(logits, calibration).astype(float) * 10_000)
    )


def test_scores_of_notes_are_kept_as_in_the_package(run: Any, rng: np.random.Generator) -> None:
    onset, sustain, velocity = (rng.uniform(0, 1, (40, 5)).astype(np.float32) ** 4 for _ in range(3))
    body = """const { kept } = await load("network.js");
      const table = (values) => ({ rows: 40, columns: 5, values: Float32Array.from(values) });
      const found = kept({ onset: table(data[0]), sustain: table(data[1]), velocity: table(data[2]) });
      return [found.onset, found.sustain, found.velocity].map((values) => [...values]);"""
    found = run(body, [table.ravel().tolist() for table in (onset, sustain, velocity)])
    onset[onset < LEAST] = 0
    sustain[sustain < LEAST] = 0
    velocity[onset == 0] = 0
    expected = NoteScores(onset, sustain, 0.02, velocity=velocity).rounded(8)
    for values, table in zip(found, expected.tables().values(), strict=True):
        np.testing.assert_array_equal(np.float32(values), table.ravel())


def test_a_zip_of_the_browser_is_one(run: Any) -> None:
    body = """const { zip } = await load("zip.js"), text = new TextEncoder();
      const made = zip([{ name: "é/a.txt", bytes: text.encode("hello") }, { name: "empty", bytes: new Uint8Array() }]);
      return [...new Uint8Array(await made.arrayBuffer())];"""
    archive = zipfile.ZipFile(io.BytesIO(bytes(run(body))))
    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == {"é/a.txt": b"hello", "empty": b""}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--web", "web", "-o", "a.onnx"], "leave -o"),
        (["--web", "web", "--int8"], "leave -o"),
        (["--runtime", "."], "add --web"),
        ([], "--web FOLDER"),
        (["--web", "web", "--runtime", "."], "npm install onnxruntime-web"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    assert main(["models", "export", "instruments", *arguments]) == 2
    assert said in capsys.readouterr().err and not any(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from sonoscope.networks import web

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        web.write_web([models.load("instruments")], tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exported page at an address; skipped where onnxruntime-web cannot be had."""
    pytest.importorskip("torch")
    from sonoscope.networks import web

    given = os.environ.get("SONOSCOPE_ORT_WEB")
    try:
        runtime = web.runtime_folder(
            Path(given) if given else None, say=lambda _: None, progress=lambda *_: None
        )
    except SonoscopeError as error:
        pytest.skip(f"no onnxruntime-web: {error}")
    folder = tmp_path_factory.mktemp("export") / "web"
    differences = web.write_web([models.load("instruments"), models.load("notes")], folder, runtime)
    assert max(differences.values()) < 1e-4
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_browser_alone_hears_what_the_package_hears(site: str, tmp_path: Path) -> None:
    """For sound at the models' rate; 25 s, so that it goes through in two pieces."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium")
    tune = [
        Event(0.3 + 0.45 * k, 0.7 + 0.45 * k, "note", 1.0, pitch=60 + (5 * k) % 19, velocity=60 + k)
        for k in range(53)
    ]
    # A little noise, as every recording has: the spectrum of digital silence is the rounding of who computes it.
    sound = sonify(tune, 24_000, 25.0) + 1e-3 * np.random.default_rng(0).standard_normal(25 * 24_000)
    soundfile.write(tmp_path / "tune.wav", sound, 24_000, subtype="PCM_16")
    wrong: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        tab = browser.new_page()
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on(
            "request",
            lambda request: (
                None if request.url.startswith((site, "blob:", "data:")) else wrong.append(request.url)
            ),
        )
        tab.goto(site)
        tab.wait_for_selector("html[data-ready]")
        tab.set_input_files("#files", str(tmp_path / "tune.wav"))
        tab.wait_for_selector("#downloads [data-format=midi]", timeout=180_000)
        found = tab.evaluate(
            """async () => { const { app } = await import('./js/app.js'), take = app.current;
              const { scores } = take.tags.get('instruments');
              return JSON.stringify({ error: take.error?.message ?? null, steps: scores.probabilities,
                edges: scores.edges,
                notes: take.notes.list.map((n) => [n.start, n.end, n.pitch, n.velocity]) }); }"""
        )
        with tab.expect_download() as download:
            tab.locator("#downloads [data-format=midi]").click()
        assert Path(download.value.path()).read_bytes()[:4] == b"MThd"
        browser.close()
    found = json.loads(found)
    assert found["error"] is None and not wrong

    heard = sonoscope.load("instruments").analyze(str(tmp_path / "tune.wav")).scores
    assert found["edges"] == heard.cell_edges.tolist()
    difference = np.abs(np.array(found["steps"]) - np.rint(heard.probabilities * 1e4))
    assert difference.max() <= 5  # single precision in another order: steps of 1e-4
    notes = sonoscope.load("notes").analyze(str(tmp_path / "tune.wav"), tuning=0).notes
    expected = np.array([[n.start_s, n.end_s, n.pitch, n.velocity] for n in notes])
    assert len(notes) > 40
    np.testing.assert_allclose(
        np.array(found["notes"]), expected, atol=0.011
    )  # a step of 1/250 moves a time a little
