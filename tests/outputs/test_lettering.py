"""Letters of pictures: taken from any font that has them, and told once where none has."""

from __future__ import annotations

import io
import warnings

import pytest

from sonoscope.outputs import lettering

pytest.importorskip("matplotlib")
from matplotlib import font_manager, ft2font
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def drawn(words: str) -> bytes:
    """A picture of words."""
    figure = Figure(figsize=(2, 1))
    FigureCanvasAgg(figure)
    figure.text(0.1, 0.5, words)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def letters_of(family: str) -> set[int]:
    return set(ft2font.FT2Font(font_manager.findfont(family)).get_charmap())


@pytest.fixture
def rare() -> str:
    """A letter that the font for formulas has, which comes with Matplotlib, and its font for words has not."""
    return chr(min(letters_of("STIXGeneral") - letters_of("DejaVu Sans")))


def test_a_letter_comes_from_another_font_of_the_machine(rare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "FAMILIES", ("no such font", "STIXGeneral"))
    told: list[str] = []
    with lettering.lettered(told.append):
        found = drawn(rare)
    monkeypatch.setattr(lettering, "FAMILIES", ())
    with lettering.lettered(lambda _: None):
        box = drawn(rare)
    assert not told and found != box


def test_letters_that_no_font_has_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "FAMILIES", ())
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with lettering.lettered(told.append):
            drawn("二胡 二")
    assert len(told) == 1 and "has 二胡:" in told[0] and "Noto Sans CJK" in told[0]
    with pytest.warns(UserWarning, match="no font of this machine has 古筝"), lettering.lettered():
        drawn("古筝")


def test_other_warnings_stay() -> None:
    with pytest.warns(UserWarning, match="something else"), lettering.lettered():
        warnings.warn("something else", stacklevel=1)
