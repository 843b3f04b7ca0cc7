"""Lines on the screen: clocks, columns, bars, and what each kind of stream gets."""

from __future__ import annotations

import io

import pytest

from sonoscope.cli import display
from sonoscope.cli.display import Screen
from sonoscope.cli.progress import Place
from sonoscope.errors import count
from sonoscope.values import columns

PLAIN = Screen(width=80, colour=False, blocks=True, terminal=False)


class Stream(io.TextIOWrapper):
    """A text stream of a given encoding that says whether it is a terminal."""

    def __init__(self, *, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.00"),
        (59.994, "0:59.99"),
        (59.995, "1:00.00"),
        (3599.999, "1:00:00.00"),
        (90061.5, "25:01:01.50"),
    ],
)
def test_clock_carries_into_minutes_and_hours(seconds: float, text: str):
    assert display.clock(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (1200, "1,200 files")])
def test_count_agrees_with_its_noun(number: int, text: str):
    assert count(number, "file") == text


def test_columns_are_aligned_left_or_right_without_trailing_blanks():
    lines = columns([("a", "1", ""), ("bcd", "22", "x")], right=(1,), indent="  ")
    assert lines == ["  a     1", "  bcd  22  x"]
    assert columns([]) == []


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Screen.of(Stream(terminal=True)).colour
    assert not Screen.of(Stream(terminal=False)).colour
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen.of(Stream(terminal=True)).colour
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen.of(Stream(terminal=True)).colour


def test_width_is_that_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "132")
    assert Screen.of(Stream(terminal=True)).width == 132
    monkeypatch.setenv("COLUMNS", "5")
    assert Screen.of(Stream(terminal=True)).width == 40


def test_bars_grow_in_eighths_where_the_encoding_has_blocks():
    assert [PLAIN.bar(share, 1) for share in (0, 0.125, 0.5, 1)] == ["", "▏", "▌", "█"]
    assert PLAIN.bar(0.5, 10) == "█████"
    ascii_only = Screen.of(Stream(terminal=False, encoding="ascii"))
    assert ascii_only.bar(0.5, 10) == "#####" and ascii_only.bar(0.0, 10) == ""


def test_painting_changes_nothing_where_there_is_no_colour():
    assert PLAIN.paint("x", "bold") == "x"
    assert Screen(80, True, True, True).paint("x", "green") == "\x1b[32mx\x1b[0m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ünï 'q\" x.FLAC", "ünï 'q\" x.FLAC"),
        ("a\nb\x1b[2J.wav", r"a\nb\x1b[2J.wav"),
        ("\udce9.wav", r"\udce9.wav"),
    ],
)
def test_names_stay_in_one_line(text: str, shown: str):
    assert display.printable(text) == shown


def test_hint_quotes_what_a_shell_would_split():
    assert "analyze 'my song.wav' -o results" in display.hint(["my song.wav"])
    assert "analyze a b ... -o results" in display.hint(["a", "b", "c"])
    assert "analyze ./-a.wav ./--help -o results" in display.hint(["-a.wav", "--help"])


def test_place_in_a_recording_is_shown_on_a_terminal_only_and_taken_away(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for terminal, quiet, shown in ((True, False, True), (False, False, False), (True, True, False)):
        stream = Stream(terminal=terminal)
        place = Place("a\nb.wav", quiet=quiet, stream=stream)
        place(1.0)
        now[0] += 10
        place(61.5)
        place(62.0)
        place.clear()
        text = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert text == ("\r\x1b[Ka\\nb.wav: 1:01.50 analysed\r\x1b[K" if shown else "")
