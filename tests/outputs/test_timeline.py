"""Timelines are well-formed, escaped, and as high and as long as the numbers say."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from sonoscope.errors import UsageError
from sonoscope.outputs import timeline
from sonoscope.values import Event, Scores

HOSTILE = "<b>&\x07$"
SPACE = "{http://www.w3.org/2000/svg}"


def scores(*columns: list[float], labels: tuple[str, ...] = ("cello", HOSTILE)) -> Scores:
    """Windows of a second, one after the other."""
    values = np.array(columns).T
    starts = np.arange(len(values), dtype=np.int64) * 100
    return Scores(
        labels, 100, 100, 100, starts, starts + 100, np.zeros(values.shape, np.float32), values, len(values) * 100
    )  # fmt: skip


FOUR = scores([0.0, 1.0, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4])
EVENT = Event(1.0, 3.0, "cello", 0.75)


def drawn(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document)


def words(document: str) -> list[str]:
    return [text.text or "" for text in drawn(document).iter(f"{SPACE}text")]


def test_bars_and_curves_are_where_the_numbers_say():
    document = timeline.svg(FOUR, [EVENT], {"cello": 0.25}, 4.0)
    [bar] = [rect for rect in drawn(document).iter(f"{SPACE}rect") if rect.find(f"{SPACE}title") is not None]
    assert bar.find(f"{SPACE}title").text == "cello 0.75, 1.00–3.00 s"
    ground = next(rect for rect in drawn(document).iter(f"{SPACE}rect") if rect.get("height") == "22.00")
    left, top = float(ground.get("x")), float(ground.get("y"))
    assert float(bar.get("x")) == pytest.approx(left + timeline.WIDE / 4, abs=0.01)
    assert float(bar.get("width")) == pytest.approx(timeline.WIDE / 2, abs=0.01)
    curve, threshold = (path.get("d") for path in list(drawn(document).iter(f"{SPACE}path"))[-2:])
    heights = [float(y) for y in re.findall(r"V([\d.]+)H", curve)]
    assert heights == pytest.approx([top + 22 * (1 - score) for score in (0.0, 1.0, 0.5, 0.0)], abs=0.1)
    assert float(threshold.split()[1].partition("h")[0]) == pytest.approx(top + 22 * 0.75)
    assert words(document) == ["0 s", "1 s", "2 s", "3 s", "4 s", "cello"]


def test_without_events_the_highest_are_shown_and_labels_can_be_chosen():
    assert words(timeline.svg(FOUR, [], {}, 4.0))[-2:] == ["cello", "<b>& $"]
    assert words(timeline.svg(FOUR, [EVENT], {}, 4.0, labels=[HOSTILE]))[-1] == "<b>& $"
    with pytest.raises(UsageError, match="labels: 'celo' has no scores here; known: cello, "):
        timeline.svg(FOUR, [], {}, 4.0, labels=["celo"])


def test_a_long_recording_keeps_its_highest_and_stays_small():
    column = np.zeros(50_000)
    column[31_234] = 1.0
    document = timeline.svg(scores(column.tolist(), labels=("cello",)), [], {}, 50_000.0)
    assert len(document) < 40_000 and sum(y == "8.0" for y in re.findall(r"V([\d.]+)H", document)) == 1


def test_nothing_at_all_is_a_picture():
    none = scores([], labels=("cello",))
    assert words(timeline.svg(none, [], {}, 0.0))[-1] == "cello"


def test_png_is_one():
    pytest.importorskip("matplotlib")
    for given in ((FOUR, [EVENT], {"cello": 0.5}, 4.0), (scores([], labels=("cello",)), [], {}, 0.0)):
        first, again = io.BytesIO(), io.BytesIO()
        timeline.png(first, *given)
        timeline.png(again, *given)
        assert first.getvalue().startswith(b"\x89PNG") and first.getvalue() == again.getvalue()
