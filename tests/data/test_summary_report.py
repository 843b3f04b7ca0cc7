"""``sonoscope data summary`` as a user types it, and the page that it writes."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main
from sonoscope.data import badrows
from sonoscope.data.summary import charts

RATE = 22_050


class Page(HTMLParser):
    """What is needed of a page: whether its tags close, its attributes, its text."""

    VOID = frozenset({"meta", "link", "br", "rect", "line", "path", "use"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen clips of two instruments and of both, from a source whose name is markup, with groups and splits."""
    root, rng = tmp_path_factory.mktemp("project"), np.random.default_rng(0)
    rows = [["path", "labels", "group", "split", "source", "licence"]]
    for k in range(16):
        t, kind = np.arange(4 * RATE) / RATE, ("tone", "noise", "tone;noise")[k % 3]
        sound = 0.1 * rng.standard_normal(t.size) * ("noise" in kind)
        sound += 0.2 * np.sin(2 * np.pi * (300 + 20 * k) * t) * ("tone" in kind)
        name = f"{k}.wav"
        soundfile.write(root / name, sound, RATE)
        rows.append(
            [name, kind, f"g{k // 2}", ("train", "test")[k % 2 if k < 2 else k // 8], "lab & <co>", "CC0"]
        )
    with open(root / "m.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root


def test_the_report_is_one_page_that_needs_nothing_else(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    assert main(["data", "summary", str(project / "m.csv"), "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("16 rows, 16 files, 1.1 min\n") and f"report: {out}" in said.err
    html = out.read_text(encoding="utf-8")
    page = Page(html)
    assert not page.open
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|<script|https?://", html), "nothing from outside"
    assert html.count("prefers-color-scheme: dark") == 1 and '<html lang="en">' in html
    assert "lab &amp; &lt;co&gt;" in html and "<co>" not in html
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(drawings) > 8 and all(d.get("role") == "img" and d.get("aria-label") for d in drawings)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        if (attrs.get("href") or "").startswith("#"):
            assert (attrs["href"] or "")[1:] in ids
    for part in (
        "Labels together",
        "1 group with 2 rows in more than one split: g0",
        "All rows were heard",
        "t-SNE",
    ):
        assert part in page.text, part
    assert not [path.name for path in tmp_path.iterdir() if path.name != "report.html"]


def test_the_same_data_give_the_same_page(project: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        assert (
            main(["data", "summary", str(project / "m.csv"), "-o", str(tmp_path / name), "--sample", "9"])
            == 0
        )
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert "9 of 16 rows were heard" in Page((tmp_path / "a.html").read_text()).text


def test_without_sound_nothing_is_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.csv").write_text("path,labels,duration_s\nnot-there.wav,violin,2\n")
    out = tmp_path / "r.html"
    assert main(["data", "summary", str(tmp_path / "m.csv"), "--no-audio", "-o", str(out)]) == 0
    assert capsys.readouterr().out.startswith("1 row, 1 file, 2.0 s")
    assert "Nothing was decoded" in Page(out.read_text()).text


def test_bad_rows_are_listed_beside_the_report_and_in_it(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"path,labels\n{project}/0.wav,tone\n{project}/none.wav,tone\n")
    out = tmp_path / "r.html"
    assert main(["data", "summary", str(manifest), "-o", str(out)]) == 1
    assert "1 row cannot be used, listed in" in capsys.readouterr().err
    (problem,) = badrows.read(tmp_path / "r.bad_rows.csv")
    assert problem.path.endswith("none.wav") and problem.reason and problem.remedy
    assert "Rows that cannot be used" in Page(out.read_text()).text
    manifest.write_text(f"path,labels\n{project}/0.wav,tone\n")
    assert main(["data", "summary", str(manifest), "-o", str(out)]) == 0
    assert not (tmp_path / "r.bad_rows.csv").exists()


def test_json_and_the_table(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "features.csv"
    assert (
        main(
            ["data", "summary", str(project / "m.csv"), "--json", "--features", str(table), "--sample", "all"]
        )
        == 0
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["labels"]["tone"] == {
        "rows": 11, "seconds": 44.0, "alone": 6, "absent": 5, "unknown": 0, "groups": 8, "sources": 1,
        "splits": {"train": 5, "test": 6},
    }  # fmt: skip
    assert figures["together"] == [[10, 5], [5, 11]] and figures["sound"]["rows"] == 16
    with open(table, newline="") as file:
        assert len(list(csv.DictReader(file))) == 16


def test_folders_and_data_sets_are_data_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "summary", f"inference:{project}", "--sample", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("16 rows, 16 files, 12.0 s (13 rows of unknown length)") and "heard 3 rows" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["m.csv", "-o", "r.pdf"], "-o r.pdf: the report is an .html file"),
        (["m.csv", "--features", "f.txt"], "--features f.txt: the table is a .csv or a .parquet file"),
        (["m.csv", "--features", "f.csv", "--no-audio"], "leave out --no-audio"),
        (["m.csv", "--sample", "0"], "--sample 0: give a number of rows from 1 on, or all"),
        (["m.csv", "--sample", "many"], "--sample many"),
        (["m.csv", "-o", "none/r.html"], "there is no folder 'none'"),
        (["none.csv"], "no such file or folder: 'none.csv'"),
        (["irms:x"], "Did you mean 'irmas'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_heard(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text("path,labels\nx.wav,violin\n")
    assert main(["data", "summary", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_a_histogram_holds_every_value_and_says_so() -> None:
    rng = np.random.default_rng(0)
    for values in (
        rng.uniform(0, 10, 500),
        rng.lognormal(0, 2, 500),
        np.array([1.0, 2.0]),
        rng.integers(-60, 0, 99),
    ):
        drawn = charts.histogram(np.asarray(values, dtype=float), "x", unit="s")
        counts = [int(found.replace(",", "")) for found in re.findall(r"s: ([\d,]+)</title></rect>", drawn)]
        assert sum(counts) == len(values)
    assert charts.histogram(np.zeros(0), "x", unit="s") == ""
    assert "All 3 are 2 s" in charts.histogram(np.full(3, 2.0), "x", unit="s")


def test_ticks_are_round_and_inside() -> None:
    assert charts.ticks(0, 10) == [0, 2, 4, 6, 8, 10] and charts.ticks(-7, 7, 3) == [-5, 0, 5]
    assert charts.ticks(3, 3) == [3] and charts.ticks(0.0, 0.011, 4) == pytest.approx([0, 0.005, 0.01])


def test_strips_and_points_escape_names() -> None:
    drawn = charts.strips([("<i>", np.arange(5.0))], "x", unit="dB") + charts.cloud(
        np.random.default_rng(0).random((9, 2)), ["<i>"] * 9, "x"
    )
    assert "<i>" not in drawn and "&lt;i&gt;" in drawn
    assert charts.strips([("a", np.zeros(0))], "x", unit="dB") == ""
