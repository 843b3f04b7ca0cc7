"""What a run says while it goes."""

from __future__ import annotations

import io

import pytest

from sonoscope.runs import FileDone, RunSummary, Terminal
from sonoscope.runs import progress as progress_module


class Screen(io.StringIO):
    """A terminal of which the last state of the line can be seen."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time that only goes on when told."""

    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress_module.time, "monotonic", clock)
    return clock


def feed(reporter: Terminal, clock, files: int, *, each_s: float = 5.0) -> None:
    reporter.start(None, out="out", workers=2)
    reporter.listed(100, 100_000, complete=False)
    for number in range(files):
        clock.now += each_s
        reporter.listed(100, 100_000, complete=True)
        reporter.file_done(FileDone(f"{number}.wav", "done", audio_s=3600, size_bytes=1000, events=number))


def test_the_line_says_files_hours_speed_and_time_left(clock):
    reporter = Terminal(Screen())
    feed(reporter, clock, 10)
    assert reporter.text() == "10/100 files, 10.00 h of audio, 720 x real time, 7 min left"


def test_until_all_is_listed_there_is_no_time_left(clock):
    reporter = Terminal(io.StringIO())
    reporter.start(None, out="out", workers=1)
    assert reporter.text() == "0/? files, 0.0 min of audio"
    reporter.listed(40, 100, complete=False)
    assert reporter.text() == "0/40+ files, 0.0 min of audio"


def test_what_was_complete_before_does_not_count_for_the_speed(clock):
    reporter = Terminal(io.StringIO())
    reporter.start(None, out="out", workers=1)
    reporter.listed(100, 100_000, complete=True)
    for number in range(90):
        reporter.file_done(FileDone(f"{number}.wav", "skipped", audio_s=3600, size_bytes=1000))
    clock.now += 10
    reporter.file_done(FileDone("x.wav", "done", audio_s=3600, size_bytes=1000))
    assert reporter.text() == "91/100 files, 1.00 h of audio, 360 x real time, 1 min left"


def test_a_long_input_shows_before_it_is_done(clock):
    reporter = Terminal(io.StringIO())
    reporter.start(None, out="out", workers=1)
    clock.now += 10
    reporter.working("long.wav", 7200.0)
    assert "2.00 h of audio, 720 x real time" in reporter.text()
    reporter.file_done(FileDone("long.wav", "done", audio_s=36_000, size_bytes=1))
    assert "10.00 h of audio" in reporter.text()


def test_on_a_terminal_one_line_is_rewritten(clock):
    screen = Screen()
    reporter = Terminal(screen)
    feed(reporter, clock, 10)
    reporter.file_done(FileDone("bad.wav", "failed", reason="no sound", remedy="Leave it out."))
    reporter.finish(RunSummary("out", message="10 inputs done"))
    text = screen.getvalue()
    assert text.count("\n") == 2 and text.count("\r") > 10
    assert "bad.wav: no sound. Leave it out.\n" in text and text.endswith("10 inputs done\n")


def test_elsewhere_lines_are_plain_and_become_rare(clock):
    stream = io.StringIO()
    reporter = Terminal(stream)
    feed(reporter, clock, 2000, each_s=43.2)
    text = stream.getvalue()
    assert "\r" not in text
    assert 20 < text.count("\n") < 200, "a day of work"


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (0, {"bad.wav", "watch out"}),
        (1, {"bad.wav", "watch out", "over"}),
        (2, {"a.wav", "bad.wav", "watch out", "over"}),
    ],
)
def test_verbosity(verbosity, shown):
    stream = io.StringIO()
    reporter = Terminal(stream, verbosity=verbosity)
    reporter.start(2, out="out", workers=1)
    reporter.file_done(FileDone("a.wav", "done", audio_s=1, events=2, note="silent"))
    reporter.file_done(FileDone("bad.wav", "failed", reason="no sound", remedy="Leave it out."))
    reporter.note("watch out")
    reporter.finish(RunSummary("out", message="over"))
    for word in ("a.wav:", "bad.wav", "watch out", "over"):
        assert (word in stream.getvalue()) == (word.strip(":") in shown), word


def test_a_name_with_a_line_break_stays_on_its_line():
    stream = io.StringIO()
    reporter = Terminal(stream, verbosity=0)
    reporter.file_done(FileDone("a\nb\x1b[2J.wav", "failed", reason="no", remedy="Do."))
    assert stream.getvalue() == "a\\nb\\x1b[2J.wav: no. Do.\n"


def test_a_stream_that_fails_or_cannot_write_a_character_stops_nothing():
    latin = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Terminal(latin).note("日本 ü")
    latin.seek(0)
    assert latin.read() == "\\u65e5\\u672c \\xfc\n"
    closed = io.StringIO()
    reporter = Terminal(closed)
    closed.close()
    reporter.note("nobody listens")
    reporter.note("still nobody")
