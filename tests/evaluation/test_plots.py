"""Plots in files: well-formed, escaped, the same every time, and where the numbers say."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import sonoscope
from sonoscope.errors import UsageError
from sonoscope.evaluation import plots, reports, sidebyside
from sonoscope.evaluation.plots import charts, clips, drawing
from sonoscope.evaluation.result import Curve, Figure, Result

HOSTILE = '<script>alert("x")</script>&'
LABELS = ["cello", "flute", HOSTILE]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result() -> Result:
    rng = np.random.default_rng(3)
    truth = np.tile([[1, 0, 0], [0, 1, 0], [0, 0, 1]], (8, 1))
    results = [
        sonoscope.evaluate(truth, rng.random(truth.shape), LABELS, draws=10, groups=[str(k % 6) for k in range(24)])
        for _ in range(2)
    ]  # fmt: skip
    return sidebyside.together({"one": results[0], HOSTILE: results[1]})


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_everything_that_can_be_drawn_is_a_file(result, tmp_path):
    drawn = plots.drawn(result)
    assert {
        "roc",
        "precision_recall",
        "reliability",
        "figures",
        "per_class",
        "labels",
        "label_counts",
    } <= set(drawn)
    assert {"scores-one", "scores-script-alert-x-script"} <= set(drawn) and "map_PCA-one" not in drawn
    assert {name for name in drawn if name.startswith("confusion")} == {
        f"{table}-{model}"
        for table in ("confusion", "confusion_shares", "confusion_pairs")
        for model in ("one", "script-alert-x-script")
    }
    for name, made in drawn.items():
        svg = made.svg()
        assert {element.tag for element in ElementTree.fromstring(svg).iter()} <= {
            SVG + tag for tag in ("svg", "title", "rect", "path", "circle", "text")
        }, name
        assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", svg) and made.svg() == svg
    assert HOSTILE in texts(drawn["roc"].svg()) and LABELS[0] in texts(drawn["per_class"].svg())
    written = {path.relative_to(tmp_path).as_posix() for path in reports.write(result, tmp_path)}
    assert {f"plots/{name}.svg" for name in drawn} <= written
    painted = importlib.util.find_spec("matplotlib") is not None
    assert {name for name in written if name.endswith(".png")} == (
        {f"plots/{name}.png" for name in drawn} if painted else set()
    )


def test_points_are_where_they_belong():
    curve = Curve(
        "reliability", "R", "score", "share", {"a": (np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5]))}
    )
    dots = [mark for mark in charts.curve(curve).marks if isinstance(mark, drawing.Dot)]
    assert dots[1].x == pytest.approx((dots[0].x + dots[2].x) / 2)
    assert dots[1].y < dots[2].y < dots[0].y and dots[2].y == pytest.approx((dots[0].y + dots[1].y) / 2)
    made = charts.intervals("F", {"f1": {"m": Figure(0.5, 0.25, 0.75)}, "none": {"m": Figure(None)}}, "value")
    [dot] = [mark for mark in made.marks if isinstance(mark, drawing.Dot)]
    [line] = [
        mark for mark in made.marks if isinstance(mark, drawing.Line) and mark.colour == drawing.COLOURS[0]
    ]
    assert dot.x == pytest.approx((line.points[0][0] + line.points[1][0]) / 2)
    assert "none" not in [mark.words for mark in made.marks if isinstance(mark, drawing.Text)]


def test_a_matrix_has_its_numbers_and_shades():
    made = charts.matrix("C", ["a", "b"], ["a", "b"], np.array([[8.0, 2.0], [np.nan, 5.0]]))
    words = [mark.words for mark in made.marks if isinstance(mark, drawing.Text)]
    assert words == ["a", "8", "2", "b", "5", "a", "b"]
    dark = [mark.colour for mark in made.marks if isinstance(mark, drawing.Box)]
    assert dark[0] < dark[1], "8 of 10 is darker than 2 of 10"
    assert "0.25".lstrip("0") in texts(charts.matrix("S", ["a"], ["a"], np.array([[0.25]])).svg())


def test_pdf_has_its_fonts_and_the_same_bytes(result):
    pytest.importorskip("matplotlib")
    made = plots.drawn(result)["roc"]
    pdf = made.pdf()
    assert pdf.startswith(b"%PDF") and b"FontFile2" in pdf and made.pdf() == pdf
    assert made.png().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_svg_only(result, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    made = plots.drawn(result)["roc"]
    assert made.svg()
    with pytest.raises(UsageError, match=r"writing a plot as PDF needs the package matplotlib"):
        made.pdf()


def test_names_are_files_everywhere():
    assert plots.filename("roc/runs\\mine@last") == "roc-runs-mine-last"
    assert plots.filename("../..") == "plot"


def test_scores_stand_on_their_side_and_in_their_bar():
    arrays = {
        "labels": np.array(["a"]), "truth": np.array([[1], [1], [0]]), "known": np.ones((3, 1), dtype=bool),
        "scores": np.array([[0.99], [0.98], [0.02]]),
    }  # fmt: skip
    marks = clips.histograms(arrays, "H").marks
    [above] = [m for m in marks[4:] if isinstance(m, drawing.Box) and m.colour == drawing.COLOURS[1]]
    [below] = [m for m in marks[4:] if isinstance(m, drawing.Box) and m.colour == drawing.COLOURS[0]]
    assert above.x > below.x and above.y + above.height == pytest.approx(below.y), "they meet at the middle"
    assert above.height == below.height, "each is a share of its own"
    assert "a (2)" in [m.words for m in marks if isinstance(m, drawing.Text)]


def test_maps_are_drawn_of_embeddings(result):
    rng = np.random.default_rng(1)
    truth = np.asarray(result.arrays["one/truth"])
    vectors = 5 * truth + rng.normal(size=truth.shape)
    mapped = replace(result, arrays={**result.arrays, "one/embeddings": vectors})
    made = plots.drawn(mapped)["map_PCA-one"]
    dots = [mark for mark in made.marks if isinstance(mark, drawing.Dot)]
    assert len(dots) == len(truth) + 3, "a dot for each clip, and one for each label in the key"
    by_label = [np.array([(d.x, d.y) for d in dots[: len(truth)]])[truth[:, k] > 0] for k in range(3)]
    apart = np.linalg.norm(by_label[0].mean(axis=0) - by_label[1].mean(axis=0))
    assert apart > 2 * by_label[0].std(), "what was apart is apart in the picture"
    assert HOSTILE in texts(made.svg())
