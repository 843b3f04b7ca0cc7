"""Piano rolls: valid pictures with every note at its place."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from sonoscope.errors import UsageError
from sonoscope.outputs import pianoroll
from sonoscope.values import Event

NOTES = (
    Event(0.5, 1.5, "violin", 0.9, pitch=60.0, velocity=127),
    Event(1.0, 2.0, "a<b & \x01c", 0.9, pitch=72.5),
    Event(0.0, 9.0, "wind", 0.5),
)
SPACE = "{http://www.w3.org/2000/svg}"


def bars(text: str) -> list[ElementTree.Element]:
    return [rect for rect in ElementTree.fromstring(text).iter(f"{SPACE}rect") if len(rect)]


def test_every_note_is_a_bar_at_its_place():
    first, second = bars(pianoroll.svg(NOTES, 4.0))
    x, y, width = (float(first.get(name, "")) for name in ("x", "y", "width"))
    assert (x, width) == pytest.approx((pianoroll.LEFT + 0.5 * 80, 79.0))
    assert y - float(second.get("y", "")) == pytest.approx(12.5 * pianoroll.ROW)
    assert first.get("fill") != second.get("fill")
    assert [rect[0].text for rect in (first, second)] == [
        "violin, pitch 60, 0.500–1.500 s, velocity 127",
        "a<b &  c, pitch 72.5, 1.000–2.000 s",
    ]


def test_lines_say_pitch_and_time():
    words = [text.text for text in ElementTree.fromstring(pianoroll.svg(NOTES, 4.0)).iter(f"{SPACE}text")]
    assert {"C4", "C5", "0 s", "2 s", "4 s", "violin"} <= set(words)


def test_one_label_needs_no_legend():
    words = [text.text for text in ElementTree.fromstring(pianoroll.svg(NOTES[:1], 4.0)).iter(f"{SPACE}text")]
    assert "violin" not in words and "C4" in words


def test_no_notes_are_an_empty_grid_and_ten_hours_fit():
    assert not bars(pianoroll.svg([])) and not bars(pianoroll.svg(NOTES[2:], 1.0))
    long = ElementTree.fromstring(pianoroll.svg(NOTES, 36_000.0))
    assert float(long.get("width", "")) < 21_000
    assert len(list(long.iter(f"{SPACE}text"))) < 400


def test_png_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib import image

    pianoroll.png(NOTES, tmp_path / "full.png", 4.0)
    pianoroll.png([], tmp_path / "empty.png", 4.0)
    full, empty = (image.imread(tmp_path / name) for name in ("full.png", "empty.png"))

    def colourful(picture) -> int:
        return int(((picture[..., :3].max(axis=-1) - picture[..., :3].min(axis=-1)) > 0.3).sum())

    assert colourful(full) > 200 and colourful(empty) == 0


def test_png_without_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(
        UsageError, match=r"a piano roll as PNG needs the package matplotlib.*sonoscope\[eval\]"
    ):
        pianoroll.png(NOTES, tmp_path / "x.png")


def test_a_note_that_is_struck_again_is_seen_to_be_two(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib import image

    again = [Event(0.0, 1.0, "note", 0.9, pitch=60.0), Event(1.0, 2.0, "note", 0.9, pitch=60.0)]
    pianoroll.png(again, tmp_path / "again.png", 2.0)
    blue = image.imread(tmp_path / "again.png")[..., :3]
    row = max(range(len(blue)), key=lambda k: (blue[k, :, 2] - blue[k, :, 0]).sum())
    coloured = blue[row, :, 2] - blue[row, :, 0] > 0.2
    assert (coloured[1:] & ~coloured[:-1]).sum() == 2
