"""The report of an evaluation as a page: whole, escaped, on its own, and audible."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.data import manifest as manifests
from sonoscope.evaluation import page, reports, sidebyside
from sonoscope.evaluation.page import mistakes
from sonoscope.evaluation.result import Curve, Figure, Result, Table

RATE = 22_050
HOSTILE = '<script>alert("x")</script>&'
LABELS = ["cello", "flute", HOSTILE]
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Whether tags close, and what there is of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, attribute: str) -> list[str | None]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for k in range(16):
        time = np.arange(5 * RATE) / RATE
        soundfile.write(folder / f"{k}.wav", 0.1 * np.sin(2 * np.pi * 220 * (k + 1) * time), RATE)
    rows = [f"{k}.wav,cello" for k in range(16)]
    (folder / "manifest.csv").write_text("\n".join(["path,labels", *rows]) + "\n")
    return folder


def judged(seed: int = 0) -> Result:
    truth = np.tile([[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]], (4, 1))
    scores = np.random.default_rng(seed).random(truth.shape)
    return sonoscope.evaluate(truth, scores, LABELS, names=[f"{k}.wav" for k in range(16)], draws=10)


@pytest.mark.parametrize("several", [False, True])
def test_every_table_figure_and_curve_is_there(several):
    result = sidebyside.together({"one": judged(), HOSTILE: judged(1)}) if several else judged()
    read = Page(page.html(result))
    shown = set(read.of("data-table"))
    assert {table.name for table in result.tables} == shown
    assert read.of("data-curve") == [curve.name for curve in result.curves]
    names = {name.rpartition("/")[2] if several else name for name in result.figures}
    assert names <= set(read.words)
    histograms = [each for each in read.of("aria-label") if each and each.startswith("Scores of ")]
    assert len(histograms) == len(LABELS) * (2 if several else 1)
    assert any("Number of labels in a clip" in (each or "") for each in read.of("aria-label"))
    assert sum(attrs.get("class") == "pair" for _, attrs in read.tags) == (2 if several else 1)


def test_names_are_escaped_and_nothing_comes_from_outside():
    result = replace(judged(), title=HOSTILE, notes=(HOSTILE,), provenance={HOSTILE: HOSTILE})
    html = page.html(result)
    assert "script" not in {tag for tag, _ in Page(html).tags}
    assert HOSTILE in Page(html).words
    assert not re.search(r"https?://|@import|url\(", html)
    addresses = [*Page(html).of("src"), *Page(html).of("href")]
    assert all(each and each.startswith(("#", "data:")) for each in addresses)


def test_loudest_mistakes_can_be_heard_and_seen(root, tmp_path):
    result = judged()
    result = replace(result, excerpts=mistakes.excerpts(result, manifests.read(root / "manifest.csv")))
    reports.write(result, tmp_path / "page.html")
    read = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    players = [attrs["src"] or "" for tag, attrs in read.tags if tag == "audio"]
    assert 0 < len(players) == len(mistakes.loudest(result)) <= mistakes.MOST
    for player in players:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(player.partition(",")[2])))
        assert len(samples) / rate == pytest.approx(mistakes.LONGEST_S) and np.abs(samples).max() > 0.1
    pictures = [attrs["src"] or "" for tag, attrs in read.tags if tag == "img"]
    assert len(pictures) == len(players)
    assert all(base64.b64decode(each.partition(",")[2]).startswith(b"\x89PNG") for each in pictures)


def test_any_protocol_has_a_page():
    result = Result(
        "notes", "1", "Notes", {"onset_f1": Figure(0.5, 0.4, 0.6), "nothing": Figure(None, why="no notes")},
        (Table("files", "By file", ("file", "error"), (("a", 12.5),)),),
        (Curve("tolerances", "F1 by tolerance", "tolerance (s)", "F1", {"a": (np.r_[0.01, 0.5], np.r_[0.2, 0.9])}),),
    )  # fmt: skip
    words = Page(page.html(result)).words
    assert {"onset_f1", "0.500 [0.400, 0.600]", "– (no notes)", "12.500", "tolerance (s)"} <= set(words)


def test_mistakes_are_those_of_each_model_in_turn():
    """One model is louder in all of its mistakes: the other's are seen all the same."""
    columns = ("model", "clip", "label", "mistake", "score", "threshold", "sounds")
    loud = [("loud", f"l{k}", "a", "false alarm", 0.99 - k / 100, 0.5, "") for k in range(30)]
    soft = [("soft", f"s{k}", "a", "miss", 0.4 + k / 100, 0.5, "a") for k in range(3)]
    result = Result("clip", "1", "T", {}, (Table("mistakes", "M", columns, (*loud, *soft)),))
    assert list(mistakes.loudest(result))[:7] == ["l0", "s0", "l1", "s1", "l2", "s2", "l3"]
    assert len(mistakes.loudest(result)) == mistakes.MOST
    assert "threshold, of each model in turn." in mistakes.drawn(result)


def test_what_is_no_share_has_no_place_between_0_and_1_and_origins_are_lines():
    figures = {"d_prime": Figure(0.5, 0.4, 0.6), "lrap": Figure(0.5, 0.4, 0.6)}
    origin = {"model": {"a": {"folder": "x", "sha256": "1"}, "b": {"folder": "y"}}, "skipped": []}
    shown = page.html(Result("clip", "1", "T", figures, (), provenance=origin))
    assert shown.count('class="interval"') == 1
    assert (
        'a: folder: x; sha256: 1</span><span class="long">b: folder: y' in shown and ">none</span>" in shown
    )
